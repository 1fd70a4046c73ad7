"""What the list and the line under it say of runs, and how they follow them."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.strip import Strip

from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter
from tests.workbench.harness import SmallScreen, WideScreen, opened, play, screen_text, until
from tests.workbench.runs import make_demo, make_project, make_run, make_waiting, working
from workbench.app import Workbench
from workbench.screens.runs.arrange import Arranged
from workbench.screens.runs.table import RunTable


def _line(app: Workbench, name: str) -> str:
    return next(line for line in screen_text(app).splitlines() if f" {name} " in line and "00 " in line)


def test_runs_are_listed_with_what_they_do(tmp_path: Path) -> None:
    async def story() -> None:
        make_demo(tmp_path)
        with working(RunFolder(tmp_path / "runs" / "transformer-003")):
            async with opened(tmp_path / "experiments.toml") as (app, pilot):
                table = app.screen.query_one(RunTable)
                for size in (WideScreen, SmallScreen, (120, 30), (250, 70)):
                    await pilot.resize_terminal(*size)
                    await until(pilot, lambda: len(table.runs) == 7 and "310/500" in screen_text(app))
                    text = screen_text(app)
                    names = [run.name for run in table.runs]
                    assert names[:3] == ["transformer-003", "wide-002", "lr-002"] and names[-1] == "transformer-001"
                    shown = names[: table.size.height - 1]
                    for name, word in {
                        "wide-002": "queued",
                        "transformer-003": "running",
                        "lr-002": "interrupted",
                        "lr-001": "stopped",
                        "transformer-002": "failed",
                        "transformer-001": "finished",
                    }.items():
                        assert name not in shown or word in _line(app, name)
                    running = _line(app, "transformer-003")
                    for figure in ("310/500", "1.686", "1.825", "25.1k", "4.8s"):
                        assert figure in running
                    for title in ("phase", "step", "loss", "val", "tok/s", "ETA", "age"):
                        assert title in text
                    for name in ("transformer", "wide", "lr"):
                        assert name in text
                    assert table.selected and table.selected.name == "transformer-003", "the live one"
                    assert "1 running" in text and "7 runs" in text

    play(story())


def test_a_growing_run_is_followed_and_no_line_is_drawn_without_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)
    make_run(tmp_path / "runs", "wide", age=90_000)
    drawn: list[int] = []
    render = RunTable.render_line

    def counted(self: RunTable, y: int) -> Strip:
        drawn.append(y)
        return render(self, y)

    monkeypatch.setattr(RunTable, "render_line", counted)
    looks: list[int] = []
    show = RunTable.show

    def counted_show(self: RunTable, arranged: Arranged) -> None:
        looks.append(1)
        show(self, arranged)

    monkeypatch.setattr(RunTable, "show", counted_show)

    async def story() -> None:
        with working(folder):
            async with opened(file) as (app, pilot):
                await until(pilot, lambda: "100/500" in screen_text(app))
                # The age of a young run is news.
                await until(pilot, lambda: "10m" in _line(app, "transformer-001"))

                def no_drawing() -> bool:
                    """Five looks in a row brought no news, and nothing was drawn."""
                    if drawn:
                        drawn.clear()
                        looks.clear()
                    return len(looks) > 5

                await until(pilot, no_drawing)

                StatusWriter(folder).write(phase="running", step=250, val_loss=1.5, progressed=True)
                await until(pilot, lambda: "250/500" in screen_text(app))
                assert "1.500" in _line(app, "transformer-001")
                assert set(drawn) == {1}, "the line of the run that has news"

    play(story())


def test_a_run_that_ends_is_seen_to_end(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "interrupted" in screen_text(app))
            with working(folder):
                await until(pilot, lambda: "running" in _line(app, "transformer-001"))
                StatusWriter(folder).write(phase="finished", step=500, durable=True)
            await until(pilot, lambda: "finished" in _line(app, "transformer-001"))
            with working(folder):
                StatusWriter(folder).write(phase="running", step=501, max_steps=900)
                await until(pilot, lambda: "501/900" in _line(app, "transformer-001"))

    play(story())


def test_runs_of_another_folder(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "other", "elsewhere")

    async def story() -> None:
        async with opened(file, runs_dir=tmp_path / "other") as (app, pilot):
            await until(pilot, lambda: "elsewhere-001" in screen_text(app) and "wide" in screen_text(app))

    play(story())


def test_a_queued_run_says_why_it_waits(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_waiting(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "queued: " in screen_text(app))

    play(story())


def test_what_went_wrong_and_what_to_do_stand_below_the_list(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", phase="failed", step=40, error="the loss became NaN at step 41")
    make_run(tmp_path / "runs", "wide", phase="paused", step=40, age=5)
    folder = make_run(tmp_path / "runs", "lr", age=900)
    folder.run_json.write_text("{")

    async def story() -> None:
        with working(RunFolder(tmp_path / "runs" / "wide-001")):
            async with opened(file, size=SmallScreen) as (app, pilot):
                await until(pilot, lambda: "P lets it go on" in screen_text(app))
                await pilot.press("j")
                await until(pilot, lambda: "ago: the loss became NaN at step 41" in screen_text(app))
                assert "r starts it again from the beginning" in screen_text(app)
                await pilot.press("space")
                await until(pilot, lambda: "1 marked: verbs act on them" in screen_text(app))
                assert "r starts it" not in screen_text(app), "r acts on what is marked"
                await pilot.press("space", "k", "j", "j")
                await until(pilot, lambda: "damaged: run.json is damaged" in screen_text(app))

    play(story())
