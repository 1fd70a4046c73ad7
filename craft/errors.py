"""Everything that Craft raises for a person's mistake or a broken file.

    CraftError                  what was wrong, what was found, what to do
      ConfigError               an experiments file, with every problem in it
      UsageError                a wrong command or argument
      DataError                 a corpus or a token cache
        TokenizerError          a tokenizer, or a text it cannot read
      RunError                  a run's folder
        UnknownRunError         no such run (the nearest names are given)
        RunBusyError            another process trains this run
      CheckpointError           a checkpoint that is missing, damaged or of another shape
      TrainingError             training cannot go on
        NonFiniteLossError      the loss became NaN or infinite

A program's own mistakes are `assert`s and ordinary exceptions, never one of these.
"""

from __future__ import annotations

from typing import ClassVar


class CraftError(Exception):
    """Base of all errors that are shown to a person as one message, without a traceback.

    `exit_status` is what a command returns: 2 for wrong use or a wrong file, 1 for a run that failed.
    """

    exit_status: ClassVar[int] = 2


class ConfigError(CraftError):
    """An experiments file, or an override, that cannot be used."""


class UsageError(CraftError):
    """A command was called with something that makes no sense."""


class DataError(CraftError):
    """A corpus that is missing, empty, unreadable or too short."""


class TokenizerError(DataError):
    """A tokenizer that does not load, or a text that it cannot encode."""


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
