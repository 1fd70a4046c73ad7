"""A dry run from the screen: of the text as it is, saved or not, in a real process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workbench.experiments.projects import TEXT, choose, experiments, make_project
from tests.workbench.harness import SmallScreen, play, screen_text, until
from workbench.screens.experiments.screen import ExperimentsScreen


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of its own, in which nothing may be left."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert not list(place.iterdir())


def is_measured(screen: ExperimentsScreen) -> bool:
    """Whether the panel shows what a dry run of this very definition found."""
    assert screen.weighed is not None
    return screen.weighed.costs is not None and screen.weighed.costs.dry_run is not None


def test_it_measures_the_text_that_is_not_saved_and_replaces_the_estimate(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "wide")
            assert "unknown until measured" in screen_text(app)
            assert screen.panel is not None
            screen.panel.apply(TEXT.replace("hidden_size = 32", "hidden_size = 64"), "wider")
            await pilot.press("f5")
            await until(pilot, lambda: "esc stops" in screen_text(app))
            await until(pilot, lambda: screen.dry_run is None, within=60)
            await until(pilot, lambda: "measured by a dry run" in " ".join(screen_text(app).split()))
            assert "s a step" in screen_text(app)
            assert "measured at most" in screen_text(app)
            assert is_measured(screen)
            assert file.read_text() == TEXT
            assert not (tmp_path / "runs").exists()
            # Another definition was not measured; an equal one still is.
            screen.panel.apply(TEXT.replace("hidden_size = 32", "hidden_size = 128"), "wider still")
            await until(pilot, lambda: not is_measured(screen))
            assert "about" in screen_text(app)  # scaled from what was measured
            screen.panel.action_undo()
            await until(pilot, lambda: is_measured(screen))

    play(story())


def test_escape_ends_it(tmp_path: Path) -> None:
    file = make_project(tmp_path, TEXT.replace("max_steps = 20", "max_steps = 100000"))

    async def story() -> None:
        async with experiments(file, size=SmallScreen) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("f5")
            await until(pilot, lambda: screen.progress is not None and screen.progress.step > 0, within=60)
            assert "s a step" in screen_text(app)
            await choose(pilot, screen, "wide")
            assert "dry run: tiny, " in screen_text(app), "it is not of the one that is looked at now"
            await choose(pilot, screen, "tiny")
            await pilot.press("escape")
            await until(pilot, lambda: screen.dry_run is None)
            await until(pilot, lambda: "nothing of it is left" in " ".join(screen_text(app).split()))
            app.clear_notifications()
            await until(pilot, lambda: "time unknown until measured" in screen_text(app))

    play(story())


def test_what_goes_wrong_stays_in_the_panel(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            (tmp_path / "text.txt").unlink()
            await pilot.press("f5")
            await until(pilot, lambda: "text.txt" in screen.dry_run_fault)
            app.clear_notifications()
            await until(pilot, lambda: "no such file or folder" in screen_text(app))

    play(story())


def test_an_experiment_with_a_problem_is_not_measured(tmp_path: Path) -> None:
    file = make_project(tmp_path, TEXT.replace("hidden_size = 32", "hidden_size = 31"))

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "wide")
            await pilot.press("f5")
            await until(pilot, lambda: "hidden_size" in str([note.message for note in app._notifications]))
            assert screen.dry_run is None
            app.clear_notifications()

    play(story())


def test_whatever_ends_it_another_one_can_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise TypeError("nobody foresaw this")

    monkeypatch.setattr("craft.launch.dry_run.DryRun.go", fails)

    async def story() -> None:
        async with experiments(make_project(tmp_path)) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("f5")
            await until(pilot, lambda: "the dry run of tiny: " in " ".join(screen_text(app).split()))
            assert screen.dry_run is None
            await until(pilot, lambda: any("foresaw this" in note.message for note in app._notifications))
            app._notifications.clear()

    play(story())
