"""A workbench that is killed the moment the last letter is on the screen: the next one has that letter too."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.workbench.experiments.projects import TEXT, make_project
from tests.workbench.harness import opened, play, until
from tests.workbench.test_terminal import Recorded, recorded
from workbench import memory
from workbench.dialogs.prompt import PromptScreen
from workbench.screens.experiments.editing.buffer import Buffer
from workbench.screens.experiments.editing.form_pane import FormPane
from workbench.screens.playground.screen import PlaygroundScreen
from workbench.widgets.typed import Line
from workbench.widgets.typed_lines import Lines

# Where writing is slow it is done by the clock. Here it may be so by chance, where other processes want the processors.
NEVER_BY_THE_CLOCK = """
from workbench import app, memory
from workbench.screens.experiments.editing import buffer
memory._SLOW = buffer._SLOW = float("inf")
app.main()
"""
COMMAND = [sys.executable, "-c", NEVER_BY_THE_CLOCK]
CTRL_END, CTRL_O = b"\x1b[1;5F", b"\x0f"


def kill(program: Recorded) -> None:
    os.kill(program.pid, signal.SIGKILL)
    assert program.leave() == -signal.SIGKILL


def start_at(file: Path, place: str) -> None:
    session = memory.of_project(file)
    session.set("place", place)
    memory.of_person().set("experiments.face", "toml")


def test_no_letter_is_lost_that_the_editor_showed(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    start_at(file, "experiments")
    with recorded(str(file), command=COMMAND) as program:
        program.until(lambda seen: b"axes" in seen and b" edit " in seen)
        program.write(b"e")
        program.until(lambda seen: b" problem" in seen or b" complete" in seen or b"find" in seen)
        program.write(CTRL_END + "# typed fast \u03a9".encode())
        program.until(lambda seen: "\u03a9".encode() in seen)
        kill(program)
    assert file.read_text() == TEXT
    [draft] = Buffer(file).drafts()
    assert draft.text == TEXT + "# typed fast \u03a9"
    with recorded(str(file), command=COMMAND) as program:
        program.until(lambda seen: b"unsaved draft" in seen)
        program.write(CTRL_O)
        program.until(lambda seen: b"in place of the text" in seen)
        program.write(b"\r")
        program.until(lambda seen: "\u03a9".encode() in seen)
        kill(program)
    assert [draft.text for draft in Buffer(file).drafts()] == [TEXT + "# typed fast \u03a9"]


def test_no_letter_is_lost_that_the_prompt_of_the_playground_showed(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    start_at(file, "playground")
    with recorded(str(file), command=COMMAND) as program:
        program.until(lambda seen: b"nobody writes yet" in seen)
        program.write("i Once upon \u03a9".encode())
        program.until(lambda seen: "\u03a9".encode() in seen)
        kill(program)
    with recorded(str(file), command=COMMAND) as program:
        program.until(lambda seen: "Once upon \u03a9".encode() in seen)
        kill(program)


def test_what_is_typed_is_with_the_system_before_it_can_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages about it come after that, and a kill may come between."""
    monkeypatch.setattr(memory, "_SLOW", float("inf"))
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await pilot.press("4")
            await until(pilot, lambda: isinstance(app.screen, PlaygroundScreen) and app.screen.mode is not None)
            screen = app.screen
            assert isinstance(screen, PlaygroundScreen)
            for tab, name in (("write", "prompt"), ("score", "score"), ("batch", "batch")):
                mode = await screen.open_tab(tab)
                assert mode is not None and isinstance(mode.typed, Lines)
                mode.typed.insert("typed")
                assert memory.of_project(file).get(f"playground.{name}", "") == "typed"
            app.push_screen(PromptScreen("A note on one"))
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            app.screen.query_one(Line).insert_text_at_cursor("typed")
            assert memory.of_project(file).unfinished("PromptScreen A note on one") == ["typed"]
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is screen)
            app.action_go("experiments")
            await until(pilot, lambda: bool(app.screen.query(FormPane)))
            form = app.screen.query_one(FormPane)
            await until(pilot, lambda: any(row.kind == "setting" for row in form.rows.rows))
            form.open_editor(next(row for row in form.rows.rows if row.kind == "setting"))
            form.editor.insert_text_at_cursor("typed")
            assert memory.of_project(file).unfinished(form._where) == [form.editor.value]

    play(story())


@pytest.mark.parametrize("ends", ["killed", "answered"])
def test_what_a_dialog_was_given_is_there_again_unless_it_was_answered(tmp_path: Path, ends: str) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            app.push_screen(PromptScreen("A note on one"))
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            await pilot.press("o", "k")
            if ends == "answered":
                await pilot.press("enter")
        async with opened(file) as (app, pilot):
            app.push_screen(PromptScreen("A note on one"))
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            assert app.screen.query_one("Input").value == ("" if ends == "answered" else "ok")  # type: ignore[attr-defined]

    play(story())
