"""Every list has the keys that a hand knows: arrows and those of vim; and a sign at its cursor."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.scroll_view import ScrollView
from textual.widget import Widget
from textual.widgets import Input, TextArea

import workbench
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.dialogs.choose import Choice, ChooseScreen
from workbench.screens.compare.tables import FitTable

KEYS = {"down", "j", "up", "k", "pagedown", "ctrl+d", "pageup", "ctrl+u", "home", "g", "end", "G"}


def _lists() -> Iterator[type[Widget]]:
    """Every widget of the workbench that scrolls lines and takes the keyboard, but for fields of text."""
    for module in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[Widget]] = [ScrollView]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__module__.startswith("workbench.") and kind.can_focus and not issubclass(kind, Input | TextArea):
            yield kind


@pytest.mark.parametrize("kind", sorted(set(_lists()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_a_list_has_the_keys_of_lists(kind: type[Widget]) -> None:
    bound = set(kind._merge_bindings().key_to_bindings)
    assert not KEYS - bound


def _boxes(app: Workbench) -> list[str]:
    """What the lines of Compare's list begin with."""
    return [line[:4] for line in screen_text(app).splitlines() if line[1:4] in ("[x]", "[ ]")]


@pytest.mark.parametrize(("ascii_only", "sign"), [(False, "\u258c"), (True, ">")], ids=["unicode", "ascii"])
def test_a_sign_stands_at_the_cursor_of_lists(tmp_path: Path, ascii_only: bool, sign: str) -> None:
    """Colours alone may look alike: of 256 the cursor's and the screen's are the same black."""
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", "first", age=100)
    make_run(tmp_path / "runs", "second")

    async def story() -> None:
        async with opened(file, ascii_only=ascii_only) as (app, pilot):
            app.push_screen(ChooseScreen("Which?", [Choice("a", "apple"), Choice("b", "berry")]))
            await until(pilot, lambda: f"{sign}apple" in screen_text(app) and " berry" in screen_text(app))
            await pilot.press("down")
            await until(pilot, lambda: f"{sign}berry" in screen_text(app) and " apple" in screen_text(app))
            await pilot.press("escape", "3", "g", "space", "space")
            await until(pilot, lambda: _boxes(app) == [" [x]", f"{sign}[x]"])
            await pilot.press("f")
            figures = app.screen.query_one("#figures", FitTable)
            await until(pilot, lambda: figures.row_name != "")
            rows = [figures.render_line(y).text for y in range(3)]
            assert [row.startswith(sign) for row in rows] == [False, True, False]
            assert _boxes(app) == [" [x]", " [x]"]  # keys go to the table

    play(story())


def test_ctrl_q_leaves_from_a_dialog_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_project(tmp_path)) as (app, pilot):
            app.push_screen(ChooseScreen("Which?", [Choice("a", "apple")]))
            await until(pilot, lambda: "apple" in screen_text(app))
            await pilot.press("ctrl+q")
            assert app._exit

    play(story())
