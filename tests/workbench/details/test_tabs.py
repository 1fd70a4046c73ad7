from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from craft.runs.store import RunSummary
from tests.workbench.details.stage import append, at_details, full_run, row_with, shown_tab
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run, working
from workbench.screens.runs.details.charts import ChartsTab
from workbench.screens.runs.details.panel import TABS, RunDetails
from workbench.screens.runs.details.tab import DetailTab
from workbench.screens.runs.table import RunTable
from workbench.watch import RunsReader

WORDS = {
    "charts": "over step",
    "samples": "step 300  3 of 3",
    "log": "line 299",
    "events": "the disk is nearly full",
    "system": "system = { every = 10 }",
    "definition": "as it was resolved",
    "about": "identity",
}
"""What each tab of a full run shows."""


def test_every_tab_by_its_letter_by_brackets_and_by_the_mouse(tmp_path: Path) -> None:
    full_run(tmp_path / "runs")

    async def story() -> None:
        async with at_details(tmp_path) as (app, pilot, details):
            assert set(details._tabs) == {"charts"}, "a tab is made when it is first seen"
            for name, (key, _, _) in TABS.items():
                await pilot.press(key)
                await until(pilot, lambda name=name: WORDS[name] in screen_text(app))
                assert details.tab_name == name
            await pilot.press("right_square_bracket")
            assert details.tab_name == "charts"
            await pilot.press("left_square_bracket", "left_square_bracket")
            assert details.tab_name == "definition"
            row = row_with(app, " charts  samples ")
            column = screen_text(app).splitlines()[row].index("events")
            await pilot.click(offset=(column + 1, row))
            await until(pilot, lambda: WORDS["events"] in screen_text(app))
        async with opened(tmp_path / "experiments.toml") as (app, pilot):
            await until(pilot, lambda: WORDS["events"] in screen_text(app))

    play(story())


def test_the_same_news_again_reads_nothing_and_unseen_tabs_read_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_run(tmp_path / "runs")
    looks: list[str] = []
    look = DetailTab.look

    def counted(self: DetailTab) -> None:
        looks.append(type(self).__name__)
        look(self)

    monkeypatch.setattr(DetailTab, "look", counted)

    async def story() -> None:
        async with at_details(tmp_path, "log") as (app, pilot, details):
            await pilot.press("E")
            await until(pilot, lambda: WORDS["events"] in screen_text(app))
            assert looks.count("LogTab") == looks.count("EventsTab") == 1
            looks.clear()
            run = details.run
            for _ in range(5):
                details.show(run)
            await pilot.pause(1.2)  # two rounds of the panel's own clock
            assert looks == []

    play(story())


def test_without_a_run_nothing_of_the_one_before_is_shown(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs")

    async def story() -> None:
        async with at_details(tmp_path) as (app, pilot, _):
            await until(pilot, lambda: "over step" in screen_text(app))
            await pilot.press("escape", "slash", *"group = zzz")
            await until(pilot, lambda: "no run selected" in screen_text(app))
            assert "over step" not in screen_text(app) and "1.6" not in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: "over step" in screen_text(app) and "no run selected" not in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: "transformer-001    " not in screen_text(app))
            shutil.rmtree(folder.path)
            await until(pilot, lambda: "No runs yet" in screen_text(app))
            assert app.focused is app.screen.query_one(RunTable), "there is nothing to be alone with"

    play(story())


def test_a_live_run_is_read_while_it_is_seen_only(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs", phase="running", step=100)

    async def story() -> None:
        with working(folder):
            async with at_details(tmp_path) as (_, pilot, details):
                tab = shown_tab(details)
                assert isinstance(tab, ChartsTab)

                def newest() -> float:
                    return max(one.xs[-1] or 0.0 for one in tab.found.curves["loss"])

                await until(pilot, lambda: newest() == 100)
                append(folder.metrics, {"step": 105, "time": 3.0, "tokens": 1, "train/loss": 1.5})
                await until(pilot, lambda: newest() == 105)
                await pilot.press("1")  # another screen hides it
                append(folder.metrics, {"step": 110, "time": 3.0, "tokens": 1, "train/loss": 1.4})
                await pilot.pause(1.2)
                assert newest() == 105
                await pilot.press("2")
                await until(pilot, lambda: newest() == 110)

    play(story())


def test_a_live_run_is_read_on_after_a_look_at_the_folders_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.reading.TICK", 0.05)
    folder = full_run(tmp_path / "runs", phase="running", step=100)
    reads: list[None] = []

    def fail(self: RunsReader) -> list[RunSummary]:
        reads.append(None)
        raise OSError("the disk is away")

    async def story() -> None:
        with working(folder):
            async with at_details(tmp_path, "log") as (app, pilot, _):
                with monkeypatch.context() as away:
                    away.setattr(RunsReader, "read", fail)
                    await until(pilot, lambda: len(reads) > 2)
                with folder.log.open("a") as log:
                    log.write("the disk is back\n")
                await until(pilot, lambda: "the disk is back" in screen_text(app))
                assert [note.message for note in app._notifications] == ["look: the disk is away"]
                app.clear_notifications()

    play(story())


def test_another_run_replaces_all_of_the_one_before(tmp_path: Path) -> None:
    make_project(tmp_path)
    make_run(tmp_path / "runs", "wide", age=900, step=50)
    full_run(tmp_path / "runs", age=5)

    async def story() -> None:
        async with opened(tmp_path / "experiments.toml") as (app, pilot):
            details = app.screen.query_one(RunDetails)
            for name, (key, _, _) in TABS.items():
                await pilot.press(key)  # which also the list knows, that has the keyboard
                await until(pilot, lambda name=name: details.tab_name == name and WORDS[name] in screen_text(app))
            await pilot.press("down")
            for name in ("log", "samples", "events", "about"):
                details.choose(name)
                await until(pilot, lambda: "wide-001" in screen_text(app).split(" charts ")[-1].splitlines()[0])
                await until(pilot, lambda name=name: WORDS[name] not in screen_text(app) or name == "about")
            assert "wide-001" in screen_text(app)
            for key, names in (("enter", False), ("escape", True)):
                await pilot.press(key)
                await until(pilot, lambda names=names: ("is width worth" in screen_text(app)) is names)

    play(story())


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (250, 70)])
def test_any_size_shows_every_tab(tmp_path: Path, size: tuple[int, int]) -> None:
    full_run(tmp_path / "runs")

    async def story() -> None:
        async with at_details(tmp_path, size=size, ascii_only=True) as (app, pilot, details):
            for key, _, _ in TABS.values():
                await pilot.press(key)
                await until(pilot, lambda: shown_tab(details)._ready and shown_tab(details)._reading is None)
                await pilot.pause()
                lines = screen_text(app).splitlines()[details.region.y : details.region.bottom]
                assert all(line[details.region.x :].isascii() for line in lines), screen_text(app)
            for width in (20, 200, 1, 80, 35, 120):
                await pilot.resize_terminal(width, max(width // 4, 1))
                await pilot.press("left_square_bracket")
                await pilot.pause()

    play(story())
