"""The editor as it is used: keys, mouse, two faces of one text, and a file that others write too."""

from __future__ import annotations

import contextlib
import stat
import tomllib
from pathlib import Path

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Static

from tests.workbench.editing.harness import EditorApp, edited
from tests.workbench.harness import play, screen_text, until
from workbench.screens.experiments.editing.buffer import Buffer
from workbench.screens.experiments.editing.form_pane import FormPane
from workbench.screens.experiments.editing.notice import NoticeBar

TEXT = """craft = 1
[defaults.optimizer]
type = "muon"                     # the usual one
lr = 0.02
[template.small.model]
type = "transformer"
num_layers = 2

[experiment.a]                    # kept
extends = "small"
model.num_layers = 4

[experiment.b]
extends = "a"
"""
NAMES = {
    " ": "space",
    "=": "equals_sign",
    '"': "quotation_mark",
    ".": "full_stop",
    "_": "underscore",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "#": "number_sign",
    "-": "minus",
    "{": "left_curly_bracket",
    "\x1b": "escape",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "project" / "experiments.toml"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


async def type_in(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*(NAMES.get(char, char) for char in text))


def shown(app: EditorApp, name: str) -> str:
    return str(app.screen.query_one(name, Static).render())


async def at(app: EditorApp, pilot: Pilot[None], *path: str) -> None:
    """The form's cursor on a setting."""
    rows = app.panel.form.rows
    await until(pilot, lambda: rows.go_to(path) and rows.selected is not None and rows.selected.path == path)
    rows.focus()
    await pilot.pause()


def test_keys_and_values_are_completed_and_problems_shown_where_they_stand(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            face = app.panel.toml
            app.panel.go_to(11, 99)
            await pilot.press("enter")
            await type_in(pilot, "model.ml")
            await until(pilot, lambda: app.panel.pane.popup.is_open)
            popup = app.panel.pane.popup
            await until(pilot, lambda: popup.size.width > 0 and popup.render_line(0).text.rstrip().endswith("tab"))
            await pilot.press("enter")
            assert "\nmodel.ml\n" in app.buffer.text, "enter is the text's while nothing is chosen"
            await pilot.press("backspace", "p", "tab")
            assert "\nmodel.mlp = \n" in app.buffer.text
            assert app.panel.pane.popup.is_open, "the values follow"
            await pilot.press("down", "down", "enter")
            assert '\nmodel.mlp = "gelu"\n' in app.buffer.text
            assert not face.problem_rows
            await pilot.press("backspace")
            await until(pilot, lambda: face.problem_rows == [11])
            assert "not TOML" in shown(app, "#toml-help")
            await pilot.press("ctrl+z")
            await until(pilot, lambda: face.problem_rows == [])
            assert "relu2, gelu or swiglu" in shown(app, "#toml-help")
            await pilot.press("ctrl+end")
            assert face.cursor_location == face.document.end
            await pilot.press("ctrl+home")
            assert face.cursor_location == (0, 0)

    play(story())


def test_keys_that_come_at_once_are_done_in_their_order(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            app.panel.go_to(10)
            await pilot.pause()
            for key in ("down", "end", "enter", "x", "backspace", "#", "home", "a", "up", "end", "5"):
                app.post_message(Key(key, key if len(key) == 1 else "\r" if key == "enter" else None))
            await until(pilot, lambda: "45" in app.buffer.text)
            assert "model.num_layers = 45\na#\n" in app.buffer.text

    play(story())


def test_the_form_edits_the_text_and_one_undo_takes_it_back(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            app.panel.show_experiment("a", "experiment")
            await at(app, pilot, "model", "num_layers")
            await pilot.press("enter")
            await type_in(pilot, "0")
            assert "must be at least 1" in shown(app, "#form-help"), "said before it is written"
            await pilot.press("backspace", "8", "enter")
            assert "model.num_layers = 8\n" in app.buffer.text
            await until(pilot, lambda: app.panel.form.rows.selected.value == 8)  # type: ignore[union-attr]
            await pilot.press("delete")
            assert "num_layers = 8" not in app.buffer.text and "# kept" in app.buffer.text
            await until(pilot, lambda: app.panel.form.rows.selected.value == 2)  # type: ignore[union-attr]
            assert app.panel.form.rows.selected.origin == "small, line 7"  # type: ignore[union-attr]
            await pilot.press("ctrl+z", "ctrl+z")
            assert app.buffer.text == TEXT and not app.buffer.dirty
            await pilot.press("ctrl+y", "ctrl+y")
            assert "model.num_layers" not in app.buffer.text

    play(story())


def test_a_value_that_is_no_toml_is_not_written_and_one_that_is_wrong_is_shown_as_wrong(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            await at(app, pilot, "model", "num_layers")
            await pilot.press("enter")
            await type_in(pilot, "[[")
            await pilot.press("enter")
            assert app.buffer.text == TEXT and "is none" in shown(app, "#form-help")
            await pilot.press("escape")
            assert app.buffer.text == TEXT and app.panel.form.rows.has_focus
            await pilot.press("enter")
            await type_in(pilot, "0")
            await pilot.press("enter")
            assert "model.num_layers = 0" in app.buffer.text
            rows = app.panel.form.rows
            await until(pilot, lambda: bool(rows.selected and rows.selected.fault))
            assert app.panel.toml.problem_rows == [10]

    play(story())


def test_saving_takes_what_is_being_typed_into_a_row(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            await at(app, pilot, "model", "num_layers")
            await pilot.press("enter", "6", "ctrl+s")
            await until(pilot, lambda: "num_layers = 6" in file.read_text())
            assert not app.buffer.dirty

    play(story())


def test_switches_choices_types_and_callbacks(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            await at(app, pilot, "model", "bias")
            await pilot.press("space")
            assert tomllib.loads(app.buffer.text)["experiment"]["a"]["model"]["bias"] is True
            await at(app, pilot, "optimizer", "type")
            await pilot.press("enter")
            await type_in(pilot, "ada")
            await pilot.press("down", "enter")
            assert tomllib.loads(app.buffer.text)["experiment"]["a"]["optimizer"] == {"type": "adamw"}
            assert any("the section is replaced whole" in said for said in app.said)
            form = app.panel.form
            await until(pilot, lambda: bool(form.form and form.form.types.get("optimizer") == "adamw"))
            labels = [row.label for row in form.rows.rows if row.path[0] == "optimizer"]
            assert "eps" in labels and "ns_steps" not in labels
            await at(app, pilot, "callbacks")
            await pilot.press("a")
            await type_in(pilot, "norms")
            await pilot.press("enter")
            await until(pilot, lambda: "callbacks.norms" in app.buffer.text)
            await at(app, pilot, "callbacks", "norms")
            await pilot.press("space")
            assert tomllib.loads(app.buffer.text)["experiment"]["a"]["callbacks"] == {"norms": {"enabled": False}}
            assert "# the usual one" in app.buffer.text and "# kept" in app.buffer.text

    play(story())


def test_an_axis_of_a_sweep_is_added_and_edited(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            await at(app, pilot, "sweep")
            await pilot.press("a")
            await type_in(pilot, "optimizer.lr")
            await pilot.press("enter")
            await until(pilot, lambda: app.panel.form.editor.display)
            await type_in(pilot, "[0.1 ")
            app.panel.form.editor.insert_text_at_cursor(", 0.2]")
            await pilot.press("enter")
            sweep = tomllib.loads(app.buffer.text)["experiment"]["a"]["sweep"]
            assert sweep == {"axes": {"optimizer": {"lr": [0.1, 0.2]}}}
            assert not app.panel.toml.problem_rows

    play(story())


def test_the_form_waits_while_the_text_is_no_toml(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            rows = app.panel.form.rows
            await until(pilot, lambda: bool(rows.rows))
            app.panel.go_to(4, 99)
            await type_in(pilot, " x")
            await until(pilot, lambda: "locked: line 4" in shown(app, "#form-title"))
            assert rows.rows, "what was there is still to be seen"
            text = app.buffer.text
            rows.go_to(("data", "shuffle"))
            rows.focus()
            await pilot.press("space")
            assert app.buffer.text == text and "waits" in shown(app, "#form-help")

    play(story())


def test_the_cursor_moves_the_form_and_the_form_leads_to_the_line(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            assert app.panel.owner == ("experiment", "a")
            app.panel.go_to(14)
            await until(pilot, lambda: app.visited[-1:] == [("experiment", "b")])
            await until(pilot, lambda: "experiment b" in shown(app, "#form-title"))
            app.panel.go_to(3)
            await until(pilot, lambda: "defaults" in shown(app, "#form-title"))
            app.panel.show_experiment("b", "experiment")
            assert app.panel.toml.cursor_location[0] == 12
            await until(pilot, lambda: "experiment b" in shown(app, "#form-title"))
            await at(app, pilot, "model", "num_layers")
            await pilot.press("o")
            assert app.panel.toml.cursor_location[0] == 10 and app.panel.toml.has_focus

    play(story())


def test_faces_are_toggled_by_a_key_and_both_are_there_only_where_it_is_wide(file: Path) -> None:
    async def story() -> None:
        async with edited(file, size=(80, 24)) as (app, pilot):
            panel = app.panel
            panel.focus_face()
            assert (panel.form.display, panel.pane.display) == (True, False)
            await pilot.press("f2")
            assert (panel.form.display, panel.pane.display) == (False, True) and panel.toml.has_focus
            await pilot.press("f2")
            assert (panel.form.display, panel.pane.display) == (True, False) and panel.form.rows.has_focus
            panel._set_face("both")
            await pilot.resize_terminal(160, 50)
            await until(pilot, lambda: panel.form.display and panel.pane.display)

    play(story())


def test_a_filter_finds_settings_and_the_view_leaves_out_what_nobody_sets(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            rows = app.panel.form.rows
            await until(pilot, lambda: bool(rows.rows))
            rows.focus()
            await pilot.press("slash", *"layers", "enter")
            assert [row.label for row in rows.rows if row.kind == "setting"] == ["num_layers"]
            await pilot.press("escape")
            everything = len(rows.rows)
            assert everything > 50
            await pilot.press("v", "v")
            assert [row.label for row in rows.rows if row.kind == "setting"] == ["extends", "num_layers"]
            await pilot.press("v", "minus")
            assert {row.kind for row in rows.rows} == {"section"}
            await pilot.click(type(rows), offset=(4, 1))
            assert len(rows.rows) > len([row for row in rows.rows if row.kind == "section"]), "a click unfolds"

    play(story())


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
            await until(pilot, lambda: file.read_text() == mine)
            assert bar.notice is None
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


def test_typed_text_is_soon_a_draft_on_disk(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            app.panel.go_to(1)
            await type_in(pilot, "# x")
            await until(pilot, lambda: not app.buffer.draft_due, within=3)
            await pilot.press("ctrl+s")
            await until(pilot, lambda: not app.buffer.dirty)
        assert file.read_text().startswith("# x") and Buffer(file).drafts() == []

    play(story())


@contextlib.contextmanager
def _no_suspension() -> object:  # type: ignore[misc]
    yield


def test_a_persons_own_editor_is_one_undoable_step(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def editor(script: str) -> None:
        path = tmp_path / "my editor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VISUAL", f"'{path}' --wait")

    async def story() -> None:
        async with edited(file) as (app, pilot):
            monkeypatch.setattr(app, "suspend", _no_suspension)
            app.panel.focus_face()
            editor('[ "$1" = --wait ] && sed -i "s/0.02/0.5/; s/muon/adamw/" "$2"')
            await pilot.press("f4")
            assert app.buffer.text == TEXT.replace("0.02", "0.5").replace("muon", "adamw")
            await pilot.press("ctrl+z")
            assert app.buffer.text == TEXT
            editor('echo gone > "$2"; exit 3')
            await pilot.press("f4")
            assert app.buffer.text == TEXT and "ended with status 3" in app.said[-1]
            monkeypatch.setenv("VISUAL", "no-such-editor")
            await pilot.press("f4")
            assert app.buffer.text == TEXT and "there is no such program" in app.said[-1]
            assert file.read_text() == TEXT

    play(story())


def test_windows_lines_brackets_and_escapes_are_kept_and_harmless(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    nasty = (
        "craft = 1\r\n[experiment.a]\r\nwhy = '[bold]x[/] \u2028'  # \x1b]52;c;AA\x07 [red]\r\nmodel.type='lstm'\r\n"
    )
    path.write_bytes(nasty.encode())

    async def story() -> None:
        async with edited(path) as (app, pilot):
            await until(pilot, lambda: "locked" in shown(app, "#form-title"))
            text = screen_text(app)  # type: ignore[arg-type]
            assert "\x1b" not in text and "\x07" not in text and "[bold]x[/]" in text
            app.panel.go_to(4, 99)
            await pilot.press("enter")
            await type_in(pilot, "task = 1")
            assert app.buffer.text == nasty.rstrip("\n").rstrip("\r") + "\r\ntask = 1\r\n"
            await pilot.press("ctrl+z", "ctrl+z", "ctrl+z")
            assert app.buffer.text == nasty

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


def test_find_comment_and_lines(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            face = app.panel.toml
            app.panel.go_to(1)
            await pilot.press("ctrl+f", *"layers")
            assert face.selected_text == "layers" and face.cursor_location[0] == 6
            await pilot.press("enter")
            assert face.cursor_location[0] == 10 and " 2 of 2 " in shown(app, "#find-count")
            await pilot.press("escape")
            assert face.has_focus
            await pilot.press("ctrl+underscore")
            assert "\n# model.num_layers = 4\n" in app.buffer.text
            await pilot.press("ctrl+underscore")
            assert app.buffer.text == TEXT
            await pilot.press("ctrl+g", "3", "enter")
            await until(pilot, lambda: face.cursor_location[0] == 2)

    play(story())


def test_a_terminal_that_shows_only_ascii(file: Path) -> None:
    file.write_text(TEXT + "# caf\u00e9 \u8a9e\n")

    async def story() -> None:
        async with edited(file, ascii_only=True, size=(160, 50)) as (app, pilot):
            await until(pilot, lambda: bool(app.panel.form.rows.rows))
            for widget in (app.panel.form.rows, app.panel.toml, app.query_one(NoticeBar)):
                lines = [widget.render_line(y).text for y in range(widget.size.height)]
                assert all(line.isascii() for line in lines), lines
            assert isinstance(app.panel.form, FormPane)

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


def test_small_screens_and_wild_resizing(file: Path) -> None:
    async def story() -> None:
        async with edited(file, size=(60, 15)) as (app, pilot):
            await at(app, pilot, "model", "num_layers")
            for size in ((60, 15), (20, 5), (200, 60), (1, 1), (80, 24)):
                await pilot.resize_terminal(*size)
                await pilot.press("enter", "5")
                await pilot.press("escape", "f2", "j", "f2")
            assert app.panel.is_attached and app.buffer.text.replace("j", "") == TEXT

    play(story())
