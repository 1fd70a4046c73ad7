"""From the list to runs that really train."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from craft.runs.folder import read_identity
from craft.runs.store import RunStore
from tests.workbench.experiments.projects import TEXT, choose, end_runs, experiments, kill_runs, make_project
from tests.workbench.harness import play, screen_text, until
from workbench.screens.experiments.launch_dialog import LaunchScreen
from workbench.screens.experiments.launching import Order


def test_a_run_is_launched_after_its_costs_were_seen_and_is_gone_to(tmp_path: Path) -> None:
    file, runs_dir = make_project(tmp_path), tmp_path / "runs"

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("r")
            await until(pilot, lambda: "of checkpoints" in screen_text(app))
            assert isinstance(app.screen, LaunchScreen)
            assert "fits" in screen_text(app)
            overrides = app.screen.query_one("#overrides", Input)
            overrides.value = "training.max_stepz=8"
            await until(pilot, lambda: "did you mean" in screen_text(app))
            await pilot.press("enter")
            assert isinstance(app.screen, LaunchScreen)  # not with that
            app.screen._show_costs(Order(("tiny",), ("seed=2",), 1), "of an order that was changed since")
            assert "did you mean" in app.screen._fault, "what comes late is not said of the new order"
            overrides.value = "training.max_steps=8"
            await until(pilot, lambda: not app.screen._fault)  # type: ignore[attr-defined]
            await pilot.press("enter")
            await until(pilot, lambda: app.current_mode == "runs", within=60)
            await until(pilot, lambda: "tiny-001" in screen_text(app))
            await end_runs(pilot, runs_dir)
            (run,) = RunStore(runs_dir).list()
            assert (run.phase, run.step) == ("finished", 8)
            assert read_identity(run.folder).overrides == {"training.max_steps": 8}
            # What it taught about speed is used from now on.
            await pilot.press("1")
            await until(pilot, lambda: any(row.made.runs == 1 for row in screen.listing.rows))
            # Changes held for those runs alone; only what a crash left comes back, and for the same experiment.
            app.session.keep_unfinished("LaunchScreen Run wide", ["seed=7", "1"])
            for name, left in (("tiny", ""), ("wide", "seed=7")):
                await choose(pilot, screen, name)
                await pilot.press("r")
                await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.is_mounted)
                assert app.screen.query_one("#overrides", Input).value == left
                await pilot.press("escape")
                await until(pilot, lambda: app.screen is screen)

    play(story())


def test_a_sound_one_can_be_launched_beside_a_wrong_one_and_none_of_a_wrong_file(tmp_path: Path) -> None:
    text = TEXT.replace("model.hidden_size = 32", "model.hidden_sze = 32")
    file = make_project(tmp_path, text)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "wide")
            await pilot.press("r")
            await until(pilot, lambda: "did you mean 'hidden_size'?" in " ".join(screen_text(app).split()))
            assert app.screen is screen
            screen.listing.focus()
            await choose(pilot, screen, "tiny")
            await pilot.press("r")
            await until(pilot, lambda: "of checkpoints" in screen_text(app))
            assert not app.screen._fault  # type: ignore[attr-defined]
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is screen)
            assert screen.panel is not None
            screen.panel.apply(text.replace("craft = 1", "craft = 2"), "another format")
            await until(pilot, lambda: all(row.verdict == "wrong" for row in screen.listing.rows[1:]))
            screen.listing.focus()
            await pilot.press("r")
            await until(pilot, lambda: "line 1: craft: unknown format" in " ".join(screen_text(app).split()))
            assert app.screen is screen
            screen.listing.focus()
            await pilot.press("ctrl+z")
            assert screen.panel.buffer.text == text
            app.clear_notifications()

    play(story())


def test_marked_ones_and_a_sweep_are_launched_together_and_the_text_is_saved_first(tmp_path: Path) -> None:
    file, runs_dir = make_project(tmp_path), tmp_path / "runs"
    changed = TEXT.replace("max_steps = 20", "max_steps = 6")

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            assert screen.panel is not None
            screen.panel.apply(changed, "shorter")
            await choose(pilot, screen, "wide")
            await pilot.press("space", "space")
            assert screen.listing.chosen_names() == ["wide", "lr"]
            await pilot.press("r")
            await until(pilot, lambda: "Save experiments.toml first?" in screen_text(app))
            await pilot.press("y")
            await until(pilot, lambda: "of checkpoints" in screen_text(app))
            assert "runs     3" in screen_text(app)
            assert file.read_text() == changed
            await pilot.press("enter")
            await until(pilot, lambda: app.current_mode == "runs", within=60)
            runs = RunStore(runs_dir).list()
            assert [(run.experiment, run.group) for run in runs] == [("wide", None), ("lr", "lr"), ("lr", "lr")]
            assert "max_steps = 6" in runs[0].folder.definition.read_text()
            assert screen.listing.marked == set()
            await kill_runs(pilot, runs_dir)

    play(story())


def test_a_problem_in_a_chosen_one_refuses_all_and_is_gone_to(tmp_path: Path) -> None:
    file = make_project(tmp_path, TEXT.replace("hidden_size = 32", "hidden_size = 31"))

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("space", "space", "r")
            assert screen.panel is not None
            line = next(i for i, words in enumerate(TEXT.splitlines()) if words == "model.hidden_size = 32")
            await until(pilot, lambda: screen.panel is not None and screen.panel.toml.cursor_location[0] == line)
            assert app.screen is screen
            assert "31" in str([note.message for note in app._notifications])
            app.clear_notifications()
            assert not (tmp_path / "runs").exists()

    play(story())


def test_a_template_is_not_launched_and_says_so(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "base")
            await until(pilot, lambda: "a template never runs; extended by tiny" in screen_text(app))
            await pilot.press("r")
            await pilot.pause()
            assert app.screen is screen

    play(story())


def test_what_a_launch_needs_and_is_not_there_leaves_no_run(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("r")
            await until(pilot, lambda: "of checkpoints" in screen_text(app))
            (tmp_path / "text.txt").unlink()
            await pilot.press("enter")
            await until(pilot, lambda: any("nothing was started" in note.message for note in app._notifications))
            app.clear_notifications()
            assert not list((tmp_path / "runs").glob("tiny*"))

    play(story())


def test_the_definition_is_shown_with_where_each_value_comes_from(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "wide")
            await pilot.press("v")
            await until(pilot, lambda: "# experiments.toml:7" in screen_text(app))
            assert "# default" in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is screen)

    play(story())


def test_in_a_small_window_the_keys_and_what_is_wrong_stay_in_view(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file, size=(60, 15)) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("r")
            await until(pilot, lambda: "enter start" in screen_text(app) and "esc cancel" in screen_text(app))
            app.screen.query_one("#overrides", Input).value = "training.max_stepz=8"
            await until(pilot, lambda: "did you mean" in screen_text(app))
            await until(pilot, lambda: "training.max_stepz=8" in screen_text(app))
            assert "enter start" in screen_text(app)

    play(story())
