"""Dialogs say which answers they take, and take them from the mouse and from F1's list alike."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.dialogs.answers import Answers
from workbench.dialogs.help import HelpScreen


async def answer(app: Workbench, pilot: Pilot[None], words: str) -> None:
    """Click one of the answers of the dialog that is open."""
    foot = app.screen.query_one(Answers)
    await until(pilot, lambda: words in foot.render_line(0).text)
    await pilot.click(foot, offset=(foot.render_line(0).text.index(words), 0))


def test_dialogs_are_answered_by_the_mouse_alone(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    run = make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await pilot.press("n", *"seen")
            await answer(app, pilot, "ok")
            await until(pilot, lambda: app.screen is app.place and "seen" in (run.path / "notes.json").read_text())
            for place, key, question in (
                ("runs", "v", "Columns"),
                ("runs", "f", "Fork transformer-001"),
                ("runs", "T", "Tags of"),
                ("runs", "m", "What to do with"),
                ("runs", "x", "Delete"),
                ("experiments", "r", "Run transformer"),
                ("experiments", "v", "transformer"),
            ):
                app.action_go(place)
                await until(pilot, lambda place=place: app.screen is app.place and place == app.place.PLACE)
                await pilot.press(key)
                await until(
                    pilot, lambda question=question: app.screen is not app.place and question in screen_text(app)
                )
                dialog = app.screen
                await pilot.press("f1")
                await until(pilot, lambda: isinstance(app.screen, HelpScreen))
                await until(pilot, lambda: "esc" in screen_text(app))
                await answer(app, pilot, "close")
                await until(pilot, lambda dialog=dialog: app.screen is dialog)
                keys = dialog.query_one(Answers).render_line(0).text
                await answer(app, pilot, next(one for one in ("leave", "cancel", "no", "close") if f" {one} " in keys))
                await until(pilot, lambda: app.screen is app.place)

    play(story())


def test_a_list_without_a_match_says_so(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            for key, question, said in (
                ("m", "What to do with", "nothing matches 'zzz'"),
                ("v", "Columns", "nothing known matches; enter takes 'zzz' as it is"),
            ):
                await pilot.press(key)
                await until(pilot, lambda question=question: question in screen_text(app))
                if key == "v":
                    app.screen.query_one("Line").focus()
                await pilot.press(*"zzz")
                await until(pilot, lambda said=said: said in screen_text(app))
                await pilot.press("escape")
                await until(pilot, lambda: app.screen is app.place)

    play(story())
