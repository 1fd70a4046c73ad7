from __future__ import annotations

import json
import math
import random
import tracemalloc
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch

from craft.runs import curves
from craft.runs.curves import CurvesReader
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog, MetricsReader
from craft.runs.metrics_index import IndexWriter, index_blocks, read_index

NAMES = ["train/loss", "val/loss"]


def _write(path: Path, *records: object) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def test_points_come_as_they_are_logged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    reader = CurvesReader(path, NAMES)
    assert not reader.poll(), "there is no log yet"
    _write(path, {"step": 1, "train/loss": 4.0}, {"step": 2, "train/loss": 3.0, "val/loss": 3.5})
    assert reader.poll()
    before = reader.curve("train/loss")
    assert not reader.poll(), "nothing new"
    _write(path, {"step": 3, "train/lr": 0.1})
    assert not reader.poll(), "nothing new of these two"
    _write(path, {"step": 4, "train/loss": None})
    assert reader.poll()
    steps, values = reader.curve("train/loss")
    assert list(steps) == [1, 2, 4] and math.isnan(values[2])
    assert list(before[0]) == [1, 2], "what was given out does not grow"
    assert [list(part) for part in reader.curve("val/loss")] == [[2], [3.5]]


def test_a_resume_supersedes_and_another_file_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    reader = CurvesReader(path, NAMES)
    _write(path, *({"step": step, "train/loss": 1.0} for step in range(10)), {"resumed_from": 5})
    _write(path, {"step": 6, "train/loss": 2.0})
    assert reader.poll()
    assert list(reader.curve("train/loss")[0]) == [0, 1, 2, 3, 4, 5, 6]
    path.unlink()
    _write(path, {"step": 1, "train/loss": 9.0})
    assert reader.poll()
    assert [list(part) for part in reader.curve("train/loss")] == [[1], [9.0]]


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers()))
records = st.fixed_dictionaries(
    {},
    optional={
        "step": st.one_of(st.integers(0, 50), values),
        "train/loss": values,
        "val/loss": values,
        "resumed_from": st.one_of(st.integers(0, 50), values),
    },
)


@settings(max_examples=50, deadline=None)
@given(st.lists(records, max_size=30))
def test_any_log_gives_curves(tmp_path_factory: object, logged: list[dict[str, object]]) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"  # type: ignore[attr-defined]
    _write(path, *logged)
    reader = CurvesReader(path, NAMES)
    reader.poll()
    for name in NAMES:
        steps, found = reader.curve(name)
        assert len(steps) == len(found) and all(math.isfinite(step) for step in steps)


def test_it_agrees_with_the_reader_of_whole_records(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    log = MetricsLog(folder)
    for step in range(200):
        log.append({"step": step, "time": step / 10, "train/loss": math.nan if step == 50 else 1 / (step + 1)})
        if step == 120:
            log.resumed(100)
    log.close()
    lean, full = CurvesReader(folder.metrics, NAMES), MetricsReader(folder.metrics)
    lean.poll()
    full.poll()
    steps, found = lean.curve("train/loss")
    expected = full.series("train/loss")
    assert list(steps) == expected[0]
    assert [None if math.isnan(value) else value for value in found] == expected[1]


def test_a_long_log_fills_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    _write(path, *({"step": step, "time": step / 40, "train/loss": 1.5, "train/lr": 0.1} for step in range(50_000)))
    tracemalloc.start()
    reader = CurvesReader(path, NAMES)
    reader.poll()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Sixteen bytes a point, and a piece of the file with its lines; records would take 20 MB.
    assert peak < 50_000 * 16 + 8_000_000


def test_places_on_other_axes_come_with_the_values(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    _write(path, *({"step": s, "time": s / 2, "tokens": 10 * s, "val/loss": 1.0 * s} for s in (0, 100, 200)))
    _write(path, {"resumed_from": 100}, {"step": 150, "val/loss": 9.0})
    reader = CurvesReader(path, NAMES, ("step", "time", "tokens"))
    reader.poll()
    assert [list(part) for part in reader.curve("val/loss")] == [[0, 100, 150], [0.0, 100.0, 9.0]]
    assert list(reader.curve("val/loss", "tokens")[0][:2]) == [0, 1000]
    assert math.isnan(reader.curve("val/loss", "time")[0][2]), "that record has none"


def test_a_long_log_without_an_index_keeps_four_points_of_every_block(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """As from its index: the extremes of every block, both ends, and each point that came after the blocks."""
    monkeypatch.setattr(curves, "_LONG", 1)
    path, chance = tmp_path / "metrics.jsonl", random.Random(3)
    loss = [chance.gauss(2, 1) for _ in range(128 * 20 + 5)]
    lines = [{"step": n, "time": n / 2, "tokens": 10 * n, "train/loss": one, "own/x": n} for n, one in enumerate(loss)]
    lines[1000] |= {"train/loss": None, "nonfinite": ["train/loss"]}
    _write(path, *lines)
    reader = CurvesReader(path, ["train/loss"], ("step", "tokens"))
    assert reader.poll() and reader.thinned and list(reader.seen) == ["train/loss", "own/x"]
    steps, values = reader.curve("train/loss")
    odd = 128 * (1000 // 128)
    assert len(steps) <= 4 * 19 + 128 + 5 and math.isnan(values[list(steps).index(1000)])
    assert set(range(odd, odd + 128)) <= set(steps), "what a block cannot sum up is kept point by point"
    for start in range(0, 128 * 20, 128):
        block = [loss[n] for n in range(start, start + 128) if n != 1000]
        assert {min(block), max(block)} <= set(values)
    assert list(steps)[-5:] == list(range(128 * 20, 128 * 20 + 5)) and list(steps) == sorted(steps)
    assert list(reader.curve("train/loss", "tokens")[0])[-1] == 10 * (len(loss) - 1)
    _write(path, {"resumed_from": 200}, {"step": 201, "train/loss": 9.0})
    assert reader.poll()
    steps, values = reader.curve("train/loss")
    assert list(steps)[-1] == 201 and list(steps)[:-1] == [n for n in steps[:-1] if n <= 200]
    assert {200.0} <= set(steps), "the block that the resume cuts is read again"


def test_of_an_index_only_what_is_asked_for_is_kept(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "_LONG", 1)
    path = tmp_path / "metrics.jsonl"
    names = [f"own/{n}" for n in range(30)]
    _write(path, *({"step": n, "time": n, "tokens": n, **dict.fromkeys(names, n)} for n in range(1280)))
    writer = IndexWriter(path)
    writer.extend(path.stat().st_size)
    writer.close()
    blocks = list(index_blocks(path, ["own/7", "missing"]))
    assert len(blocks) == 10 and all(set(block.points) == {"own/7"} and len(block.names) == 30 for block in blocks)
    reader = CurvesReader(path, ["own/7"])
    assert reader.poll() and set(reader.seen) == set(names) and list(reader.curve("own/7")[0])[-1] == 1279
    assert [block.points for block in read_index(path)] == [block.points for block in index_blocks(path)]
