"""The queue's hold and slots, and runs of another host."""

from __future__ import annotations

import json
import time
from pathlib import Path

from craft.launch.queue.entries import Entry, Queue, Wait
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.screens.runs.queue_screen import QueueScreen
from workbench.screens.runs.table import RunTable


def test_the_queue_is_held_and_goes_on_and_its_slots_are_set(tmp_path: Path) -> None:
    """The run waits for one that was stopped, so that nothing begins."""
    file, runs_dir = make_project(tmp_path), tmp_path / "runs"
    other = make_run(runs_dir, "other", phase="stopped", age=50)
    waits = make_run(runs_dir, "waits", phase="queued", step=0, age=20)
    queue = Queue(runs_dir)
    queue.add([Entry(waits.name, "cpu", 1, time.time(), (Wait(other.name),))])

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: [run.phase for run in app.runs] == ["queued", "stopped"])
            await pilot.press("Q")
            await until(pilot, lambda: isinstance(app.screen, QueueScreen) and "1 wait" in screen_text(app))
            await pilot.press("p")
            await until(pilot, lambda: queue.is_paused() and "on hold" in screen_text(app))
            await pilot.press("p")
            await until(pilot, lambda: not queue.is_paused() and "on hold" not in screen_text(app))
            await pilot.press("n")
            await until(pilot, lambda: "How many may train" in screen_text(app))
            await pilot.press("backspace", "0", "enter")
            assert "a number from 1 to 1024" in screen_text(app)
            await pilot.press("backspace", "3", "enter")
            await until(pilot, lambda: [entry.cpu_slots for entry in queue.entries()] == [3])

    play(story())


def test_a_run_of_another_host_is_shown_by_its_word(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100, age=30)
    claim = json.loads(folder.status.read_text())
    folder.status.write_text(json.dumps({**claim, "host": "cluster-7"}))

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 1)
            await until(pilot, lambda: "cluster-7 trains it" in screen_text(app))
            assert table.runs[0].phase == "running" and "cluster-7 works on it" in table.runs[0].reason

    play(story())
