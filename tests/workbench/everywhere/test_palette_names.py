"""The palette over names that Textual would read as markup."""

from __future__ import annotations

from pathlib import Path

from textual.command import CommandPalette

from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project


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
