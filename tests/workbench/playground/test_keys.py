"""Keys of the playground before anything is written: out of the fields, to the settings, and among who shall write."""

from __future__ import annotations

from pathlib import Path

from tests.workbench.harness import SmallScreen, opened, play, screen_text, settled, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.screens.playground.batch import BatchMode
from workbench.screens.playground.picker import Boxes, SourcePicker
from workbench.screens.playground.score import ScoreMode
from workbench.screens.playground.score_figures import Totals
from workbench.screens.playground.score_words import Judged, totals_table
from workbench.screens.playground.screen import PlaygroundScreen
from workbench.screens.playground.sources import Source


def _here(app: Workbench) -> str:
    return (app.screen.focused and app.screen.focused.id) or ""


def test_escape_leaves_every_field_and_what_the_history_filled_in_is_said(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_project(tmp_path)) as (app, pilot):
            app.action_go("playground")
            await until(pilot, lambda: _here(app) == "prompt" and "esc leave the field" in screen_text(app))
            screen = app.screen
            assert isinstance(screen, PlaygroundScreen)
            await pilot.press("escape")
            assert _here(app) != "prompt"
            await pilot.press("f3")
            assert _here(app) == "temperature"
            await pilot.press("f3")
            assert _here(app) == "temperature", "what is typed on goes where it went"
            await screen.open_tab("score")
            await until(pilot, lambda: _here(app) == "score-input" and "esc to the tokens" in screen_text(app))
            await pilot.press("escape", "2")
            await until(pilot, lambda: app.place.PLACE == "runs")
            app.action_go("playground")
            await until(pilot, lambda: app.screen is screen)
            request = {"prompt": "ab", "settings": {"seed": 7, "temperature": 0.5}}
            await screen.restore({"kind": "write", "request": request, "results": [], "sources": []})
            await until(
                pilot, lambda: "seed 7, fixed by the history" in screen_text(app) and "F5 asks" in screen_text(app)
            )

    play(story())


def test_one_source_is_taken_beside_those_that_are_marked_and_boxes_are_clicked(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    for age in (300, 200, 100):
        make_run(tmp_path / "runs", age=age)

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            app.action_go("playground")
            await until(pilot, lambda: _here(app) == "prompt")
            answers: list[list[Source] | None] = []
            app.push_screen(SourcePicker(app.runs, []), answers.append)
            await until(pilot, lambda: screen_text(app).count("best 1.745") == 3)
            runs = app.screen.query_one("#picker-runs", Boxes)
            await pilot.click(runs, offset=(1, 0))
            await pilot.click(runs, offset=(1, 1))
            await until(pilot, lambda: "[A] " in screen_text(app) and "[B] " in screen_text(app))
            await pilot.press("down")
            await until(pilot, lambda: "enter takes the one here instead" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: answers == [[Source("transformer-001")]])
            app.push_screen(SourcePicker(app.runs, []), answers.append)
            await until(pilot, lambda: screen_text(app).count("best 1.745") == 3)
            await pilot.press("space", "down", "space", "enter")
            await until(pilot, lambda: answers[1:] == [[Source("transformer-003"), Source("transformer-002")]])

    play(story())


def test_totals_are_in_the_unit_that_the_tokens_are_in() -> None:
    one = Judged("a", totals=Totals(10, 9, 20, 9.0, 1.0, 2.718, 0.7, 1, 64))
    assert [line.split()[0] for line in totals_table([one], 0, 80, "nats", ascii_only=True).plain.split("\n")] == [
        "nats/token",
        "a",
    ]
    assert " 1.000 " in totals_table([one], 0, 80, "nats", ascii_only=True).plain
    assert " 1.443 " in totals_table([one], 0, 80, "bits", ascii_only=True).plain


def test_a_long_fault_is_read_to_its_end(tmp_path: Path) -> None:
    fault = f"{'a folder of this name ' * 5}/prompts.txt:3: not UTF-8 at byte 7 of the line"

    async def story() -> None:
        async with opened(make_project(tmp_path), size=SmallScreen) as (app, pilot):
            app.action_go("playground")
            await until(pilot, lambda: _here(app) == "prompt")
            screen = app.screen
            assert isinstance(screen, PlaygroundScreen)
            for tab in ("score", "batch"):
                mode = await screen.open_tab(tab)
                assert isinstance(mode, ScoreMode | BatchMode)
                mode.fault = fault
                mode._say()
                await until(pilot, lambda: "byte 7 of the line" in " ".join(screen_text(app).split()))
                assert "byte 7 of the line" in " ".join((await settled(app)).split()), "not only until it is laid out"

    play(story())
