from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Region
from textual.widgets import Static

import workbench
from craft.analysis import plots
from craft.analysis.axes import AXES
from craft.analysis.plots import Drawing, Mark, Series
from craft.analysis.smoothing import LIGHT, STRONG
from craft.text import width_of
from tests.workbench.chart.app import EVALS, EVENTS, LOSS, STEPS, Charts, shown
from tests.workbench.harness import play, until
from workbench.actions import PLACES, key_name
from workbench.widgets.chart.chart import Chart

# --- keys ---


def test_keys_move_the_crosshair_over_the_points() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            await pilot.press("l")
            assert chart.cross == 400.0, "it begins at the newest"
            await pilot.press("h")
            assert chart.cross is not None and 380 < chart.cross < 400 and chart.cross in STEPS
            await pilot.press("g")
            assert chart.cross == 0.0
            await pilot.press("right")
            await pilot.pause()
            assert chart.cross is not None and 0 < chart.cross < 10
            place = int(chart.cross)
            assert f"train {LOSS.write(LOSS.ys[place])}" in app.text() and "val 4.700 @0" in app.text()
            await pilot.press("escape")
            assert chart.cross is None
            await pilot.pause()
            assert next(message.x for message in app.posted if isinstance(message, Chart.Pointed)) == 400.0
            assert "train 1.501" in app.text(), "last values again"

    play(story())


def test_sparse_points_are_met_one_by_one() -> None:
    async def story() -> None:
        async with shown() as (_, chart, pilot):
            chart.show([EVALS])
            await pilot.press("g")
            for place in EVALS.xs[1:]:
                await pilot.press("l")
                assert chart.cross == place
            await pilot.press("l")
            assert chart.cross == 400.0, "and stays at the last"

    play(story())


def test_zoom_goes_around_the_crosshair_and_back() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            chart.point_at(100.0)
            await pilot.press("plus", "plus", "plus")
            first = chart.x_range
            assert first is not None and first[1] - first[0] == pytest.approx(50.0)
            assert first[0] < 100.0 < first[1], "fast keys count each"
            await pilot.press("shift+right")
            second = chart.x_range
            assert second is not None and second[0] == pytest.approx(first[0] + 12.5)
            await pilot.press("l")
            assert chart.cross is not None and second[0] <= chart.cross <= second[1], "the crosshair comes along"
            await pilot.press("minus", "minus", "minus", "minus")
            assert chart.x_range is None
            await pilot.press("plus", "0")
            assert chart.x_range is None
            await pilot.pause()
            ranged = [message.x_range for message in app.posted if isinstance(message, Chart.Ranged)]
            assert first in ranged and second in ranged and ranged[-1] is None

    play(story())


def test_a_crosshair_that_leaves_the_part_moves_it() -> None:
    async def story() -> None:
        async with shown() as (_, chart, pilot):
            chart.set_range((100.0, 140.0))
            chart.point_at(140.0)
            await pilot.press("l")
            assert chart.x_range is not None and chart.cross is not None
            assert chart.cross > 140.0 and chart.x_range[0] <= chart.cross <= chart.x_range[1]
            assert chart.x_range[1] - chart.x_range[0] == pytest.approx(40.0)
            await pilot.press("n")
            assert chart.cross == 200.0 and chart.x_range[0] <= 200.0 <= chart.x_range[1], "to an event as well"

    play(story())


def test_a_range_is_chosen_by_keys() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            chart.point_at(100.0)
            await pilot.press("space", "l", "l", "l")
            await pilot.pause()
            assert chart.chosen is not None and chart.chosen[0] == 100.0
            assert "\u2550" in app.text()
            end = chart.cross
            await pilot.press("space")
            assert chart.x_range == (100.0, end) and chart.chosen is None
            await pilot.press("space", "l", "escape")
            assert chart.chosen is None and chart.cross is not None, "one thing after the other"
            await pilot.press("escape", "escape")
            assert chart.cross is None and chart.x_range is None

    play(story())


