"""A workbench that is killed the moment the last letter is on the screen: the next one has that letter too."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.workbench.experiments.projects import TEXT, make_project
from tests.workbench.harness import opened, play, until
from tests.workbench.test_terminal import Recorded, recorded
from workbench import memory
from workbench.dialogs.prompt import PromptScreen
from workbench.screens.experiments.editing.buffer import Buffer

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
    with recorded(str(file)) as program:
        program.until(lambda seen: b"axes" in seen and b" edit " in seen)
        program.write(b"e")
        program.until(lambda seen: b" problem" in seen or b" complete" in seen or b"find" in seen)
        program.write(CTRL_END + "# typed fast \u03a9".encode())
        program.until(lambda seen: "\u03a9".encode() in seen)
        kill(program)
    assert file.read_text() == TEXT
    [draft] = Buffer(file).drafts()
    assert draft.text == TEXT + "# typed fast \u03a9"
    with recorded(str(file)) as program:
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
    with recorded(str(file)) as program:
        program.until(lambda seen: b"nobody writes yet" in seen)
        program.write("i Once upon \u03a9".encode())
        program.until(lambda seen: "\u03a9".encode() in seen)
        kill(program)
    with recorded(str(file)) as program:
        program.until(lambda seen: "Once upon \u03a9".encode() in seen)
        kill(program)


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
