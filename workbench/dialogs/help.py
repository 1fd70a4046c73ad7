"""The keys that work on the screen below, as bound at this moment, by the part of the screen that they belong to."""

from __future__ import annotations

from textwrap import wrap

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from workbench.actions import actions_of, bound_now, key_name
from workbench.dialogs.answers import Answers
from workbench.dialogs.scrolling import ScrollingDialog

QUIET = "$foreground 55%"
_MOST_KEYS, _MOST_WIDTH = 22, 90  # columns
Row = tuple[str, str]
"""Keys, and what they do."""


class HelpScreen(ScrollingDialog[None]):
    """Lists real bindings, so it cannot say what is not so."""

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog"):
            yield Static(id="help")
            yield Answers()

    def on_resize(self) -> None:
        """Written for the width there is: what a key does is wrapped under itself."""
        sections = sections_of(self._below, ascii_only=self.app.ascii_only) | explained(self._below)
        keys = min(max((len(keys) for rows in sections.values() for keys, _ in rows), default=0), _MOST_KEYS)
        room = max(min(self.app.size.width - 14, _MOST_WIDTH) - keys - 5, 20)
        lines: list[Content] = []
        for place, rows in sections.items():
            lines += [*([Content("")] if lines else []), Content.styled(place, "bold")]
            for names, text in rows:
                first, *others = wrap(text, room) or [""]
                lines.append(Content.assemble((f"  {names.ljust(keys)}", "$text-accent"), f"   {first}"))
                lines += [Content(f"{' ' * (keys + 5)}{other}") for other in others]
        said = "What would do nothing now is not listed. Whatever a key does, the mouse or ctrl+p does too."
        lines += [Content(""), *(Content.styled(line, QUIET) for line in wrap(said, room + keys))]
        self.query_one("#help", Static).update(Content("\n").join(lines))


def explained(screen: Screen[object]) -> dict[str, list[Row]]:
    """The signs that the widgets in view say they draw."""
    shown = [widget.explain() for widget in screen.query("*") if hasattr(widget, "explain") and widget.region]
    return dict(shown)


def sections_of(screen: Screen[object], *, ascii_only: bool = False) -> dict[str, list[Row]]:
    """The actions that do something now, by their part of the screen, in the order of the lists. A dialog obeys its own
    keys also where its field takes them first, as for enter."""
    sections: dict[str, list[Row]] = {}
    own = [(place, action, list(action.keys)) for place, action in actions_of(screen)] if screen.is_modal else []
    others = [(place, action, keys) for place, action, keys in bound_now(screen.active_bindings)]
    for place, action, keys in [*own, *(one for one in others if one[:2] not in [known[:2] for known in own])]:
        rows = sections.setdefault(action.section or place, [])
        row = ("  ".join(key_name(key, ascii_only=ascii_only) for key in keys), action.help)
        if row not in rows:
            rows.append(row)
    return sections
