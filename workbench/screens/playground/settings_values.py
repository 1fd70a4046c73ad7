"""Settings as they stand in their fields: numbers, and texts that end the writing. Free of widgets."""

from __future__ import annotations

from typing import Any

from craft.errors import UsageError
from craft.text import clean_line


def read_number(name: str, text: str, kind: str) -> int | float:
    """A whole number where `kind` is int. Raises UsageError that begins with the setting's name."""
    try:
        return int(text.replace("_", "")) if kind == "int" else float(text)
    except ValueError:
        what = "a whole number" if kind == "int" else "a number"
        raise UsageError(f"{name} must be {what}, found '{clean_line(text)[:40]}'") from None


def written(value: Any) -> str:
    """A value as it stands in its field."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return "|".join(_escaped(str(text)) for text in value)
    return str(value)


_ESCAPES = {"\\": "\\\\", "|": "\\|", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text)


def read_stops(text: str) -> tuple[str, ...]:
    """Texts with | between them; a backslash takes what follows for itself, or for a newline or a tab."""
    named = {"n": "\n", "t": "\t", "r": "\r"}
    texts = [""]
    chars = iter(text)
    for char in chars:
        if char == "\\":
            following = next(chars, "\\")
            texts[-1] += named.get(following, following)
        elif char == "|":
            texts.append("")
        else:
            texts[-1] += char
    return tuple(one for one in texts if one)
