"""Figures copied to other tools, read back with their own readers. Each is tried where its library is installed."""

from __future__ import annotations

import importlib
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from craft.errors import CraftError
from craft.runs.folder import RunFolder, read_identity
from craft.runs.jsonl import read_lines
from craft.runs.metrics import MetricsReader
from craft.training.callbacks import create_callbacks
from craft.training.callbacks.writer import numbers
from tests.training import runs
from tests.training.callbacks.here import make, train, warnings_of
from tests.training.callbacks.test_spike_guard import GUARD, POISON

TRAINING = {"max_steps": 30, "batch_size": 4, "micro_batch_size": 4, "eval_every": 10, "log_every": 3}
WRITERS = {
    "tensorboard": "torch.utils.tensorboard",
    "wandb": "wandb",
    "trackio": "trackio",
    "mlflow": "mlflow.tracking",
}
# Their own and their libraries' warnings are theirs to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("at_home")]


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they keep outside of a run's folder is kept in the test's."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def curve(folder: RunFolder, name: str) -> list[tuple[int, float]]:
    """A figure as the run's own log has it."""
    reader = MetricsReader(folder.metrics)
    reader.poll()
    return [(int(step), float(value)) for step, value in zip(*reader.series(name), strict=True) if value is not None]


def latest(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """By step, the last one of a step that came again; floats as TensorBoard keeps them."""
    return sorted(dict(points).items())


def same(found: list[tuple[int, float]], wanted: list[tuple[int, float]]) -> bool:
    return [s for s, _ in found] == [s for s, _ in wanted] and all(
        a == pytest.approx(b, rel=1e-6) for (_, a), (_, b) in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("kind", WRITERS)
def test_without_its_library_a_writer_says_what_to_install(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name.partition(".")[0] == kind or name == "torch.utils.tensorboard":
            raise ModuleNotFoundError(f"No module named '{kind}'", name=kind)
        return real(name, package)

    folder, config = make(tmp_path, {kind: {}}, training=TRAINING)
    create_callbacks(config.callbacks)
    monkeypatch.setattr(importlib, "import_module", without)
    trainer = train(folder, config)
    assert trainer.step == 30
    (said,) = warnings_of(folder)
    assert said == (
        f"callbacks.{kind}: on_train_start at step 0: {kind} is not installed, which it needs; "
        f"pip install 'craft-workbench[{kind}]'"
    )


def test_a_writer_that_is_to_stop_the_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craft.training.callbacks.trackio.library", lambda *_: _fail())
    folder, config = make(tmp_path, {"trackio": {"on_error": "stop"}}, training=TRAINING)
    with pytest.raises(CraftError, match=r"callbacks\.trackio: on_train_start at step 0 raised OSError: gone"):
        train(folder, config)


def _fail() -> None:
    raise OSError("gone")


def test_only_finite_numbers_are_copied() -> None:
    record = {"a": 1, "b": 2.5, "c": float("nan"), "d": float("inf"), "e": True, "f": "text", "g": None}
    assert numbers(record) == {"a": 1.0, "b": 2.5}


# TensorBoard ------------------------------------------------------------------------------------------------------


def scalars(folder: RunFolder, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder.path / "tensorboard"))
    reader.Reload()
    return [(event.step, event.value) for event in reader.Scalars(name)]


def test_tensorboard_shows_what_the_log_has(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    # Writers come last, whatever their table's place: what others add to a record is copied too.
    folder, config = make(tmp_path, {"tensorboard": {}, "norms": {"every": 6}}, training=TRAINING)
    train(folder, config)
    for name in ("train/loss", "train/lr", "val/loss", "norms/weight/head"):
        assert same(scalars(folder, name), curve(folder, name)), name


def test_tensorboard_forgets_what_a_kill_or_a_return_superseded(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    callbacks = {
        "poison": {"type": "mine:Poison", "arguments": {"at": [27]}},
        "spike_guard": GUARD,
        "tensorboard": {},
    }
    folder, config = make(tmp_path, callbacks, POISON, training={**TRAINING, "log_every": 2, "max_steps": 60})
    process = runs.start(folder)
    try:
        runs.wait_for_step(folder, 40, process)
    finally:
        runs.kill(process)
    train(folder, config)
    log = read_lines(folder.metrics)
    assert sum("resumed_from" in line for line in log) >= 2
    assert same(scalars(folder, "train/loss"), curve(folder, "train/loss"))
    assert same(scalars(folder, "val/loss"), curve(folder, "val/loss"))


# The others -------------------------------------------------------------------------------------------------------


def test_wandb_writes_offline_and_a_resume_keeps_the_id(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    folder, config = make(tmp_path, {"wandb": {"project": "tried"}}, training=TRAINING)
    train(folder, config, until=12)
    train(folder, config)
    identity = read_identity(folder).id
    written = sorted((folder.path / "wandb").glob(f"offline-run-*-{identity}/run-{identity}.wandb"))
    assert written
    found = [point for path in written for point in wandb_points(path, "val/loss")]
    assert same(latest(found), [*curve(folder, "val/loss")])


def wandb_points(path: Path, name: str) -> list[tuple[int, float]]:
    from wandb.proto import wandb_internal_pb2

    points = []
    for data in wandb_records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            if name in items:
                points.append((int(items["step"]), float(items[name])))
    return points


def wandb_records(content: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: 7 bytes of header, then LevelDB's log format, in blocks of 32 KiB.

    A part of a record has a checksum of 4 bytes, its length in 2 and its kind in 1: whole, first, middle, last.
    """
    block, place, parts = 32768, 7, b""
    while place + 7 <= len(content):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def test_trackio_keeps_what_the_log_has(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    folder, _ = make(tmp_path, {"trackio": {"project": "tried"}}, training=TRAINING)
    script = f"""
import pathlib, sys
from craft.config.definition import load_definition
from craft.runs.folder import RunFolder
from tests.training.callbacks.here import train
folder = RunFolder(pathlib.Path({str(folder.path)!r}))
train(folder, load_definition(folder.definition)[1], until=int(sys.argv[1]))
"""
    # In processes of their own: it reads TRACKIO_DIR when it is imported.
    for until in ("12", "30"):
        subprocess.run([sys.executable, "-c", script, until], check=True, stdout=subprocess.DEVNULL)
    assert not warnings_of(folder)
    reads = """
import sys
from trackio.sqlite_storage import SQLiteStorage
for entry in SQLiteStorage.get_logs("tried", sys.argv[1]):
    if "val/loss" in entry:
        print(entry["step"], entry["val/loss"])
"""
    answer = subprocess.run(
        [sys.executable, "-c", reads, folder.name], check=True, capture_output=True, text=True
    ).stdout
    points = [(int(step), float(value)) for step, value in map(str.split, answer.splitlines())]
    assert same(latest(points), curve(folder, "val/loss"))


def test_mlflow_goes_on_with_the_same_run(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    folder, config = make(tmp_path, {"mlflow": {"experiment": "tried"}}, training=TRAINING)
    train(folder, config, until=12)
    train(folder, config)
    assert not warnings_of(folder)
    client = MlflowClient(tracking_uri=(folder.path / "mlruns").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("tried").experiment_id])
    assert (found.info.run_name, found.info.status) == (folder.name, "FINISHED")
    assert found.data.params["optimizer.type"] == "muon"
    for name in ("val/loss", "train/loss"):
        points = [(point.step, point.value) for point in client.get_metric_history(found.info.run_id, name)]
        assert same(latest(points), curve(folder, name))
