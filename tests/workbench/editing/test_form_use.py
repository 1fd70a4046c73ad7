"""The form as it is used: keys that change the text under it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.workbench.editing.harness import TEXT, at, edited, shown, type_in
from tests.workbench.harness import play, until


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


@pytest.mark.parametrize("is_seen", [True, False])
def test_an_experiment_that_another_program_renamed_is_not_begun_again(file: Path, is_seen: bool) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            form = app.panel.form
            await at(app, pilot, "optimizer", "lr")
            await pilot.press("enter")
            await type_in(pilot, "0.007")
            renamed = TEXT.replace("experiment.a", "experiment.other")
            app.panel.apply(renamed, "renamed")
            if is_seen:
                await until(pilot, lambda: bool(form.form and form.form.fault))
            form._give("0.007", by_key=True)
            assert app.buffer.text == renamed
            assert "not written: there is no experiment 'a' in the file" in shown(app, "#form-help")
            assert form.editing is not None and form.editor.value == "0.007", "what is typed stays to be taken along"
            form.finish()
            assert form.editing is None and app.buffer.text == renamed
            assert app.said[-1].startswith("lr stays 0.02, and is not 0.007: not written")

    play(story())


def test_switches_choices_types_and_callbacks(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            await at(app, pilot, "model", "bias")
            await pilot.press("space")
            assert tomllib.loads(app.buffer.text)["experiment"]["a"]["model"]["bias"] is True
            await at(app, pilot, "optimizer", "type")
            await pilot.press("enter")
            await type_in(pilot, "damw")
            await pilot.press("enter")  # no type, and a part of one
            assert tomllib.loads(app.buffer.text)["experiment"]["a"]["optimizer"] == {"type": "adamw"}
            assert any("the section is replaced whole" in said for said in app.said)
            form = app.panel.form
            await until(pilot, lambda: bool(form.form and form.form.types.get("optimizer") == "adamw"))
            labels = [row.label for row in form.rows.rows if row.path[0] == "optimizer"]
            assert "eps" in labels and "ns_steps" not in labels
            await at(app, pilot, "optimizer", "type")
            await pilot.press("enter")
            await type_in(pilot, "mine:Own")
            await pilot.press("enter")
            assert tomllib.loads(app.buffer.text)["experiment"]["a"]["optimizer"] == {"type": "mine:Own"}
            await pilot.press("ctrl+z")
            await at(app, pilot, "extends")
            await pilot.press("enter")
            await type_in(pilot, "sma")
            await pilot.press("enter")
            assert tomllib.loads(app.buffer.text)["experiment"]["a"]["extends"] == "small"
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
            await until(pilot, lambda: "waits" in shown(app, "#form-help"))
            assert app.buffer.text == text

    play(story())


def test_a_filter_finds_settings_and_the_view_leaves_out_what_nobody_sets(file: Path) -> None:
    async def story() -> None:
        async with edited(file) as (app, pilot):
            rows = app.panel.form.rows
            await until(pilot, lambda: bool(rows.rows))
            rows.focus()
            await pilot.press("slash", *"layers", "enter")
            assert rows.selected is not None and rows.selected.label == "num_layers"
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
