"""The fields of a message, taken one by one, each of its type; all that is wrong is said at once. Free of torch."""

from __future__ import annotations

import difflib
from typing import Any

from craft.errors import UsageError

_REQUIRED: Any = object()
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "a table"}


class Fields:
    """The fields of a message, taken one by one; what is left at the end is unknown."""

    def __init__(self, data: dict[str, Any], where: str = "", faults: list[str] | None = None) -> None:
        self._data, self._where = data, where
        self._faults: list[str] = [] if faults is None else faults
        self._known: list[str] = []

    def raw(self, name: str, default: Any = None) -> Any:
        """A field of whatever type."""
        self._known.append(name)
        return self._data.get(name, default)

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def fault(self, text: str) -> None:
        """Note what is wrong."""
        self._faults.append(self._where + text)

    def skip(self, name: str) -> None:
        """A field that is known, and read in another way."""
        self._known.append(name)

    def take(self, name: str, kind: type, default: Any = _REQUIRED) -> Any:
        """The value of a field, of this very type; a float may be whole."""
        self._known.append(name)
        if name not in self._data:
            if default is _REQUIRED:
                self.fault(f"{name} is missing")
                return kind()
            return default
        value = self._data[name]
        if kind is float and type(value) is int and abs(value) < 1 << 60:
            value = float(value)
        if type(value) is not kind or (isinstance(value, int) and abs(value) >= 1 << 63):
            size = " of at most 64 bits" if type(value) is kind else ""
            self.fault(f"{name} must be {_WORDS[kind]}{size}, found {shortly(value)}")
            return kind() if default is _REQUIRED else default
        return value

    def within(self, name: str, value: dict[str, Any]) -> Fields:
        """The fields of a table in it, whose faults are among these."""
        return Fields(value, f"{self._where}{name}.", self._faults)

    def check_names(self) -> None:
        """Note names that are unknown."""
        for name in self._data:
            if name not in self._known:
                near = difflib.get_close_matches(name, self._known, 1)
                self.fault(f"{shortly(name)}: unknown field" + (f" (did you mean '{near[0]}'?)" if near else ""))

    def finish(self) -> None:
        """Raise UsageError when anything is wrong."""
        self.check_names()
        if self._faults:
            more = f"; and {len(self._faults) - 8} more faults" if len(self._faults) > 8 else ""
            raise UsageError("; ".join(self._faults[:8]) + more)

    @property
    def faulty(self) -> bool:
        """Whether anything is wrong so far."""
        return bool(self._faults)


def shortly(value: Any) -> str:
    """A value as an error shows it."""
    if isinstance(value, dict | list):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = repr(value) if not isinstance(value, str) else repr(value[:60])
    return text if len(text) <= 60 else text[:57] + "..."
