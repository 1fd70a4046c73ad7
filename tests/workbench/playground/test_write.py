"""The tab "write", with a real sampler process and runs that really trained."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from craft.generation.checkpoint import load_checkpoint
from craft.generation.writing import Prompt, Writing
from craft.runs.sampling_settings import SamplingSettings
from tests.training.runs import definition, kill, make_run, start, wait_for_step, write_text
from tests.workbench.harness import SmallScreen, play, screen_text, until
from tests.workbench.playground.trained import playground, writing, written
from workbench.screens.playground.settings_panel import SettingsPanel
from workbench.screens.playground.sources import Source
from workbench.screens.playground.token_panel import TokenPanel
from workbench.screens.playground.token_text import TokenText


def expected(file: Path, run: str, prompt: Prompt, settings: SamplingSettings) -> str:
    """What the library writes."""
    loaded = load_checkpoint(file.parent / "runs" / run)
    made = Writing(loaded.model, loaded.tokenizer, [prompt], settings)
    for _ in made:
        pass
    return made.texts[0].text


def test_a_run_writes_what_the_library_writes_and_another_token_can_be_chosen(project: Path) -> None:
    async def story() -> None:
        async with playground(project) as (app, screen, pilot):
            assert "F2" in screen_text(app)
            await pilot.press("f2")
            await until(pilot, lambda: "tiny-001" in screen_text(app) and "finished" in screen_text(app))
            await pilot.press("slash", *"tiny", "enter")
            # The first prompt and the settings of the run's own definition.
            await until(pilot, lambda: screen.prompt == "ab")
            settings = screen.sampling_settings()
            assert settings is not None and (settings.max_new_tokens, settings.temperature) == (12, 0.5)
            await pilot.press(*"ba", "f5")
            await written(screen, pilot)
            pane = writing(screen).pane
            assert pane is not None
            screen.query_one(SettingsPanel).put({"new_seed": "fixed"})
            settings = screen.sampling_settings()
            assert settings is not None
            first = pane.branch.text
            assert first == expected(project, "tiny-001", Prompt("baab"), settings) or screen.prompt == "abba"
            assert first == expected(project, "tiny-001", Prompt(screen.prompt), settings)
            assert "12 tokens" in screen_text(app) and "length reached" in screen_text(app)

            # The cursor goes to the fourth token, another one is taken, and writing goes on from there.
            await pilot.press("escape", "g", "right", "right", "right", "enter")
            await until(pilot, lambda: "likely" in screen_text(app))
            token = pane.branch.tokens[3]
            assert token.alternatives and token.probability is not None
            other = next(one for one in token.alternatives if one["token"] != token.id)
            await pilot.press("enter")
            await written(screen, pilot)
            assert len(pane.branches) == 2
            ids = [one.id for one in pane.branch.tokens]
            assert ids[:3] == [one.id for one in pane.branches[0].tokens[:3]] and ids[3] == other["token"]
            following = expected(project, "tiny-001", Prompt(screen.prompt, tuple(ids[:4])), settings)
            assert pane.branch.text == first[:3] + other["piece"] + following
            await pilot.press("u")
            assert pane.branch.text == first and "text 1 of 2" in screen_text(app)

    play(story())


def test_a_killed_sampler_is_said_and_the_next_request_starts_another(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            screen.set_settings({"max_new_tokens": 100_000})
            await pilot.press("f5")
            await until(pilot, lambda: "writing" in screen_text(app))
            pane = writing(screen).pane
            first = screen.sampling.pid
            assert pane is not None and first is not None
            os.kill(first, signal.SIGKILL)
            await until(pilot, lambda: "SIGKILL" in pane.branch.fault)
            assert not screen.mode.busy  # type: ignore[union-attr]
            kept = pane.branch.text
            assert kept and "SIGKILL" in screen_text(app) and "ended" in screen_text(app)
            assert screen.prompt == "ab"

            screen.set_settings({"max_new_tokens": 5})
            await pilot.press("f5")
            await written(screen, pilot)
            assert len(pane.branch.tokens) == 5 and screen.sampling.pid not in (None, first)
            second = screen.sampling.pid
        with pytest.raises(ProcessLookupError):
            os.kill(second or 0, 0)

    play(story())


def test_escape_stops_at_once_and_keys_are_answered_meanwhile(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001", size=SmallScreen) as (app, screen, pilot):
            screen.set_settings({"max_new_tokens": 1_000_000})
            await pilot.press("f5")
            await until(pilot, lambda: "writing" in screen_text(app))
            await pilot.press("x")
            assert "x" in screen.prompt
            asked = time.monotonic()
            await pilot.press("escape")
            await written(screen, pilot)
            assert time.monotonic() - asked < 5
            pane = writing(screen).pane
            assert pane is not None and pane.branch.state == "stopped" and pane.branch.tokens
            count = len(pane.branch.tokens)
            await pilot.press("escape", "v", "v")  # to the text; numbers behind the tokens
            assert "hundredths" in screen_text(app)
            await pilot.press("r")
            await until(pilot, lambda: pane.branch.state == "writing")
            await pilot.press("escape")
            await written(screen, pilot)
            assert count and pane.branch.seed == writing(screen).pane.branch.seed  # type: ignore[union-attr]

    play(story())


def test_what_a_terminal_would_obey_is_shown_and_copied_as_it_is(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "bytes-001") as (app, screen, pilot):
            screen.prompt = "\x1b]52;c;aGk=\x07\u202e[red]"
            screen.set_settings({"max_new_tokens": 400, "temperature": 3.0, "top_k": 0, "seed": 5, "new_seed": "fixed"})
            await pilot.press("f5")
            await written(screen, pilot)
            pane = writing(screen).pane
            assert pane is not None
            text = pane.branch.text
            harmful = {char for char in text if char < " " or "\x7f" <= char <= "\x9f"} - {"\n"}
            assert len(harmful) > 10
            shown = screen_text(app)
            assert not {char for char in shown if (char < " " and char != "\n") or "\x7f" <= char <= "\x9f"}
            assert "\u202e" not in shown and "[red]" in shown
            await pilot.press("escape", "g", "right", "enter", "escape", "y")
            assert app.clipboard == text

    play(story())


def test_two_runs_write_side_by_side_on_one_seed(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001", "other-001") as (app, screen, pilot):
            screen.set_settings({"max_new_tokens": 30, "seed": 3, "new_seed": "fixed", "samples": 2})
            await pilot.press("f5")
            await written(screen, pilot)
            panes = writing(screen)._panes
            assert [(pane.letter, pane.source.run, pane.branch.seed) for pane in panes] == [
                ("A", "tiny-001", 3),
                ("A", "tiny-001", 4),
                ("B", "other-001", 3),
                ("B", "other-001", 4),
            ]
            settings = screen.sampling_settings()
            assert settings is not None
            for pane in panes[::2]:
                assert pane.branch.text == expected(project, pane.source.run, Prompt("ab"), settings)
            first, other = panes[0].branch.text, panes[2].branch.text
            same = next(n for n, (mine, theirs) in enumerate(zip(first, other, strict=True)) if mine != theirs)
            assert panes[2].parts == same and f"parts at {same + 1}" in screen_text(app)
            assert writing(screen).pane is panes[0]
            # Beside each other where they are wide enough, else below each other.
            assert panes[0].region.y == panes[1].region.y < panes[2].region.y == panes[3].region.y
            await pilot.resize_terminal(60, 40)
            await until(pilot, lambda: panes[0].region.y < panes[1].region.y < panes[2].region.y)

    play(story())


def test_faults_stand_where_they_belong_and_others_write_on(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            step = max((project.parent / "runs" / "other-001" / "checkpoints").glob("step-*"))
            weights = step / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-40])
            screen.set_sources(
                [
                    Source(run="other-001", at=str(int(step.name[5:]))),
                    Source(path=str(project.parent / "nothing")),
                    Source(run="bytes-001", save_first=True),
                    Source(run="tiny-001"),
                ]
            )
            screen.set_settings({"max_new_tokens": 20})
            await pilot.press("f5")
            await written(screen, pilot)
            damaged, missing, ended, whole = writing(screen)._panes
            assert "damaged" in damaged.branch.fault and "Other steps" in damaged.branch.fault
            assert "there is no such file" in missing.branch.fault
            assert "not" in ended.branch.fault and not ended.branch.tokens
            assert all("F2 chooses another" in pane.branch.fault for pane in (damaged, missing, ended))
            assert len(whole.branch.tokens) == 20 and not whole.branch.fault
            await until(pilot, lambda: "damaged" in screen_text(app))
            # What the settings do not take is said beside them, and nothing is asked.
            screen.set_settings({"temperature": "warm"})
            await pilot.press("f5")
            assert "temperature must be a number, found 'warm'" in screen_text(app)
            assert not screen.mode.busy  # type: ignore[union-attr]
            app._notifications.clear()  # the fault in the corner is meant

    play(story())


def test_a_run_that_trains_is_asked_as_it_is_now_and_trains_on(project: Path) -> None:
    text = project.parent / "text.txt"
    config = definition(write_text(text), training={"max_steps": 100_000, "eval_every": 100_000})
    run = make_run(project.parent / "runs", config, "live")
    worker = start(run)
    try:
        wait_for_step(run, 20, worker)

        async def story() -> None:
            async with playground(project) as (app, screen, pilot):
                await until(pilot, lambda: "1 running" in screen_text(app))
                await pilot.press("f2")
                await until(pilot, lambda: "it saves first" in screen_text(app))
                assert "live-001" in screen_text(app)
                await pilot.press("right", "enter")
                assert screen.sources == [Source(run="live-001", save_first=True)]
                screen.set_settings({"max_new_tokens": 5})
                await pilot.press("f5")
                await written(screen, pilot)
                pane = writing(screen).pane
                assert pane is not None and not pane.branch.fault, pane.branch.fault
                first = pane.branch.provenance["step"]
                assert first >= 20 and "live-001" in pane.branch.provenance["why_device"]
                # The newest checkpoint, whatever it is by then.
                screen.set_sources([Source(run="live-001")])
                wait_for_step(run, first + 20, worker)
                await pilot.press("f5")
                await written(screen, pilot)
                assert pane.branch.provenance["step"] >= first
                # From a text on, the very same weights write, though the run has trained on.
                await pilot.press("escape", "g", "enter", "enter")
                await written(screen, pilot)
                assert len(pane.branches) == 2
                assert pane.branch.provenance["step"] == pane.branches[0].provenance["step"]

        play(story())
        assert worker.poll() is None
    finally:
        kill(worker)


def test_the_mouse_points_at_tokens_and_takes_another(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            screen.set_settings({"max_new_tokens": 12, "temperature": 0.3})
            await pilot.press("f5")
            await written(screen, pilot)
            pane = writing(screen).pane
            assert pane is not None
            tokens = pane.branch.tokens
            assert not {token.text for token in tokens[:4]} & {"\n"}
            # After the prompt of two characters, and the pane's margin of one.
            await pilot.hover(TokenText, offset=(1 + 2 + 3, 0))
            await until(pilot, lambda: f"id {tokens[3].id}  4 of 12" in screen_text(app))
            await pilot.click(TokenText, offset=(1 + 2 + 1, 0))
            assert pane.text.cursor == 1
            place = next(n for n, one in enumerate(tokens[1].alternatives) if one["token"] != tokens[1].id)
            await pilot.click(TokenPanel, offset=(3, 2 + place))
            await written(screen, pilot)
            assert len(pane.branches) == 2
            assert pane.branch.tokens[1].id == tokens[1].alternatives[place]["token"]
            # A tab, by its word.
            await pilot.click("#tabs", offset=(9, 0))
            await until(pilot, lambda: screen.mode is not None and screen.mode.NAME != "write")

    play(story())


def test_a_tiny_window_holds_everything_and_nothing_breaks(project: Path) -> None:
    async def story() -> None:
        async with playground(project, size=(60, 15)) as (app, screen, pilot):
            await pilot.press("f3")
            await until(pilot, lambda: "repetition_penalty" in screen_text(app))
            await pilot.press("f4")
            settings = screen.sampling_settings()
            assert settings is not None and settings.temperature == 0
            await pilot.press("f3", "f2")
            await until(pilot, lambda: "Who writes?" in screen_text(app))
            await pilot.press("escape", "escape")
            seen = set()
            for _ in range(5):
                seen.add(screen.mode.NAME if screen.mode else "")
                await pilot.press("f8")
            assert seen == {"write", "score", "beams", "batch", "history"}
            for size in ((20, 6), (200, 60), (60, 15)):
                await pilot.resize_terminal(*size)
                await pilot.pause()

    play(story())


def test_an_ascii_terminal_gets_nothing_else(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "bytes-001", size=SmallScreen, ascii_only=True) as (app, screen, pilot):
            screen.prompt = "日\n"
            screen.set_settings({"max_new_tokens": 60, "temperature": 3.0, "top_k": 0})
            await pilot.press("f5")
            await written(screen, pilot)
            await pilot.press("escape", "g", "v", "v", "enter")
            shown = screen_text(app).splitlines()
            # The prompt's own field shows what is typed.
            assert "\n".join(shown[7:]).isascii(), "\n".join(shown)

    play(story())


def test_a_prompt_longer_than_the_context_is_read_at_its_end_and_that_is_said(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            screen.prompt = "ab cd " * 4000
            await pilot.press("f5")
            await written(screen, pilot)
            pane = writing(screen).pane
            assert pane is not None and pane.branch.unread > 23_000
            assert f"the first {pane.branch.unread} tokens" in " ".join(screen_text(app).split())

    play(story())


def test_prompt_sources_and_settings_are_there_the_next_time(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001", "bytes-001") as (_, screen, pilot):
            screen.prompt = "two\nlines"
            screen.set_settings({"top_k": 7, "stop": ["|x\n"]})
            await pilot.pause()
        async with playground(project, remembered=2) as (_, screen, _pilot):
            assert screen.prompt == "two\nlines"
            settings = screen.sampling_settings()
            assert settings is not None and settings.top_k == 7 and settings.stop == ("|x\n",)

    play(story())


def test_texts_are_exported_with_all_that_is_known(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.parent)

    async def story() -> None:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            await pilot.press("f5")
            await written(screen, pilot)
            await pilot.press("escape", "x")
            await until(pilot, lambda: "Write the texts" in screen_text(app))
            await pilot.press("ctrl+u", *"out.json", "enter")
            await until(pilot, lambda: (project.parent / "out.json").exists())

    play(story())
    import json

    pane = json.loads((project.parent / "out.json").read_text())["texts"][0]
    assert pane["text"] == "".join(token["text"] for token in pane["tokens"])
    assert pane["provenance"]["run"] == "tiny-001" and pane["tokens"][0]["probability"] > 0
