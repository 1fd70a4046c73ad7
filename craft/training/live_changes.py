"""The definition as it changes while a Trainer trains: read with the run, applied at its steps, put on disk first.

`craft.runs.changes` says what the file means.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from craft.config.schema import ExperimentConfig
from craft.config.schema.optimizer import OwnOptimizer
from craft.config.toml_values import write_value
from craft.errors import CraftError
from craft.runs.changed_definition import config_with, plan_change
from craft.runs.changes import Change, Values, read_changes, values_at, with_change, write_changes
from craft.runs.control import Request
from craft.runs.events import read_events
from craft.text import shorten
from craft.training.optimizers import change_optimizer

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class LiveChanges:
    """Keeps one Trainer's settings to its definition and the changes of its run."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.folder = trainer, trainer.recorder.folder
        self.first: ExperimentConfig = trainer.config
        """The definition, before any change."""
        self.changes = read_changes(self.folder)
        self.held: Values = {}
        """What holds over the definition now."""
        self._steps = {change.step for change in self.changes}

    def bring_to(self, step: int) -> None:
        """Let hold what holds after a step: the run begins, or goes on, there."""
        values = values_at(self.changes, step)
        if values != self.held:
            self._apply(values)
        if not self.changes:
            return
        known = {event.get("request") for event in read_events(self.folder) if event.get("kind") == "changed"}
        for change in self.changes:
            # Killed before it could say so, or a fork, whose parent said it.
            if change.step <= step and change.request not in known:
                self._say(change, f"{_words(change.values, change.before)} from step {change.step + 1} on")

    def after_step(self) -> None:
        """Make the changes of this step again, which the run comes to after it fell back."""
        step = self.trainer.step
        if step not in self._steps:
            return
        values = values_at(self.changes, step)
        if values == self.held:  # it has just been made
            return
        self._apply(values)
        for change in self.changes:
            if change.step == step:
                text = f"{_words(change.values, change.before)} from step {step + 1} on, as before"
                self._say(change, text, again=True)

    def change(self, request: Request) -> None:
        """Do what a request asks: save, put it on disk, let it hold, and say so. Refused where one of these fails."""
        trainer = self.trainer

        def refuse(reason: str) -> None:
            trainer.recorder.requests.refuse(request, reason)

        asked = [f"{path}={write_value(value)}" for path, value in request.arguments["values"].items()]
        try:
            values, before = plan_change(self.folder, self.held, asked)
        except (CraftError, ValueError) as error:  # ValueError: a number of more digits than Python writes
            refuse(shorten(str(error), 2000))
            return
        if not values:
            trainer.recorder.requests.answer(request, step=trainer.step, text="that is so already")
            return
        trainer.save()
        if trainer.saved_step != trainer.step:
            refuse(f"step {trainer.step} is not saved, so nothing is changed: {trainer.save_fault}")
            return
        change = Change(trainer.step, round(time.time(), 3), request.id, values, before)
        changes = with_change(self.changes, change)
        try:
            write_changes(self.folder, changes)
        except OSError as error:
            refuse(f"nothing is changed: {self.folder.changes.name} is not written: {error.strerror}")
            return
        self.changes, self._steps = changes, {change.step for change in changes}
        self._apply(values_at(changes, trainer.step))
        self._say(change, f"{_words(values, before)} from step {trainer.step + 1} on")

    def _say(self, change: Change, text: str, **more: Any) -> None:
        recorder = self.trainer.recorder
        more = {"request": change.request, "step": change.step, "values": change.values, "before": change.before} | more
        recorder.event("changed", text=text, **more)

    def _apply(self, values: Values) -> None:
        trainer, old = self.trainer, self.trainer.config
        new = config_with(self.folder, values) if values else self.first
        self.held, trainer.config = values, new
        if isinstance(new.optimizer, OwnOptimizer):
            assert isinstance(self.first.optimizer, OwnOptimizer)
            same = new.optimizer.lr == self.first.optimizer.lr
            trainer.loop.peak_ratio = 1.0 if same else new.optimizer.lr / self.first.optimizer.lr
        elif new.optimizer != old.optimizer:
            change_optimizer(trainer.optimizer, new.optimizer, trainer.model)
        trainer.loop.grad_clip = new.training.grad_clip
        trainer.checkpoints.keep = new.checkpoint.keep
        for name, callback in trainer.callbacks.callbacks.items():
            if name in new.callbacks and new.callbacks[name] != old.callbacks[name]:
                callback.config = new.callbacks[name]  # type: ignore[attr-defined]


def _words(values: Values, before: Values) -> str:
    return ", ".join(f"{path} {before.get(path, '?')} -> {value}" for path, value in values.items())
