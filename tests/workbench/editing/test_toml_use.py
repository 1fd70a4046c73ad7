"""The TOML as it is typed: completion, faults, finding, and what foreign bytes do."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

import pytest
from textual.events import Key

from tests.workbench.editing.harness import TEXT, edited, shown, type_in
from tests.workbench.harness import play, screen_text, until


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
