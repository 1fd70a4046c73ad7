"""A run with everything that its details show, and the way to them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from textual.pilot import Pilot

from craft.runs.events import EventWriter
from craft.runs.folder import RunFolder
from tests.workbench.harness import opened, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.screens.runs.details.panel import RunDetails
from workbench.screens.runs.details.tab import DetailTab
from workbench.widgets.lines import LinesView


def full_run(runs: Path, **more: object) -> RunFolder:
    """A finished run with events, samples of two prompts, and a log of 300 lines."""
    folder = make_run(runs, **more)  # type: ignore[arg-type]
    writer = EventWriter(folder)
    for step in (100, 200, 300):
        writer.event("checkpoint", step=step, path=f"step-{step:08d}")
        for prompt in ("def ", "class "):
            writer.sample(step=step, prompt=prompt, text=f"f{step}(self):\n    return {prompt}", temperature=0.8)
    writer.event("warning", text="the disk is nearly full")
    folder.log.write_text("".join(f"10:00:{n % 60:02d} line {n}\n" for n in range(300)))
    return folder


def append(path: Path, *records: object) -> None:
    """Lines at the end of a file; what is a string is written as it is."""
    with path.open("a") as file:
        file.writelines((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records)


@contextlib.asynccontextmanager
async def at_details(
    place: Path, tab: str = "", *, size: tuple[int, int] = (120, 40), ascii_only: bool = False
) -> AsyncIterator[tuple[Workbench, Pilot[None], RunDetails]]:
    """A workbench whose keyboard is in the details of the selected run."""
    file = place / "experiments.toml"
    if not file.exists():
        make_project(place)
    async with opened(file, size=size, ascii_only=ascii_only) as (app, pilot):
        details = app.screen.query_one(RunDetails)
        await until(pilot, lambda: details.run is not None)
        if tab:
            details.choose(tab)
        await pilot.press("enter")
        await until(pilot, lambda: shown_tab(details)._reading is None and shown_tab(details)._ready)
        details.take_focus()
        await pilot.pause()
        yield app, pilot, details


def shown_tab(details: RunDetails) -> DetailTab:
    """The tab that is seen."""
    return details._tab()


def lines_view(details: RunDetails) -> LinesView:
    """The lines of the tab that is seen."""
    return shown_tab(details).query_one(LinesView)


def row_with(app: Workbench, words: str) -> int:
    """The row of the screen with these words, -1 where there is none."""
    return next((row for row, line in enumerate(screen_text(app).splitlines()) if words in line), -1)
