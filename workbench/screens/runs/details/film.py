"""Samples as frames of a film: what the model wrote from each prompt at each step, and what changed in between."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from craft.runs.jsonl import Record
from craft.text import clean_line
from workbench.screens.runs.details.about import plain_value

_WORDS = re.compile(r"\s+|\w+|[^\w\s]+")
_COMPARED = 600  # words and signs that are compared; what comes after them is not marked


@dataclass(frozen=True)
class Frame:
    """What was written at one step."""

    step: int
    text: str
    settings: str


def frames_of(samples: Sequence[Record]) -> dict[str, list[Frame]]:
    """Prompt -> its frames, in order of step. What is no text is shown as it stands in the file."""
    films: dict[str, list[Frame]] = {}
    for sample in samples:
        prompt, text = (
            one if isinstance(one := sample.get(name), str) else plain_value(one) for name in ("prompt", "text")
        )
        rest = {name: value for name, value in sample.items() if name not in ("time", "step", "prompt", "text")}
        films.setdefault(prompt, []).append(Frame(sample["step"], text, _assignments(rest)))
    return films


def _assignments(values: dict[str, Any]) -> str:
    return "  ".join(f"{clean_line(name)} {clean_line(plain_value(value))}" for name, value in values.items())


def changed_pieces(before: str, now: str) -> list[tuple[str, bool]]:
    """`now` in pieces, each with whether it is new since `before`."""
    old, new = _WORDS.findall(before), _WORDS.findall(now)
    matcher = SequenceMatcher(None, old[:_COMPARED], new[:_COMPARED], autojunk=False)
    pieces: list[tuple[str, bool]] = []
    for kind, _, _, first, last in matcher.get_opcodes():
        if first < last:
            pieces.append(("".join(new[first:last]), kind != "equal"))
    if len(new) > _COMPARED:
        pieces.append(("".join(new[_COMPARED:]), False))
    return pieces
