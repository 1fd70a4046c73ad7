"""A window that changes its size faster than it is drawn."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import events
from textual.geometry import Size
from textual.pilot import Pilot
from textual.screen import Screen

from tests.workbench.harness import SmallScreen, opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.dialogs.dialog import Dialog

_EARLIER = Size(7, 40)


def test_sizes_that_overtake_each_other_come_to_rest(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            await _come_to_rest(pilot, app, app.screen)
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, Dialog))
            await _come_to_rest(pilot, app, app.screen)
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, Dialog))
            lines = screen_text(app).splitlines()
            assert [len(line) for line in lines] == [80] * 24 and "quit" in lines[-1]

    play(story())


async def _come_to_rest(pilot: Pilot[None], app: Workbench, screen: Screen[object]) -> None:
    """Tell it two sizes with something between them, so that they do not become one; it is told no more then."""
    sizes: list[Size] = []
    laid_out = screen._screen_resized
    screen._screen_resized = lambda size: (sizes.append(size), laid_out(size))[1]  # type: ignore[method-assign, func-returns-value]
    with app.batch_update():  # while something is made anew, drawing waits in the same queue
        for size in (_EARLIER, app.size):
            screen.post_message(events.Resize(size, size))
            screen.call_later(lambda: None)
        await until(pilot, lambda: bool(sizes) and sizes[-1] == app.size)
        await asyncio.sleep(0.2)
    assert len(sizes) < 5 and screen.size == app.size
