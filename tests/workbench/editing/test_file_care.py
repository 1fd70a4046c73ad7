"""A file that others write too, drafts that were left, and files that are no text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workbench.editing.harness import TEXT, at, edited, type_in
from tests.workbench.harness import play, screen_text, until
from workbench.memory import Memory
from workbench.screens.experiments.editing import file_care
from workbench.screens.experiments.editing.buffer import Buffer
from workbench.screens.experiments.editing.notice import NoticeBar


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_care, "LOOK_EVERY", 0.05)


def test_a_file_that_another_program_wrote_is_taken_or_asked_about(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            file.write_text(TEXT + "# theirs\n")
            await until(pilot, lambda: app.buffer.text.endswith("# theirs\n"))
            assert not app.buffer.dirty, "nothing was typed, so nothing is asked"
            app.panel.go_to(1)
            await type_in(pilot, "# mine ")
            file.write_text(TEXT + "# theirs again\n")
            bar = app.query_one(NoticeBar)
            await until(pilot, lambda: bool(bar.notice and "changed by another program" in bar.notice.text))
            mine = app.buffer.text
            await pilot.press("ctrl+s")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            assert file.read_text() == TEXT + "# theirs again\n", "not overwritten unasked"
            await pilot.press("enter")
            await until(pilot, lambda: app.buffer.text == TEXT + "# theirs again\n")
            await pilot.press("ctrl+z")
            assert app.buffer.text == mine, "what was typed is one undo away"
            await pilot.press("ctrl+s")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            assert file.read_text() == TEXT + "# theirs again\n", "what they wrote is not known to the text any more"
            await type_in(pilot, "over")
            await pilot.press("enter")
            await until(pilot, lambda: file.read_text() == mine and bar.notice is None)
            await type_in(pilot, "# more ")
            mine = app.buffer.text
            file.unlink()
            await until(pilot, lambda: bool(bar.notice and "removed by another program" in bar.notice.text))
            await pilot.press("ctrl+s")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await type_in(pilot, "over")
            await pilot.press("enter")
            await until(pilot, lambda: file.exists() and file.read_text() == mine)

    play(story())


def test_an_undo_that_takes_back_what_another_program_wrote_says_so_and_saving_asks(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            bar = app.query_one(NoticeBar)
            app.panel.go_to(1)
            await type_in(pilot, "# mine ")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: not app.buffer.dirty)
            mine = app.buffer.text
            theirs = mine + "# theirs\n# and more\n"
            file.write_text(theirs)
            await until(pilot, lambda: app.buffer.text == theirs)
            await type_in(pilot, "x")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: file.read_text() != theirs and not app.buffer.dirty)
            saved = file.read_text()
            await pilot.press("ctrl+z")
            assert app.buffer.text == theirs and bar.notice is None, "this was typed here"
            await pilot.press("ctrl+z")
            assert app.buffer.text == mine
            assert app.said[-1].startswith("this took back what another program wrote into experiments.toml, ")
            assert bar.notice is not None and "changed by another program" in bar.notice.text
            await pilot.press("ctrl+y")
            await until(pilot, lambda: app.buffer.text == theirs and bar.notice is None)
            await pilot.press("ctrl+z", "ctrl+s")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            assert file.read_text() == saved, "not overwritten unasked"
            await pilot.press("enter")
            await until(pilot, lambda: app.buffer.text == saved and bar.notice is None)
            assert not app.buffer.dirty

    play(story())


def test_a_draft_that_was_left_is_offered_and_taken(file: Path) -> None:
    killed = Buffer(file)
    killed.set_text(TEXT.replace("0.02", "0.05"))
    killed.close()
    file.write_text(TEXT + "# newer\n")

    async def story() -> None:
        async with edited(file) as (app, pilot):
            bar = app.query_one(NoticeBar)
            await until(pilot, lambda: bar.notice is not None)
            assert bar.notice is not None
            assert bar.notice.text.endswith(", 2 lines; the file changed since")
            app.panel.focus_face()
            await pilot.press("ctrl+o")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press("enter")
            await until(pilot, lambda: "lr = 0.05" in app.buffer.text)
            assert app.buffer.dirty and file.read_text() == TEXT + "# newer\n"
        assert [draft.text for draft in Buffer(file).drafts()] == [app.buffer.text], "closed unsaved: offered again"

    play(story())


def test_a_program_that_wrote_other_line_ends_is_followed_to_the_byte(file: Path) -> None:
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())

    async def story() -> None:
        async with edited(file) as (app, pilot):
            windows = app.buffer.text
            for text in (TEXT, TEXT.replace("kept", "a mix\r"), windows, TEXT):
                file.write_bytes(text.encode())
                await until(pilot, lambda text=text: app.buffer.text == text)  # type: ignore[misc]
                assert not app.buffer.dirty
            app.panel.focus_face()
            await pilot.press("ctrl+z", "ctrl+z", "ctrl+z", "ctrl+z")
            assert app.buffer.text == windows

    play(story())


def test_a_file_that_is_no_text_is_shown_and_nothing_changes_it(file: Path) -> None:
    file.write_bytes(TEXT.encode() + b"# \xe9\n")

    async def story() -> None:
        async with edited(file) as (app, pilot):
            text = app.buffer.text
            bar = app.query_one(NoticeBar)
            assert bar.notice is not None and "not UTF-8: byte 0xe9 in line 15, column 3" in bar.notice.text
            app.panel.go_to(1)
            await type_in(pilot, "x")
            app.panel.apply(text + "more", "copy")
            await at(app, pilot, "data", "shuffle")
            await pilot.press("space")
            assert app.buffer.text == text and app.panel.toml.document.text == text
            await pilot.press("ctrl+s")
            await pilot.pause()
            assert file.read_bytes() == TEXT.encode() + b"# \xe9\n"
            await pilot.press("ctrl+o", "enter")
            await until(pilot, lambda: "iconv -f WINDOWS-1252 -t UTF-8" in screen_text(app))  # type: ignore[arg-type]
            await pilot.press("escape")
            file.write_bytes(f"{TEXT}# \u00e9\n".encode())
            await until(pilot, lambda: app.buffer.text == f"{TEXT}# \u00e9\n" and bar.notice is None)
            app.panel.go_to(1)
            await type_in(pilot, "# x")
            assert app.buffer.text.startswith("# x")

    play(story())


def test_a_file_that_was_no_text_and_is_removed_is_not_called_readable(file: Path) -> None:
    file.write_bytes(TEXT.encode() + b"# \xe9\n")

    async def story() -> None:
        async with edited(file) as (app, pilot):
            file.unlink()
            await until(pilot, lambda: any("was removed by another program" in said for said in app.said))
            assert app.buffer.text == "" and not any("can be read" in said for said in app.said)

    play(story())


def test_what_another_program_wrote_that_is_no_text_is_not_taken(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            bar = app.query_one(NoticeBar)
            file.write_bytes(TEXT.encode() + b"# \xe9\n")
            await until(pilot, lambda: any("not UTF-8" in said for said in app.said))
            assert bar.notice is not None and "changed by another program" in bar.notice.text
            assert app.buffer.text == TEXT, "a mark for what cannot be read would be saved over it"
            app.panel.go_to(1)
            await type_in(pilot, "# mine ")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
            await pilot.press("ctrl+z")
            assert file.read_bytes() == TEXT.encode() + b"# \xe9\n"
            file.write_text(TEXT + "# theirs\n")
            await until(pilot, lambda: app.buffer.text.endswith("# theirs\n") and bar.notice is None)

    play(story())


def test_a_field_that_was_typed_into_when_the_program_ended_is_spoken_of_and_opened(file: Path) -> None:
    session = Memory(file.parent / "session.json")
    session.keep_unfinished("form experiment b model num_layers", ["17"])
    session.keep_unfinished("form experiment a seed", ["4"])
    session.flush()

    async def story() -> None:
        async with edited(file, size=(80, 24)) as (app, pilot):
            bar, form = app.query_one(NoticeBar), app.panel.form
            assert bar.notice is not None and bar.notice.text.endswith(": model.num_layers of experiment b: 17")
            app.panel.focus_face()
            await pilot.press("f2", "ctrl+o")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press("enter")
            await until(pilot, lambda: form.editing is not None and form.editor.has_focus)
            assert form.form is not None and form.form.name == "b" and form.editor.value == "17"
            await pilot.press("enter")
            assert "[experiment.b.model]\nnum_layers = 17" in app.buffer.text
            assert bar.notice.text.endswith(": seed of experiment a: 4")
            await pilot.press("ctrl+o")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await type_in(pilot, "drop")
            await pilot.press("enter")
            await until(pilot, lambda: bar.notice is None)
            assert app.session.unfinished_places("form ") == []

    play(story())


@pytest.mark.parametrize("place", ["experiment gone seed", "experiment b optimizer nesterov"])
def test_a_field_without_a_place_is_said_to_have_none_and_opens_no_more(file: Path, place: str) -> None:
    session = Memory(file.parent / "session.json")
    session.keep_unfinished(f"form {place}", ["4"])
    session.flush()

    async def story() -> None:
        async with edited(file) as (app, pilot):
            bar, form = app.query_one(NoticeBar), app.panel.form
            offer = bar.notice
            assert offer is not None
            offer.choices[0].do()
            await until(pilot, lambda: bool(app.said))
            assert app.said[-1] == f"{offer.text.removeprefix('left half typed: ')} has no place now"
            assert bar.notice is not None and bar.notice.text == offer.text, "it can still be dropped"
            app.panel.apply(TEXT + "optimizer.type = 'sgd'\n[experiment.gone]\n", "mended")
            app.panel.toml.focus()
            await until(pilot, lambda: form.form is not None and form.form.text == app.buffer.text)
            assert form.editing is None and app.panel.toml.has_focus
            bar.notice.choices[1].do()
            assert bar.notice is None and app.session.unfinished_places("form ") == []

    play(story())
