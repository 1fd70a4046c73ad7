"""What an action is, and how its keys are written."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding
from textual.keys import key_to_character


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
    words: str = ""
    """Others that people type to find it in the palette."""

    def binding(self, place: str) -> Binding:
        """As Textual wants it."""
        keys, words = ",".join(self.keys), self.label or self.help
        return Binding(keys, self.name, words, show=bool(self.label), id=identifier(place, self))


def identifier(place: str, action: Action) -> str:
    """By which a binding is known to be this action of this place; several places have a `cursor_down`."""
    return f"{place.replace(' ', '-')}.{action.name}"


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
    "comma": ",",
    "asterisk": "*",
    "space": "space",
}


def key_name(key: str, *, ascii_only: bool = False) -> str:
    """A key as it is written for people."""
    known = _NAMES.get(key)
    if known and (known.isascii() or not ascii_only):
        return known
    if key[0] == "f" and key[1:].isdecimal():
        return key.upper()
    character = key_to_character(key) if len(key) > 1 else None
    if character and character.isprintable() and character != " ":
        return character
    head, _, last = key.rpartition("+")
    return f"{head}+{key_name(last, ascii_only=ascii_only)}" if head else key
