"""A shell command when a run ends."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

from craft.config.schema.callbacks import CommandConfig
from craft.errors import TrainingError
from craft.text import clean, shorten
from craft.training.callbacks.outcome import Notifier
from craft.training.recorder import Recorder

_TOLD = ("run", "folder", "phase", "step", "max_steps", "best", "best_step", "error", "text")


class Command(Notifier):
    """Runs it in the run's folder; what it prints goes to log.txt."""

    def __init__(self, config: CommandConfig) -> None:
        super().__init__(config)
        self.config = config

    def tell(self, told: dict[str, Any], recorder: Recorder) -> None:
        """Run it, for no longer than `timeout`. Raises TrainingError when it fails."""
        # Without what Craft tells its own workers: a command may well start another run.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRAFT_")}
        words = {name: "" if told[name] is None else clean(str(told[name])) for name in _TOLD}
        facts_of_run = {f"CRAFT_{name.upper()}": shorten(text, 4096) for name, text in words.items()}
        recorder.say(f"runs: {self.config.run}")
        process = subprocess.Popen(
            ["/bin/sh", "-c", self.config.run],
            cwd=recorder.folder.path,
            env=inherited | facts_of_run,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = process.wait(self.config.timeout)
        except subprocess.TimeoutExpired as late:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TrainingError(f"the command took longer than {self.config.timeout:g} s and was ended") from late
        if status:
            raise TrainingError(f"the command ended with status {status}; what it printed is in log.txt")
