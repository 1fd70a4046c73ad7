"""Runs with callbacks, trained in the test's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from craft.config.schema import ExperimentConfig
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.jsonl import read_lines
from craft.training.experiment import Experiment
from craft.training.trainer import Trainer
from tests.training import runs


def make(tmp_path: Path, callbacks: dict[str, Any], code: str = "", **sections: Any) -> tuple[RunFolder, Any]:
    """A run's folder and definition; `code` is a module `mine` of the person's own."""
    text = tmp_path / "text.txt"
    if not text.exists():
        runs.write_text(text, words=300)
    config = runs.definition(text, callbacks={n: {"type": n, **c} for n, c in callbacks.items()}, **sections)
    folder = runs.make_run(tmp_path / "runs", config)
    if code:
        (folder.code).mkdir()
        (folder.code / "mine.py").write_text(code)
    return folder, config


def train(folder: RunFolder, config: ExperimentConfig, until: int | None = None) -> Trainer:
    """To the end or to a step, as a process of its own would; errors pass."""
    experiment = Experiment(config, folder=folder)
    try:
        try:
            trainer = experiment.setup()
            trainer.fit(until=until)
            experiment.close()
        except BaseException as error:
            experiment.fail(error)
            raise
    finally:
        assert experiment._lock is not None
        experiment._lock.release()
    return trainer


def events_of(folder: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(folder) if event["kind"] == kind]


def warnings_of(folder: RunFolder) -> list[str]:
    return [event["text"] for event in events_of(folder, "warning")]


def records_with(folder: RunFolder, name: str) -> dict[int, dict[str, Any]]:
    """The metrics records that hold a figure, by their step."""
    return {record["step"]: record for record in read_lines(folder.metrics) if name in record}
