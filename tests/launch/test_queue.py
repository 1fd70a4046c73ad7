"""The queue keeps its order, whatever the clock does and whatever else lies in its folder."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from craft.launch.queue import Entry, Queue


def entry(run: str) -> Entry:
    return Entry(run, "cpu", 1, 1.0)


def names(queue: Queue) -> list[str]:
    return [waiting.run for waiting in queue.entries()]


def test_runs_leave_in_the_order_they_came(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    assert queue.is_empty()
    queue.add([entry("z-001"), entry("a-001")])
    queue.add([entry("m-001")])
    assert names(queue) == names(Queue(tmp_path)) == ["z-001", "a-001", "m-001"]
    assert queue.drop(["a-001", "absent-001"]) == ["a-001"]
    assert names(queue) == ["z-001", "m-001"]
    assert Queue(tmp_path).entries()[0] == entry("z-001")


def test_a_clock_set_back_lets_nobody_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(tmp_path)
    queue.add([entry("first-001")])
    monkeypatch.setattr(time, "time_ns", lambda: 1_000)
    queue.add([entry("second-001")])
    assert names(queue) == ["first-001", "second-001"]


def test_what_is_no_entry_is_passed_over(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add([entry("good-001")])
    (queue.folder / "notes.txt").write_text("mine")
    (queue.folder / f"{5:020d}-bad-001.json").write_text("{")
    (queue.folder / f"{6:020d}-bad-002.json").write_text('{"run": "bad-002"}')
    assert names(queue) == ["good-001"]
    queue.drop(["good-001"])
    assert queue.is_empty()


def test_a_name_with_dashes_is_dropped_as_a_whole(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add([entry("a-b-001"), entry("b-001")])
    assert queue.drop(["b-001"]) == ["b-001"]
    assert names(queue) == ["a-b-001"]
