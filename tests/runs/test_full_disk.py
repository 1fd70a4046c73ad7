"""A full disk: metrics wait, a checkpoint fails cleanly, claims go stale, and all goes on when there is room."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft.errors import RunError
from craft.runs import checkpoints, control, jsonl
from craft.runs.events import EventWriter, append_event, read_events, read_samples
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog, MetricsReader
from craft.runs.status import StatusWriter, read_status
from tests.runs.disk import FULL, SmallDisk, limited, mounted
from tests.runs.make import a_run


@pytest.fixture(params=[mounted, limited], ids=["tmpfs", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with request.param(tmp_path / "disk") as one:
        yield one


@pytest.fixture
def folder(disk: SmallDisk) -> RunFolder:
    return a_run(disk.path / "runs")


def record(step: int) -> dict[str, float]:
    return {"step": step, "time": step / 10, "train/loss": 1 / (step + 1), "train/lr": 0.02}


def test_metrics_wait_in_order_and_are_written_when_there_is_room(disk: SmallDisk, folder: RunFolder) -> None:
    log, reader = MetricsLog(folder), MetricsReader(folder.metrics)
    for step in range(10):
        log.append(record(step))
    assert log.held_back == 0
    disk.fill()
    for step in range(10, 400):
        log.append(record(step))
    log.sync()
    assert log.held_back > 300
    reader.poll()
    assert [r["step"] for r in reader.records] == list(range(400 - log.held_back)), "half a line was left"
    disk.free()
    log.append(record(400))
    assert (log.held_back, log.dropped) == (0, 0)
    log.close()
    reader.poll()
    assert [r["step"] for r in reader.records] == list(range(401))
    assert reader.damaged == 0


def test_what_waits_is_bounded_and_what_is_dropped_is_counted(
    disk: SmallDisk, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "MAX_HELD_BACK", 50)
    log = MetricsLog(folder)
    disk.fill()
    for step in range(300):
        log.append(record(step))
    assert log.held_back == 50
    assert log.dropped > 100
    disk.free()
    log.close()
    reader = MetricsReader(folder.metrics)
    reader.poll()
    assert len(reader.records) == 300 - log.dropped
    assert [r["step"] for r in reader.records][-50:] == list(range(250, 300))


def test_a_log_that_closes_on_a_full_disk_says_what_it_gave_up(disk: SmallDisk, folder: RunFolder) -> None:
    log = MetricsLog(folder)
    disk.fill()
    for step in range(300):
        log.append(record(step))
    held_back = log.held_back
    with pytest.raises(OSError, match=f"no room for the last {held_back} lines"):
        log.close()
    log.close()


def test_events_and_samples_wait_and_are_written_when_there_is_room(disk: SmallDisk, folder: RunFolder) -> None:
    writer = EventWriter(folder)
    writer.event("started")
    disk.fill()
    for step in range(200):
        with contextlib.suppress(OSError):  # some fit into what the file has of its last page
            writer.event("evaluated", step=step)
    with contextlib.suppress(OSError):
        writer.sample(step=200, prompt="a", text="b")
    assert len(writer.held_back) > 100
    with pytest.raises(OSError) as caught:
        writer.flush()
    assert caught.value.errno in FULL
    disk.free()
    writer.event("finished")
    assert not writer.held_back
    assert [event.get("step", event["kind"]) for event in read_events(folder)] == ["started", *range(200), "finished"]
    assert [sample["text"] for sample in read_samples(folder)] == ["b"]


def test_a_torn_tail_is_closed_once_there_is_room(disk: SmallDisk, folder: RunFolder) -> None:
    torn = b'{"step": 1}\n' + b'{"step": 2, "x": "' + b"x" * (4096 - 31)
    assert len(torn) == 4096 - 1
    folder.metrics.write_bytes(torn + b"x")
    disk.fill()
    log = MetricsLog(folder)
    log.append(record(3))
    assert log.held_back == 2
    disk.free()
    log.append(record(4))
    log.close()
    reader = MetricsReader(folder.metrics)
    reader.poll()
    assert [r["step"] for r in reader.records] == [1, 3, 4]
    assert reader.damaged == 1


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(disk: SmallDisk, folder: RunFolder) -> None:
    def write(path: Path) -> None:
        (path / "model.safetensors").write_bytes(bytes(40_000))
        (path / "training.json").write_text("{}")

    checkpoints.commit_checkpoint(folder, 1, write, monitor_value=1.0)
    pointers = {name: (folder.checkpoints / name).read_bytes() for name in ("latest.json", "best.json")}
    disk.fill()
    for _ in range(2):
        with pytest.raises(OSError) as caught:
            checkpoints.commit_checkpoint(folder, 2, write, monitor_value=0.5)
        assert caught.value.errno in FULL
        assert [info.step for info in checkpoints.list_checkpoints(folder)] == [1]
        assert {path.name for path in folder.checkpoints.iterdir()} == {"step-00000001", *pointers}
        assert all((folder.checkpoints / name).read_bytes() == text for name, text in pointers.items())
        assert checkpoints.verify(checkpoints.resolve(folder, "latest").path) == []
    disk.free()
    checkpoints.commit_checkpoint(folder, 2, write, monitor_value=0.5)
    assert checkpoints.resolve(folder, "best").step == 2


def test_a_checkpoint_fails_cleanly_wherever_the_room_ends(tmp_path: Path) -> None:
    """From no room at all to just enough: at each page, the commit fails with nothing left, or is whole."""

    def write(path: Path) -> None:
        (path / "model.safetensors").write_bytes(bytes(10_000))
        (path / "training.json").write_text("{}")

    with mounted(tmp_path / "disk") as disk:
        folder = a_run(disk.path / "runs")
        checkpoints.commit_checkpoint(folder, 1, write)
        failures = 0
        for pages in range(16):
            disk.fill()
            filler = disk.path / "filler"
            with filler.open("ab") as file:
                file.truncate(filler.stat().st_size // 4096 * 4096 - pages * 4096)
            try:
                checkpoints.commit_checkpoint(folder, 2, write)
            except OSError:
                failures += 1
                assert [info.step for info in checkpoints.list_checkpoints(folder)] == [1]
                assert {path.name for path in folder.checkpoints.iterdir()} == {"step-00000001", "latest.json"}
            else:
                break
            disk.free()
        assert failures > 3
        assert checkpoints.resolve(folder, "latest").step == 2


def test_claims_events_requests_and_new_runs_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        folder = a_run(disk.path / "runs")
        writer = StatusWriter(folder)
        writer.write(phase="running", step=1)
        append_event(folder, "started")
        disk.fill()
        writer.write(step=2)
        assert writer.failed_writes == 1
        status = read_status(folder)
        assert status is not None
        assert status.step == 1
        with pytest.raises(OSError, match="No space left"):
            for number in range(100):
                append_event(folder, "warning", text=f"{number} " * 20)
        with pytest.raises(RunError, match=r"exp-001: cannot ask its worker to stop: No space left"):
            control.request(folder, "stop")
        with pytest.raises(RunError, match="No space left"):
            a_run(disk.path / "runs")
        assert [path.name for path in (disk.path / "runs").iterdir()] == ["exp-001"]
        assert control.take(folder) == []
        disk.free()
        append_event(folder, "stopped")
        assert read_events(folder)[-1]["kind"] == "stopped"
        writer.write(step=3)
        assert writer.failed_writes == 1
