"""Runs that really trained, made once for all tests of the playground, and a workbench that stands there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.training.runs import definition, make_run, train, write_text
from tests.workbench.harness import WideScreen, opened, until
from workbench.app import Workbench
from workbench.memory import of_project
from workbench.screens.playground.screen import PlaygroundScreen
from workbench.screens.playground.write import WriteMode

FILE = """craft = 1
[experiment.tiny]
model = { type = "transformer", num_layers = 1 }
"""


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny-001 and other-001, over letters, and bytes-001, which writes any byte: 40, 40 and 5 steps."""
    place = tmp_path_factory.mktemp("playground")
    text = write_text(place / "text.txt")
    runs = {
        "tiny": definition(text, generation={"prompts": ["ab"], "max_new_tokens": 12, "temperature": 0.5}),
        "other": definition(text, seed=8),
        "bytes": definition(text, tokenizer={"type": "byte"}, training={"max_steps": 5}),
    }
    for name, config in runs.items():
        assert train(make_run(place / "runs", config, name)) == 0
    (place / "experiments.toml").write_text(FILE)
    return place


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Path:
    """The experiments file of a copy that a test may damage."""
    place = tmp_path / "project"
    shutil.copytree(trained_project, place)
    return place / "experiments.toml"


@contextlib.asynccontextmanager
async def playground(
    file: Path, *sources: str, size: tuple[int, int] = WideScreen, ascii_only: bool = False, remembered: int = 0
) -> AsyncIterator[tuple[Workbench, PlaygroundScreen, Pilot[None]]]:
    """A workbench in the playground, with runs that are to write; or with so many as the last time."""
    session = of_project(file)
    session.set("place", "playground")
    if sources:
        session.set("playground.ask", list(sources))
    session.flush()
    async with opened(file, size=size, ascii_only=ascii_only) as (app, pilot):
        screen = app.place
        assert isinstance(screen, PlaygroundScreen)
        await until(pilot, lambda: screen.mode is not None and len(screen.sources) == (len(sources) or remembered))
        yield app, screen, pilot


def writing(screen: PlaygroundScreen) -> WriteMode:
    """The tab "write"."""
    mode = screen.mode
    assert isinstance(mode, WriteMode)
    return mode


async def written(screen: PlaygroundScreen, pilot: Pilot[None]) -> None:
    """Return once everything that was asked is answered."""
    await until(pilot, lambda: screen.mode is not None and not screen.mode.busy, within=60)
