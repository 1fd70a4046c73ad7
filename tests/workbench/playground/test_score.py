"""The tab "score": figures are the library's, two checkpoints are compared token by token, long texts stream."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from craft.generation.checkpoint import load_checkpoint
from craft.generation.scoring import TextScore, score_text
from tests.workbench.harness import SmallScreen, play, screen_text, until
from tests.workbench.playground.trained import playground, written
from workbench.memory import project_place
from workbench.screens.playground.history_store import History
from workbench.screens.playground.score import ScoreMode
from workbench.screens.playground.score_figures import Scored, difference, level_of_difference
from workbench.screens.playground.score_words import Judged
from workbench.screens.playground.screen import PlaygroundScreen


def said(losses: tuple[float | None, ...], tokens: str) -> dict[str, Any]:
    """A `scores` message: of the first token nothing was expected."""
    ranks = [None if not at else 1 for at in range(len(losses))]
    return {
        "pieces": {str(ord(text)): text for text in tokens},
        "tokens": [ord(text) for text in tokens[: len(losses)]],
        "losses": list(losses),
        "entropies": [None] * len(losses),
        "ranks": ranks,
        "alternatives": [],
        "probabilities": [],
    }


def scored(*losses: float | None, tokens: str = "abcdefgh") -> Scored:
    made = Scored()
    made.take(said(losses, tokens))
    return made


def test_what_is_worst_and_where_two_differ() -> None:
    one, other = scored(None, 1.0, 5.0, 2.0, 0.1), scored(None, 1.05, 1.0, 4.0, 0.1)
    assert one.worst(3) == [2, 3, 1] and one.worst(100) == [2, 3, 1, 4]
    assert one.farthest(other, 2) == [2, 3]
    assert [difference(one, other, place) for place in (0, 2, 3)] == [None, 4.0, -2.0]
    assert [level_of_difference(found) for found in (None, 0.0, 0.2, -0.2, 4.0, -2.0)] == [0, 0, 1, -1, 3, -3]
    assert one.same_tokens(other) and not one.same_tokens(scored(None, 1.0, tokens="ax"))
    # The same number may stand for another text in another tokenizer.
    foreign = Scored()
    foreign.take({**said((None,), "a"), "pieces": {str(ord("a")): "z"}})
    assert not one.same_tokens(foreign)
    assert Judged("x", state="scoring", read=0.34).words == "scoring, 34% read"
    endless = scored(None, None)
    assert endless.loss(0) is None and endless.loss(1) == math.inf and endless[1].probability == 0.0


def score(screen: PlaygroundScreen) -> ScoreMode:
    mode = screen.mode
    assert isinstance(mode, ScoreMode)
    return mode


def library(project: Path, run: str, text: str) -> TextScore:
    loaded = load_checkpoint(project.parent / "runs" / run)
    return score_text(loaded.model, loaded.tokenizer, text, 5)


def test_two_checkpoints_on_one_text(project: Path, tmp_path: Path) -> None:
    text = (project.parent / "text.txt").read_text()[:300]
    expected = [library(project, run, text) for run in ("tiny-001", "other-001")]

    async def story() -> None:
        async with playground(project, "tiny-001", "other-001") as (app, screen, pilot):
            await screen.open_tab("score")
            mode = score(screen)
            await pilot.press("f5")
            await until(pilot, lambda: "paste or type a text first" in screen_text(app))
            mode.input.load_text(text[:1])
            await pilot.press("f5")
            await written(screen, pilot)
            await until(pilot, lambda: "one token: nothing stands before it" in screen_text(app))
            mode.input.load_text(text)
            await pilot.press("f5")
            await written(screen, pilot)
            for judged, wanted in zip(mode.judged, expected, strict=True):
                assert judged.totals is not None
                assert judged.totals.loss == pytest.approx(wanted.loss, abs=1e-4)
                assert judged.totals.bits_per_byte == pytest.approx(wanted.bits_per_byte, abs=1e-4)
                assert "".join(token.text for token in judged.scored) == text
                for place in (1, 50, 299):
                    found, one = judged.scored.thought(place), wanted[place]
                    assert found.rank == one.rank and found.loss == pytest.approx(one.loss, abs=1e-4)
                    assert [piece for piece, _ in found.alternatives] == [piece for _, piece, _ in one.alternatives]
            bits = [judged.totals.bits_per_byte for judged in mode.judged if judged.totals]
            shown = screen_text(app)
            assert f"{bits[0]:.3f}" in shown and f"{bits[1]:.3f}" in shown and "best" in shown
            assert screen.focused is not mode.input
            await pilot.press("i")
            assert screen.focused is mode.input, "the key that leads to the prompt elsewhere"
            mode.focus_first()

            # The cursor tells of each token, by both; n goes to the worst of them.
            await until(pilot, lambda: "most surprising" in screen_text(app))
            await pilot.press("n")
            worst = max(range(1, 300), key=lambda place: expected[0][place].loss or 0.0)
            assert mode.text.cursor == worst
            rank = expected[0][worst].rank
            await until(
                pilot, lambda: f"rank {rank}" in screen_text(app) and f"token {worst + 1} of" in screen_text(app)
            )
            assert f"{(expected[0][worst].loss or 0) / math.log(2):.2f} bits" in screen_text(app)
            await pilot.press("m", "v")
            await until(pilot, lambda: "surprise and nats" in screen_text(app))
            assert mode.text.figure(worst) == pytest.approx(expected[0][worst].loss, abs=1e-4)

            await pilot.press("d")
            await until(pilot, lambda: "farthest apart" in screen_text(app) and "against B" in screen_text(app))
            await pilot.press("n")
            gaps = [abs((expected[0][at].loss or 0) - (expected[1][at].loss or 0)) for at in range(300)]
            assert mode.text.cursor is not None and gaps[mode.text.cursor] == pytest.approx(max(gaps), abs=1e-4)
            await pilot.press("d", "o")
            assert mode.against is None and mode.shown == 1 and mode.text.scored is mode.judged[1].scored

            out = tmp_path / "scores.csv"
            await pilot.press("x")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            app.screen.query_one("Input").value = str(out)  # type: ignore[attr-defined]
            await pilot.press("enter")
            await until(pilot, lambda: out.exists() and out.stat().st_size > 0 and len(app.screen_stack) == 1)
            rows = list(csv.DictReader(io.StringIO(out.read_text(), newline="")))
            assert len(rows) == 600 and float(rows[350]["loss"]) == pytest.approx(expected[1][50].loss, abs=1e-4)
            history = History(project_place(project))
            await until(pilot, lambda: history.poll() or history.entries[0].reason == "finished")
            assert history.read(history.entries[0])["request"]["text"] == text

    play(story())


def test_other_tokens_are_compared_by_bits_per_byte_only(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001", "bytes-001") as (app, screen, pilot):
            await screen.open_tab("score")
            mode = score(screen)
            mode.input.load_text("ab cd\x1b[31m[bold]")
            await pilot.press("f5")
            await written(screen, pilot)
            # One reads any byte, the other only letters: its fault stands with it, and nothing leaks.
            assert "not among" in mode.judged[0].fault and mode.judged[1].totals is not None
            assert mode.shown == 1, "the first that has anything to show"
            await pilot.press("o")
            words = str(mode.query_one("#score-token", Static).content).split()
            assert " ".join(words) == mode.judged[0].fault, "all of it, on as many lines as it takes"
            await pilot.press("o")
            await until(pilot, lambda: "\u241b[31m[bold]" in screen_text(app))
            assert "\x1b" not in screen_text(app)
            mode.judged[0].scored.take(said((None,), "z"))
            await pilot.press("d")
            await until(pilot, lambda: "compare bits per byte" in screen_text(app))

    play(story())


def test_a_long_text_is_pasted_streams_and_stays_readable(project: Path) -> None:
    text = ((project.parent / "text.txt").read_text() * 6)[:60_000]

    async def story() -> None:
        async with playground(project, "tiny-001", size=SmallScreen) as (app, screen, pilot):
            from textual.events import Paste

            await screen.open_tab("score")
            mode = score(screen)
            await until(pilot, lambda: mode.input.has_focus)
            app.post_message(Paste(text))
            await until(pilot, lambda: len(mode.input.text) == len(text))
            await pilot.press("f5")
            await until(pilot, lambda: bool(mode.judged) and len(mode.judged[0].scored) > 1000, within=60)
            first = screen_text(app).splitlines()
            assert mode.text.scroll_offset.y == 0 and any(text[:20] in line for line in first)
            await until(pilot, lambda: not mode.busy, within=60)
            assert len(mode.judged[0].scored) == len(text)
            await pilot.press("G")
            await until(pilot, lambda: mode.text.cursor == len(text) - 1 and text[-15:].strip() in screen_text(app))
            await pilot.press("v")
            await until(pilot, lambda: mode.text._put == len(text))
            assert mode.text.cursor == len(text) - 1
            mode.input.load_text("ab")
            await pilot.press("f5")
            await written(screen, pilot)
            assert mode.judged[0].totals is not None and mode.judged[0].totals.tokens == 2

    play(story())