def test_the_y_axis_zooms_by_itself() -> None:
    async def story() -> None:
        async with shown() as (_, chart, pilot):
            assert chart.check_action("pan_down", ()) is False, "the arrows are the surrounding's"
            await pilot.press("K")
            whole = chart.drawing
            assert chart.y_range is not None and whole is not None and whole.whole_y is not None
            assert chart.y_range[1] - chart.y_range[0] == pytest.approx((whole.whole_y.high - whole.whole_y.low) / 2)
            before = chart.y_range
            await pilot.press("down")
            assert chart.y_range[0] < before[0] and chart.x_range is None
            await pilot.press("L")
            assert chart.y_range is None, "another axis"
            await pilot.press("K", "0")
            assert chart.y_range is None

    play(story())


def test_looks_change_by_key_and_are_said() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            for key, words in (
                ("S", "lightly smoothed"),
                ("S", "strongly smoothed"),
                ("L", "log y"),
                ("X", "log x, y"),
            ):
                await pilot.press(key)
                await pilot.pause()
                assert words in app.text()
            assert chart.smoothing == STRONG and chart.log_x and chart.log_y
            await pilot.press("S", "L", "X", "R")
            assert not (chart.smoothing or chart.log_x or chart.log_y or chart.robust)
            await pilot.pause()
            assert sum(isinstance(message, Chart.Relooked) for message in app.posted) == 8

    play(story())


def test_events_are_gone_through_and_said() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            await pilot.press("n")
            await pilot.pause()
            assert chart.cross == 100.0 and "step-00000100" in app.text()
            await pilot.press("n")
            await pilot.pause()
            assert chart.cross == 200.0 and "lr 0.02 -> 0.01" in app.text()
            await pilot.press("n", "N")
            assert chart.cross == 200.0, "around, and back"
            chart.show([LOSS])
            assert chart.check_action("next_event", ()) is False

    play(story())


def test_values_are_copied_as_a_table() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            chart.smoothing = LIGHT
            chart.point_at(100.0)
            await pilot.press("y")
            assert app.copied == f"series\tstep\tvalue\ntrain\t100\t{LOSS.ys[100]!r}\nval\t100\t{EVALS.ys[2]!r}\n"
            chart.point_at(None)
            chart.set_range((99.0, 101.0))
            await pilot.press("y")
            rows = app.copied.splitlines()
            assert rows == [
                "step\ttrain\tval",
                f"99\t{LOSS.ys[99]!r}\t",
                f"100\t{LOSS.ys[100]!r}\t{EVALS.ys[2]!r}",
                f"101\t{LOSS.ys[101]!r}\t",
            ]

    play(story())


def test_every_key_of_the_list_does_something_and_none_is_taken_elsewhere() -> None:
    keys = [key for action in PLACES["chart"] for key in action.keys]
    elsewhere = {key for action in PLACES["everywhere"] for key in action.keys}
    assert len(keys) == len(set(keys)) and not elsewhere & set(keys) and not {"slash", "tab"} & set(keys)
    assert all(callable(getattr(Chart, f"action_{action.name}")) for action in PLACES["chart"])


# --- mouse ---


def test_the_mouse_reads_values_and_a_click_keeps_the_crosshair() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            await pilot.hover(Chart, offset=(50, 8))
            hovered = chart.cross
            assert hovered is not None and hovered in STEPS
            await pilot.hover(Chart, offset=(60, 8))
            assert chart.cross is not None and chart.cross > hovered
            await pilot.click(Chart, offset=(30, 8))
            kept = chart.cross
            await pilot.hover(Chart, offset=(70, 8))
            assert chart.cross != kept
            chart.on_leave(None)  # type: ignore[arg-type]
            assert chart.cross == kept, "the mouse has left"
            await pilot.pause()
            assert isinstance(app.posted[-1], Chart.Pointed) and app.posted[-1].x == kept

    play(story())


