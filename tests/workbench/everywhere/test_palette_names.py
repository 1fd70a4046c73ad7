"""The palette over names that Textual would read as markup."""

from __future__ import annotations

from pathlib import Path

from textual.command import CommandPalette

from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project
from workbench.palette import Commands


def test_names_in_brackets_are_found_and_shown_as_they_are(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    file.write_text(file.read_text() + '\n[experiment."[/x] [red]zebra"]\nextends = "small"\n')

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await pilot.press("ctrl+p")
            await until(pilot, lambda: isinstance(app.screen, CommandPalette))
            await pilot.press(*"zebra")
            await until(pilot, lambda: "experiment [/x] [red]zebra" in screen_text(app))

    play(story())


def test_what_can_be_done_is_found_by_any_word_for_it_whatever_has_the_focus(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_project(tmp_path)) as (app, pilot):
            app.action_go("playground")
            await until(pilot, lambda: app.focused is not None and app.focused.id == "prompt")
            offered = list(Commands(app.screen).all())
            assert {one.name for one in offered if one.name.startswith("theme")} == {
                "theme craft-dark",
                "theme craft-light",
                "theme ansi-dark",
            }
            for word, name in (
                ("compare", "compare runs"),
                ("launch", "the experiments: edit, estimate, launch"),
                ("train", "the experiments: edit, estimate, launch"),
                ("quit", "quit; runs go on"),
                ("dark", "theme craft-dark"),
                ("zoom", "the focused pane alone, or all panes again"),
            ):
                assert name in {one.name for one in offered if word in f"{one.name} {one.words}"}, word
            await pilot.press("ctrl+p")
            await until(pilot, lambda: isinstance(app.screen, CommandPalette))
            await pilot.press(*"train")
            await until(pilot, lambda: "the experiments: edit" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: app.place.PLACE == "experiments")

    play(story())
