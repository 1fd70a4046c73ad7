"""A workbench without a terminal, driven by keys and looked at as text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from time import monotonic

from textual._context import visible_screen_stack
from textual.pilot import Pilot

from workbench import reading
from workbench.app import Workbench

WideScreen = (160, 50)
SmallScreen = (80, 24)
_LOOK = 0.03  # seconds


def play(story: Coroutine[None, None, None]) -> None:
    """Run one test's story."""
    asyncio.run(story)


def screen_text(app: Workbench) -> str:
    """What stands on the screen now, also what lies below a dialog."""
    visible_screen_stack.set(app._background_screens)  # else what is below is there only while it is still kept
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def until(pilot: Pilot[None], condition: Callable[[], bool], *, within: float = 20.0) -> None:
    """Wait for a condition, and show the screen when it does not come."""
    deadline = monotonic() + within
    # Looked at rarely, and without a word to any widget: each word makes them all work, and dialogs draw anew.
    while not condition():
        if pilot.app._exception is not None or monotonic() > deadline:
            raise AssertionError("waited in vain; the screen:\n" + screen_text(pilot.app))  # type: ignore[arg-type]
        await asyncio.sleep(_LOOK)
    await pilot._wait_for_screen()  # what came with it has come


async def settled(app: Workbench) -> str:
    """Wait until what is drawn stays as it is from one look at the runs to the next; what it is then."""
    shown, now = "", screen_text(app)
    while now != shown:
        await asyncio.sleep(reading.TICK + _LOOK)
        shown, now = now, screen_text(app)
    return now


@contextlib.asynccontextmanager
async def opened(
    file: Path, *, size: tuple[int, int] = WideScreen, runs_dir: Path | None = None, ascii_only: bool = False
) -> AsyncIterator[tuple[Workbench, Pilot[None]]]:
    """A workbench on `file` that has looked at the runs once. No worker may have failed when it closes."""
    app = Workbench(file, runs_dir, ascii_only=ascii_only)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: "run" in _right_end(app))
        yield app, pilot
        faults = [note.message for note in app._notifications if note.severity == "error"]
        app.workers.cancel_all()
        with contextlib.suppress(Exception):
            await app.workers.wait_for_complete()
    assert not faults, faults


def _right_end(app: Workbench) -> str:
    """The summary in the title bar, which is there once the folders were read."""
    return screen_text(app).partition("\n")[0][-30:]