def test_dragging_chooses_a_part_and_a_double_click_shows_all() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            await pilot.mouse_down(Chart, offset=(30, 8))
            await pilot.hover(Chart, offset=(60, 9))
            await pilot.pause()
            assert chart.chosen is not None and "\u2550" in app.text()
            assert app.text().splitlines()[3].count("\u2502") == 2, "its ends, and no crosshair"
            await pilot.mouse_up(Chart, offset=(60, 9))
            first = chart.x_range
            assert first is not None and 80 < first[0] < 130 and 200 < first[1] < 260
            assert chart.chosen is None
            await pilot.mouse_down(Chart, offset=(30, 8), shift=True)
            await pilot.hover(Chart, offset=(50, 8))
            await pilot.mouse_up(Chart, offset=(50, 8), shift=True)
            second = chart.x_range
            assert second is not None and second[0] < first[0], "the picture goes with the mouse"
            assert second[1] - second[0] == pytest.approx(first[1] - first[0])
            await pilot.click(Chart, offset=(50, 8), times=2)
            assert chart.x_range is None

    play(story())


def test_the_wheel_zooms_around_the_pointer_where_the_focus_is() -> None:
    async def story() -> None:
        async with shown(count=2, size=(100, 40)) as (app, chart, pilot):
            other = app.query(Chart).last()
            other.styles.min_height = 45
            await pilot.pause()
            await pilot._post_mouse_events([_scroll()], other, offset=(50, 8))
            assert other.x_range is None, "a page of charts scrolls"
            other.styles.min_height = 5
            await pilot.pause()
            await pilot._post_mouse_events([_scroll()], other, offset=(50, 8))
            assert other.x_range is not None, "one that shows all of them need not"
            await pilot._post_mouse_events([_scroll()], chart, offset=(99, 8))
            assert chart.x_range is not None and chart.x_range[1] == 400.0
            assert chart.x_range[0] == pytest.approx(80.0, abs=2)
            await pilot._post_mouse_events([_scroll()], chart, offset=(1, 8))
            assert chart.y_range is not None, "over the numbers of the y axis, that axis"

    play(story())


def _scroll() -> type:
    from textual.events import MouseScrollUp

    return MouseScrollUp


# --- live ---


def _grown(series: Series, to: int) -> Series:
    xs = [float(x) for x in range(to + 1)]
    return replace(series, xs=xs, ys=[1.5 + 3 * math.exp(-x / 50) for x in xs])


def test_a_live_chart_reaches_ahead_and_goes_with_its_newest_point_when_the_wheel_zooms_there() -> None:
    async def story() -> None:
        async with shown(size=(100, 20)) as (_, chart, pilot):
            chart.show([_grown(LOSS, 1026)], live=True)
            drawing = chart.drawing
            assert drawing is not None and drawing.x is not None and 1026 < drawing.x.high <= 1026 * 17 / 16
            await pilot.press("end")
            assert chart.cross == 1026, "the last point, and not the end of the axis"
            await pilot.press("escape")
            newest = drawing.left + drawing.x.near(1026, drawing.columns)
            await pilot._post_mouse_events([_scroll()], chart, offset=(newest, 8))
            assert chart.x_range is not None and chart.x_range[1] >= 1026
            for step in range(1030, 1200, 10):
                chart.show([_grown(LOSS, step)], live=True)
                assert chart.x_range is not None and chart.x_range[0] < step <= chart.x_range[1]
            chart.set_range(None)
            chart.show([_grown(LOSS, 1200)], live=False)
            assert (ended := chart.drawing) is not None and ended.x is not None and ended.x.high == 1200

    play(story())


def test_a_range_that_ends_at_the_newest_point_moves_with_it() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            chart.set_range((300.0, 400.0))
            chart.show([_grown(LOSS, 450)])
            assert chart.x_range == (350.0, 450.0)
            await pilot.pause()
            assert isinstance(app.posted[-1], Chart.Ranged) and app.posted[-1].x_range == (350.0, 450.0)
            chart.set_range((100.0, 200.0))
            chart.show([_grown(LOSS, 500)])
            assert chart.x_range == (100.0, 200.0), "the past stays where it is"

    play(story())


def test_another_axis_or_another_run_begins_anew() -> None:
    async def story() -> None:
        async with shown() as (_, chart, pilot):
            chart.set_range((300.0, 400.0))
            await pilot.press("h", "K")
            chart.show([LOSS], axis=AXES["tokens"])
            assert chart.x_range is None and chart.cross is None
            chart.set_range((300.0, 400.0))
            await pilot.press("K")
            chart.show(())
            assert chart.x_range is None and chart.y_range is None

    play(story())


