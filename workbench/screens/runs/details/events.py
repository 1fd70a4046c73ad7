"""What happened in a run: time, kind and words of each event, the newest followed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.content import Content

from craft.runs.jsonl import LineReader, Record
from craft.text import clean_line, shorten
from workbench.actions import bindings_of
from workbench.screens.runs.details.about import plain_value
from workbench.screens.runs.details.text_pane import TextTab
from workbench.screens.runs.rows import number
from workbench.widgets.text_lines import Lines, Part, plain

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

_LOOKS = {
    "failed": "bad",
    "nonfinite": "bad",
    "warning": "warn",
    "refused": "warn",
    "rolled_back": "warn",
    "paused": "warn",
    "stopped": "warn",
    "changed": "number",
    "forked": "number",
    "started": "live",
    "resumed": "live",
    "continued": "live",
    "finished": "good",
}
_KIND_WIDTH = 12
_FIRST = ("text", "reason", "error", "step")
"""What is said first of an event; the first three without their names."""


def kind_of(event: Record) -> str:
    """The event's kind, whatever stands there."""
    kind = event.get("kind")
    return kind if isinstance(kind, str) and kind else "?"


class EventLines(Lines):
    """Events as lines, made when they are drawn."""

    def __init__(self, events: Sequence[Record], *, ascii_only: bool) -> None:
        super().__init__()
        self.events, self.ascii_only = events, ascii_only

    def __len__(self) -> int:
        return len(self.events)

    def line(self, index: int) -> Sequence[Part]:
        event = self.events[index]
        kind = kind_of(event)
        look = _LOOKS.get(kind, "plain")
        name = shorten(kind, 40, ascii_only=self.ascii_only).ljust(_KIND_WIDTH)
        return [
            (f"{_moment(number(event.get('time')))}  ", "quiet"),
            (f"{name} ", look if look != "plain" else "bold"),
            plain(words_of(event), "plain" if look != "bad" else "bad", ascii_only=self.ascii_only),
        ]

    def indent(self, parts: Sequence[Part]) -> int:
        """Below the words, beside time and kind."""
        return sum(len(text) for text, _ in parts[:2])


def words_of(event: Record) -> str:
    """What an event says, but its time and kind."""
    said = [plain_value(event[name]) for name in _FIRST[:3] if event.get(name) not in (None, "")]
    if "step" in event:
        said.insert(0, f"step {plain_value(event['step'])}")
    rest = [name for name in event if name not in (*_FIRST, "time", "kind")]
    return "  ".join([*said, *(f"{name} {plain_value(event[name])}" for name in rest)])


def _moment(seconds: float | None) -> str:
    if seconds is None or not 0 < seconds < 4e9:
        return "--:--:--"
    moment = datetime.fromtimestamp(seconds)
    is_today = moment.date() == datetime.fromtimestamp(time.time()).date()
    return moment.strftime("%H:%M:%S" if is_today else "%m-%d %H:%M:%S")


class EventsTab(TextTab):
    """`events.jsonl` of the run."""

    BINDINGS = bindings_of("run events")
    FOLLOWS = True
    WHAT = "event"

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self._reader: LineReader | None = None
        self._events: list[Record] = []
        self._damaged = 0
        self._kind = ""

    def begin(self) -> None:
        super().begin()
        assert self.run is not None
        self._reader, self._events, self._damaged = LineReader(self.run.folder.events), [], 0
        self._kind = self.app.session.get("runs.events.kind", "")
        self.view.show(Lines(), keep=False)

    def what_to_read(self) -> Any:
        return self._reader

    def read(self, run: RunSummary, wanted: Any) -> Any:
        restarts = wanted.restarts
        new = wanted.poll()
        return wanted, new, wanted.restarts != restarts, wanted.damaged

    def take(self, found: Any) -> None:
        reader, new, another, damaged = found
        if reader is not self._reader:
            return
        if another:
            self._events = []
        self._events += new
        self._damaged = damaged
        if new or another or self.view.empty == "reading ...":
            self._list(keep=not another)

    def _list(self, *, keep: bool) -> None:
        shown = [event for event in self._events if not self._kind or kind_of(event) == self._kind]
        kind = f"of kind '{clean_line(self._kind)}': f shows others" if self._kind else "yet"
        self.view.empty = f"no events {kind}"
        self.view.show(EventLines(shown, ascii_only=self.ascii_only), keep=keep)
        self.show_head()

    def head(self) -> Content:
        shown, count = len(self.view.lines), len(self._events)
        said = f"{count:,} event{'s' * (count != 1)}"
        if self._kind:
            kind = clean_line(self._kind, ascii_only=self.ascii_only)
            said = f"{shown:,} of {said}: only {kind}"
        parts: list[Content | tuple[str, str] | str] = [said]
        if self._damaged:
            parts.append((f"  {self._damaged:,} damaged lines left out", "$text-warning"))
        parts.append("  following" if self.view.follows else "  G follows the newest")
        return Content.assemble(*parts)

    def action_choose_kind(self) -> None:
        from workbench.dialogs.choose import Choice, ChooseScreen

        kinds = Counter(kind_of(event) for event in self._events)
        choices = [Choice("", "all", f"{len(self._events):,}")]
        choices += [Choice(kind, kind, f"{count:,}") for kind, count in sorted(kinds.items())]
        at = next((place for place, choice in enumerate(choices) if choice.value == self._kind), 0)

        def choose(kind: str | None) -> None:
            if kind is not None:
                self._kind = kind
                self.app.session.set("runs.events.kind", kind)
                self._list(keep=False)

        self.app.push_screen(ChooseScreen("Which events?", choices, at=at), choose)
