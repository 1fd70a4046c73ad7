"""The two faces of one text: where each is shown, and how one leads to the other."""

from __future__ import annotations

from pathlib import Path

from tests.workbench.editing.harness import TEXT, at, edited, shown
from tests.workbench.harness import play, until
from workbench.screens.experiments.editing.form_pane import FormPane
from workbench.screens.experiments.editing.notice import NoticeBar


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
