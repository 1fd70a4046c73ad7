"""Callbacks observe a run and ask for things; they never change it themselves.

The loop, with each hook in its place:

    on_train_start(trainer)
    for each step:
        on_epoch_start(trainer, epoch)          when the step begins a pass over the data
        on_step_start(trainer)
        ... forward, backward, clip, update ...
        on_step_end(trainer)
        on_log(trainer, record)                 every `log_every` steps
        on_evaluate(trainer, figures)           every `eval_every` steps, at step 0 and at the end
        on_save(trainer, path)                  after a checkpoint is on disk
        on_sample(trainer)                      when somebody asked for samples now
        on_epoch_end(trainer, epoch)            when the step finished a pass
        on_roll_back(trainer, from_step)        instead of all below on_log, when the run went back to a checkpoint
    on_train_end(trainer)
    on_outcome(trainer, phase, error)           when it is known how the run ended; not after a kill

A hook asks by calling `trainer.ask_to_stop(reason)`, `trainer.ask_to_save()` or `trainer.ask_to_evaluate()`;
what is asked happens at the end of the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class Callback:
    """Override the hooks you need. State that must survive a restart goes through `state_dict` (JSON values)."""

    def on_train_start(self, trainer: Trainer) -> None:
        """Once, before the first step of this process."""

    def on_epoch_start(self, trainer: Trainer, epoch: int) -> None:
        """Before the first step of a pass over the training data; `epoch` counts from 1."""

    def on_step_start(self, trainer: Trainer) -> None:
        """Before each step; `trainer.step` is its number."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After each update. Reading a tensor here makes a GPU wait."""

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """With each training record, before it is written; keys may be added."""

    def on_evaluate(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """With the figures of an evaluation, named as in the metrics log."""

    def on_save(self, trainer: Trainer, path: Path) -> None:
        """After a checkpoint was forced to disk."""

    def on_sample(self, trainer: Trainer) -> None:
        """Somebody asked for samples now; who writes samples writes them."""

    def on_roll_back(self, trainer: Trainer, from_step: int) -> None:
        """After the run went back from `from_step` to `trainer.step`; this callback's state went back as well."""

    def on_epoch_end(self, trainer: Trainer, epoch: int) -> None:
        """After the last step of a pass over the training data."""

    def on_train_end(self, trainer: Trainer) -> None:
        """Once, when training ends for whatever reason but a crash."""

    def on_outcome(self, trainer: Trainer, phase: str, error: str | None) -> None:
        """Once, when the run is finished, stopped or failed and that is on disk. `error` says why it failed."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""


class CallbackList:
    """Callbacks by name; calls each hook in their order."""

    def __init__(self, callbacks: dict[str, Callback] | None = None) -> None:
        self.callbacks = callbacks or {}

    def __iter__(self) -> Iterator[Callback]:
        return iter(self.callbacks.values())

    def call(self, hook: str, *arguments: Any) -> None:
        """Call one hook, such as "on_step_end", of every callback."""
        for callback in self:
            getattr(callback, hook)(*arguments)

    def state_dict(self) -> dict[str, Any]:
        """The state of each callback that has one."""
        return {name: state for name, callback in self.callbacks.items() if (state := callback.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give each callback its state back; one that is new starts afresh."""
        for name, callback in self.callbacks.items():
            if name in state:
                callback.load_state_dict(state[name])
