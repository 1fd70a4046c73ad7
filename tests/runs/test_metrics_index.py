"""The index of a long log: a function of the log, behind it, and never a reason for a wrong curve."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from craft.analysis.plots import Series, plot_text
from craft.runs import curves
from craft.runs.curves import CurvesReader
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog
from craft.runs.metrics_index import BLOCK, NAME, IndexWriter, read_index

NAMES = ["train/loss", "val/loss"]


def written(path: Path, count: int, seed: int = 0) -> Path:
    """A log with noise and spikes, as training gives it."""
    rng = random.Random(seed)
    with path.open("a") as file:
        for step in range(count):
            loss = 4 / (1 + step / 500) + rng.gauss(0, 0.1) + (5.0 if rng.random() < 0.001 else 0.0)
            record = {"step": step, "time": step / 40, "tokens": 100 * step, "train/loss": loss}
            if step % 100 == 0:
                record["val/loss"] = loss
            file.write(json.dumps(record) + "\n")
    return path


def index(log: Path) -> None:
    writer = IndexWriter(log)
    writer.extend(log.stat().st_size)
    writer.close()


def drawn(log: Path) -> str:
    reader = CurvesReader(log, NAMES)
    reader.poll()
    series = [Series(name, *reader.curve(name)) for name in NAMES]
    return plot_text(series, width=80, height=20, color=False, braille=True)


def test_blocks_cover_the_log_and_hold_its_extremes(tmp_path: Path) -> None:
    log = written(tmp_path / "metrics.jsonl", 3 * BLOCK + 7)
    index(log)
    blocks = read_index(log)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(blocks) == 3 and blocks[0].start == 0
    for number, block in enumerate(blocks):
        inside = records[number * BLOCK : (number + 1) * BLOCK]
        losses = [record["train/loss"] for record in inside]
        assert not block.odd
        assert block.axes["tokens"] == (inside[0]["tokens"], inside[-1]["tokens"])
        first_step, first, low_step, low, high_step, high, last_step, last = block.points["train/loss"]
        assert (first, low, high, last) == (losses[0], min(losses), max(losses), losses[-1])
        assert (first_step, last_step) == (inside[0]["step"], inside[-1]["step"])
        assert inside[losses.index(low)]["step"] == low_step and inside[losses.index(high)]["step"] == high_step
    text = log.read_bytes()[: blocks[-1].stop].decode()
    assert text.endswith("\n") and len(text.splitlines()) == 3 * BLOCK


def test_the_picture_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written(tmp_path / "metrics.jsonl", 800 * BLOCK)
    whole = drawn(log)
    index(log)
    monkeypatch.setattr(curves, "_LONG", 0)
    reader = CurvesReader(log, NAMES)
    assert reader.poll()
    assert len(reader.curve("train/loss")[0]) <= 4 * 800, "four points a block"
    axes = CurvesReader(log, NAMES, ("step", "time", "tokens"))
    axes.poll()
    steps, _ = axes.curve("train/loss")
    assert [round(40 * time) for time in axes.curve("train/loss", "time")[0]] == list(steps)
    assert [round(tokens / 100) for tokens in axes.curve("train/loss", "tokens")[0]] == list(steps)
    coarse = drawn(log)
    assert whole.splitlines()[0] == coarse.splitlines()[0], "the last values stand in the legend"
    ours, theirs = ("\n".join(line.ljust(80) for line in text.splitlines()) for text in (coarse, whole))
    differing = sum(one != other for one, other in zip(ours, theirs, strict=True))
    # A pixel column begins and ends within a block, whose points may fall into the neighbour.
    assert differing <= 0.05 * sum(not character.isspace() for character in whole)


def test_a_live_log_is_indexed_and_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "_LONG", 0)
    folder = RunFolder(tmp_path)
    log = MetricsLog(folder)
    for step in range(BLOCK):
        log.append({"step": step, "time": 1.0, "tokens": 1, "train/loss": 1.0})
    log.close()
    assert [block.stop for block in read_index(folder.metrics)] == [folder.metrics.stat().st_size]
    again = MetricsLog(folder)  # a restart: what the index held stays, and it goes on
    for step in range(BLOCK, 2 * BLOCK + 5):
        again.append({"step": step, "time": 1.0, "tokens": 1, "train/loss": 2.0})
    again.close()
    assert len(read_index(folder.metrics)) == 2
    reader = CurvesReader(folder.metrics, NAMES)
    reader.poll()
    steps, values = reader.curve("train/loss")
    assert list(values) == 2 * [1.0] + 2 * [2.0] + 5 * [2.0]
    assert steps[-1] == 2 * BLOCK + 4


@pytest.mark.parametrize("what", ["resumed", "not finite", "damaged"])
def test_what_the_index_cannot_sum_up_is_read_from_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    log = written(tmp_path / "metrics.jsonl", BLOCK + 10)
    with log.open("a") as file:
        if what == "resumed":
            file.write('{"resumed_from":100}\n')
        elif what == "not finite":
            file.write('{"step":138,"time":1,"tokens":1,"train/loss":null,"nonfinite":["train/loss"]}\n')
        else:
            file.write('{"step":138,"tr\n')
        file.writelines(
            f'{{"step":{step},"time":1,"tokens":1,"train/loss":0.5}}\n' for step in range(300, 300 + 2 * BLOCK)
        )
    plain = CurvesReader(log, NAMES)
    plain.poll()
    index(log)
    assert [block.odd for block in read_index(log)] == [False, True, False]
    monkeypatch.setattr(curves, "_LONG", 0)
    reader = CurvesReader(log, NAMES)
    reader.poll()
    steps, values = reader.curve("train/loss")
    kept = dict(zip(*plain.curve("train/loss"), strict=True))
    assert all(kept[step] == value or math.isnan(value) for step, value in zip(steps, values, strict=True))
    assert (127 in steps) == (what != "resumed"), "a resume from step 100 takes back what the block before it holds"
    assert any(map(math.isnan, values)) == (what == "not finite")


@pytest.mark.parametrize("how", ["cut", "torn", "zeros", "foreign", "longer than the log", "another log", "a folder"])
def test_a_damaged_index_changes_no_curve_and_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(curves, "_LONG", 0)
    log = written(tmp_path / "metrics.jsonl", 4 * BLOCK)
    index(log)
    place = tmp_path / NAME
    right = place.read_bytes()
    if how == "cut":
        place.write_bytes(right[:-40])
    elif how == "torn":
        place.write_bytes(right[: len(right) // 2] + b"\n")
    elif how == "zeros":
        place.write_bytes(bytes(len(right)))
    elif how == "foreign":
        place.write_text('{"index": 1, "head": 5}\n[1, 2]\n')
    elif how == "longer than the log":
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[: BLOCK + 3]))
    elif how == "another log":
        log.unlink()
        written(log, 4 * BLOCK, seed=1)
    else:
        place.unlink()
        place.mkdir()
    reader = CurvesReader(log, NAMES)
    reader.poll()
    steps, values = reader.curve("train/loss")
    true = {record["step"]: record["train/loss"] for record in map(json.loads, log.read_text().splitlines())}
    assert steps[-1] == max(true) or how == "cut"
    assert all(true[step] == value for step, value in zip(steps, values, strict=True))
    index(log)
    if how != "a folder":
        assert len(read_index(log)) == len(log.read_text().splitlines()) // BLOCK
