"""The cursor of the list: by keys, by mouse, and where it is found again."""

from __future__ import annotations

from pathlib import Path

from tests.workbench.harness import SmallScreen, opened, play, screen_text, until
from tests.workbench.runs import make_demo, make_project, make_run, make_waiting
from workbench.screens.runs.table import RunTable


def test_the_cursor_stays_on_its_run_when_others_come_and_go(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    runs = tmp_path / "runs"
    for age in (30, 20, 10):
        make_run(runs, age=age)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 3)
            await pilot.press("down")
            assert table.selected and table.selected.name == "transformer-002"
            make_run(runs, "wide", age=1)
            await until(pilot, lambda: len(table.runs) == 4)
            assert table.cursor == 2 and table.selected.name == "transformer-002"
            (runs / "transformer-002").rename(tmp_path / "elsewhere")
            await until(pilot, lambda: len(table.runs) == 3)
            assert table.selected is not None

    play(story())


def test_keys_move_the_cursor_and_scroll(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    for age in range(60, 0, -1):
        make_waiting(tmp_path / "runs", age=age)

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 60)
            for keys, place in (
                (["j", "down"], 2),
                (["k"], 1),
                (["up", "up"], 0),
                (["G"], 59),
                (["g"], 0),
                (["end"], 59),
                (["j"], 59),
                (["home"], 0),
            ):
                await pilot.press(*keys)
                assert table.cursor == place
            await pilot.press("pagedown")
            page = table.cursor
            assert 3 <= page < 20
            await pilot.press("ctrl+d", "ctrl+u", "pageup")
            assert table.cursor == 0
            await pilot.press("G")
            # Those that wait stand in their order, the last to start at the end.
            await until(pilot, lambda: " transformer-060 " in screen_text(app))
            selected = table.selected
            assert selected and selected.name == "transformer-060"
            assert "   run " in screen_text(app).splitlines()[2], "the heading stays"

    play(story())


def test_the_mouse_selects_marks_sorts_and_opens(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 7)
            await pilot.click(RunTable, offset=(10, 4))
            assert table.cursor == 3
            await pilot.click(RunTable, offset=(1, 2))
            assert table.marks == {"transformer-003"} and "1 marked" in screen_text(app)
            await pilot.click(RunTable, offset=(1, 2))
            assert not table.marks
            heading = next(line for line in screen_text(app).splitlines() if "tok/s" in line)
            await pilot.click("#body", offset=(heading.index("val") + 1, 0))
            await until(pilot, lambda: table.arranged.view.sort == "val/loss")
            assert [run.name for run in table.runs][:2] == ["wide-001", "transformer-001"]
            assert "val\u25b4" in screen_text(app)
            await pilot.click(RunTable, offset=(10, 5), times=2)
            await until(pilot, lambda: app.screen.has_class("-opened"))
            await pilot.press("escape")
            assert not app.screen.has_class("-opened")
            await pilot.click(RunTable, offset=(10, 3), button=3)
            await until(pilot, lambda: "What to do with" in screen_text(app))

    play(story())


def test_choices_are_kept_for_the_next_time(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 7)
            await pilot.press("j", "j", "space", "slash", *"phase", "equals_sign", *"stopped", "enter")
            await until(pilot, lambda: [run.name for run in table.runs] == ["lr-001"])
            app.session.set("runs.sort", "best")
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: [run.name for run in table.runs] == ["lr-001"])
            assert table.marks == {"lr-002"} and "1 marked" in screen_text(app) and "best\u25b4" not in screen_text(app)
            await pilot.press("escape", "escape")
            await until(pilot, lambda: len(table.runs) == 7)
            assert table.selected and table.selected.name == "lr-001", "where it was left"

    play(story())


def test_a_run_that_another_screen_asks_for_is_selected(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 7)
            await pilot.press("slash", *"lr", "enter")
            await until(pilot, lambda: len(table.runs) == 2)
            await pilot.press("1")
            await until(pilot, lambda: app.place.PLACE == "experiments")
            app.show_run("transformer-001")
            await until(pilot, lambda: bool(table.selected and table.selected.name == "transformer-001"))
            assert len(table.runs) == 7, "the filter hid it"

    play(story())
