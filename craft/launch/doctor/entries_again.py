"""What a run needs in the queue, once more: by its definition, and by what can be read still of a damaged entry."""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path
from typing import Any

from craft.config.definition import load_definition
from craft.launch.queue.entries import MOST_SLOTS, Entry, Wait
from craft.runs.folder import RunFolder

_NAME = re.compile(r"[A-Za-z0-9._-]*")
_UNKNOWN = Wait("a run that is not known")
"""It is never there, so who waits for it begins when a person lets it."""

_value = json.JSONDecoder().raw_decode


def entry_again(folder: RunFolder, damaged: Path | None = None) -> tuple[Entry, str]:
    """A run's entry, and in words what of the old one is lost; empty when nothing is.

    One that may have waited for another run waits until a person lets it begin. Raises CraftError when the run's
    definition cannot be read.
    """
    _, config = load_definition(folder.definition)
    kept = _kept(damaged) if damaged is not None else {}
    lost = []
    if (cpu_slots := _slots(kept.get("cpu_slots"))) is None:
        lost.append("its --slots (now 1)")
    if not (sees := _is_visible(kept)) and config.device != "cpu":
        lost.append("which GPUs it may use (now any)")
    words = f"; lost: {', '.join(lost)}" if lost else ""
    if (after := _waits(kept.get("after"))) is None:
        words += f"; whom it waited for is not known: 'craft queue after {folder.name} none' lets it begin"
    return (
        Entry(
            folder.name,
            config.device,
            cpu_slots or 1,
            _time(kept.get("queued")),
            (_UNKNOWN,) if after is None else after,
            kept["visible"] if sees else None,
        ),
        words,
    )


def _kept(path: Path) -> dict[str, Any]:
    """The values of an entry's text that are whole, also where the rest of it is cut off or overwritten."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return {}
    kept = {}
    for name in ("cpu_slots", "queued", "after", "visible"):
        key = f'"{name}": '
        if text.count(key) != 1:
            continue
        try:
            value, end = _value(text, text.index(key) + len(key))
        except (ValueError, RecursionError):
            continue
        if text[end : end + 1] in (",", "}"):  # else it may be the half of a number
            kept[name] = value
    return kept


def _slots(value: Any) -> int | None:
    return value if type(value) is int and 1 <= value <= MOST_SLOTS else None


def _time(value: Any) -> float:
    return value if isinstance(value, float) and math.isfinite(value) else time.time()


def _is_visible(kept: dict[str, Any]) -> bool:
    value = kept.get("visible", False)
    return value is None or (isinstance(value, str) and value.isascii() and value.isprintable())


def _waits(value: Any) -> tuple[Wait, ...] | None:
    """The runs that an entry waits for; None when they cannot be told."""
    if not isinstance(value, list):
        return None
    waits = []
    for one in value:
        match one:
            case {"run": str(run), "id": str(number), "whatever": bool(whatever)} if run and len(one) == 3:
                if not (_NAME.fullmatch(run) and _NAME.fullmatch(number)) and run != _UNKNOWN.run:
                    return None
                waits.append(Wait(run, number, whatever))
            case _:
                return None
    return tuple(waits)
