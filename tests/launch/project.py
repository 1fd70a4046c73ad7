"""A folder with an experiments file, and `craft` run in it as a person would: real processes, real terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pexpect
import pytest

from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.runs.lock import read_owner
from craft.runs.store import RunStore

FAKE = Path(__file__).parent / "fake"

EXPERIMENTS = """\
craft = 1
[defaults]
device = "cpu"
[defaults.data]
type = "text"
path = "text.txt"
context_length = 16
[defaults.training]
max_steps = 20
batch_size = 4
eval_every = 10
[defaults.model]
type = "transformer"
num_layers = 1
num_heads = 2
hidden_size = 16
[experiment.tiny]
[experiment.other]
model.hidden_size = 32
"""


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer of `what`; fails when none comes. The time is only there to end a broken test."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain"
        time.sleep(0.02)
    return answer


class Project:
    """`fake`: the worker waits instead of training, `step_seconds` a step."""

    def __init__(self, folder: Path, *, fake: bool, experiments: str = EXPERIMENTS, step_seconds: float = 0.01) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "experiments.toml").write_text(experiments)
        (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 120)
        self.environment = {**os.environ, "TERM": "xterm", "FAKE_STEP_SECONDS": str(step_seconds), "COLUMNS": "80"}
        if fake:
            self.environment["PYTHONPATH"] = str(FAKE)
        self._terminals: list[pexpect.spawn[str]] = []

    @property
    def runs_dir(self) -> Path:
        return self.folder / "runs"

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name("craft")), *arguments]

    def craft(self, *arguments: str, timeout: float = 60, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a terminal."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, **changes},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and go on."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def terminal(self, *arguments: str, columns: int = 80, changes: Mapping[str, str] | None = None) -> Any:
        """Start a command in a terminal of its own."""
        program, *rest = self.command(*arguments)
        environment = {key: value for key, value in self.environment.items() if key != "COLUMNS"}
        child = pexpect.spawn(
            program,
            rest,
            cwd=str(self.folder),
            env={**environment, **(changes or {})},
            encoding="utf-8",
            timeout=60,
            dimensions=(30, columns),
        )
        self._terminals.append(child)
        return child

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.runs_dir / name)

    def phase(self, name: str) -> str:
        return observe(self.run(name)).phase

    def events(self, name: str, kind: str) -> list[dict[str, Any]]:
        try:
            lines = self.run(name).events.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [event for event in map(json.loads, lines) if event["kind"] == kind]

    def wait_for_step(self, name: str, step: int) -> None:
        """Until a run has written a record of this step or a later one."""
        wait_for(lambda: any(r.get("step", -1) >= step for r in self._records(name)))

    def _records(self, name: str) -> list[dict[str, Any]]:
        from craft.runs.jsonl import read_lines

        return read_lines(self.run(name).metrics)

    def end(self) -> None:
        """Leave no process behind."""
        for terminal in self._terminals:
            terminal.close(force=True)
        lock = self.runs_dir / ".craft" / "queue"
        if lock.is_dir():
            for file in lock.iterdir():
                file.unlink(missing_ok=True)  # a runner leaves when nobody waits
        for folder in RunStore(self.runs_dir).folders():
            owner = read_owner(folder)
            if owner is not None and observe(folder).held:
                owner.send(signal.SIGKILL, group=True)
                wait_for(lambda folder=folder: not observe(folder).held)


@pytest.fixture
def fake_project(tmp_path: Path) -> Iterator[Project]:
    """Fast: nothing is trained."""
    project = Project(tmp_path / "project", fake=True)
    yield project
    project.end()


@pytest.fixture
def real_project(tmp_path: Path) -> Iterator[Project]:
    """A tiny model that really trains."""
    project = Project(tmp_path / "project", fake=False)
    yield project
    project.end()
