"""What an action is, and how its keys are written."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Action:
    """`label` stands in the key bar, most important first; without one the action is in help and palette only."""

    name: str
    """The method `action_NAME` of the widget or screen that binds it."""
    keys: tuple[str, ...]
    """The first is the one that is shown."""
    help: str
    label: str = ""
    section: str = ""
    """The heading in the help; empty: that of its place."""

    def binding(self) -> Binding:
        """As Textual wants it. Its id lets a person's own keys replace it."""
        return Binding(",".join(self.keys), self.name, self.label or self.help, show=bool(self.label), id=self.name)


_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "down": "\u2193",
    "up": "\u2191",
    "left": "\u2190",
    "right": "\u2192",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "underscore": "_",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "full_stop": ".",
    "comma": ",",
    "colon": ":",
    "asterisk": "*",
    "exclamation_mark": "!",
    "space": "space",
}


def key_name(key: str) -> str:
    """A key as it is written for people."""
    known = _NAMES.get(key)
    if known:
        return known
    if key[0] == "f" and key[1:].isdecimal():
        return key.upper()
    head, _, last = key.rpartition("+")
    return f"{head}+{key_name(last)}" if head else key
