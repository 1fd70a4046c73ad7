"""One text of one source: its header, its tokens, and the former texts that it was led away from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.widgets import Static

from craft.analysis.numbers import format_rate
from craft.text import clean
from workbench.screens.playground.sources import Source
from workbench.screens.playground.token_text import TokenText
from workbench.screens.playground.tokens import Comparing, Settling, Token, read_token
from workbench.screens.playground.words import Word, Words

_ENDS = {"length": "length reached", "stop": "stop text reached", "end": "its own end"}
_ROOMY = 66  # columns in which all fits
_FIGURES = 0.25  # seconds
_LIVE = ("asked", "loading", "writing")


@dataclass
class Branch:
    """One text, and where it left another."""

    tokens: list[Token] = field(default_factory=list)
    parent: int | None = None
    """The branch whose tokens it began with."""
    at: int = 0
    """The place of the token that was chosen instead of the parent's."""
    state: str = "asked"
    """asked, loading, writing, then why it ended: length, stop, end, stopped, failed."""
    fault: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    """What `done` said of the whole request: speed and settings."""
    seed: int = 0
    unread: int = 0
    slides: int = 0
    asked: float = 0.0
    loaded: float = 0.0
    """Seconds from asking until the checkpoint was at hand."""
    load_seconds: float = 0.0
    """Seconds that reading the checkpoint took; 0 where it was held."""
    first: float = 0.0
    """When the first token came."""

    @property
    def text(self) -> str:
        """All of it, as it is."""
        return "".join(token.text for token in self.tokens)

    @property
    def is_live(self) -> bool:
        """Whether more of it is to come."""
        return self.state in _LIVE


