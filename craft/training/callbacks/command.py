"""A shell command when a run ends."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from craft.config.schema.callbacks import CommandConfig
from craft.errors import TrainingError
from craft.text import clean, shorten
from craft.training.callbacks.base import Callback
from craft.training.callbacks.outcome import facts

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

_TOLD = ("run", "folder", "phase", "step", "max_steps", "best", "best_step", "error", "text")


class Command(Callback):
    """Runs it in the run's folder; what it prints goes to log.txt."""

    def __init__(self, config: CommandConfig) -> None:
        self.config = config

    def on_outcome(self, trainer: Trainer, phase: str, error: str | None) -> None:
        """Run it, for no longer than `timeout`. Raises TrainingError when it fails."""
        if phase not in self.config.on:
            return
        told = facts(trainer, phase, error)
        # Without what Craft tells its own workers: a command may well start another run.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRAFT_")}
        words = {name: "" if told[name] is None else clean(str(told[name])) for name in _TOLD}
        facts_of_run = {f"CRAFT_{name.upper()}": shorten(text, 4096) for name, text in words.items()}
        trainer.recorder.say(f"runs: {self.config.run}")
        process = subprocess.Popen(
            ["/bin/sh", "-c", self.config.run],
            cwd=trainer.recorder.folder.path,
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
