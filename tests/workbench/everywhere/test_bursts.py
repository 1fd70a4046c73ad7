"""Keys that come many at once, as over a slow line: no dialog acts twice, or closes more than itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual import events

from craft.runs.folder import RunFolder
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_demo, working
from tests.workbench.test_terminal import recorded
from workbench import memory
from workbench.app import Workbench
from workbench.dialogs.prompt import PromptScreen
from workbench.screens.playground.screen import PlaygroundScreen
from workbench.screens.runs.acting import ActingScreen
from workbench.widgets.typed import Line


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


def test_what_is_typed_at_once_is_done_in_its_order(tmp_path: Path) -> None:
    """In lines and in a line, and by keys that change where the next ones go."""

    async def story() -> None:
        async with opened(make_demo(tmp_path)) as (app, pilot):
            await pilot.press("4")
            await until(pilot, lambda: isinstance(app.screen, PlaygroundScreen) and app.screen.mode is not None)
            assert isinstance(app.screen, PlaygroundScreen)
            prompt = app.screen.prompt_area
            prompt.focus()
            prompt.load_text("one two")
            prompt.move_cursor((0, 7))
            await until(pilot, lambda: app.focused is prompt)
            _send(app, "backspace", *"abc", "home", *"12", "delete", "end", *"x" * 30)
            await until(pilot, lambda: prompt.text == "12ne twabc" + "x" * 30)
            _send(app, "f7", "backspace", *"new")
            await until(pilot, lambda: prompt.text == "new")
            app.push_screen(PromptScreen("a note", value="old"), given.append)
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            _send(app, "ctrl+u", *"fresh", "backspace", "d", "home", "y", "enter", "end", "z")
            await until(pilot, lambda: prompt.text == "newz")
            assert given == ["yfresd"]

    given: list[str | None] = []
    play(story())


def test_what_is_typed_after_the_key_of_a_dialog_goes_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_demo(tmp_path)) as (app, pilot):
            await until(pilot, lambda: len(app.runs) == 7)
            _send(app, "g", "n", *"quiet", "backspace", "left", "k")
            await until(pilot, lambda: isinstance(app.screen, PromptScreen) or "Note on" in screen_text(app))
            await until(pilot, lambda: [field.value for field in app.screen.query(Line)][:1] == ["quike"])

    play(story())


def test_a_terminal_that_sends_keys_at_once_has_them_done_in_order(tmp_path: Path) -> None:
    file = make_demo(tmp_path)
    memory.of_project(file).set("place", "playground")
    memory.of_project(file).set("playground.prompt", "one two")
    with recorded(str(file)) as program:
        program.until(lambda seen: b"nobody writes yet" in seen)
        program.write(b"\x1b[F\x7fabc\x1b[H<\x1b[F>\x7f\x7f!!\x11")
        assert program.leave() == 0
    assert memory.of_project(file).get("playground.prompt", "") == "<one twab!!"
