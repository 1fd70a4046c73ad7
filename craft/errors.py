"""Everything that Craft raises for a person's mistake or a broken file.

    CraftError                  what was wrong, what was found, what to do
      ConfigError               an experiments file, with every problem in it
      UsageError                a wrong command or argument
      DataError                 a corpus or a token cache
        TokenizerError          a tokenizer, or a text it cannot read
      OwnCodeError              a person's own module or class
      NotMeasuredError          a model whose cost is known only once it was measured
      RunError                  a run's folder
        UnknownRunError         no such run (the nearest names are given)
        RunBusyError            another process trains this run
      CheckpointError           a checkpoint that is missing, damaged or of another shape
      TrainingError             training cannot go on
        NonFiniteLossError      the loss became NaN or infinite

A program's own mistakes are `assert`s and ordinary exceptions, never one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar


class CraftError(Exception):
    """Base of all errors that are shown to a person as one message, without a traceback.

    `exit_status` is what a command returns: 2 for wrong use or a wrong file, 1 for a run that failed.
    """

    exit_status: ClassVar[int] = 2


@dataclass(frozen=True)
class Problem:
    """One fault of an experiments file or of an override, with the place where it stands."""

    file: Path | None
    """As it was given; None for a fault on the command line."""
    line: int
    """From 1; 0 where there is no line to show."""
    column: int
    """From 1, in code points."""
    experiment: str
    """The experiment, or the first of several, that the fault breaks; empty when it is the file's own."""
    path: str
    """The dotted key at fault, as a person writes it; empty when it is the whole text's."""
    message: str
    """What was wrong, what was found."""
    source_line: str = ""
    """The line of the file as it is shown: controls made visible, cut to what surrounds the place."""
    caret: int = 0
    """Terminal columns of `source_line` before the place."""
    hint: str = ""
    """What to do, when the message alone does not say it."""
    where: str = ""
    """Whose it is: "experiment 'wide'", "template 'small'", "defaults"."""

    def __str__(self) -> str:
        """`FILE:LINE:COLUMN: where: path: message (hint)`, then the line with a caret under the place."""
        place = "command line" if self.file is None else str(self.file)
        if self.line:
            place += f":{self.line}:{self.column}"
        text = ": ".join(filter(None, (place, self.where, self.path, self.message)))
        if self.hint:
            text += f" ({self.hint})"
        if self.source_line:
            text += f"\n    {self.source_line}\n    {' ' * self.caret}^"
        return text

    def as_json(self) -> dict[str, Any]:
        """All fields, the file as text."""
        return {**asdict(self), "file": None if self.file is None else str(self.file)}


class ConfigError(CraftError):
    """An experiments file, or an override, that cannot be used: one message, or every problem at once.

    `problems` has them all, in the order of the file; as text, the first `SHOWN` of them.
    """

    SHOWN: ClassVar[int] = 50

    def __init__(self, message: str = "", problems: Sequence[Problem] = ()) -> None:
        self.problems = list(problems)
        lines = [message] if message else []
        lines += map(str, self.problems[: self.SHOWN])
        if len(self.problems) > self.SHOWN:
            lines.append(f"... and {len(self.problems) - self.SHOWN:,} more problems like these")
        super().__init__("\n".join(lines))


class UsageError(CraftError):
    """A command was called with something that makes no sense."""


class DataError(CraftError):
    """A corpus that is missing, empty, unreadable or too short."""


class TokenizerError(DataError):
    """A tokenizer that does not load, or a text that it cannot encode."""


class OwnCodeError(CraftError):
    """A person's own module or class that cannot be imported, or is not what it is used as."""


class NotMeasuredError(CraftError):
    """A model whose cost only its code tells, and that was not measured yet."""


class RunError(CraftError):
    """A run's folder that is missing, not a run, or not in a state for what was asked."""


class UnknownRunError(RunError):
    """No run has this name."""


class RunBusyError(RunError):
    """Another process holds this run's lock."""


class CheckpointError(CraftError):
    """A checkpoint that is missing, damaged, or does not fit the model."""


class TrainingError(CraftError):
    """Training cannot go on."""

    exit_status: ClassVar[int] = 1


class NonFiniteLossError(TrainingError):
    """The loss became NaN or infinite."""
