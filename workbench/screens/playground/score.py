"""The tab "score": what a text costs each source, token by token, and which of them likes what better."""

from __future__ import annotations

import time
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.dialogs.export import export
from workbench.screens.playground import score_words
from workbench.screens.playground.score_figures import UNITS, Scored
from workbench.screens.playground.score_text import TINTS, ScoreText
from workbench.screens.playground.score_words import Judged
from workbench.screens.playground.scoring import Scoring
from workbench.screens.playground.sources import LETTERS
from workbench.screens.playground.token_text import TokenText
from workbench.screens.playground.words import Word, Words
from workbench.widgets.choices import Choices
from workbench.widgets.split import Split
from workbench.widgets.typed_lines import Lines

_WORST = 50


class TextToScore(Lines):
    """The text, as it is; what a terminal would obey is shown as marks."""

    BINDINGS = bindings_of("score input")

    def action_leave(self) -> None:
        self.screen.query_one(ScoreText).focus()

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        if action == "leave":  # while a text is scored escape stops it
            return not self.screen.query_one(ScoreMode).busy
        return super().check_action(action, parameters)


class ScoreMode(Scoring):
    """The text, its tokens, totals, one token in full, and the worst of them."""

    NAME = "score"
    WITH_PROMPT = False
    WITH_SETTINGS = False
    BINDINGS = bindings_of("score")

    def __init__(self) -> None:
        super().__init__()
        self._listed: list[int] = []
        self._told = ""

    def compose(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        yield Words(id="score-state")
        typed = TextToScore("", compact=True, id="score-input", placeholder="paste a text here; ctrl+o takes a file's")
        figures = VerticalScroll(Static(id="score-totals"), Static(id="score-token"), id="score-figures")
        side = Vertical(figures, Choices(id="score-worst", compact=True), id="score-side")
        below = Split(ScoreText(ascii_only=ascii_only), side, name="playground.score.text", share=0.6)
        yield Split(typed, below, name="playground.score", share=0.2, stacked=True)

    def on_mount(self) -> None:
        session = self.app.session
        self.input.load_text(session.get("playground.score", ""))
        self.input.edited = self._keep_typed
        unit, tint = session.get("playground.score_unit", "bits"), session.get("playground.score_tint", TINTS[0])
        self.text.unit = unit if unit in UNITS else "bits"
        self.text.tint = tint if tint in TINTS else TINTS[0]
        self.query_one("#score-worst").display = False
        self._say()

    def on_resize(self) -> None:
        self.query(Split).last().stacked = self.size.width < 110
        self._show_totals()

    @property
    def typed(self) -> Widget:
        return self.input

    def focus_first(self) -> None:
        (self.text if self.judged else self.input).focus()

    # --- what is shown ---

    def _show_source(self) -> None:
        """The scores of one source, or their difference to another's."""
        other = self.judged[self.against].scored if self.against is not None else None
        if self.judged:
            self.text.show_scores(self.judged[self.shown].scored, other)
        self._list_worst()
        self._show_totals()
        self._show_token()
        self._say()
        self.playground.refresh_bindings()

    def _list_worst(self) -> None:
        """The tokens that cost most, or that two differ on most, once all are there."""
        listing = self.query_one("#score-worst", OptionList)
        listing.clear_options()
        self._listed = []
        listing.display = False
        if self.judged and self.judged[self.shown].state in ("done", "stopped"):
            listing.border_title = "most surprising" if self.against is None else "farthest apart"
            self._find_worst(self.judged[self.shown].scored, self.text.other)

    @work(thread=True, group="score worst", description="find worst", exclusive=True, exit_on_error=False)
    def _find_worst(self, scored: Scored, other: Scored | None) -> None:
        places = scored.worst(_WORST) if other is None else scored.farthest(other, _WORST)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take_worst, scored, other, places)

    def _take_worst(self, scored: Scored, other: Scored | None, places: list[int]) -> None:
        if scored is not self.text.scored or other is not self.text.other:
            return
        ascii_only = self.app.ascii_only
        listing, text, self._listed = self.query_one("#score-worst", OptionList), self.text, places
        listing.clear_options()
        listing.add_options(
            Option(score_words.worst_line(scored, place, text.figure(place), text.unit, ascii_only=ascii_only))
            for place in places
        )
        listing.display = bool(places)

    def _show_totals(self) -> None:
        if not self.judged or not self.is_mounted:
            return
        ascii_only = self.app.ascii_only
        side = self.query_one("#score-totals", Static)
        width = max(40, side.size.width)
        side.update(score_words.totals_table(self.judged, self.shown, width, self.text.unit, ascii_only=ascii_only))

    @on(TokenText.Pointed)
    def _show_pointed(self, event: TokenText.Pointed) -> None:
        event.stop()
        self._show_token(event.token)

    def _show_token(self, place: int | None = None) -> None:
        place = self.text.cursor if place is None else place
        words = self.query_one("#score-token", Static)
        ascii_only = self.app.ascii_only
        if place is None or not self.judged or place >= len(self.judged[self.shown].scored):
            fault = self.fault or (self.judged[self.shown].fault if self.judged else "")
            self.query_one("#score-side").add_class("-fault")
            words.update(Content.styled(clean_line(fault, ascii_only=ascii_only), "$text-error"))
            return
        self.query_one("#score-side").remove_class("-fault")
        sizes = (self.shown, *(len(one.scored) for one in self.judged))
        if sizes != self._compared[0]:
            first = self.judged[self.shown].scored
            self._compared = sizes, all(first.same_tokens(other.scored) for other in self.judged)
        comparable = self._compared[1]
        words.update(
            score_words.token_words(
                self.judged, self.shown, place, self.text.unit, comparable=comparable, ascii_only=ascii_only
            )
        )

    def _say(self) -> None:
        """Where it is, or what is wrong."""
        right: list[Word] = []
        if self.fault:
            words = [Word(" ! ", "bad"), Word(self.fault, "bad")]
        elif not self.judged:
            words = [Word(" F5", "key"), Word(" says what each token of the text costs those who score it", "quiet")]
        else:
            judged = self.judged[self.shown]
            letter = f" {LETTERS[self.shown]} " if len(self.judged) > 1 else " "
            words = [Word(letter, "strong"), Word(judged.label), *self._about(judged)]
            tint = {"probability": "surprise", "numbers": f"surprise and {self.text.unit}"}.get(self.text.tint, "plain")
            right = [
                Word("v ", "key"),
                Word(f"{tint}  ", "quiet"),
                Word("m ", "key"),
                Word(f"{self.text.unit} ", "quiet"),
            ]
        self.query_one("#score-state", Words).show(words, right)
        if self.fault != self._told:
            self._told = self.fault
            self._show_token()

    def _about(self, judged: Judged) -> list[Word]:
        if judged.fault:
            return [Word(f": {judged.words}", "bad")]
        if self.against is not None:
            name = LETTERS[self.against]
            return [
                Word(" against "),
                Word(f"{name} ", "strong"),
                Word(f"underlined: {name} likes it better; italic: {LETTERS[self.shown]} does", "quiet"),
            ]
        totals = judged.totals
        if totals is None:
            return [Word(f": {judged.words}", "live" if self.busy else "quiet")]
        window = f", {totals.windows:,} windows of {totals.window:,}" if totals.windows > 1 else ""
        if not totals.judged:
            return [Word(": one token: nothing stands before it, so it is not judged", "quiet")]
        counts = f": {totals.tokens:,} tokens, all but the first judged: {totals.num_bytes:,} byte"
        return [Word(f"{counts}{'s' * (totals.num_bytes != 1)}{window}", "quiet")]

    @on(OptionList.OptionHighlighted, "#score-worst")
    def _go_to_worst(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self.query_one("#score-worst").has_focus and event.option_index < len(self._listed):
            self.text.put_cursor(self._listed[event.option_index])

    @on(OptionList.OptionSelected, "#score-worst")
    def _choose_worst(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.text.put_cursor(self._listed[event.option_index])
        self.text.focus()

    def _keep_typed(self) -> None:
        self.keep_typed("playground.score", self.input.text)

    # --- keys ---

    def action_tint(self) -> None:
        tint = TINTS[(TINTS.index(self.text.tint) + 1) % len(TINTS)]
        self.text.show_tint(tint)
        self.app.session.set("playground.score_tint", tint)
        self._say()

    def action_unit(self) -> None:
        unit = "nats" if self.text.unit == "bits" else "bits"
        self.text.show_unit(unit)
        self.app.session.set("playground.score_unit", unit)
        self._list_worst()
        self._show_totals()
        self._show_token()
        self._say()

    def action_other(self) -> None:
        self.shown = (self.shown + 1) % len(self.judged)
        self.against = None
        self._show_source()

    def action_difference(self) -> None:
        """To the next source, then to those after it, then none."""
        others = [number for number in range(len(self.judged)) if number != self.shown]
        first = self.judged[self.shown].scored
        alike = [number for number in others if first.same_tokens(self.judged[number].scored)]
        if not alike:
            names = f"{LETTERS[self.shown]} cuts the text into other tokens than the others do"
            self.app.say(f"{names}: compare bits per byte", "warning")
            return
        steps: list[int | None] = [None, *alike]
        here = steps.index(self.against) if self.against in steps else 0
        self.against = steps[(here + 1) % len(steps)]
        self._show_source()

    def action_worst(self, by: int) -> None:
        """To the next of the worst tokens, in their order."""
        if not self._listed:
            return
        here = self._listed.index(self.text.cursor) if self.text.cursor in self._listed else (-1 if by > 0 else 0)
        place = (here + by) % len(self._listed)
        self.text.put_cursor(self._listed[place])
        self.query_one("#score-worst", OptionList).highlighted = place

    def action_copy(self) -> None:
        self.app.copy(score_words.as_markdown(self.judged, self._text).decode(), "totals and text")

    def action_export(self) -> None:
        judged, text = list(self.judged), self._text
        formats = {
            ".jsonl": lambda: score_words.as_jsonl(judged),
            ".csv": lambda: score_words.as_csv(judged),
            ".md": lambda: score_words.as_markdown(judged, text),
        }
        export(self.app, "the scores", time.strftime("scores-%Y%m%d-%H%M%S.jsonl"), formats)

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        if action in ("tint", "unit", "worst", "copy", "export"):
            return bool(self.judged)
        if action in ("other", "difference"):
            return len(self.judged) > 1
        return True
