"""What is typed in a tab is kept for the next time, and where it is not, that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workbench.harness import opened, play, until
from tests.workbench.runs import make_project
from workbench.screens.playground.score import ScoreMode
from workbench.screens.playground.screen import PlaygroundScreen
from workbench.screens.playground.sources import Source, read_sources


def test_a_text_that_is_too_long_to_be_kept_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.screens.playground.mode.MOST_KEPT", 10)

    async def story() -> None:
        async with opened(make_project(tmp_path)) as (app, pilot):
            await pilot.press("4")
            await until(pilot, lambda: isinstance(app.place, PlaygroundScreen) and app.place.mode is not None)
            screen = app.place
            assert isinstance(screen, PlaygroundScreen)
            mode = await screen.open_tab("score")
            assert isinstance(mode, ScoreMode)
            mode.input.load_text("short")
            await until(pilot, lambda: app.session.get("playground.score", "") == "short")
            mode.input.load_text("much too long")
            await until(pilot, lambda: any("too long to be kept" in note.message for note in app._notifications))
            assert app.session.get("playground.score", "?") == ""

    play(story())


@pytest.mark.parametrize("stored", [7, "tiny-001", None, {"run": "tiny-001"}, [7, None, {}, [], {"run": 7}]])
def test_what_is_no_list_of_sources_is_none(stored: object) -> None:
    assert read_sources(stored) == []
    assert read_sources(["tiny-001", {"run": "tiny-001"}]) == [Source(run="tiny-001")]
