"""What the model thought at one token: how likely it was, what else could have stood there, and where it comes from."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from craft.analysis.numbers import format_count, format_rate
from craft.text import clean_line, fit
from workbench.actions import bindings_of
from workbench.screens.playground.pane import Branch, TextPane
from workbench.screens.playground.tokens import Token

_QUIET = "$foreground 55%"
_ROOMY = 46  # columns in which also words fit
_NAME = 15  # columns for an alternative


class TokenPanel(Widget, can_focus=True):
    """Follows the cursor of the pane that is looked at; with the focus, one of the alternatives can be taken."""

    BINDINGS = bindings_of("alternatives")

    class Taken(Message):
        """Go on from another token than the one that was written."""

        def __init__(self, pane: TextPane, at: int, other: dict[str, Any]) -> None:
            super().__init__()
            self.pane, self.at, self.other = pane, at, other

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="token")
        self._ascii = ascii_only
        self.pane: TextPane | None = None
        self._at: int | None = None
        self._row = 0
        self._drawn = Content("")
        self._first_row = 0  # the line of the first alternative

    def show(self, pane: TextPane | None, at: int | None) -> None:
        """A token of a pane, or none of it."""
        if at is not None and pane is not None and at >= len(pane.branch.tokens):
            at = None
        if (pane, at) != (self.pane, self._at):
            self.pane, self._at = pane, at
            self._row = self._written_row()
        self.draw()

    @property
    def _token(self) -> Token | None:
        if self.pane is None or self._at is None or self._at >= len(self.pane.branch.tokens):
            return None
        return self.pane.branch.tokens[self._at]

    def _written_row(self) -> int:
        """The first alternative that is not what was written."""
        token = self._token
        if token is None:
            return 0
        return next((n for n, one in enumerate(token.alternatives) if one["token"] != token.id), 0)

    # --- drawing ---

    def draw(self) -> None:
        """Draw again, where something changed."""
        content = self._content()
        if content.plain != self._drawn.plain:
            self._drawn = content
            self.refresh()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def render(self) -> Content:
        return self._drawn

    def _content(self) -> Content:
        lines = self._about_token()
        self._first_row = len(lines)
        token = self._token
        if token is not None:
            lines += [self._alternative(number, token) for number in range(len(token.alternatives))]
            lines.append(Content(""))
        if self.pane is not None:
            lines += self._about_text(self.pane, self.pane.branch)
        return Content("\n").join(lines)

    def _about_token(self) -> list[Content]:
        token = self._token
        if token is None or self._at is None or self.pane is None:
            hints = ("arrows, mouse: to a token", "enter: another one instead")
            return [*(Content.styled(hint, _QUIET) for hint in hints), Content("")]
        count = len(self.pane.branch.tokens)
        name = self._quoted(token.piece)
        lines = [Content.assemble((name, "bold"), (f"  id {token.id}  {self._at + 1} of {count}", _QUIET))]
        if token.probability is not None:
            lines.append(Content.assemble((_percent(token.probability), "bold"), (" likely", _QUIET)))
        if token.entropy is not None:
            like = f": as among {math.exp(min(token.entropy, 50.0)):.1f}" if self.size.width >= _ROOMY else ""
            lines[-1] = Content.assemble(lines[-1], (f"  entropy {token.entropy:.2f} nats{like}", _QUIET))
        return lines

    def _alternative(self, number: int, token: Token) -> Content:
        other = token.alternatives[number]
        is_written = other["token"] == token.id
        at = self.has_focus and number == self._row
        mark = (">" if self._ascii else "▸") if at else ("*" if is_written else " ")
        name = fit(self._quoted(other["piece"]), _NAME, ascii_only=self._ascii)
        share = other["probability"]
        room = max(4, self.size.width - _NAME - 12)
        bar = ("#" if self._ascii else "█") * max(round(share * room), 0)
        look = "bold $text-accent" if at else ("bold" if is_written else "")
        return Content.assemble((f"{mark} {name}", look), f" {_percent(share):>6} ", (bar, "$primary"))

    def _about_text(self, pane: TextPane, branch: Branch) -> list[Content]:
        lines = []
        if branch.parent is not None:
            lines.append(f"text {pane.shown + 1}: parts from text {branch.parent + 1} at token {branch.at + 1}")
        where = branch.provenance
        if where:
            lines.append(f"{where.get('source', '')}")
            lines.append(f"{where.get('precision')} on {where.get('device')}: {where.get('why_device')}")
            size = f"{format_count(where.get('parameters'))} parameters, context {where.get('context_length')}"
            threads = where.get("threads")
            lines.append(f"{size}, {threads} thread{'s' * (threads != 1)}")
        if branch.loaded:
            loading = f"loaded in {_seconds(branch.load_seconds)}" if branch.load_seconds else "held in memory"
            waited = f", at hand {_seconds(branch.loaded)} after it was asked" if branch.loaded >= 0.1 else ""
            lines.append(loading + waited)
        result = branch.result
        if result.get("tokens"):
            first = result.get("first_token_seconds")
            rate = format_rate(result.get("tokens_per_second"), "tokens/s")
            lines.append(rate + (f", the first after {_seconds(first)}" if first is not None else ""))
        shown = [Content.styled(line, _QUIET) for line in self._broken(lines)]
        warnings = list(where.get("remarks") or [])
        if branch.unread:
            warnings.append(f"the first {branch.unread} tokens of the prompt were not read: the context is full")
        if branch.slides:
            times = "once" if branch.slides == 1 else f"{branch.slides} times"
            warnings.append(f"longer than the context: its older half was left behind {times}")
        shown += [Content.styled(line, "$text-warning") for line in self._broken([f"! {line}" for line in warnings])]
        return shown

    def _broken(self, lines: list[str]) -> list[str]:
        """Lines that fit; what a token is has one line, so that a row is what is clicked."""
        width = max(10, self.size.width)
        return [
            part
            for line in lines
            for part in textwrap.wrap(clean_line(line, ascii_only=self._ascii), width, subsequent_indent="  ")
        ]

    def _quoted(self, piece: str) -> str:
        """A piece with its blanks seen."""
        marks = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
        shown = clean_line("".join(marks.get(char, char) for char in piece), ascii_only=self._ascii)
        return f"'{shown}'"

    # --- choosing ---

    def action_cursor_down(self) -> None:
        self._move(1)

    def action_cursor_up(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> None:
        """To the next alternative that is not what stands there."""
        token = self._token
        row = self._row + by
        while token is not None and 0 <= row < len(token.alternatives):
            if token.alternatives[row]["token"] != token.id:
                self._row = row
                self.draw()
                return
            row += by

    def action_other(self, by: int) -> None:
        if self.pane is not None and self._at is not None:
            self.pane.text.put_cursor(self._at + by)

    def action_take(self) -> None:
        token = self._token
        if token is None or self.pane is None or self._at is None or self._row >= len(token.alternatives):
            return
        other = token.alternatives[self._row]
        if other["token"] != token.id:
            self.post_message(self.Taken(self.pane, self._at, other))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        token = self._token
        return token is not None and bool(token.alternatives)

    def on_click(self, event: events.Click) -> None:
        token = self._token
        row = event.y - self._first_row
        if token is not None and 0 <= row < len(token.alternatives):
            self._row = row
            self.action_take()


def _percent(share: float) -> str:
    """A probability; what is small still shows how small."""
    if share >= 0.0995:
        return f"{100 * share:.0f}%"
    if share >= 0.00095:
        return f"{100 * share:.1f}%"
    return f"{share:.0e}" if share else "0%"


def _seconds(seconds: float) -> str:
    """A short time."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
