from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from craft.runs.events import append_event
from craft.runs.folder import update_identity
from tests.workbench.details.stage import append, at_details, full_run, shown_tab
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.screens.runs.details.charts import ChartsTab
from workbench.screens.runs.details.panel import RunDetails
from workbench.screens.runs.details.panels import panels_of, shown_panels
from workbench.screens.runs.details.run_curves import Look, RunCurves
from workbench.widgets.chart.chart import Chart

NAMES = (
    "train/loss",
    "train/lr",
    "system/cpu_percent",
    "norms/weight/blocks.0",
    "val/loss",
    "own/thing",
    "val/accuracy",
)


def test_a_figure_of_several_splits_is_one_chart_and_losses_come_first() -> None:
    panels = panels_of(NAMES)
    assert [panel.names for panel in panels] == [
        ("train/loss", "val/loss"),
        ("train/lr",),
        ("val/accuracy",),
        ("norms/weight/blocks.0",),
        ("own/thing",),
    ]
    assert [panel.title for panel in panels][:2] == ["loss", "learning rate"]
    assert [panel.names for panel in panels_of(NAMES, system=True)] == [("system/cpu_percent",)]
    assert [panel.key for panel in shown_panels(panels, ["lr", "gone"], "")] == ["lr"]
    assert [panel.key for panel in shown_panels(panels, ["lr"], "NORMS blocks")] == ["norms/weight/blocks.0"]
    assert len(shown_panels(panels, ["gone"], "")) == len(panels), "what is chosen of another run hides nothing here"


def _charts(details: RunDetails) -> list[Chart]:
    return [chart for chart in details.query(Chart) if chart.display]


def _tab(details: RunDetails) -> ChartsTab:
    tab = shown_tab(details)
    assert isinstance(tab, ChartsTab)
    return tab


