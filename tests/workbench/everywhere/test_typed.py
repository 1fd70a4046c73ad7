"""What is typed or pasted reaches the terminal as marks only, in every field."""

from __future__ import annotations

import re
from pathlib import Path

from textual import events
from textual.widgets import Input

import workbench
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_demo
from workbench.dialogs.help import sections_of
from workbench.dialogs.prompt import PromptScreen
from workbench.widgets.typed_lines import Lines

_ATTACK = "a\x1b]52;c;AAAA\x07b\x9b31mc\u202ed"
_OBEYED = re.compile("[\x1b\x07\x9b\u202e]")


def test_a_field_shows_what_a_terminal_would_obey_as_marks(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            given: list[str | None] = []
            app.push_screen(PromptScreen("a note", value=_ATTACK), given.append)
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            await until(pilot, lambda: "AAAA" in screen_text(app))
            assert not _OBEYED.search(screen_text(app))
            app.screen.query_one(Input).value = ""
            app.screen.query_one(Input).post_message(events.Paste(f"pasted {_ATTACK}"))
            await until(pilot, lambda: "pasted" in screen_text(app))
            assert not _OBEYED.search(screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: bool(given))
            assert given[0] is not None and not _OBEYED.search(given[0])

    play(story())


def test_words_are_moved_over_in_a_text_and_the_help_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_demo(tmp_path)) as (app, pilot):
            app.push_screen(PromptScreen("a note", value="one two"))
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            await pilot.press("ctrl+left")
            await until(pilot, lambda: app.screen.query_one(Input).cursor_position == 4)
            said = [row for rows in sections_of(app.screen).values() for row in rows]
            assert ("ctrl+\u2190", "a word to the left; elsewhere it moves a divider") in said

    play(story())


def test_no_field_is_made_of_textuals_own_which_draw_what_they_hold() -> None:
    home = Path(workbench.__file__).parent
    own = home / "widgets" / "typed.py"
    made = re.compile(r"\b(?:Input|TextArea)\((?!self\))|class \w+\((?:\w+, )?Input\)")
    found = [f"{path}: {line}" for path in home.rglob("*.py") if path != own for line in made.findall(path.read_text())]
    assert not found


def test_lines_show_a_mark_for_each_character_that_they_hold() -> None:
    assert Lines("a\x07b\x08\x1bc").get_line(0).plain == "a\u2407b\u2408\u241bc"
