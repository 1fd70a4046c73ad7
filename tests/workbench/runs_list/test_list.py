"""The list as it is seen: filtered in place, with columns of choice, folded, and quick with ten thousand runs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest

from craft.runs.folder import RunIdentity
from craft.runs.json_files import sealed
from craft.runs.status import Status
from craft.runs.store import RunSummary
from tests.workbench.harness import SmallScreen, opened, play, screen_text, until
from tests.workbench.runs import make_demo, make_project, make_run
from workbench.screens.runs.filter_bar import FilterBar
from workbench.screens.runs.next_step import State
from workbench.screens.runs.state_line import StateLine
from workbench.screens.runs.table import RunTable
from workbench.watch import RunsReader
from workbench.widgets.choices import Choices


@pytest.mark.parametrize("size", [(160, 50), SmallScreen], ids=str)
def test_a_filter_says_how_many_and_what_is_wrong_with_it(tmp_path: Path, size: tuple[int, int]) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file, size=size) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 7)
            assert not app.screen.query_one(FilterBar).display
            await pilot.press("slash", *"transformer")
            await until(pilot, lambda: len(table.runs) == 3 and "3 of 7" in screen_text(app))
            await pilot.press(*" and (")
            await until(pilot, lambda: "something is missing here" in screen_text(app))
            lines = screen_text(app).splitlines()
            typed, mark = next((a, b) for a, b in pairwise(lines) if b.rstrip().endswith("^"))
            assert typed.index("transformer and (") + len("transformer and (") == mark.index("^")
            assert len(table.runs) == 3, "the list stays as it was"
            await pilot.press("1", "q", "escape")
            await until(pilot, lambda: len(table.runs) == 7)
            assert table.has_focus and not app.screen.query_one(FilterBar).display

    play(story())


def test_a_setting_of_choice_becomes_a_column_that_is_kept(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 1)
            await pilot.press("v")
            await until(pilot, lambda: "model.num_layers" in screen_text(app) or "train/lr" in screen_text(app))
            assert "[x] val/loss" in screen_text(app) and "[ ] best" in screen_text(app), "not by colour alone"
            await pilot.press(*"num_layers")
            await until(pilot, lambda: app.screen.query_one(Choices).option_count == 1)
            await pilot.press("enter")
            await until(pilot, lambda: "[x] model.num_layers" in screen_text(app))
            await pilot.press("ctrl+s")
            await until(pilot, lambda: "num_layers" in screen_text(app).splitlines()[1])
            await until(pilot, lambda: " 4 " in screen_text(app).splitlines()[2])
            await pilot.press("o", *"num_layers", "enter")
            await until(pilot, lambda: table.arranged.view.sort == "model.num_layers")
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "num_layers" in screen_text(app).splitlines()[1])

    play(story())


def test_a_folded_group_opens_and_is_acted_on_as_a_whole(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    for number in range(3):
        folder = make_run(tmp_path / "runs", "lr", age=50 - number, best=2.0 - number / 10)
        identity = json.loads(folder.run_json.read_text())
        folder.run_json.write_text(json.dumps(sealed(identity | {"group": "lr"})))

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 3)
            await pilot.press("b")
            await until(pilot, lambda: len(table.arranged.rows) == 1)
            assert "\u25b8 lr" in screen_text(app) and "3 runs" in screen_text(app)
            assert len(app.screen.targets) == 3  # type: ignore[attr-defined]
            await pilot.press("right")
            await until(pilot, lambda: len(table.arranged.rows) == 4)
            await pilot.press("left")
            await until(pilot, lambda: len(table.arranged.rows) == 1)

    play(story())


def _many(runs_dir: Path, count: int) -> None:
    """Folders as a worker leaves them, without forcing them to disk."""
    for number in range(count):
        place = runs_dir / f"exp-{number:05d}"
        place.mkdir(parents=True)
        (place / "run.json").write_bytes(RunIdentity("exp", created=1e9 + number).as_json())
        status = Status(phase="finished", step=number, max_steps=count, val_loss=number / count, updated=1e9)
        (place / "status.json").write_text(json.dumps(asdict(status)))


def test_thousands_of_runs_are_quick_once_they_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at runs without news is a small part of the first one, and the rows are those in view."""
    count = 2000
    monkeypatch.setattr("workbench.reading.TICK", 1.0)
    _many(tmp_path / "runs", count)
    monkeypatch.setattr("workbench.watch._SETTLES_NS", 0)
    reader = RunsReader(tmp_path / "runs")

    def timed() -> tuple[float, list[RunSummary]]:
        begun = time.process_time()
        runs = reader.read()
        return time.process_time() - begun, runs

    first, runs = timed()
    again = min(timed()[0] for _ in range(3))
    assert len(runs) == count and again < first / 4, (first, again)
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == count)
            await pilot.press("G")
            await until(pilot, lambda: "exp-00000" in screen_text(app))
            app.screen.query_one(FilterBar).words = "step < 3"
            await until(pilot, lambda: [run.step for run in table.runs] == [2, 1, 0])
            assert f"3 of {count:,}" in screen_text(app)

    play(story())


@pytest.mark.parametrize("marked", [0, 3])
def test_the_line_under_the_list_holds_the_whole_reason(marked: int) -> None:
    line = StateLine(ascii_only=True)
    why = "its worker ended without a word while running, at step 120; it can be resumed"
    line._said = (State("interrupted 3m ago", why, "warn", "r resumes it from step 100, enter shows its log"), marked)
    for width in (60, 90, 160):
        rows = ["".join(text for text, _ in row) for row in line._lines(width)]
        assert len(rows) <= 3 and all(len(row) <= width for row in rows[marked > 0 :])
        assert why.replace(" ", "") in "".join(rows).replace(" ", "") or (marked and width == 60)
        assert any("r resumes it from step 100" in row for row in rows) is (marked == 0)
