"""The metrics log: nothing that was written is lost, and whatever stands in it can be read."""

from __future__ import annotations

import errno
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from craft import platform
from craft.runs import jsonl, metrics, metrics_index
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog, MetricsReader
from tests.children import child, says, wait_until
from tests.runs.make import a_run

WRITE = """
import os, sys
from pathlib import Path
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog
log = MetricsLog(RunFolder(Path(sys.argv[1])))
step = int(sys.argv[2])
print("ready", flush=True)
while True:
    step += 1
    log.append({"step": step, "time": step / 7, "tokens": step * 768, "train/loss": 2.5, "text": "x" * (step % 300)})
    os.write(1, b"%d\\n" % step)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path / "runs")


@pytest.fixture
def log(folder: RunFolder) -> Iterator[MetricsLog]:
    one = MetricsLog(folder)
    yield one
    one.close()


def read(folder: RunFolder) -> MetricsReader:
    reader = MetricsReader(folder.metrics)
    reader.poll()
    return reader


def test_records_come_back_as_they_were(folder: RunFolder, log: MetricsLog) -> None:
    records = [{"step": step, "time": step / 3, "train/loss": 1 / (step + 1)} for step in range(100)]
    for record in records:
        log.append(record)
    assert read(folder).records == records
    assert read(folder).series("train/loss") == ([r["step"] for r in records], [r["train/loss"] for r in records])
    assert read(folder).series("train/loss", x="time")[0] == [r["time"] for r in records]
    assert read(folder).names() == ["train/loss"]
    assert read(folder).last("train/loss") == 1 / 100


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_what_is_not_finite_is_null_and_named(folder: RunFolder, log: MetricsLog, bad: float) -> None:
    log.append({"step": 1, "time": 0.5, "train/loss": bad, "train/lr": 0.1, "train/grad_norm": bad})
    line = folder.metrics.read_text()
    assert json.loads(line, parse_constant=pytest.fail) == {
        "step": 1,
        "time": 0.5,
        "train/loss": None,
        "train/lr": 0.1,
        "train/grad_norm": None,
        "nonfinite": ["train/loss", "train/grad_norm"],
    }
    assert read(folder).series("train/loss") == ([1], [None])
    assert read(folder).last("train/loss") is None


def test_numbers_of_other_libraries_and_odd_values_are_written(folder: RunFolder, log: MetricsLog) -> None:
    log.append({"step": np.int64(3), "time": np.float32(0.5), "own/list": [1.0, math.nan], "own/path": Path("/x")})
    assert read(folder).records == [{"step": 3, "time": 0.5, "own/list": [1.0, None], "own/path": "/x"}]


def test_a_resume_supersedes_what_came_after_its_step(folder: RunFolder, log: MetricsLog) -> None:
    reader = MetricsReader(folder.metrics)
    for step in (100, 200, 300, 350):
        log.append({"step": step, "time": 1.0, "train/loss": float(step)})
    reader.poll()
    log.resumed(200)
    log.append({"step": 250, "time": 1.0, "train/loss": 0.25})
    log.resumed(200)
    log.append({"step": 300, "time": 1.0, "train/loss": 0.3})
    assert len(reader.poll()) == 4
    assert reader.series("train/loss") == read(folder).series("train/loss") == ([100, 200, 300], [100.0, 200.0, 0.3])
    assert folder.metrics.read_text().count("\n") == 8, "something was cut away"


def test_a_reader_takes_whole_lines_as_they_come(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_CHUNK", 7)
    reader = MetricsReader(folder.metrics)
    assert reader.poll() == []
    whole = b'{"step": 1, "time": 0, "a/b": 1}\n{"step": 2, "time": 0, "a/b": 2}\n'
    for end in range(len(whole) + 1):
        folder.metrics.write_bytes(whole[:end])
        reader.poll()
        assert len(reader.records) == whole[:end].count(b"\n")
    assert reader.damaged == 0


DAMAGE = [
    b"{\"step\": 2, 'x'}",
    b"\x00" * 50,
    b"\xff\xfe{}",
    b"[1, 2]",
    b"null",
    b"[" * 100_000,
    b'{"step": ' + b"9" * 5000 + b"}",
    b'{"step": 2, "time": 1',
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_bad_line_is_skipped_and_counted(folder: RunFolder, damage: bytes) -> None:
    good = b'{"step": %d, "time": 0, "a/b": 1}\n'
    folder.metrics.write_bytes(good % 1 + damage + b"\n\n" + good % 3)
    reader = read(folder)
    assert [record["step"] for record in reader.records] == [1, 3]
    assert reader.damaged == 1


@pytest.mark.parametrize(
    "line",
    [b'{"step": NaN}', b'{"step": true}', b'{"step": "1"}', b'{"resumed_from": "x"}', b'{"step": 1e400}', b'{"a": 1}'],
)
def test_odd_values_of_step_are_no_records(folder: RunFolder, line: bytes) -> None:
    folder.metrics.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 2}\n')
    assert [record["step"] for record in read(folder).records] == [1, 2]


def test_odd_values_are_not_drawn(folder: RunFolder) -> None:
    values = [b"1e999", b'"x"', b"true", b"NaN", b"9" * 400, b"2.5"]
    lines = [b'{"step": %d, "a/b": %s}\n' % (step, value) for step, value in enumerate(values)]
    folder.metrics.write_bytes(b"".join(lines))
    assert read(folder).series("a/b") == ([3, 5], [None, 2.5])


def test_another_file_by_the_name_is_read_from_its_beginning(folder: RunFolder) -> None:
    folder.metrics.write_bytes(b'{"step": 1}\n{"step": 2}\n')
    reader = read(folder)
    folder.metrics.write_bytes(b'{"step": 7}\n')
    reader.poll()
    assert [record["step"] for record in reader.records] == [7]
    other = folder.path / "other"
    other.write_bytes(b'{"step": 8}\n{"step": 9}\n')
    other.replace(folder.metrics)
    reader.poll()
    assert [record["step"] for record in reader.records] == [8, 9]


def test_a_line_torn_by_a_power_cut_costs_that_line_only(folder: RunFolder) -> None:
    folder.metrics.write_bytes(b'{"step": 1}\n{"step": 2, "ti')
    log = MetricsLog(folder)
    log.append({"step": 3})
    log.close()
    reader = read(folder)
    assert [record["step"] for record in reader.records] == [1, 3]
    assert reader.damaged == 1


def test_records_are_forced_soon_although_nobody_asks(
    folder: RunFolder, log: MetricsLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "SYNC_SECONDS", 0.01)
    forced: list[int] = []
    monkeypatch.setattr(platform, "sync_data", lambda descriptor: forced.append(folder.metrics.stat().st_size))
    for step in range(3):
        log.append({"step": step})
        size = folder.metrics.stat().st_size
        wait_until(lambda size=size: size in forced)


def test_a_long_log_without_an_index_is_forced_as_often(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 100 * metrics_index.BLOCK
    record = '{"step":1,"time":1.0,"tokens":1,"train/loss":2.0}\n'
    folder.metrics.write_text(count * record)
    monkeypatch.setattr(jsonl, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(metrics, "INDEXED_AT_ONCE", 10 * metrics_index.BLOCK * len(record))
    happened: list[str] = []
    monkeypatch.setattr(platform, "sync_data", lambda descriptor: happened.append("forced"))

    def summed_up(*args: Any, **named: Any) -> metrics_index.Block:
        happened.append("indexed")
        log.append({"step": 2})
        return real(*args, **named)

    real = metrics_index.summed_up
    monkeypatch.setattr(metrics_index, "summed_up", summed_up)
    log = MetricsLog(folder)
    log.append({"step": 2})
    wait_until(lambda: happened.count("indexed") >= 100)  # all of it, although it takes several turns
    log.close()
    turns = [len(turn.split()) for turn in " ".join(happened).split("forced")]
    assert max(turns) <= 11, "records that came meanwhile waited for the index"
    blocks = metrics_index.read_index(folder.metrics)
    assert len(blocks) >= 100 and blocks[99].stop == count * len(record)


def test_an_index_is_made_whole_although_nothing_more_is_written(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = '{"step":1,"time":1.0,"tokens":1,"train/loss":2.0}\n'
    folder.metrics.write_text(10 * metrics_index.BLOCK * record)
    monkeypatch.setattr(jsonl, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(metrics, "INDEXED_AT_ONCE", 1000)
    log = MetricsLog(folder)
    log.append({"step": 2})
    wait_until(lambda: len(metrics_index.read_index(folder.metrics)) == 10)
    log.close()


def test_a_disk_that_fails_is_reported_when_it_is_asked_for(
    folder: RunFolder, log: MetricsLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[int] = []

    def fail(descriptor: int) -> None:
        failed.append(descriptor)
        raise OSError(errno.EIO, "disk broken")

    monkeypatch.setattr(jsonl, "SYNC_SECONDS", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(platform, "sync_data", fail)
        log.append({"step": 1})
        wait_until(lambda: failed)
    with pytest.raises(OSError, match="disk broken"):
        wait_until(log.sync)
    log.sync()


def killed_at_random(folder: RunFolder, kills: int, seed: int) -> None:
    """SIGKILL a writer again and again: whatever it said was written can be read, every line of it."""
    chance = random.Random(seed)
    last = 0
    for _ in range(kills):
        with child(WRITE, folder.path, last) as writer:
            assert says(writer) == "ready"
            pause = time.perf_counter() + chance.uniform(0, 0.05)
            assert writer.stdout is not None
            acknowledged = int(says(writer))
            while time.perf_counter() < pause:
                acknowledged = int(says(writer))
            writer.kill()
            for line in writer.stdout.read().splitlines(keepends=True):
                acknowledged = int(line) if line.endswith("\n") else acknowledged
        reader = read(folder)
        steps = [record["step"] for record in reader.records]
        assert steps[-1] >= acknowledged, f"{acknowledged - steps[-1]} records lost"
        assert steps == list(range(1, steps[-1] + 1))
        last = steps[-1]


def test_a_kill_loses_no_record_whose_append_returned(folder: RunFolder) -> None:
    killed_at_random(folder, kills=8, seed=1)


@pytest.mark.slow
def test_many_kills_lose_no_record(tmp_path: Path) -> None:
    for seed in range(25):
        killed_at_random(a_run(tmp_path / "runs"), kills=8, seed=seed)
