"""Questions and answers that come when something else is going on, and dialogs over names that nobody expects."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.widgets import Select

from craft.runs.folder import RunFolder
from craft.runs.notes import read_notes
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.screens.runs.fork_screen import ForkScreen
from workbench.screens.runs.table import RunTable
from workbench.verbs import removing


def test_a_deletion_that_was_thought_out_late_takes_no_letter_for_its_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, one = make_project(tmp_path), make_run(tmp_path / "runs", "one")
    plan, may_end = removing.plan_deletion, threading.Event()

    def slow(folders: Sequence[RunFolder]) -> removing.Deletion:
        may_end.wait(20)
        return plan(folders)

    monkeypatch.setattr(removing, "plan_deletion", slow)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 1)
            await pilot.press("x", "slash", "o")
            may_end.set()
            await until(pilot, lambda: any("Ask again" in note.message for note in app._notifications))
            await pilot.press(*"ney")
            await until(pilot, lambda: app.session.get("runs.filter", "") == "oney")
            assert app.screen is app.place and one.path.exists()

    play(story())


def test_the_menu_does_nothing_to_another_run_than_it_was_opened_for(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    one, two = make_run(tmp_path / "runs", "one", age=10), make_run(tmp_path / "runs", "two", age=20)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 2)
            await pilot.press("m")
            await until(pilot, lambda: "What to do with one-001" in screen_text(app))
            table.select("two-001")  # as when a filter does not let the first one through any more
            await pilot.press(*"star", "enter")
            await until(pilot, lambda: any("the list moved" in note.message for note in app._notifications))
            assert not read_notes(one).star and not read_notes(two).star

    play(story())


def test_a_fork_is_asked_for_whatever_the_experiments_are_called(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    file.write_text(file.read_text() + '\n[experiment."[/x] [red]"]\nextends = "small"\n')
    make_run(tmp_path / "runs", "one")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 1)
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, ForkScreen))
            app.screen.query_one("#definition", Select).action_show_overlay()
            await until(pilot, lambda: "[/x] [red], as" in screen_text(app))

    play(story())


def test_the_question_of_a_fork_is_plain_where_only_ascii_is(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", "one")

    async def story() -> None:
        async with opened(file, size=(60, 20), ascii_only=True) as (app, pilot):
            await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 1)
            await pilot.press("f")
            await until(pilot, lambda: "Fork one" in screen_text(app) and "its own" in screen_text(app))
            assert screen_text(app).isascii()

    play(story())
