"""Requests put to a Trainer at chosen steps, so that a test need not wait for a worker to look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from craft.runs import control
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.jsonl import Record, read_lines
from craft.training.callbacks.base import Callback
from craft.training.experiment import Experiment
from craft.training.trainer import Trainer

Ask = tuple[str, dict[str, Any]]


class AskAt(Callback):
    """Puts requests into the run's folder in the middle of some steps, and has the worker take them at once."""

    steers = False

    def __init__(self, asks: dict[int, list[Ask]]) -> None:
        self.asks = dict(asks)
        self.made: list[str] = []

    def on_step_end(self, trainer: Trainer) -> None:
        for kind, arguments in self.asks.pop(trainer.step, []):
            self.made.append(control.request(trainer.recorder.folder, kind, **arguments))
            trainer.recorder.requests.look(now=True)


def train(
    folder: RunFolder,
    config: Any,
    asks: dict[int, list[Ask]],
    until: int | None = None,
    callbacks: dict[str, Callback] | None = None,
) -> Experiment:
    """Train in this process, asking on the way, and let go of the run as a finished process would."""
    experiment = Experiment(config, folder=folder)
    try:
        trainer = experiment.setup()
        trainer.callbacks.callbacks |= {"asks": AskAt(asks), **(callbacks or {})}
        trainer.fit(until=until)
        experiment.close()
    finally:
        assert experiment._lock is not None
        experiment._lock.release()
    return experiment


def answers(folder: RunFolder) -> list[Record]:
    """The events that answer a request, in order."""
    kinds = ("answered", "paused", "continued", "changed", "refused")
    return [event for event in read_events(folder) if "request" in event and event["kind"] in kinds]


def rates(folder: RunFolder) -> dict[int, float]:
    """The learning rate of each recorded step; where a step was made again, the last one."""
    return {record["step"]: record["train/lr"] for record in read_lines(folder.metrics) if "train/lr" in record}


def damage(checkpoint: Path) -> None:
    """Flip a bit of its weights."""
    file = checkpoint / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
