"""What a person chose or left on the screen, kept for the next time in the user's state directory.

Two of them: one for the person (theme, sizes of panes), one for each project (which run, which filter, what was typed
where). Losing one loses no work: what is not saved of an experiments file is kept elsewhere.

Each change goes to the system at once, so that no kill takes a typed letter away; no disk is waited for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from craft import platform

_SLOW = 0.03
"""Seconds that writing may take with every change; where it takes longer twice, `flush` does it by the clock."""
_MOST_UNFINISHED = 8

T = TypeVar("T", bool, int, float, str, list[Any], dict[str, Any])


class Memory:
    """Values by name, read at once and written with each change; what is damaged or of another type is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = False
        """Whether there is something that is not written yet."""
        self._took = (0.0, 0.0)  # seconds that the last two writings took
        self._values: dict[str, Any] = {}
        try:
            stored = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return
        if isinstance(stored, dict):
            self._values = stored

    def get(self, name: str, default: T) -> T:
        """The value of `name` where it has the type of `default`, which it is otherwise."""
        value = self._values.get(name)
        if type(default) is float and type(value) is int:
            return float(value)
        return value if type(value) is type(default) else default

    def texts(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """The texts in the list of `name`, or else `default`."""
        return [one for one in self.get(name, list[Any](default)) if isinstance(one, str)]

    def set(self, name: str, value: bool | float | str | list[Any] | dict[str, Any]) -> None:
        """Keep a value that JSON can hold."""
        if self._values.get(name) != value or type(self._values.get(name)) is not type(value):
            self._values[name] = value
            self._write_soon()

    def forget(self, prefix: str) -> None:
        """Take back all values whose names begin so."""
        kept = {name: value for name, value in self._values.items() if not name.startswith(prefix)}
        if len(kept) != len(self._values):
            self._values = kept
            self._write_soon()

    def unfinished(self, where: str) -> list[str]:
        """What was typed into the fields of a dialog, or of a row, and not given before the program ended."""
        kept = self.get("unfinished", {}).get(where)
        return kept if isinstance(kept, list) and all(isinstance(text, str) for text in kept) else []

    def unfinished_places(self, prefix: str) -> list[str]:
        """Where something is left unfinished, of the places that begin so."""
        return [where for where in self.get("unfinished", {}) if where.startswith(prefix) and self.unfinished(where)]

    def keep_unfinished(self, where: str, texts: list[str]) -> None:
        """Keep what is typed and not given yet; nothing, once it was given or left."""
        others = {place: kept for place, kept in self.get("unfinished", {}).items() if place != where}
        if texts:
            others[where] = texts
        self.set("unfinished", dict(list(others.items())[-_MOST_UNFINISHED:]))

    def _write_soon(self) -> None:
        self.changed = True
        if min(self._took) < _SLOW:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet; a state directory that cannot be written is no reason to trouble anyone."""
        if not self.changed:
            return
        began = time.monotonic()
        with contextlib.suppress(OSError):  # it is tried again by the clock
            self.path.parent.mkdir(parents=True, exist_ok=True)
            platform.write_file_atomic(self.path, json.dumps(self._values, indent=1).encode())
            self.changed = False
        self._took = (self._took[1], time.monotonic() - began)


def of_person() -> Memory:
    """What holds in every project."""
    return Memory(platform.state_dir() / "workbench.json")


def of_project(file: Path) -> Memory:
    """What holds for one experiments file."""
    return Memory(project_place(file) / "session.json")


def project_place(file: Path) -> Path:
    """The folder in the state directory for what belongs to one experiments file; it need not exist."""
    name = hashlib.sha256(str(file.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return platform.state_dir() / "workbench" / name
