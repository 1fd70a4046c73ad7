"""A terminal that shows no more than ASCII is given nothing else: on every screen, in every tab and every dialog."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.widgets.typed_lines import Lines

WIDE = "\u65e5\u672c \U0001f600e\u0301 \u2603"
MARKS = "<???? ??e ?>"
RUNS = {"W": "log", "E": "", "U": "", "D": "definition", "A": "experiment"}
DIALOGS = ["m", "n", "T", "f", "v", "x", "o", "question_mark", "exclamation_mark", "Q", "R", "colon", "ctrl+p"]
TABS = ["write", "score", "beams", "batch", "history"]


async def looked_at(app: Workbench, pilot: Pilot[None], what: str) -> None:
    """Look at every character, but what a person typed: that is left to the last gate."""
    for field in app.screen.query(Input):
        if not field.value.isascii():
            field.value = "typed"
    for area in app.screen.query(Lines):
        if not area.text.isascii():
            area.load_text("typed")
    await pilot.pause()
    shown = screen_text(app)
    assert shown.isascii(), (what, sorted({char for char in shown if not char.isascii()}), shown)


def test_nothing_but_ascii_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workbench, "get_line_filters", App.get_line_filters)  # the last gate would hide what is wrong
    file = make_project(tmp_path)
    file.write_text(file.read_text().replace("is width", f"{WIDE} is width"))
    for phase in ("finished", "failed"):
        folder = make_run(tmp_path / "runs", phase=phase, error=WIDE, message=WIDE)
        folder.log.write_text(f"{WIDE}\n" * 50)
        (folder.path / "notes.json").write_text(f'{{"star": true, "tags": ["{WIDE}"], "note": "{WIDE}"}}')

    async def story() -> None:
        async with opened(file, size=(120, 40), ascii_only=True) as (app, pilot):
            app.say(WIDE, "warning")
            await until(pilot, lambda: "finished" in screen_text(app))
            for key in DIALOGS:
                await pilot.press(key)
                await until(pilot, lambda: app.screen is not app.place)
                await looked_at(app, pilot, key)
                await pilot.press("escape")
                await until(pilot, lambda: app.screen is app.place)
            await pilot.press("enter")
            for key in RUNS:
                await pilot.press(key)
                await pilot.pause()
                await looked_at(app, pilot, key)
            for place, keys in (
                ("experiments", ["r", "n", "v", "e"]),
                ("compare", ["m", "x", "e"]),
                ("playground", ["f2"]),
            ):
                app.action_go(place)
                await until(pilot, lambda place=place: place == app.place.PLACE and app.place.is_ready)
                await looked_at(app, pilot, place)
                for key in keys:
                    await pilot.press(key)
                    await pilot.pause()
                    await looked_at(app, pilot, f"{place} {key}")
                    if app.screen is not app.place:
                        await pilot.press("escape")
                        await until(pilot, lambda: app.screen is app.place)
            for tab in TABS:
                await app.screen.run_action(f"open('{tab}')")
                await looked_at(app, pilot, tab)

    play(story())


def test_what_is_typed_gets_marks_of_its_own_width(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file, size=(120, 40), ascii_only=True) as (app, pilot):
            await pilot.press("slash")
            await until(pilot, lambda: isinstance(app.focused, Input))
            assert isinstance(app.focused, Input)
            app.focused.value = f"<{WIDE}>"
            await until(pilot, lambda: MARKS in screen_text(app))
            assert screen_text(app).isascii()
            app.action_go("playground")
            await until(pilot, lambda: bool(app.screen.query("#prompt")))
            app.screen.query_one("#prompt", Lines).load_text(f"<{WIDE}>\n<{WIDE}>")
            await until(pilot, lambda: screen_text(app).count(MARKS) == 2)
            assert screen_text(app).isascii()

    play(story())
