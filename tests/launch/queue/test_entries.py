"""The queue keeps its order, whatever the clock does, whoever moves a run and whoever is killed on the way."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from craft import platform
from craft.launch.queue.dispatch import has_work, waiting_runs
from craft.launch.queue.entries import Entry, Queue, Wait
from craft.runs.folder import RunIdentity, create_run
from tests.launch.project import wait_for


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cpu_slots", "0"),
        ("cpu_slots", "-1"),
        ("cpu_slots", "1025"),
        ("cpu_slots", "1e999"),
        ("cpu_slots", "1.5"),
        ("queued", "1e999"),
        ("queued", "NaN"),
        ("queued", "1" + "0" * 400),
        ("device", '"cuda:q"'),
        ("device", '"cpv"'),
        ("device", "7"),
        ("run", '"a-002"'),
    ],
)
def test_an_entry_with_one_damaged_value_is_none_and_harms_nobody(field: str, value: str, tmp_path: Path) -> None:
    runs = [create_run(tmp_path, experiment=n, definition_toml="", identity=RunIdentity(n)) for n in ("a", "b")]
    queue = Queue(tmp_path)
    queue.pause()
    queue.add(entry(run.name) for run in runs)
    (damaged,) = queue.folder.glob("*-a-001.json")
    whole = json.loads(damaged.read_text())
    damaged.write_text(json.dumps({**whole, field: "here"}).replace('"here"', value))
    assert names(queue) == ["b-001"]
    assert queue.damaged() == [damaged]
    assert [one.entry.run for one in waiting_runs(tmp_path)] == ["b-001"]
    queue.go()
    assert has_work(queue)


def test_a_name_with_dashes_is_dropped_as_a_whole(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add([entry("a-b-001"), entry("b-001")])
    assert queue.drop(["b-001"]) == ["b-001"]
    assert names(queue) == ["a-b-001"]


def test_a_run_is_put_anywhere(tmp_path: Path) -> None:
    queue, expected = Queue(tmp_path), [f"r-{number:03d}" for number in range(6)]
    queue.add(entry(run) for run in expected)
    chance = random.Random(1)
    for _ in range(400):  # far more than there is room for between two numbers, so that others have to make way
        run, place = chance.choice(expected), chance.randrange(6)
        assert queue.move(run, place)
        expected.remove(run)
        expected.insert(place, run)
        assert names(queue) == expected
    assert not queue.move("absent-001", 0)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_between_neighbours_without_room_the_others_make_way(place: int, tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add([entry("d-001")])
    for number, run in enumerate(("a-001", "b-001", "c-001")):
        queue.add([entry(run)])
        old = next(path for path in queue.folder.iterdir() if run in path.name)
        old.rename(queue.folder / f"{number:020d}-{run}.json")
    assert queue.move("d-001", place)
    expected = ["a-001", "b-001", "c-001"]
    expected.insert(place, "d-001")
    assert names(queue) == expected


def test_every_step_of_a_move_is_a_whole_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(tmp_path)
    queue.add(entry(run) for run in ("a-001", "b-001", "c-001", "d-001"))
    for number, path in enumerate(sorted(queue.folder.iterdir())):
        path.rename(queue.folder / f"{number + 7:020d}-{path.name[21:]}")
    seen = []
    rename = platform.rename
    monkeypatch.setattr(platform, "rename", lambda source, target: (rename(source, target), seen.append(names(queue))))
    assert queue.move("d-001", 1)
    assert len(seen) > 2, "the others made way"
    for order in seen:
        assert sorted(order) == ["a-001", "b-001", "c-001", "d-001"]
        assert [run for run in order if run != "d-001"] == ["a-001", "b-001", "c-001"]
    assert seen[-1] == ["a-001", "d-001", "b-001", "c-001"]


MOVES = """
import random, sys
from pathlib import Path
from craft.launch.queue.entries import Queue
queue, chance = Queue(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    with queue.lock():
        queue.move(f"r-{chance.randrange(12):03d}", chance.randrange(12))
"""


def test_killed_in_the_middle_of_moves_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    queue, runs = Queue(tmp_path), [f"r-{number:03d}" for number in range(12)]
    queue.add(entry(run) for run in runs)
    for number, path in enumerate(sorted(queue.folder.iterdir())):
        path.rename(queue.folder / f"{number:020d}-{path.name[21:]}")  # no room anywhere: most moves make way
    for seed in range(6):
        mover = subprocess.Popen([sys.executable, "-c", MOVES, str(tmp_path), str(seed)], stdout=subprocess.PIPE)
        assert mover.stdout is not None
        assert mover.stdout.readline() == b"ready\n"
        before = names(queue)
        wait_for(lambda before=before: names(queue) != before)
        for _ in range(20):  # also looked at while it moves, without the lock
            assert sorted(names(queue)) == runs
        mover.send_signal(signal.SIGKILL)
        mover.communicate()
        assert sorted(names(queue)) == runs
        assert len(list(queue.folder.iterdir())) == 12
        with queue.lock():  # freed with its process
            assert queue.move("r-000", 3)
        assert names(queue).index("r-000") == 3


def test_what_changes_in_an_entry_is_seen_at_once_in_its_place(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add(entry(run) for run in ("a-001", "b-001"))
    for number in range(1, 200):  # faster than the clock of the file system ticks, and often on the same inode
        changed = replace(entry("a-001"), cpu_slots=1 + number % 2, after=(Wait("x-001", "id", bool(number % 3)),))
        assert queue.change(changed)
        assert queue.entries() == [changed, entry("b-001")]
    assert not queue.change(entry("absent-001"))


def test_an_old_entry_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add([entry("a-001")])
    (file,) = queue.folder.iterdir()
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert queue.entries() == queue.entries() == [entry("a-001")], "from memory from now on"
    queue.change(replace(entry("a-001"), device="mps"))
    assert queue.entries()[0].device == "mps"


def test_entries_written_by_an_earlier_version_are_read(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.folder.mkdir(parents=True)
    (queue.folder / f"{5:020d}-old-001.json").write_text(
        '{"run": "old-001", "device": "cpu", "cpu_slots": 2, "queued": 3.0}'
    )
    assert queue.entries() == [Entry("old-001", "cpu", 2, 3.0)]


def test_a_pause_outlives_its_process(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    assert not queue.is_paused()
    assert not queue.go()
    queue.pause()
    assert Queue(tmp_path).is_paused()
    queue.pause()
    assert queue.go()
    assert not Queue(tmp_path).is_paused()


def test_a_disk_that_takes_half_of_the_entries_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(tmp_path)
    queue.add([entry("first-001")])
    write, count = platform.write_file_durable, itertools.count()

    def fills_up(path: Path, content: bytes) -> None:
        if next(count) == 3:
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(platform, "write_file_durable", fills_up)
    with pytest.raises(OSError, match="No space"):
        queue.add(entry(f"r-{number:03d}") for number in range(8))
    assert names(queue) == ["first-001"]