def test_nothing_new_costs_nothing() -> None:
    async def story() -> None:
        async with shown() as (_, chart, pilot):
            await pilot.pause()
            series = [LOSS, EVALS]
            chart.show(series, title="loss", marks=EVENTS)
            await pilot.pause()
            before = chart.drawings
            for _ in range(20):
                chart.show([LOSS, EVALS], title="loss", marks=EVENTS)
                await pilot.pause()
            assert chart.drawings == before
            chart.show([_grown(LOSS, 401), EVALS], title="loss", marks=EVENTS)
            chart.point_at(5.0)
            await pilot.pause()
            assert chart.drawings == before + 1, "several changes are drawn once"

    play(story())


def test_long_curves_are_looked_through_beside_the_event_loop_and_what_is_seen_stays_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = [float(step) for step in range(30_000)]
    long = Series("long", steps, [7.0 + 2 * math.exp(-x / 4000) for x in steps])
    threads: list[bool] = []
    may_draw, draw_plot = threading.Event(), plots.draw_plot

    def slowly(*args: Any, **settings: Any) -> Drawing:
        beside = threading.current_thread() is not threading.main_thread()
        threads.append(beside)
        if beside:
            may_draw.wait(20)
        return draw_plot(*args, **settings)

    monkeypatch.setattr(plots, "draw_plot", slowly)

    async def story() -> None:
        async with shown() as (app, chart, pilot):
            chart.show([long], title="loss", x_label="step")
            await until(pilot, lambda: any(threads))
            await pilot.press("right")  # a key is answered, over what is seen
            assert "train 1.5" in app.text() and chart.cross == 400
            may_draw.set()
            await until(pilot, lambda: "long 8.8" in app.text())
            count = sum(threads)
            await pilot.press("g", "right")
            assert sum(threads) == count == 1, "what is known is drawn at once"
            may_draw.clear()
            await pilot.press("plus", "plus")  # the second goes on from the first, which is not seen yet
            assert chart.x_range is not None and chart.x_range[1] - chart.x_range[0] == pytest.approx(29_999 / 4)
            may_draw.set()
            await until(pilot, lambda: "zoomed" in app.text())
            await pilot.press("S")
            await until(pilot, lambda: "lightly smoothed" in app.text())
            assert sum(threads) >= 3 and chart.drawing is not None
            again = draw_plot(
                [long], width=100, height=20, title="loss", x_label="step", axis=AXES["step"], view=chart.view()
            )
            assert chart.drawing.rows == again.rows, "as it would be drawn at once"
            count = len(threads)
            await pilot.resize_terminal(80, 18)
            await until(pilot, lambda: chart.drawing is not None and chart.drawing.width == 80)
            assert threads[count], "another size is not drawn on the event loop either"

    play(story())


def test_long_curves_that_were_replaced_meanwhile_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [float(step) for step in range(30_000)]
    one, other = (
        Series(name, steps, [height + x / 1000 for x in steps]) for name, height in (("one", 1), ("other", 9))
    )
    begun: list[str] = []
    may_draw = {"one": threading.Event(), "other": threading.Event()}
    draw_plot = plots.draw_plot

    def slowly(series: Sequence[Series], **settings: Any) -> Drawing:
        name = series[0].name if series else ""
        if name in may_draw and threading.current_thread() is not threading.main_thread():
            begun.append(name)
            may_draw[name].wait(20)
        return draw_plot(series, **settings)

    monkeypatch.setattr(plots, "draw_plot", slowly)

    async def story() -> None:
        async with shown() as (app, chart, pilot):
            chart.show([one])
            await until(pilot, lambda: begun == ["one"])
            chart.show([other])
            may_draw["one"].set()
            await until(pilot, lambda: begun == ["one", "other"])
            assert "one 3" not in app.text() and "train 1.5" in app.text()
            assert [curve.series.name for curve in chart.curves] == ["train", "val"], "as it is seen"
            may_draw["other"].set()
            await until(pilot, lambda: "other 38.999" in app.text())

    play(story())


