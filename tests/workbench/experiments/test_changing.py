"""New, copied, renamed, deleted, swept: edits of the text, each taken back in one step."""

from __future__ import annotations

import tomllib
from pathlib import Path

from textual.widgets import Input

from craft.config.experiments import inspect_experiments, load_experiments
from tests.workbench.experiments.projects import TEXT, choose, experiments, make_project, text_of
from tests.workbench.harness import play, screen_text, until
from workbench.screens.experiments.rows import Row
from workbench.screens.experiments.starter import read_list, starters, sweep_fault, swept


def test_every_type_of_model_begins_as_something_that_is_valid(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    kinds = set()
    for number, starter in enumerate(starters([Row("base", "template"), Row("tiny", "experiment")])):
        text = starter.written(TEXT, f"new-{number}")
        assert inspect_experiments(file, text).problems == []
        kinds.add(starter.table.get("model", {}).get("type"))
    assert kinds == {None, "transformer", "lstm", "rnn", "hf"}


def test_values_of_a_sweep_are_read_as_the_file_has_them() -> None:
    assert read_list("0.01, 2e-2, 3") == [0.01, 0.02, 3]
    assert read_list("'none', \"rotary\"") == ["none", "rotary"]
    assert read_list("none, rotary") == ["none", "rotary"]
    assert read_list("[1, 2], [3]") == [[1, 2], [3]]
    assert read_list("") == []
    assert read_list("a = 1") is None
    assert "did you mean" in sweep_fault(["optimizer.lrr", "1", ""])
    assert "whole numbers" in sweep_fault(["optimizer.lr", "1", "0.5"])
    assert "at least one" in sweep_fault(["optimizer.lr", " ", ""])
    assert sweep_fault(["optimizer.lr", "0.1, 0.2", "1, 2"]) == ""


def test_another_axis_is_added_to_a_sweep(tmp_path: Path) -> None:
    file = make_project(tmp_path, swept(TEXT, "lr", "lr", ["model.hidden_size", "16, 32, 64", "1, 2"]))
    assert load_experiments(file).count("lr") == 2 * 3 * 2


def test_delete_and_rename_from_the_list_are_taken_back_by_one_key(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("d")
            await until(pilot, lambda: "wide, lr extend it and have to be mended" in screen_text(app))
            assert text_of(screen) == TEXT
            await pilot.press("y")
            await until(pilot, lambda: "tiny" not in {row.name for row in screen.listing.rows})
            await pilot.press("ctrl+z")
            await until(pilot, lambda: text_of(screen) == TEXT)
            await until(pilot, lambda: "tiny" in {row.name for row in screen.listing.rows})
            await choose(pilot, screen, "tiny")
            await pilot.press("m")
            await until(pilot, lambda: bool(app.screen.query(Input)))
            app.screen.query_one(Input).value = "small"
            await pilot.press("enter")
            await until(pilot, lambda: screen.listing.selected is not None and screen.listing.selected.name == "small")
            assert tomllib.loads(text_of(screen))["experiment"]["wide"]["extends"] == "small"
            await pilot.press("u")
            await until(pilot, lambda: text_of(screen) == TEXT)
            await choose(pilot, screen, "base")
            await pilot.press("m")
            await until(pilot, lambda: bool(app.screen.query(Input)))
            app.screen.query_one(Input).value = "ground"
            await pilot.press("enter")
            renamed = TEXT.replace("template.base", "template.ground").replace('extends = "base"', 'extends = "ground"')
            await until(pilot, lambda: text_of(screen) == renamed)
            await until(pilot, lambda: screen.listing.selected is not None and screen.listing.selected.name == "ground")
            await until(pilot, lambda: "template ground" in screen_text(app))
            await pilot.press("u")
            await until(pilot, lambda: text_of(screen) == TEXT)
            assert file.read_text() == TEXT

    play(story())


def test_a_new_sweep_is_made_in_a_dialog_that_refuses_what_is_wrong(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "wide")
            await pilot.press("w")
            await until(pilot, lambda: len(app.screen.query(Input)) == 4)
            path, values, seeds, name = app.screen.query(Input)
            assert name.value == "wide-sweep"
            path.value = "model.hidden_sze"
            await until(pilot, lambda: "did you mean" in screen_text(app))
            path.value, values.value, seeds.value = "model.num_heads", "1, 2, 4", "1, 2"
            await pilot.press("ctrl+s")
            await until(pilot, lambda: any(row.name == "wide-sweep" and row.points == 6 for row in screen.listing.rows))
            assert tomllib.loads(text_of(screen))["experiment"]["wide-sweep"] == {
                "extends": "wide",
                "sweep": {"axes": {"model": {"num_heads": [1, 2, 4]}}, "seeds": [1, 2]},
            }

    play(story())


def test_a_new_experiment_is_chosen_and_has_costs(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await pilot.press("n")
            await until(pilot, lambda: "A new experiment" in screen_text(app))
            await pilot.press(*"new lstm", "enter")
            await until(pilot, lambda: "Its name" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: screen.weighed is not None and screen.weighed.name == "lstm")
            await until(pilot, lambda: screen.weighed is not None and screen.weighed.costs is not None)
            assert tomllib.loads(text_of(screen))["experiment"]["lstm"]["model"]["type"] == "lstm"

    play(story())
