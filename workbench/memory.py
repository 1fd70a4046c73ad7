"""What a person chose or left on the screen, kept for the next time in the user's state directory.

Two of them: one for the person (theme, sizes of panes), one for each project (which run, which filter, what was typed
where). Losing one loses no work: what is not saved of an experiments file is kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from craft import platform

T = TypeVar("T", bool, int, float, str, list[Any], dict[str, Any])


class Memory:
    """Values by name, read at once and written by `flush`; what is damaged or of another type is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = False
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

    def set(self, name: str, value: bool | float | str | list[Any] | dict[str, Any]) -> None:
        """Keep a value that JSON can hold."""
        if self._values.get(name) != value or type(self._values.get(name)) is not type(value):
            self._values[name] = value
            self.changed = True

    def forget(self, prefix: str) -> None:
        """Take back all values whose names begin so."""
        kept = {name: value for name, value in self._values.items() if not name.startswith(prefix)}
        self.changed |= len(kept) != len(self._values)
        self._values = kept

    def flush(self) -> None:
        """Write what changed; a state directory that cannot be written is no reason to trouble anyone."""
        if not self.changed:
            return
        self.changed = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            platform.write_file_atomic(self.path, json.dumps(self._values, indent=1).encode())
        except OSError:
            return


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
