"""A project whose runs really train, and a workbench on it in a real terminal that is read like a person reads it."""

from __future__ import annotations

import contextlib
import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from craft.launch.queue.slots import taken
from craft.launch.workers import kill
from craft.runs.store import RunStore, RunSummary
from tests.workbench.test_terminal import COMMAND, Tmux, tmux

TEXT = """# a project to work with
craft = 1
[defaults]
device = "cpu"
precision = "fp32"
[defaults.data]
type = "text"
path = "text.txt"
context_length = 16
[defaults.training]
max_steps = 90000
batch_size = 4
eval_every = 100
log_every = 10
[defaults.checkpoint]
every = 400
[template.base.model]
type = "transformer"
num_layers = 1
num_heads = 2
hidden_size = 16
[experiment.tiny]
extends = "base"
why = "the smallest that learns"  # kept
[experiment.wide]
extends = "tiny"
model.hidden_size = 32
"""
FOX = "the quick brown fox jumps over the lazy dog. "
WITHIN = 90.0
"""Seconds until something must be on the screen: many times what a quiet machine takes."""


def make_project(place: Path, text: str = TEXT) -> Path:
    """An experiments file over a text of five kilobytes; its runs go to `runs` beside it."""
    (place / "text.txt").write_text(FOX * 120)
    file = place / "experiments.toml"
    file.write_text(text)
    return file


class Person:
    """Who presses keys, and waits until what they do is to be seen."""

    def __init__(self, terminal: Tmux, file: Path) -> None:
        self.terminal = terminal
        self.runs = RunStore(file.parent / "runs")

    def does(self, *keys: str, until: str | Callable[[str], bool], within: float = WITHIN) -> str:
        """Press `keys`, and give the screen that has these words, or meets the condition."""
        if keys:
            self.terminal.press(*keys)
        return self.sees(until, within)

    def types(self, text: str, until: str | Callable[[str], bool]) -> str:
        """Write `text` where the cursor is."""
        self.terminal.write(text)
        return self.sees(until)

    def sees(self, what: str | Callable[[str], bool], within: float = WITHIN) -> str:
        """The screen, once it has these words or meets the condition; never with a traceback."""

        def seen(screen: str) -> bool:
            assert "Traceback" not in screen, screen
            if what in screen if isinstance(what, str) else what(screen):
                return True
            assert "left with " not in screen, f"the program has ended:\n{screen}"
            return False

        return self.terminal.until(seen, within)

    def run(self, name: str) -> RunSummary:
        """What is on disk of a run."""
        return next(run for run in self.runs.list() if run.name == name)

    def waits_for(self, condition: Callable[[], bool]) -> None:
        """For what is no matter of the screen."""
        deadline = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain; the terminal:\n{self.terminal.screen()}"
            time.sleep(0.1)


@contextlib.contextmanager
def workbench(file: Path, width: int, height: int, *before: str) -> Iterator[Person]:
    """The program on `file` in a terminal of its own; words `before` its own, such as `env NAME=VALUE`."""
    with tmux(file.parent, width, height) as terminal:
        terminal.start(shlex.join([*before, *COMMAND, str(file)]))
        yield Person(terminal, file)


@contextlib.contextmanager
def ended_runs(file: Path) -> Iterator[None]:
    """No run of the project outlives the test."""
    try:
        yield
    finally:
        runs = file.parent / "runs"
        for entry in (runs / ".craft" / "queue").glob("*"):
            entry.unlink(missing_ok=True)  # a runner leaves when nobody waits
        for run in RunStore(runs).list():
            with contextlib.suppress(Exception):
                kill(run.folder)
        deadline = time.monotonic() + WITHIN
        while taken():
            assert time.monotonic() < deadline, "a run does not end"
            time.sleep(0.1)


def row_of(screen: str, name: str) -> str:
    """The line of the list that begins with `name`, behind its signs."""
    return next((line for line in screen.splitlines() if re.match(rf"\W*{re.escape(name)}\b", line)), "")


def step_on(screen: str, name: str) -> int:
    """The step that the list shows of a run; -1: none."""
    found = re.search(r"([\d,]+)/[\d,]+", row_of(screen, name))
    return int(found[1].replace(",", "")) if found else -1


def curve_on(screen: str) -> str:
    """What is drawn in braille."""
    return "".join(character for character in screen if "\u2800" <= character <= "\u28ff")