class TextPane(Vertical):
    """Shows one of its branches, which the newest is until a person goes back."""

    class Seen(Message):
        """A person looks at this pane now."""

        def __init__(self, pane: TextPane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self.text = TokenText(ascii_only=ascii_only)
        self._head, self._fault = Words(classes="pane--head"), Static(classes="pane--fault")
        self.source = Source(run="none")
        self.letter = ""
        self.sample = 0
        self.prompt = ""
        self.branches: list[Branch] = [Branch(state="")]
        self.shown = 0
        self.parts: int | None = None
        """The first token that another source's text does not have; None where nothing is compared."""
        self._comparing: Comparing | None = None
        self._head_drawn = 0.0
        self._settling = Settling(0)
        self._new: list[tuple[int, str]] = []

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.text
        yield self._fault

    def on_mount(self) -> None:
        self.call_after_refresh(self.draw)

    @property
    def branch(self) -> Branch:
        """What is seen."""
        return self.branches[self.shown]

    @property
    def newest(self) -> Branch:
        """What still comes, if anything does."""
        return self.branches[-1]

    # --- what is asked ---

    def begin(self, source: Source, letter: str, sample: int, prompt: str, seed: int) -> None:
        """A new text of a source; the former ones are gone."""
        self.source, self.letter, self.sample, self.prompt = source, letter, sample, prompt
        self.branches = []
        self._begin(Branch(seed=seed))

    def part(self, at: int, other: dict[str, Any]) -> list[int]:
        """Another token instead of the one at a place of the text that is seen; the tokens to go on from."""
        here = self.branch
        chosen = here.tokens[at]
        kept = [*here.tokens[:at]]
        instead = Token(
            other["token"], other["piece"], other["probability"], chosen.entropy, chosen.alternatives, other["piece"]
        )
        self._begin(Branch([*kept, instead], self.shown, at, seed=here.seed))
        return [token.id for token in self.newest.tokens]

    def _begin(self, branch: Branch) -> None:
        branch.asked = time.monotonic()
        self.branches.append(branch)
        self._settling = Settling(len(branch.tokens))
        self.show_branch(len(self.branches) - 1)

    def show_branch(self, number: int) -> None:
        """One of the texts; the cursor stands where it parts from its parent."""
        self.shown = number
        branch = self.branch
        self.parts = None
        self._new.clear()
        self.text.show(branch.tokens, self.prompt, cursor=branch.at if branch.parent is not None else None)
        self.draw()

    # --- what comes ---

    def take_loaded(self, message: dict[str, Any]) -> None:
        branch = self.newest
        branch.state, branch.provenance = "loading", message["provenance"]
        branch.loaded, branch.load_seconds = time.monotonic() - branch.asked, message["seconds"]

    def take(self, piece: dict[str, Any]) -> None:
        """One more token."""
        branch = self.newest
        branch.state = "writing"
        branch.first = branch.first or time.monotonic()
        branch.tokens.append(read_token(piece))
        given = self._settling.take(branch.tokens, piece["text"])
        if self.shown == len(self.branches) - 1:
            self._new += given
        if piece["ended"]:
            branch.state = piece["ended"]

    def finish(self, result: dict[str, Any], text: dict[str, Any]) -> None:
        """Its part of `done`."""
        branch = self.newest
        branch.result, branch.seed = result, text["seed"]
        branch.unread, branch.slides = text["unread"], text["slides"]
        branch.state = "stopped" if text["ended"] == "cancelled" else text["ended"]
        branch.provenance = result.get("provenance", branch.provenance)

    def fail(self, message: str) -> None:
        """It gets no further; what came stays."""
        self.newest.state, self.newest.fault = "failed", message

    def give_up(self, state: str) -> None:
        """It was never written to its end."""
        if self.newest.is_live:
            self.newest.state = state

    # --- drawing ---

    def draw(self) -> None:
        """Show what came since the last time."""
        if not self.is_mounted:
            return
        if self._new:
            self.text.grown(self._new)
            self._new.clear()
        branch = self.branch
        if not branch.is_live:
            self.text.ended()
        self._fault.display = bool(branch.fault)
        if branch.fault:
            self._fault.update(Content.styled(clean(branch.fault), "$text-error"))
        # While tokens come the figures change with each of them: a few times a second is enough to read.
        now = time.monotonic()
        if branch.state != "writing" or now - self._head_drawn >= _FIGURES:
            self._head_drawn = now
            self._head.show(*self._header())

    def compare(self, other: TextPane) -> None:
        """Find where this text parts from another source's."""
        mine, theirs = self.branch, other.branch
        now = self._comparing
        if now is None or now.one is not mine.tokens or now.other is not theirs.tokens:
            now = self._comparing = Comparing(mine.tokens, theirs.tokens)
        self.parts = now.go_on(over=not theirs.is_live)
        self.text.show_parting(self.parts)

    def _header(self) -> tuple[list[Word], list[Word]]:
        branch = self.branch
        roomy = self.size.width >= _ROOMY
        step = branch.provenance.get("step")
        at = ("@" if not roomy else " step ") + str(step) if isinstance(step, int) and self.source.run else ""
        look = "key" if self.text.has_focus else "strong"
        words = [
            Word(f" {self.letter} " if self.letter else " ", look),
            Word(self.source.run or Path(self.source.path).name, look),
            Word(at, "quiet"),
        ]
        if len(self.branches) > 1:
            words.append(Word(f"  text {self.shown + 1} of {len(self.branches)}", "warn"))
        if self.parts is not None:
            words.append(Word(f"  {'parts from A' if roomy else 'parts'} at {self.parts + 1}", "warn"))
        words.append(Word(f"  seed {branch.seed}", "quiet"))
        return words, [*self._progress(branch, roomy), Word(" ")]

    def _progress(self, branch: Branch, roomy: bool) -> list[Word]:
        look = {"writing": "live", "failed": "bad", "loading": "warn", "asked": "warn"}.get(branch.state, "quiet")
        word = _ENDS.get(branch.state, branch.state) if roomy else branch.state
        if branch.state == "asked":
            word = "saves first" if self.source.save_first else "waits"
        elif branch.state == "loading":
            word = "reads the prompt"
        speed = self.speed(branch)
        count = f"{len(branch.tokens)}{' tokens' * roomy}  " if branch.tokens else ""
        rate = f"{format_rate(speed, 'tok/s')}  " if speed and (roomy or branch.is_live) else ""
        return [Word(f" {count}{rate}", "quiet"), Word(word, look)]

    def speed(self, branch: Branch) -> float | None:
        """Tokens a second: as it was counted, or so far."""
        counted = branch.result.get("tokens_per_second")
        if isinstance(counted, (int, float)):
            return float(counted)
        past = time.monotonic() - branch.first if branch.first else 0.0
        return len(branch.tokens) / past if branch.state == "writing" and past > 0.2 else None

    @on(DescendantFocus)
    def _seen(self) -> None:
        self.draw()
        self.post_message(self.Seen(self))

    def on_descendant_blur(self) -> None:
        self.draw()
