"""Any `craft` command from within: what it prints, how it ends, and that nothing of it stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.workbench.harness import SmallScreen, opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.dialogs.command import CommandScreen, Output
from workbench.dialogs.prompt import PromptScreen


async def _type(app: Workbench, pilot: Pilot[None], words: str) -> None:
    await pilot.press("colon")
    await until(pilot, lambda: isinstance(app.screen, PromptScreen))
    app.screen.query_one(Input).value = words
    await pilot.press("enter")


def _pid(app: Workbench) -> int:
    assert isinstance(app.screen, CommandScreen) and app.screen._command
    return app.screen._command._process.pid


def test_a_command_runs_in_the_projects_folder_and_says_how_it_ended(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            await _type(app, pilot, "craft runs")
            await until(pilot, lambda: "done in" in screen_text(app))
            assert "transformer-001" in screen_text(app) and "finished" in screen_text(app)
            await pilot.press("Y")
            await until(pilot, lambda: "transformer-001" in app.clipboard)
            await pilot.press("e")
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            assert app.screen.query_one(Input).value == "runs "
            app.screen.query_one(Input).value = "runs 'no end"
            await until(pilot, lambda: "quotation mark" in screen_text(app))
            await pilot.press("enter")
            assert isinstance(app.screen, PromptScreen)
            app.screen.query_one(Input).value = "runs --what"
            await pilot.press("enter")
            await until(pilot, lambda: "ended with status 2" in screen_text(app))
            assert "'craft runs --help' tells more" in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.place)

    play(story())


_ENDLESS = """
import signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
for n in range(20_000):
    print("line", n, "\\x1b[2J[red]")
print("begun", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("words", ["", "deaf"])
def test_leaving_a_command_ends_it_and_a_second_time_kills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr("workbench.verbs.command._PROGRAM", _ENDLESS)
    monkeypatch.setattr("workbench.dialogs.command._MOST", 5000)
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await _type(app, pilot, words)
            await until(pilot, lambda: "begun" in screen_text(app))
            assert "line 19999 " in screen_text(app) and "\x1b" not in screen_text(app)
            assert len(app.screen.query_one(Output).lines) == 5000
            await until(pilot, lambda: "the newest 5,000" in screen_text(app))
            pid = _pid(app)
            await pilot.press("escape")
            if words == "deaf":
                assert isinstance(app.screen, CommandScreen) and "running" in screen_text(app)
                await pilot.press("escape")
            await until(pilot, lambda: "it was ended by a signal" in screen_text(app))
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
            await pilot.press("escape")
            assert app.screen is app.place

    play(story())


_LEAVES_ONE = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print("step 1\\rstep 2\\r\\nleft", left.pid)
"""


def test_a_command_has_ended_though_what_it_left_holds_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.verbs.command._PROGRAM", _LEAVES_ONE)
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await _type(app, pilot, "")
            await until(pilot, lambda: "done in" in screen_text(app))
            written_over, left = app.screen.query_one(Output).lines.text(0), app.screen.query_one(Output).lines.text(1)
            os.kill(int(left.removeprefix("left ")), 9)
            assert written_over == "step 2"
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.place)
            app.push_screen(CommandScreen(["runs", "a\0b"]))
            await until(pilot, lambda: "not started: embedded null byte" in screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.place)

    play(story())


def test_a_command_ends_with_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.verbs.command._PROGRAM", _ENDLESS)
    file = make_project(tmp_path)
    seen: list[int] = []

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await _type(app, pilot, "deaf")
            await until(pilot, lambda: "begun" in screen_text(app))
            seen.append(_pid(app))

    play(story())
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_the_verbs_that_are_commands_name_the_run(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs")
    for runs_dir, name in ((None, "transformer-001"), (tmp_path / "runs", str(folder.path))):

        async def story(runs_dir: Path | None = runs_dir, name: str = name) -> None:
            async with opened(file, runs_dir=runs_dir) as (app, pilot):
                await until(pilot, lambda: "transformer-001" in screen_text(app))
                for key, words in (("V", f"evaluate {name}@best --no-speed "), ("I", f"tokenizer inspect {name} ")):
                    await pilot.press(key)
                    await until(pilot, lambda: isinstance(app.screen, PromptScreen))
                    assert app.screen.query_one(Input).value == words
                    await pilot.press("escape")
                    await until(pilot, lambda: app.screen is app.place)

        play(story())


def test_a_run_is_named_by_its_path_while_the_file_cannot_say_where_it_is(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    sound = file.read_text()
    file.write_text(f'[project]\nruns_dir = "out"\n{sound}')
    folder = make_run(tmp_path / "out")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: bool(app.runs))
            (run,) = app.runs
            assert app.word_for(run, tmp_path) == run.name and app.word_for(run, tmp_path / "out") == str(folder.path)
            for spoil in (lambda: file.write_text(f'[project]\nruns_dir = "out"\n{sound}\n[broken'), file.unlink):
                before = app.project
                spoil()
                await until(pilot, lambda before=before: app.project is not before)
                assert app.project.is_stale and app.word_for(run, tmp_path) == str(folder.path)
            assert app.resume_command(run) == f"craft resume {folder.path}"

    play(story())
