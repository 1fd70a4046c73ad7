"""The screen that compares runs: choosing, looking, sorting, reading on, exporting."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Input, Static

from craft.analysis.comparison.export import Look, picture, write_export
from craft.errors import UsageError
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from tests.workbench.compare.makers import a_run, make_comparable, record_of
from tests.workbench.harness import SmallScreen, opened, play, screen_text, until
from tests.workbench.runs import make_project, working
from workbench.app import Workbench
from workbench.screens.compare import showing
from workbench.screens.compare.picker import Picker
from workbench.screens.compare.screen import CompareScreen
from workbench.screens.compare.tables import FitTable
from workbench.widgets.chart.chart import Chart


def place(app: Workbench) -> CompareScreen:
    screen = app.place
    assert isinstance(screen, CompareScreen)
    return screen


def rows_of(app: Workbench, name: str = "figures") -> list[list[str]]:
    table = place(app).query_one(f"#{name}", FitTable)
    return [[cell.plain for cell in table.get_row_at(row)] for row in range(table.row_count)]


def names_of(app: Workbench) -> list[str]:
    return [one.name for one in place(app).query_one(Chart).series]


async def at_compare(app: Workbench, pilot: Pilot[None], *marked: str) -> None:
    """Go there with runs marked before, as the list of runs does."""
    app.session.set("compare.runs", list(marked))
    await pilot.press("3")
    await until(pilot, lambda: isinstance(app.place, CompareScreen) and app.place.is_mounted)
    if marked:
        await until(pilot, lambda: len(names_of(app)) == len(marked))


async def pressed(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)


def test_runs_are_marked_here_and_a_sweep_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path)) as (app, pilot):
            await at_compare(app, pilot)
            await until(pilot, lambda: "Mark runs in the list with space" in screen_text(app))
            await pressed(pilot, "G", "space")
            await until(pilot, lambda: names_of(app) == ["small-001"])
            await until(pilot, lambda: "Mark another run" in screen_text(app))
            await pressed(pilot, "g", "space")
            await until(pilot, lambda: len(names_of(app)) == 7)
            assert app.session.get("compare.runs", []) == ["small-001", *(f"lr-00{number}" for number in range(1, 7))]
            await until(pilot, lambda: "[x] \u25be lr" in screen_text(app))
            assert "small-001" in rows_of(app)[0][0]
            await pressed(pilot, "space")  # the sweep again: out of it
            await until(pilot, lambda: names_of(app) == ["small-001"])
            await pressed(pilot, "h")
            await until(pilot, lambda: "lr-001" not in screen_text(app))
            await pressed(pilot, "u")
            await until(pilot, lambda: "Mark runs in the list" in screen_text(app))

    play(story())


def test_what_was_marked_elsewhere_is_compared_with_its_first_as_the_reference(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path)) as (app, pilot):
            app.session.set("compare.runs", ["wide-001", "gone-001", "small-001"])
            await pilot.press("3")
            await until(pilot, lambda: isinstance(app.place, CompareScreen) and len(names_of(app)) == 2)
            assert names_of(app) == ["wide-001", "small-001"]
            await until(pilot, lambda: "small-001 did not reach wide-001's best, 1.5" in screen_text(app))
            assert " ref" in rows_of(app)[0][0] and "%" not in rows_of(app)[0][1]
            assert "%" in rows_of(app)[1][1]
            assert "1 setting differs" in screen_text(app)
            assert rows_of(app, "settings") == [["model.hidden_size", "192", "128"]]
            await pilot.press("a")
            await until(pilot, lambda: len(rows_of(app, "settings")) > 20)
            # Another reference: the one under the cursor of the table.
            await pressed(pilot, "f", "j", "r")
            await until(pilot, lambda: names_of(app) == ["small-001", "wide-001"])
            await until(pilot, lambda: "wide-001 reached small-001's best" in screen_text(app))
            # And runs that are marked elsewhere later on are taken when the screen is seen again.
            await pilot.press("2")
            app.session.set("compare.runs", ["lr-001", "lr-004"])
            await pilot.press("3")
            await until(pilot, lambda: names_of(app) == ["lr-001", "lr-004"])

    play(story())


def test_a_table_that_is_drawn_before_it_was_idle_has_room_for_its_cells(tmp_path: Path) -> None:
    def shown(table: FitTable) -> list[str]:
        return [strip.text.rstrip() for strip in table.render_lines(Region(0, 0, 60, 3))]

    async def story() -> None:
        async with opened(make_comparable(tmp_path)) as (app, pilot):
            await at_compare(app, pilot, "small-001", "wide-001")
            table = place(app).query_one("#figures", FitTable)
            columns = [("run", (("run", "head"),)), ("best", (("best", "head"),))]
            rows = {"a": [(("a long name", ""),), (("1.25 +3.1%", ""),)], "b": [(("b", ""),), (("2", ""),)]}
            table.fill(columns, rows)  # type: ignore[arg-type]
            assert shown(table) == [" run                best", " a long name  1.25 +3.1%", " b                     2"]
            rows = {"a": [(("a longer name", ""),), (("1.25", ""),)], "b": rows["b"]}
            table.fill(columns, rows)  # type: ignore[arg-type]
            assert shown(table) == [" run            best", " a longer name  1.25", " b                 2"]

    play(story())


def test_the_table_is_ordered_by_keys_and_by_headings(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path), size=(200, 50)) as (app, pilot):
            await at_compare(app, pilot, "small-001", "lr-001", "wide-001")

            def order() -> list[str]:
                return [row[0].split()[1] for row in rows_of(app)]

            assert order() == ["small-001", "lr-001", "wide-001"]
            await pilot.press("o")
            await until(pilot, lambda: order() == ["wide-001", "small-001", "lr-001"])
            best = [row[1] for row in rows_of(app)]
            assert best[0].startswith("\u2605 1.5") and not any("\u2605" in cell for cell in best[1:])
            await pilot.press("O")
            await until(pilot, lambda: order() == ["lr-001", "small-001", "wide-001"])
            table = place(app).query_one("#figures", FitTable)
            time_column = next(i for i, column in enumerate(table.ordered_columns) if column.key.value == "seconds")
            before = sum(column.get_render_width(table) for column in table.ordered_columns[:time_column])
            await pilot.click(table, offset=(before + 3, 0))
            await until(pilot, lambda: place(app)._wanted().sort == "seconds")
            await until(pilot, lambda: order()[-1] == "wide-001")
            await pilot.click(table, offset=(before + 3, 0))  # again: turned round
            await until(pilot, lambda: order()[0] == "wide-001")

    play(story())


def test_seeds_axis_metric_and_scale_are_chosen_and_kept(tmp_path: Path) -> None:
    file = make_comparable(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await at_compare(app, pilot, *(f"lr-00{number}" for number in range(1, 7)))
            await pressed(pilot, "c", "b")
            await until(pilot, lambda: names_of(app) == ["lr lr=0.005 x3", "lr lr=0.02 x3"])
            chart = place(app).query_one(Chart)
            assert all(len(one.low) == len(one.xs) == len(one.high) for one in chart.series)
            assert "\u00b1" in rows_of(app)[0][1] and "(n = 3)" in screen_text(app)
            assert "Welch's t-test" in screen_text(app)
            await pressed(pilot, "x", "x", "x")
            await until(pilot, lambda: bool(chart.axis) and chart.axis.name == "flops")  # type: ignore[union-attr]
            assert max(x for x in chart.series[0].xs if x is not None) == 768 * 500 * 2.5e6
            await pilot.press("m")
            await until(pilot, lambda: "Compare by" in screen_text(app))
            await pressed(pilot, *"bits", "enter")
            await until(pilot, lambda: "best val/bits_per_byte" in screen_text(app))
            await pilot.press("L")
            await until(pilot, lambda: chart.log_y)

    async def again() -> None:
        async with opened(file) as (app, pilot):
            await pilot.press("3")
            await until(pilot, lambda: isinstance(app.place, CompareScreen) and len(names_of(app)) == 2)
            chart = place(app).query_one(Chart)
            assert chart.log_y and chart.axis and chart.axis.name == "flops"
            assert chart.title == "val/bits_per_byte" and app.focused is chart

    play(story())
    play(again())


def test_a_live_run_goes_on_moving_and_nothing_is_drawn_when_nothing_came(tmp_path: Path) -> None:
    async def story() -> None:
        file = make_comparable(tmp_path)
        live = a_run(tmp_path / "runs", "live", 1.4, steps=100, phase="running", age=5)
        with working(live):
            async with opened(file) as (app, pilot):
                await at_compare(app, pilot, "small-001", "live-001")
                chart = place(app).query_one(Chart)
                assert max(x for x in chart.series[1].xs if x is not None) == 100
                looked, read = [0], place(app).read

                def count() -> None:
                    looked[0] += 1
                    read()

                place(app).read = count  # type: ignore[method-assign]
                await until(pilot, lambda: looked[0] >= 1 and chart.drawings > 0)
                drawn, series = chart.drawings, chart.series
                await until(pilot, lambda: looked[0] >= 3)
                assert chart.series is series and chart.drawings == drawn
                log = MetricsLog(live)
                for step in range(110, 201, 10):
                    log.append(record_of(step, 1.4, 1))
                log.close()
                StatusWriter(live).write(progressed=True, phase="running", step=200, max_steps=500)
                await until(pilot, lambda: max(x for x in chart.series[1].xs if x is not None) == 200)
                assert chart.series[0].ys == series[0].ys

    play(story())


def test_warnings_stand_first_and_figures_of_other_texts_are_not_set_against_each_other(tmp_path: Path) -> None:
    async def story() -> None:
        file = make_comparable(tmp_path)
        a_run(tmp_path / "runs", "prose", 1.2, data_hash="a", age=20)
        a_run(tmp_path / "runs", "code", 0.9, data_hash="b", age=10)
        async with opened(file) as (app, pilot):
            await at_compare(app, pilot, "prose-001", "code-001")
            words = str(place(app).query_one("#said", Static).content)
            first, *others = words.splitlines()
            assert "code-001 was measured on another text than prose-001: their figures do not compare" in first
            assert not any("sooner" in line for line in others)
            best = [row[1] for row in rows_of(app)]
            assert not any(sign in text for text in best for sign in ("%", "\u2605")), best

    play(story())


def test_a_comparison_that_was_given_up_comes_back_when_it_is_marked_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path)) as (app, pilot):
            await at_compare(app, pilot, "small-001")
            await pressed(pilot, "u")
            await until(pilot, lambda: "Nothing is compared yet" in screen_text(app))
            await pressed(pilot, "G", "space")
            await until(pilot, lambda: names_of(app) == ["small-001"] and "Mark another run" in screen_text(app))

    play(story())


def test_exports_ask_before_they_replace_and_say_where_they_wrote(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path)) as (app, pilot):
            await at_compare(app, pilot, "small-001", "wide-001")

            async def export(kind: str, name: str = "") -> None:
                await pilot.press("e")
                await until(pilot, lambda: "Write the comparison as" in screen_text(app))
                await pressed(pilot, *kind, "enter")
                await until(pilot, lambda: "Write the comparison to" in screen_text(app))
                box = app.screen.query_one(Input)
                assert Path(box.value).parent == tmp_path
                box.value = str(tmp_path / name) if name else box.value
                await pilot.press("enter")

            await export("png")
            png = tmp_path / "compare-val-loss.png"
            await until(pilot, lambda: png.exists() and "wrote" in screen_text(app))
            assert png.read_bytes().startswith(b"\x89PNG")
            await export("csv", "t.csv")
            await until(pilot, (tmp_path / "t.csv").exists)
            rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
            assert [row["run"] for row in rows] == ["small-001", "wide-001"]
            (tmp_path / "t.csv").write_text("mine")
            await export("csv", "t.csv")
            await until(pilot, lambda: "Replace the file" in screen_text(app))
            await pilot.press("n")
            await until(pilot, lambda: app.screen is place(app))
            assert (tmp_path / "t.csv").read_text() == "mine"
            await export("csv", "t.csv")
            await until(pilot, lambda: "Replace the file" in screen_text(app))
            await pilot.press("y")
            await until(pilot, lambda: (tmp_path / "t.csv").read_text() != "mine")
            await export("md", "nowhere/t.md")
            await until(pilot, lambda: "there is no folder" in screen_text(app))
            app.screen.query_one(Input).value = str(tmp_path / "t.markdown")
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is place(app) and (tmp_path / "t.markdown").exists())
            assert (tmp_path / "t.markdown").read_text().startswith("| run | phase | best val/loss |")
            app.copied = ""  # type: ignore[attr-defined]
            app.copy = lambda text, what: setattr(app, "copied", text)  # type: ignore[method-assign]
            await pressed(pilot, "p", "y")
            assert app.copied.startswith("| run | phase | best val/loss |")  # type: ignore[attr-defined]

    play(story())


def test_a_full_disk_and_a_closed_folder_are_one_clear_line_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").write_text("a file where a folder should be")
    with pytest.raises(UsageError) as refused:
        write_export(tmp_path / "closed" / "a.svg", b"")
    assert str(refused.value).splitlines() == [f"{tmp_path}/closed/a.svg: not written: Not a directory"]

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    (tmp_path / "a.svg").write_text("before")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError) as refused:
        write_export(tmp_path / "a.svg", b"after")
    assert str(refused.value).splitlines() == [f"{tmp_path}/a.svg: not written: No space left on device"]
    assert (tmp_path / "a.svg").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "closed"]


def test_the_list_is_filtered_by_words_and_figures(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path)) as (app, pilot):
            await at_compare(app, pilot)
            picker = place(app).query_one(Picker)
            await pressed(pilot, "slash", *"lr > 0.01 and not lr-")
            await until(pilot, lambda: [item.name for item in picker.items] == ["wide-001", "small-001"])
            await pressed(pilot, *" and (")
            await until(pilot, lambda: "filter: something is missing here" in screen_text(app))
            assert len(picker.items) == 9, "all runs while it cannot be read"
            await pilot.press("escape")
            await until(pilot, lambda: app.focused is picker)
            place(app).query_one("#filter", Input).value = "small"
            await until(pilot, lambda: len(picker.items) == 1)
        async with opened(tmp_path / "experiments.toml") as (app, pilot):  # it was kept
            await at_compare(app, pilot)
            picker = place(app).query_one(Picker)
            await until(pilot, lambda: [item.name for item in picker.items] == ["small-001"])
            place(app).query_one("#filter", Input).value = ""
            await until(pilot, lambda: len(picker.items) == 9)
            await until(pilot, lambda: "filter:" not in screen_text(app))
            place(app).query_one("#filter", Input).value = "nothing-like-it"
            await until(pilot, lambda: "no run passes the filter" in screen_text(app))
            place(app).query_one(Picker).focus()
            await pilot.press("escape")
            await until(pilot, lambda: "no run passes" not in screen_text(app) and "small-001" in screen_text(app))


def test_the_table_is_seen_at_the_column_that_it_is_ordered_by(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path), size=SmallScreen) as (app, pilot):
            await at_compare(app, pilot, *(f"lr-00{number}" for number in range(1, 4)))
            await pilot.press("f")
            for _ in range(len(place(app).query_one(FitTable).columns)):
                await pilot.press("o")
                figure = app.session.get("compare.sort", "")
                await until(pilot, lambda figure=figure: (place(app)._shown.found.sort or "") == figure)
                await until(
                    pilot,
                    lambda figure=figure: not figure or "\u25b2" in screen_text(app) or "\u25bc" in screen_text(app),
                )

    play(story())


def test_what_to_do_without_runs_is_said(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_project(tmp_path), size=SmallScreen) as (app, pilot):
            await at_compare(app, pilot)
            await until(pilot, lambda: "1, then r, launches one" in screen_text(app))

    play(story())


def test_a_small_screen_shows_the_chart_and_one_pane_by_keys_and_mouse(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path), size=SmallScreen) as (app, pilot):
            await at_compare(app, pilot, "small-001", "wide-001")
            assert "[x]" in screen_text(app) and "val/loss" not in screen_text(app).splitlines()[4]
            await pilot.press("f")
            await until(pilot, lambda: "best val/loss" in screen_text(app) and "\u2514" in screen_text(app))
            await pilot.press("s")
            await until(pilot, lambda: "model.hidden_size" in screen_text(app))
            tabs = screen_text(app).splitlines()[1]
            await pilot.click(offset=(tabs.index("words") + 1, 1))
            await until(pilot, lambda: "reached small-001's best" in screen_text(app))
            await pilot.press("c")
            await until(pilot, lambda: "what follows" not in screen_text(app))
            assert app.focused is place(app).query_one(Chart)
            keys = screen_text(app).splitlines()[-1]
            assert "? help" in keys and "q quit" in keys
            await pilot.resize_terminal(60, 15)
            await until(pilot, lambda: place(app).size.width == 60)
            for key in "psfwc":
                await pilot.press(key)
            await pilot.resize_terminal(160, 50)
            await until(pilot, lambda: "what follows" in screen_text(app) and "[x]" in screen_text(app))

    play(story())


def test_foreign_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    async def story() -> None:
        file = make_comparable(tmp_path)
        a_run(tmp_path / "runs", "odd", 1.4, axes={"optimizer.lr": "[red]\x1b[31mno[/]"}, seed=1, lr=0.001)
        a_run(tmp_path / "runs", "odd", 1.4, axes={"optimizer.lr": "[red]\x1b[31mno[/]"}, seed=2, lr=0.001)
        async with opened(file) as (app, pilot):
            await at_compare(app, pilot, "odd-001", "odd-002", "small-001")
            await pilot.press("b")
            await until(pilot, lambda: "[red]\u241b[31mno[/]" in rows_of(app)[0][0])
            assert "\x1b" not in screen_text(app)

    play(story())


def test_ascii_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path), ascii_only=True) as (app, pilot):
            await at_compare(app, pilot, *(f"lr-00{number}" for number in range(1, 7)))
            await pilot.press("b", "o")
            await until(pilot, lambda: "+-" in screen_text(app) and " ^" in screen_text(app))
            shown = screen_text(app)
            assert "1.599 +- 0.006 (n = 3)" in shown
            # Scroll bars and dividers are blanks with a background.
            assert shown.isascii(), sorted({char for char in shown if ord(char) > 127})

    play(story())


def test_more_curves_than_a_chart_holds_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        file = make_project(tmp_path)
        for number in range(14):
            a_run(tmp_path / "runs", "many", 1.5, seed=number, steps=50, age=100 - number)
        async with opened(file) as (app, pilot):
            await at_compare(app, pilot, *(f"many-{number:03d}" for number in range(1, 15)))
            assert "are drawn" not in screen_text(app)
            monkeypatch.setattr(showing, "MOST_CURVES", 12)
            await pressed(pilot, "g", "v")
            await until(pilot, lambda: "12 of 13 curves are drawn; v hides one" in screen_text(app))
            assert len(rows_of(app)) == 14
            await pilot.press("b")
            await until(pilot, lambda: names_of(app) == ["many x14"])

    play(story())


def test_curves_are_hidden_by_keys_and_mouse_and_keep_their_looks(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_comparable(tmp_path)) as (app, pilot):
            await at_compare(app, pilot, "lr-001", "lr-002", "small-001", "wide-001")
            chart, picker = place(app).query_one(Chart), place(app).query_one(Picker)

            def seen(*names: str, said: str = "") -> Callable[[], bool]:
                return lambda: names_of(app) == list(names) and (said or "seeds") in screen_text(app)

            looks = {one.name: one.look for one in chart.series}
            picker.cursor = next(place for place, item in enumerate(picker.items) if item.name == "small-001")
            await until(pilot, lambda: chart.top == looks["small-001"])
            await pilot.press("v")
            await until(pilot, seen("lr-001", "lr-002", "wide-001", said="A 1 hidden"))
            assert {one.name: one.look for one in chart.series}.items() <= looks.items()
            assert len(rows_of(app)) == 4 and rows_of(app)[2][0].startswith("\u00b7 small-001"), "its figures stay"
            assert any("[x] \u00b7 small-001" in line and " hid" in line for line in screen_text(app).splitlines())
            # Its own curve is left alone by V, and again V shows all.
            await pressed(pilot, "V")
            await until(pilot, seen("small-001", said="A 3 hidden"))
            first = next(one for one in picker.items if one.names() == picker.marked[:1])
            assert picker._state(first)[1] == "hid", "also of the reference"
            await pressed(pilot, "V")
            await until(pilot, seen("lr-001", "lr-002", "small-001", "wide-001"))
            # In the table, by its rows.
            await pressed(pilot, "f", "j", "v")
            await until(pilot, seen("lr-001", "small-001", "wide-001", said="A 1 hidden"))
            await pilot.press("A")
            await until(pilot, seen("lr-001", "lr-002", "small-001", "wide-001"))
            # By the mouse: a name in the chart, with shift all the others; a sign in the list.
            await pilot.resize_terminal(200, 50)
            await until(pilot, lambda: chart.drawing is not None and "wide-001 1.5" in screen_text(app))
            spot = spot_of(app, "wide-001 1.5")
            await pilot.click(offset=spot)
            await until(pilot, seen("lr-001", "lr-002", "small-001", said="A 1 hidden"))
            await pilot.click(offset=spot_of(app, "lr-002 1.6"), shift=True)
            await until(pilot, seen("lr-002", said="A 3 hidden"))
            await pilot.click(offset=spot_of(app, "3 hidden"))
            await until(pilot, seen("lr-001", "lr-002", "small-001", "wide-001"))
            await pilot.click(picker, offset=(6, [one.name for one in picker.items].index("wide-001")))
            await until(pilot, seen("lr-001", "lr-002", "small-001", said="A 1 hidden"))
            found = place(app)._shown
            assert found is not None
            hidden = frozenset({looks["wide-001"]})
            assert b"wide-001" not in picture("svg", found.found, Look(hidden=hidden)), "files show what is seen"
        async with opened(tmp_path / "experiments.toml") as (app, pilot):  # it was kept
            await pilot.press("3")
            await until(pilot, seen("lr-001", "lr-002", "small-001", said="A 1 hidden"))
            await pressed(pilot, "p", "G", "v", "g", "v")  # the sweep is two curves, and all are hidden then
            await until(pilot, lambda: "all curves are hidden; A shows them again" in screen_text(app))
            await pilot.resize_terminal(*SmallScreen)
            await until(pilot, lambda: "A 4 hidden" in screen_text(app) and "A shows" not in screen_text(app))

    def spot_of(app: Workbench, text: str) -> tuple[int, int]:
        return next((line.index(text) + 1, y) for y, line in enumerate(screen_text(app).splitlines()) if text in line)

    play(story())


def test_a_damaged_run_is_said_and_the_others_are_compared(tmp_path: Path) -> None:
    async def story() -> None:
        file = make_comparable(tmp_path)
        (tmp_path / "runs/wide-001/run.json").write_text("{")
        (tmp_path / "runs/small-001/experiment.toml").write_text("[[[")
        async with opened(file) as (app, pilot):
            app.session.set("compare.runs", ["wide-001", "small-001", "lr-001"])
            await pilot.press("3")
            await until(pilot, lambda: isinstance(app.place, CompareScreen) and len(names_of(app)) == 2)
            said = str(place(app).query_one("#said", Static).content)
            assert "wide-001: run.json is damaged" in said
            assert "small-001: its definition cannot be read" in said

    play(story())
