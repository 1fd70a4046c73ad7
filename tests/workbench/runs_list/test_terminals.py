"""Terminals of all sizes, and the bar of keys in them."""

from __future__ import annotations

from pathlib import Path

from craft.runs.folder import RunFolder
from tests.workbench.harness import SmallScreen, opened, play, screen_text, until
from tests.workbench.runs import make_demo, make_project, make_run, working
from workbench.app import Workbench
from workbench.screens.runs.table import RunTable
from workbench.widgets.bars import KeyBar


def _last(app: Workbench) -> str:
    return screen_text(app).splitlines()[-1]


def test_the_most_important_keys_fit_eighty_columns(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        with working(RunFolder(tmp_path / "runs" / "transformer-003")):
            async with opened(file, size=SmallScreen) as (app, pilot):
                for keys, labels in (
                    ((), ["details", "menu", "stop", "filter", "mark", "help", "quit"]),
                    (("G",), ["details", "menu", "resume", "filter", "mark", "help", "quit"]),
                ):
                    await pilot.press(*keys)
                    await until(pilot, lambda labels=labels: all(f" {label} " in _last(app) for label in labels))

    play(story())


def test_keys_that_would_do_nothing_are_not_offered(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "quit" in _last(app))
            assert "stop" not in _last(app) and "details" not in _last(app)
            await pilot.press("s", "enter")
            assert app.screen is app.screen_stack[0]
            make_run(tmp_path / "runs")
            await until(pilot, lambda: "details" in _last(app))
            await until(pilot, lambda: "resume" in _last(app))
            assert "stop" not in _last(app), "a finished run cannot be stopped"

    play(story())


def test_a_click_on_the_bar_is_a_key(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "details" in _last(app))
            await pilot.click(KeyBar, offset=(_last(app).index("details"), 0))
            await until(pilot, lambda: app.screen.has_class("-opened"))

    play(story())


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file, ascii_only=True) as (app, pilot):
            await pilot.press("G")
            await until(pilot, lambda: "+ finished" in screen_text(app))
            own = "".join(line for line in screen_text(app).splitlines() if "\u2502" not in line)
            assert own.isascii()
            assert "+ finished" in screen_text(app)

    play(story())


def test_no_size_is_too_small(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        app = Workbench(file)
        async with app.run_test(size=(1, 1)) as pilot:
            await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 7)
            for size in ((1, 1), (8, 2), (20, 5), (79, 15), (300, 8)):
                await pilot.resize_terminal(*size)
                for keys in (["G"], ["question_mark"], ["escape"], ["enter"], ["escape"], ["t", "l", "j", "g"]):
                    await pilot.press(*keys)
            await pilot.resize_terminal(120, 40)
            await until(pilot, lambda: "transformer-001" in screen_text(app))

    play(story())