def test_only_what_differs_is_sent() -> None:
    async def story() -> None:
        async with shown() as (_, chart, pilot):
            await pilot.pause()
            sent: list[Region] = []
            refresh = chart.refresh
            chart.refresh = lambda *regions, **more: (sent.extend(regions), refresh(*regions, **more))[1]  # type: ignore
            chart.point_at(200.0)
            await pilot.pause()
            chart.point_at(204.0)
            await pilot.pause()
            assert sent and sum(region.area for region in sent) < 2 * chart.size.area * 0.6

    play(story())


def test_what_is_sent_in_parts_is_what_would_be_drawn_whole() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            for keys in (["h", "h"], ["plus"], ["S"], ["n"], ["space", "l", "l"], ["0"], ["L"]):
                await pilot.press(*keys)
                await pilot.pause()
                seen = app.text()
                chart.refresh()
                await pilot.pause()
                assert app.text() == seen

    play(story())


# --- looks ---


def test_the_focus_is_seen_without_colour() -> None:
    async def story() -> None:
        for ascii_only, corner in ((False, "\u2517"), (True, "#")):
            async with shown(ascii_only=ascii_only) as (app, _, pilot):
                await pilot.pause()
                assert corner in app.text()
                app.set_focus(None)
                await pilot.pause()
                assert corner not in app.text()
                assert not ascii_only or app.text().isascii()

    play(story())


@pytest.mark.parametrize("theme", ["craft-dark", "craft-light", "ansi-dark", "ansi-light"])
def test_every_part_has_a_look_and_curves_one_each(theme: str) -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            app.theme = theme
            await pilot.pause()
            looks = {name: chart.get_component_rich_style(name) for name in Chart.COMPONENT_CLASSES}
            colours = [looks[f"chart--series{index}"].color for index in range(8)]
            assert len({str(colour) for colour in colours}) == 8 and None not in colours
            faint = [looks[f"chart--faint{index}"] for index in range(8)]
            for style, colour in zip(faint, colours, strict=True):
                assert style.dim or style.color != colour
            assert ("ansi" in theme) == all(colour is not None and colour.triplet is None for colour in colours)

    play(story())


def test_a_chart_of_any_size_fills_it() -> None:
    async def story() -> None:
        app = Charts(1)
        async with app.run_test(size=(160, 50)) as pilot:
            long = replace(LOSS, name="\u5b66\u7fd2" * 20)
            app.chart.show(
                [long, EVALS, LOSS], title="a [title]", note=("[/] waits\x1b[31m", "warn"), marks=[Mark(3, "x")]
            )
            for width, height in ((160, 50), (60, 15), (30, 8), (12, 5), (5, 3), (3, 2)):
                await pilot.resize_terminal(width, height)
                await pilot.pause()
                lines = app.text().splitlines()
                assert len(lines) == height and all(width_of(line) == width for line in lines)
                assert "\x1b" not in app.text()
            await pilot.resize_terminal(80, 24)
            await pilot.pause()
            assert "[/] waits" in app.text() and "a [title]" in app.text()

    play(story())


def test_a_hidden_chart_is_not_drawn() -> None:
    async def story() -> None:
        async with shown() as (app, chart, pilot):
            await app.mount(Static("other"))
            chart.display = False
            await pilot.pause()
            before = chart.drawings
            for to in (410, 420, 430):
                chart.show([_grown(LOSS, to)])
                await pilot.pause()
            assert chart.drawings == before
            chart.display = True
            await pilot.pause()
            assert chart.drawings == before + 1 and chart.drawing is not None
            assert chart.drawing.whole_x is not None and chart.drawing.whole_x.high == 430.0

    play(story())


def test_the_guide_names_the_keys_that_there_are() -> None:
    guide = (Path(workbench.__file__).parents[1] / "docs" / "guides" / "charts.md").read_text()
    table = [line for line in guide.splitlines() if line.startswith("| `")]
    named = {key for line in table for key in re.findall(r"`([^`]+)`", line.split(" | ")[0])}
    assert named == {key_name(key) for action in PLACES["chart"] for key in action.keys}
