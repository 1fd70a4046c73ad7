"""A project whose experiments really train, in a second; and the screen of them, opened."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from textual.pilot import Pilot

from craft.launch.queue.slots import taken
from craft.launch.workers import kill
from craft.runs.store import RunStore
from tests.workbench.harness import WideScreen, opened, until
from workbench import memory
from workbench.app import Workbench
from workbench.screens.experiments.screen import ExperimentsScreen

TEXT = """craft = 1
[defaults]
device = "cpu"
precision = "fp32"
[defaults.data]
type = "text"
path = "text.txt"
context_length = 16
[defaults.training]
max_steps = 20
batch_size = 4
eval_every = 10
[template.base.model]
type = "transformer"
num_layers = 1
num_heads = 2
hidden_size = 16
[experiment.tiny]
extends = "base"
why = "the smallest that learns"  # kept
[experiment.wide]
extends = "tiny"
model.hidden_size = 32
[experiment.lr]
extends = "tiny"
[experiment.lr.sweep]
axes.optimizer.lr = [0.01, 0.02]
"""


def make_project(place: Path, text: str = TEXT) -> Path:
    """An experiments file over a text of five kilobytes; its runs go to `runs` beside it."""
    (place / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 120)
    file = place / "experiments.toml"
    file.write_text(text)
    return file


@contextlib.asynccontextmanager
async def experiments(
    file: Path, *, size: tuple[int, int] = WideScreen, ascii_only: bool = False, inspected: bool = True
) -> AsyncIterator[tuple[Workbench, Pilot[None], ExperimentsScreen]]:
    """The workbench on its first screen, once it has looked at the text."""
    session = memory.of_project(file)
    session.set("place", "experiments")
    session.flush()
    async with opened(file, size=size, ascii_only=ascii_only) as (app, pilot):
        screen = app.place
        assert isinstance(screen, ExperimentsScreen)
        if inspected:
            await until(pilot, lambda: screen.inspection is not None and screen.weighed is not None)
        yield app, pilot, screen


async def choose(pilot: Pilot[None], screen: ExperimentsScreen, name: str) -> None:
    """Put the cursor on a row, and wait for its costs."""
    assert screen.listing.select(name), [row.name for row in screen.listing.rows]
    await until(pilot, lambda: screen.weighed is not None and screen.weighed.name == name)


def text_of(screen: ExperimentsScreen) -> str:
    """What the editor holds."""
    assert screen.panel is not None
    return screen.panel.buffer.text


async def end_runs(pilot: Pilot[None], runs_dir: Path) -> None:
    """Wait until what was launched is over, so that no process outlives the test."""

    def is_over() -> bool:
        return not taken() and all(run.phase in ("finished", "failed") for run in RunStore(runs_dir).list())

    await until(pilot, is_over, within=60)


async def kill_runs(pilot: Pilot[None], runs_dir: Path) -> None:
    """End what was launched, and what still waits."""
    for entry in (runs_dir / ".craft" / "queue").iterdir():
        entry.unlink(missing_ok=True)  # a runner leaves when nobody waits
    for run in RunStore(runs_dir).list():
        kill(run.folder)
    await until(pilot, lambda: not taken())
