"""Callbacks observe a run and ask for things; they never change it themselves.

The loop, with each hook in its place:

    on_train_start(trainer)
    for each step:
        on_epoch_start(trainer, epoch)          when the step begins a pass over the data
        on_step_start(trainer)
        ... forward, backward, clip, update ...
        on_step_end(trainer)
        on_log(trainer, record)                 every `log_every` steps
        on_evaluate(trainer, figures)           every `eval_every` steps, at step 0 and at the end; where `steers` is
                                                false, also when somebody asked for it from outside
        on_save(trainer, path)                  after a checkpoint is on disk
        on_sample(trainer)                      when somebody asked for samples now
        on_epoch_end(trainer, epoch)            when the step finished a pass
        on_roll_back(trainer, from_step)        instead of all below on_log, when the run went back to a checkpoint
    on_train_end(trainer)
    on_outcome(trainer, phase, error)           when it is known how the run ended; not after a kill

A hook asks by calling `trainer.ask_to_stop(reason)`, `trainer.ask_to_save()`, `trainer.ask_to_evaluate()`,
`trainer.ask_to_sample()` or `trainer.ask_to_roll_back(...)`; what is asked happens at the end of the step.
"""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import OnError
from craft.errors import CraftError, TrainingError

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

MAX_FAILURES = 3
"""A callback that may fail is called no more, until the run is started again, once it has failed so often."""


class Callback:
    """Override the hooks you need. State that must survive a restart goes through `state_dict` (JSON values)."""

    steers: bool = True
    """Whether what it sees may decide something. Then it sees the evaluations of the definition only, and none that
    somebody asked for from outside: looking at a run must not change its course."""

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
    """Callbacks by name; calls each hook in their order. A hook that no callback overrides costs nothing.

    One that raises is named, with what it raised. Where `on_error` has "continue" for it, that is a warning, it goes on
    being called, and after MAX_FAILURES it is left alone; else the run fails.
    """

    def __init__(
        self, callbacks: dict[str, Callback] | None = None, on_error: Mapping[str, OnError] | None = None
    ) -> None:
        self.callbacks = callbacks or {}
        self.on_error = on_error or {}
        self._failures: Counter[str] = Counter()
        self._called: dict[str, list[str]] = {}  # hook -> names of those that override it
        self._called_of = 0
        self._unsaid: list[tuple[str, str]] = []  # of failures when there was no trainer to say them

    def __iter__(self) -> Iterator[Callback]:
        return iter(self.callbacks.values())

    def call(self, hook: str, trainer: Trainer, *arguments: Any, steering: bool = True) -> None:
        """Call one hook, such as "on_step_end", of every callback; without `steering`, of those that only tell.

        Raises TrainingError when one fails that is to stop the run; not in `on_outcome`, as the run has ended then.
        """
        if self._called_of != len(self.callbacks):
            self._called, self._called_of = {}, len(self.callbacks)
        names = self._called.get(hook)
        if names is None:
            names = self._called[hook] = [name for name, one in self.callbacks.items() if _overrides(one, hook)]
        if self._unsaid:
            self._say(trainer)
        for name in names:
            if self._failures[name] >= MAX_FAILURES or (self.callbacks[name].steers and not steering):
                continue
            try:
                getattr(self.callbacks[name], hook)(trainer, *arguments)
            except (Exception, SystemExit) as error:  # a person's own code may raise anything, and leave
                self._failed(name, hook, error, trainer)

    def listen(self, hook: str) -> bool:
        """Whether any callback does something at a hook."""
        return any(_overrides(one, hook) for one in self.callbacks.values())

    def state_dict(self) -> dict[str, Any]:
        """The state of each callback that has one."""
        states = {}
        for name, callback in self.callbacks.items():
            try:
                state = callback.state_dict()
                json.dumps(state)
            except (Exception, SystemExit) as error:
                self._failed(name, "state_dict", error)
            else:
                if state:
                    states[name] = state
        return states

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give each callback its state back; one that is new starts afresh."""
        for name, callback in self.callbacks.items():
            if name not in state:
                continue
            try:
                callback.load_state_dict(state[name])
            except (Exception, SystemExit) as error:
                self._failed(name, "load_state_dict", error)

    def _failed(self, name: str, method: str, error: BaseException, trainer: Trainer | None = None) -> None:
        """Count a failure, and say it now or with the next hook. Raises TrainingError when it is to stop the run."""
        known = isinstance(error, CraftError)
        place = f" at step {trainer.step}" if trainer else ""
        words = f"callbacks.{name}: {method}{place}" + (f": {error}" if known else f" raised {_words_of(error)}")
        in_full = "" if known else "".join(traceback.format_exception(error)).rstrip()
        if self.on_error.get(name, "stop") == "stop" and method != "on_outcome":
            if trainer and in_full:
                trainer.recorder.say(in_full)  # the log tells where in a person's own code it was
            raise TrainingError(words) from error
        self._failures[name] += 1
        if self._failures[name] == MAX_FAILURES:
            words += f"; it has failed {MAX_FAILURES} times and is left alone until the run is started again"
        self._unsaid.append((words, in_full))
        if trainer:
            self._say(trainer)

    def _say(self, trainer: Trainer) -> None:
        while self._unsaid:
            words, in_full = self._unsaid.pop(0)
            if in_full:
                trainer.recorder.say(in_full)
            trainer.recorder.warn(words)


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether a callback does anything at a hook."""
    return hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)


def _words_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
