"""Keys that come many at once, as over a slow line: no dialog acts twice, or closes more than itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual import events

from craft.runs.folder import RunFolder
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_demo, working
from workbench.app import Workbench
from workbench.screens.runs.acting import ActingScreen


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is done to runs: noted, not done."""
    done: list[tuple[Any, ...]] = []
    monkeypatch.setattr(ActingScreen, "do", lambda self, deed, *arguments, after=None: done.append((deed, *arguments)))
    return done


def _send(app: Workbench, *keys: str) -> None:
    """All of them at once, as one read from the terminal brings them."""
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.set_sender(app)
        assert app._driver is not None
        app._driver.send_message(event)


def test_an_answer_that_comes_twice_is_one(tmp_path: Path, deeds: list[tuple[Any, ...]]) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        with working(folder := RunFolder(tmp_path / "runs" / "transformer-003")):
            async with opened(file) as (app, pilot):
                await until(pilot, lambda: "running" in screen_text(app))
                await pilot.press("K")
                await until(pilot, lambda: "Kill transformer-003?" in screen_text(app))
                _send(app, "y", "y", "y", "enter", "escape")
                await until(pilot, lambda: app.screen is app.place)
                assert deeds == [("ending.kill", [folder])]
                await pilot.press("n")
                await until(pilot, lambda: "Note on" in screen_text(app))
                _send(app, "a", "tab", "b", "enter", "enter")
                await until(pilot, lambda: len(deeds) > 1)
                assert deeds[1:] == [("noting.set_note", [folder], "ab")]

    play(story())


def test_keys_that_come_with_the_end_open_nothing(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: len(app.runs) == 7)
            _send(app, "q", "v", "m", "K")
            await until(pilot, lambda: app._exit)

    play(story())
