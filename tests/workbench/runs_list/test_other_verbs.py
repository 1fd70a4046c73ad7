"""The queue's hold, its slots, and what a run waits for."""

from __future__ import annotations

import time
from pathlib import Path

from craft.launch.queue.entries import Entry, Queue, Wait
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.screens.runs.queue_screen import QueueScreen


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
            queue.pause()
            make_run(runs_dir, "third", phase="running", step=7, age=10)  # nobody holds it: interrupted
            await until(pilot, lambda: len(app.runs) == 3)
            await pilot.press("ampersand")
            await until(pilot, lambda: "waits-001 begins when" in screen_text(app))
            await pilot.press(*"third however", "enter")
            await until(pilot, lambda: [wait.run for wait in queue.entries()[0].after] == ["third-001"])
            assert queue.entries()[0].after[0].whatever

    play(story())