def test_axes_marks_and_a_crosshair_for_all(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs")
    append_event(folder, "resumed", step=250)
    update_identity(folder, flops_per_token=2e6, parent_run="older-001", parent_step=100)

    async def story() -> None:
        async with at_details(tmp_path, size=(140, 40)) as (app, pilot, details):
            await until(pilot, lambda: len(_charts(details)) == 3 and bool(_charts(details)[0].series))
            charts = _charts(details)
            assert [one.name for one in charts[0].series] == ["train", "val"] and charts[0].title == "loss"
            marks = {(mark.kind, mark.x) for mark in charts[0].marks}
            assert {("checkpoint", 200.0), ("resumed", 250.0), ("forked", 100.0)} <= marks
            assert any(kind == "warning" for kind, _ in marks)
            for axis, end in (("tokens", 500 * 768), ("time", 12.5), ("flops", 500 * 768 * 2e6), ("step", 500)):
                await pilot.press("x")
                await until(pilot, lambda axis=axis: _tab(details).found.axis == axis)
                await until(pilot, lambda end=end: abs((_charts(details)[0].series[0].xs[-1] or 0) - end) < 1e-6 * end)
                fork = next(mark.x for mark in _charts(details)[0].marks if mark.kind == "forked")
                assert abs(fork / end - 0.2) < 0.01, "marks go with the axis"
            assert app.session.get("runs.x", "") == "step"
            await pilot.press("left")
            await until(pilot, lambda: all(chart.cross is not None for chart in charts))
            await pilot.press("plus")
            await until(pilot, lambda: len({chart.x_range for chart in charts}) == 1 and charts[0].x_range is not None)
            await pilot.press("S")
            await until(pilot, lambda: len({chart.smoothing for chart in charts}) == 1 and charts[0].smoothing > 0)
            await pilot.press("L")
            await until(pilot, lambda: charts[0].log_y and not charts[1].log_y)
            assert app.session.get("runs.charts.log_y", []) == ["loss"]

    play(story())


def test_an_axis_that_is_not_known_says_why(tmp_path: Path) -> None:
    full_run(tmp_path / "runs")

    async def story() -> None:
        async with at_details(tmp_path) as (app, pilot, details):
            await until(pilot, lambda: bool(_charts(details)))
            await pilot.press("x", "x", "x")
            await until(pilot, lambda: "FLOPs of this run are not known" in screen_text(app))
            assert _charts(details)[0].series[0].xs[-1] == 500, "it is drawn over steps meanwhile"

    play(story())


def test_pages_one_alone_filter_choice_and_help(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs")
    append(
        folder.metrics, *({"step": n, "time": n, "tokens": n, "own/thing": n, "train/grad_norm": 1} for n in (501, 502))
    )

    async def story() -> None:
        async with at_details(tmp_path, size=(80, 24)) as (app, pilot, details):
            await until(pilot, lambda: "page 1 of 5" in screen_text(app))
            assert len(_charts(details)) == 1
            await pilot.press("pagedown")
            await until(pilot, lambda: "speed" in screen_text(app) and "tok/s" in screen_text(app))
            await pilot.resize_terminal(160, 50)
            await until(pilot, lambda: len(_charts(details)) == 5 and "page 1 of" not in screen_text(app))
            await pilot.press("slash", *"grad", "enter")
            await until(pilot, lambda: [chart.title for chart in _charts(details)] == ["gradient norm"])
            await pilot.press("i")
            await until(pilot, lambda: "before it is clipped" in screen_text(app))
            await pilot.press("escape", "escape")
            await until(pilot, lambda: len(_charts(details)) == 5)
            await pilot.press("v", *"own", "enter", "escape")
            await until(pilot, lambda: len(_charts(details)) == 4 and "own/thing" not in screen_text(app))
            assert "own/thing" not in app.session.get("runs.charts.chosen", ["own/thing"])
            _charts(details)[1].focus()
            await pilot.press("enter")
            await until(pilot, lambda: [chart.title for chart in _charts(details)] == ["speed"])
            await until(pilot, lambda: app.focused is _charts(details)[0])
            await pilot.press("escape")
            await until(pilot, lambda: len(_charts(details)) == 4)

    play(story())


def test_damage_and_odd_values_are_said_and_drawn_around(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs")
    odd = [{"step": 501, "train/loss": None, "nonfinite": ["train/loss"]}, {"step": "x", "train/loss": 1}]
    odd += [
        {"step": 502, "train/loss": "text", "train/lr": [1], "\u001b[31m/[bold]": 3},
        {"step": 503, "train/loss": 1e999},
    ]
    append(folder.metrics, "{torn", "[]", *odd, {"step": 504, "train/loss": 1.5})
    append(folder.events, "{torn", {"kind": 3, "step": []}, {"kind": "checkpoint", "step": "many"}, {"kind": "warning"})

    async def story() -> None:
        async with at_details(tmp_path) as (app, pilot, details):
            await until(pilot, lambda: "2 damaged lines left out" in screen_text(app))
            assert _charts(details)[0].series[0].xs[-1] == 504
            assert "\x1b" not in screen_text(app)

    play(story())


def test_two_looks_at_once_read_each_record_once(tmp_path: Path) -> None:
    """Away from a run and back to it while it is read: the first look goes on, and nobody waits for it."""
    curves = RunCurves(full_run(tmp_path / "runs"))
    panels = panels_of(curves.names())
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(lambda _: curves.look(panels, "step"), range(40)))
    assert {tuple(look.curves["loss"][0].xs) for look in looks} == {tuple(float(step) for step in range(5, 501, 5))}


def test_charts_that_more_room_brings_into_view_get_their_curves(tmp_path: Path) -> None:
    full_run(tmp_path / "runs")
    make_project(tmp_path)

    async def story() -> None:
        async with opened(tmp_path / "experiments.toml", size=(120, 20)) as (app, pilot):
            details = app.screen.query_one(RunDetails)
            await until(pilot, lambda: bool(_charts(details)) and all(chart.series for chart in _charts(details)))
            await pilot.pause(0.3)  # nothing is read any more
            assert len(_charts(details)) < 3
            await pilot.resize_terminal(120, 50)
            await until(pilot, lambda: len(_charts(details)) == 3)
            await until(pilot, lambda: all(chart.series for chart in _charts(details)))

    play(story())


def test_a_run_that_is_over_and_has_no_log_is_not_said_to_wait_for_points(tmp_path: Path) -> None:
    full_run(tmp_path / "runs").metrics.unlink()

    async def story() -> None:
        async with at_details(tmp_path) as (app, pilot, _):
            await until(pilot, lambda: "no metrics: finished: its metrics.jsonl is gone" in screen_text(app))
            await pilot.press("U")
            await until(pilot, lambda: "This run has recorded nothing." in screen_text(app))

    play(story())


def test_a_log_that_takes_long_to_read_is_being_read_and_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")
    look, may_read = RunCurves.look, threading.Event()

    def slow(self: RunCurves, *asked: Any) -> Look:
        may_read.wait(20)
        return look(self, *asked)

    monkeypatch.setattr(RunCurves, "look", slow)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "reading ..." in screen_text(app))
            assert "no metrics yet" not in screen_text(app)
            may_read.set()
            await until(pilot, lambda: "over step" in screen_text(app) and "reading" not in screen_text(app))

    play(story())
