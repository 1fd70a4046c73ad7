"""A power cut at any instant: whatever was acknowledged is there, and nothing half written is believed."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from craft import platform
from craft.errors import CheckpointError
from craft.runs import checkpoints
from craft.runs.folder import RunFolder, RunIdentity, create_run, read_identity, update_identity
from craft.runs.metrics import MetricsLog, MetricsReader
from craft.runs.status import StatusWriter, read_status
from craft.runs.store import RunStore
from tests.runs.crash import Watch, crashes, lay_out, watch

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="files are forced by another call there")


@dataclass(frozen=True)
class Known:
    """What had been acknowledged, and what may be there besides because it was being done."""

    created: bool = False
    step: int | None = None
    contents: dict[int, set[str]] = field(default_factory=dict)
    """What a checkpoint of a step may hold."""
    metrics: int = 0
    data_hash: str | None = None
    outcome: bool = False


def content(step: int, version: int) -> str:
    return f"weights of step {step}, written the {version}. time " * 20


def train(watched: Watch) -> None:
    """A run's life: made, saved, pruned, saved again over a damaged and over a sound checkpoint, ended."""
    runs_dir = watched.root / "project" / "runs"
    known = watched.note = Known()

    def now(**changes: object) -> None:
        nonlocal known
        known = watched.note = Known(**{**vars(known), **changes})

    folder = create_run(runs_dir, experiment="a", definition_toml="x = 1\n", identity=RunIdentity("a"))
    now(created=True)
    update_identity(folder, data_hash="of the data")
    now(data_hash="of the data")
    status = StatusWriter(folder)
    log = MetricsLog(folder)

    def save(step: int, version: int = 1, *, monitor_value: float | None = None) -> None:
        def write(path: Path) -> None:
            (path / "model.safetensors").write_text(content(step, version))
            (path / "training.json").write_text(f"{step}")
            status.write(phase="running", step=step)

        log.append({"step": step, "time": 0.1, "train/loss": 2.0})
        log.sync()
        now(metrics=known.metrics + 1)
        now(contents={**known.contents, step: known.contents.get(step, set()) | {content(step, version)}})
        checkpoints.commit_checkpoint(folder, step, write, monitor_value=monitor_value)
        now(step=step)

    for step in (0, 100, 200, 300):
        save(step, monitor_value=abs(100.5 - step))
        checkpoints.prune(folder, 2)
    (checkpoints.step_folder(folder, 300) / "model.safetensors").write_text("damaged")
    now(step=200)
    log.resumed(200)
    save(300, 2)
    save(300, 3)
    save(400)
    checkpoints.prune(folder, 1)
    log.close()
    status.write(phase="finished", durable=True)
    now(outcome=True)
    watched.take()


def check(root: Path, known: Known) -> None:
    """Look at what a crash left, as the next worker does, and go on."""
    found = RunStore(root / "project" / "runs").list()
    assert len(found) == 1 if known.created else len(found) <= 1
    if not found:
        return
    assert found[0].fault is None or "status.json" in found[0].fault
    folder = RunFolder(found[0].path)
    assert folder.definition.read_text() == "x = 1\n"
    assert read_identity(folder).data_hash in ({known.data_hash} if known.data_hash else {None, "of the data"})
    if known.outcome:
        status = read_status(folder)
        assert status is not None
        assert status.phase == "finished"
    reader = MetricsReader(folder.metrics)
    assert len([line for line in reader.poll() if "step" in line]) >= known.metrics

    for info in checkpoints.list_checkpoints(folder):
        if not checkpoints.verify(info.path):
            assert (info.path / "model.safetensors").read_text() in known.contents[info.step]
    newest = checkpoints.newest_valid(folder, lambda info, problems: None)
    if known.step is not None:
        assert newest is not None, "no checkpoint is left"
        assert newest.step >= known.step, f"step {newest.step} is the newest left"
        assert checkpoints.resolve(folder, "latest") == newest
        assert checkpoints.verify(checkpoints.resolve(folder, "best").path) == []
    elif newest is None:
        with pytest.raises(CheckpointError):
            checkpoints.resolve(folder, "latest")

    after = (newest.step if newest else 0) + 50
    checkpoints.commit_checkpoint(folder, after, lambda path: (path / "a").write_text("a") and None)
    checkpoints.prune(folder, 100)
    left = {path.name for path in folder.checkpoints.iterdir()}
    assert {name for name in left if not name.startswith("step-")} <= {"latest.json", "best.json"}
    resumed = checkpoints.newest_valid(folder, lambda info, problems: None)
    assert resumed is not None
    assert resumed.step == after


def replay(watched: Watch, place: Path) -> int:
    """Check every crash at every instant; returns how many different ones there were."""
    chance = random.Random(0)
    seen: set[str] = set()
    for picture in watched.pictures:
        if not isinstance(picture.note, Known):
            continue
        for name, tree in crashes(picture, watched.root, chance):
            key = repr((tree, picture.note))
            if key in seen:
                continue
            seen.add(key)
            root = place / str(len(seen))
            lay_out(tree, root)
            try:
                check(root, picture.note)
            except AssertionError as error:
                raise AssertionError(f"{name}, step {picture.note.step}: {error}: {tree}") from error
    return len(seen)


def recorded(tmp_path: Path) -> Watch:
    root, _ = tmp_path / "watched", (tmp_path / "after").mkdir()
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        watched = watch(root, patch)
        train(watched)
    return watched


def test_a_power_cut_at_any_instant_loses_nothing_acknowledged(tmp_path: Path) -> None:
    watched = recorded(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)  # the disk need not be waited for while checking
        assert replay(watched, tmp_path / "after") > 200


@pytest.mark.parametrize(
    ("forcing", "what"),
    [("fsync_file", ".partial-"), ("fsync_dir", ".partial-"), ("fsync_dir", "checkpoints"), ("fsync_dir", "runs")],
)
def test_forcing_less_would_show(forcing: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(platform, forcing)

    def force_less(path: Path) -> None:
        if not (path.parent if forcing == "fsync_file" else path).name.startswith(what):
            real(path)

    monkeypatch.setattr(platform, forcing, force_less)
    watched = recorded(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    with pytest.raises(AssertionError, match=r"^strict|^zeros|^empty"):
        replay(watched, tmp_path / "after")
