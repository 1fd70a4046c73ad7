from __future__ import annotations

from pathlib import Path

from tests.workbench.details.stage import append, at_details, full_run, shown_tab
from tests.workbench.harness import play, screen_text, until
from tests.workbench.runs import make_run, working
from workbench.screens.runs.details.film import changed_pieces
from workbench.screens.runs.details.samples import SamplesTab


def test_what_changed_is_told_word_by_word() -> None:
    pieces = changed_pieces("the cat sat", "the dog sat down")
    assert "".join(text for text, _ in pieces) == "the dog sat down"
    assert [text for text, new in pieces if new] == ["dog", " down"]
    assert changed_pieces("", "") == []


def test_through_steps_and_prompts_played_and_followed(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs", phase="running")

    async def story() -> None:
        with working(folder):
            async with at_details(tmp_path, "samples") as (app, pilot, details):
                await until(pilot, lambda: "f300(self):" in screen_text(app) and "following" in screen_text(app))
                assert "prompt 1 of 2" in screen_text(app) and "temperature 0.8" in screen_text(app)
                append(folder.samples, {"step": 400, "prompt": "def ", "text": "f400()"})
                await until(pilot, lambda: "f400()" in screen_text(app))
                await pilot.press("left", "left")
                await until(pilot, lambda: "f200(self):" in screen_text(app) and "step 200  2 of 4" in screen_text(app))
                append(folder.samples, {"step": 500, "prompt": "def ", "text": "f500()"})
                await until(pilot, lambda: "2 of 5" in screen_text(app))
                assert "f200(self):" in screen_text(app), "nothing moves under the reader"
                await pilot.press("down")
                await until(
                    pilot, lambda: "return class" in screen_text(app) and "step 200  2 of 3" in screen_text(app)
                )
                await pilot.press("y")
                assert app.clipboard == "class f200(self):\n    return class "
                await pilot.press("g", "space")
                await until(pilot, lambda: "playing" in screen_text(app))
                await until(pilot, lambda: "step 300  3 of 3" in screen_text(app) and "playing" not in screen_text(app))
                tab = shown_tab(details)
                assert isinstance(tab, SamplesTab)
                row = tab.query_one("Reel").region
                await pilot.click(offset=(row.x + 1, row.y))
                await until(pilot, lambda: "step 100  1 of 3" in screen_text(app))
                # A run that went back writes later steps anew.
                append(folder.samples, {"step": 150, "prompt": "def ", "text": "anew"})
                await pilot.press("up", "G")
                await until(pilot, lambda: "step 150  2 of 2" in screen_text(app))

    play(story())


def test_odd_samples_break_nothing_and_no_samples_say_how(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs")

    async def story() -> None:
        async with at_details(tmp_path, "samples") as (app, pilot, details):
            await until(pilot, lambda: "sample_text = { every = 100 }" in screen_text(app))
            # What it has is prompts that do not fit: that is what helps, and not how to write any.
            why = "no text is sampled from the prompt 'Z': its vocabulary has no 'Z'"
            append(folder.events, {"time": 1.0, "kind": "warning", "text": why})
            shown_tab(details).look()
            await until(pilot, lambda: why in screen_text(app) and "every = 100" not in screen_text(app))
            odd = [
                {"step": "x"},
                {"prompt": 1},
                {"step": 3, "prompt": ["[b]"], "text": {"a": "\x1b[31m"}, "seed": None},
            ]
            append(folder.samples, "{torn", *odd)
            shown_tab(details).look()
            await until(pilot, lambda: "3 damaged lines left out" in screen_text(app) and "[b]" in screen_text(app))
            await pilot.press("left", "right", "up", "d", "space")
            assert "\x1b" not in screen_text(app)

    play(story())
