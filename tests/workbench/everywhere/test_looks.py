"""What is watched is disturbed as little as can be: one thread and one drawing a look, and fewer looks while nobody is
there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.worker_manager import WorkerManager

from craft.runs.status import StatusWriter
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run, working, write_metrics
from workbench import reading
from workbench.compositor import SparingCompositor


def test_a_look_at_a_live_run_takes_one_thread_and_one_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TICK", 0.2)
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)
    groups: list[str] = []
    drawings: list[object] = []
    begin, draw = WorkerManager._new_worker, SparingCompositor.render_partial_update

    def new_worker(manager: WorkerManager, *arguments: Any, **options: Any) -> Any:
        groups.append(options["group"])
        return begin(manager, *arguments, **options)

    def drawn(compositor: SparingCompositor) -> Any:
        drawings.append(compositor)
        return draw(compositor)

    async def story() -> None:
        with working(folder):
            async with opened(file) as (app, pilot):
                await until(pilot, lambda: "100/500" in screen_text(app) and "\u2500 train" in screen_text(app))
                await until(pilot, lambda: not list(app.workers))
                monkeypatch.setattr(WorkerManager, "_new_worker", new_worker)
                monkeypatch.setattr(SparingCompositor, "render_partial_update", drawn)
                write_metrics(folder, 101, 200)
                StatusWriter(folder).write(phase="running", step=200, progressed=True)
                await until(pilot, lambda: "200/500" in screen_text(app))
                assert set(groups) == {"look"}
                assert len(drawings) <= len(groups)

    play(story())


def test_looks_are_half_as_many_while_nobody_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            pauses: list[float] = []
            monkeypatch.setattr(app, "set_timer", lambda pause, *_: pauses.append(pause))
            app._touched -= 60
            app._tick()
            assert pauses == [2 * reading.TICK]
            await pilot.press("down")
            pauses.clear()  # the look that was due before may have come meanwhile
            app._tick()
            assert pauses == [reading.TICK]

    play(story())
