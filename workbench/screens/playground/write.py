"""The tab "write": texts of all sources beside each other as they come, token by token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.actions import bindings_of
from workbench.screens.playground.export import ask_where, texts_as_json
from workbench.screens.playground.history_keep import Keeping
from workbench.screens.playground.mode import Mode
from workbench.screens.playground.pane import TextPane
from workbench.screens.playground.sources import LETTERS, Source, same_weights
from workbench.screens.playground.token_panel import TokenPanel
from workbench.screens.playground.token_text import TokenText
from workbench.screens.playground.tokens import TINTS
from workbench.screens.playground.words import Word, Words
from workbench.widgets.split import Split

ALTERNATIVES = 10
"""Likeliest tokens that come with each written one."""
_NARROWEST = 38  # columns of a pane beside another
_LOWEST = 7  # lines of a pane below another
_LEGENDS = {
    "probability": ("likely", ("50%+", "20%+", "5%+", "1%+", "less")),
    "numbers": ("likely, in hundredths", ("50%+", "20%+", "5%+", "1%+", "less")),
    "entropy": ("unsure, in nats", ("0+", "0.5+", "1.5+", "2.5+", "3.5+")),
}


@dataclass
class _Writing:
    """A request, and the panes that it fills, by checkpoint and sample."""

    panes: dict[tuple[int, int], TextPane]
    keeping: Keeping
    over: set[TextPane] = field(default_factory=set)
    """Panes that something else was asked for since."""


class Panes(Container):
    """Panes beside each other where they are wide enough, else below each other."""

    def lay_out(self) -> None:
        """Give each its place."""
        count = len(self.children)
        width, height = self.size
        if not count or not width:
            return
        columns = max(1, min(count, width // _NARROWEST))
        rows = -(-count // columns)
        columns = -(-count // rows)  # as even as can be
        self.styles.grid_size_columns = columns
        for pane in self.children:  # the last one has what is left of its row
            pane.styles.column_span = columns * rows - count + 1 if pane is self.children[-1] else 1
        self.styles.grid_rows = f"{max(_LOWEST, height // rows)}"

    def on_resize(self) -> None:
        self.lay_out()


class WriteMode(Mode):
    """Panes for the texts, and what the model thought of the token under the cursor."""

    NAME = "write"
    BINDINGS = bindings_of("writing")

    def __init__(self) -> None:
        super().__init__()
        self._writings: dict[str, _Writing] = {}
        self._panes: list[TextPane] = []
        self._request: dict[str, Any] = {}
        self._asked_sources: list[Source] = []
        self._tint = TINTS[0]

    def compose(self) -> ComposeResult:
        panes = Vertical(Panes(id="panes"), Static(id="no-text"), id="panes-place")
        yield Split(panes, TokenPanel(ascii_only=self._ascii), name="playground.write", share=0.7)
        yield Words(id="legend")

    def on_mount(self) -> None:
        self._tint = self.app.memory.get("playground.tint", TINTS[0])
        if self._tint not in TINTS:
            self._tint = TINTS[0]
        self._show_legend()
        self._say_empty()

    @property
    def _ascii(self) -> bool:
        return self.app.ascii_only

    @property
    def _panel(self) -> TokenPanel:
        return self.query_one(TokenPanel)

    @property
    def pane(self) -> TextPane | None:
        """The one that has the focus, or had it last."""
        shown = self._panel.pane
        return shown if shown in self._panes else next(iter(self._panes), None)

    # --- asking ---

    def run(self) -> None:
        self.playground.next_seed()
        settings = self.playground.sampling_settings()
        if settings is None:
            return
        values = {name: value for name, value in vars(settings).items() if name != "stop"}
        request = {
            "type": "generate",
            "prompt": self.playground.prompt,
            "settings": {**values, "stop": list(settings.stop)},
            "samples": self.playground.samples,
            "alternatives": ALTERNATIVES,
            **self.playground.where(),
        }
        self._write(request, list(self.playground.sources))

    def action_again(self, step: int) -> None:
        """Ask the same once more, or with the seeds that follow."""
        request = self._request
        seed = request["settings"]["seed"] + step * request["samples"]
        self.playground.set_settings({"seed": seed})
        self._write({**request, "settings": {**request["settings"], "seed": seed}}, self._asked_sources)

    def _write(self, request: dict[str, Any], sources: list[Source]) -> None:
        self.stop()
        self._request, self._asked_sources = request, sources
        places = [source.checkpoint(self.app.project.runs_dir) for source in sources]
        wanted = [(number, sample) for number in range(len(sources)) for sample in range(request["samples"])]
        self._set_panes(len(wanted))
        for pane, (number, sample) in zip(self._panes, wanted, strict=True):
            letter = LETTERS[number] if len(sources) > 1 else ""
            pane.begin(sources[number], letter, sample, request["prompt"], request["settings"]["seed"] + sample)
        self._ask(request, sources, places, dict(zip(wanted, self._panes, strict=True)))
        self._panel.show(self._panes[0], None)
        if self.screen.focused is self._panel:
            self._panes[0].text.focus()

    def _ask(
        self,
        request: dict[str, Any],
        sources: list[Source],
        places: list[dict[str, Any]],
        panes: dict[tuple[int, int], TextPane],
    ) -> None:
        for writing in self._writings.values():
            writing.over |= set(panes.values())
        keeping = Keeping(self, "write", request, sources)
        identifier = self.ask(**request, checkpoints=places)
        self._writings[identifier] = _Writing(panes, keeping)

    def _set_panes(self, count: int) -> None:
        """As many panes as there are texts; those that are there are used again."""
        place = self.query_one(Panes)
        for pane in self._panes[count:]:
            pane.remove()
        del self._panes[count:]
        while len(self._panes) < count:
            pane = TextPane(ascii_only=self._ascii)
            pane.text.tint = self._tint
            self._panes.append(pane)
            place.mount(pane)
        self._say_empty()
        self.call_after_refresh(place.lay_out)

    @on(TokenPanel.Taken)
    def _part(self, event: TokenPanel.Taken) -> None:
        """Go on from another token: the same weights, the same seed, the tokens up to there."""
        pane = event.pane
        if pane.newest.is_live:
            self.app.say("this text is still written; escape stops it", "warning")
            return
        source = pane.source
        where = pane.branch.provenance
        tokens = pane.part(event.at, event.other)
        text = self._request["prompt"]
        request = {
            **self._request,
            "prompt": {"text": text, "tokens": tokens},
            "settings": {**self._request["settings"], "seed": pane.branch.seed},
            "samples": 1,
        }
        self._ask(request, [source], [same_weights(source, where, self.app.project.runs_dir)], {(0, 0): pane})
        pane.text.focus()

    # --- what comes ---

    def answered(self, identifier: str, message: dict[str, Any]) -> None:
        writing = self._writings.get(identifier)
        if writing is None:
            return
        kind = message["type"]
        panes = {key: pane for key, pane in writing.panes.items() if pane not in writing.over}
        number = message.get("checkpoint")
        if kind == "loaded":
            for (checkpoint, _), pane in panes.items():
                if checkpoint == number:
                    pane.take_loaded(message)
        elif kind == "pieces":
            for piece in message["pieces"]:
                if (target := panes.get((message["checkpoint"], piece["sample"]))) is not None:
                    target.take(piece)
        elif kind == "error":
            for (checkpoint, _), pane in panes.items():
                if number in (None, checkpoint) and pane.newest.is_live:
                    pane.fail(_in_words(message))
        elif kind == "done":
            self._finish(panes, message)
        if identifier not in self.asked:
            self._keep(writing, message)
            del self._writings[identifier]

    def _finish(self, panes: dict[tuple[int, int], TextPane], message: dict[str, Any]) -> None:
        for result in message["results"]:
            for text in result.get("texts", ()):
                pane = panes.get((result["checkpoint"], text["sample"]))
                if pane is not None:
                    pane.finish(result, text)
        for pane in panes.values():
            pane.give_up("stopped")

    def _keep(self, writing: _Writing, message: dict[str, Any]) -> None:
        if message["type"] == "done":
            writing.keeping.keep(message["results"], message["reason"])
        else:
            writing.keeping.failed(message)

    def drawn(self) -> None:
        first: dict[int, TextPane] = {}
        for pane in self._panes:
            reference = first.setdefault(pane.sample, pane)
            if reference is not pane:
                pane.compare(reference)
            pane.draw()
        self._panel.draw()
        self.refresh_bindings()

    # --- what is seen ---

    def show(self) -> None:
        self._say_empty()

    def _say_empty(self) -> None:
        with_text = bool(self._panes)
        self.query_one("#panes").display = with_text
        empty = self.query_one("#no-text", Static)
        empty.display = not with_text
        if self.playground.sources:
            lines = ("F5, or ctrl+enter, writes on from the prompt.", "An empty prompt starts from nothing.")
        else:
            lines = ("F2 chooses who writes: a run, also one that still trains,", "one of its checkpoints, or a path.")
        empty.update(Content("\n".join(lines)))

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Split).stacked = event.size.width < 100

    @on(TextPane.Seen)
    def _look_at(self, event: TextPane.Seen) -> None:
        self._panel.show(event.pane, event.pane.text.cursor)
        self.refresh_bindings()

    @on(TokenText.Pointed)
    def _point(self, event: TokenText.Pointed) -> None:
        pane = next((pane for pane in self._panes if pane.text is event.text), None)
        if pane is not None:
            self._panel.show(pane, event.token)

    @on(TokenText.Chosen)
    def _choose(self, event: TokenText.Chosen) -> None:
        self._panel.focus()

    def focus_first(self) -> None:
        pane = self.pane
        (self._panel if pane is None else pane.text).focus()

    @property
    def inside(self) -> bool:
        return self.screen.focused is self._panel and self.pane is not None

    def leave(self) -> None:
        if self.pane is not None:
            self.pane.text.focus()

    def _show_legend(self) -> None:
        left = []
        if self._tint in _LEGENDS:
            name, steps = _LEGENDS[self._tint]
            left = [Word(f" {name}: ", "quiet")]
            for level, step in enumerate(steps):
                left += [Word(step, f"level{level}"), Word(" ")]
        self.query_one("#legend", Words).show(left or [Word(" no tint", "quiet")], [Word("v: another tint ", "quiet")])

    # --- keys ---

    def action_tint(self) -> None:
        self._tint = TINTS[(TINTS.index(self._tint) + 1) % len(TINTS)]
        self.app.memory.set("playground.tint", self._tint)
        for pane in self._panes:
            pane.text.show_tint(self._tint)
        self._show_legend()

    def action_former(self, by: int) -> None:
        pane = self.pane
        if pane is None:
            return
        number = (pane.shown + by) % len(pane.branches)
        pane.show_branch(number)
        self._panel.show(pane, pane.text.cursor)
        self.drawn()

    def action_copy(self) -> None:
        pane = self.pane
        if pane is not None:
            self.app.copy(pane.branch.text, "text")

    def action_export(self) -> None:
        record = texts_as_json(self._request, self._asked_sources, self._panes)
        ask_where(self.app, self._panes, record)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "again":
            return bool(self._request)
        if action in ("copy", "export"):
            return any(pane.branch.tokens for pane in self._panes)
        if action == "former":
            return self.pane is not None and len(self.pane.branches) > 1
        return True


def _in_words(message: dict[str, Any]) -> str:
    """An error, and what to do about it where the sampler process does not say."""
    words = str(message.get("message"))
    where = message.get("where")
    if where:
        words += f"\n\nThat is a fault of Craft's own, at {where}; the sampler's log has more."
    elif message.get("kind") in ("CheckpointError", "RunError", "UnknownRunError"):
        words += "\n\nF2 chooses another run or checkpoint, F5 asks again."
    elif message.get("kind") == "MemoryError":
        words += "\n\nAsk for a lower precision (F3), or for fewer sources at once."
    return words
