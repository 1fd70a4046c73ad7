"""What became of a verb, as notes in the corner: a line each while they are few, then counts, the faults always."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

_FEW = 4
Severity = Literal["information", "warning", "error"]


@dataclass
class Telling:
    """Takes the lines of a verb as they come. `cancelled`: nobody waits for it any longer."""

    show: Callable[[str, Severity], None] = lambda text, severity: None
    cancelled: Callable[[], bool] = lambda: False
    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        """Something was done, or is under way."""
        self._tell(self.done, words, "information")

    def refuse(self, words: str) -> None:
        """Something could not be done."""
        self._tell(self.refused, words, "error")

    def close(self) -> None:
        """Tell of those that were too many for a line each."""
        kinds: tuple[tuple[list[str], Severity], ...] = ((self.done, "information"), (self.refused, "error"))
        for lines, severity in kinds:
            if len(lines) > _FEW:
                left = len(lines) - _FEW
                self.show(f"and {left} more, the last: {lines[-1]}", severity)

    def _tell(self, lines: list[str], words: str, severity: Severity) -> None:
        if words not in lines:
            lines.append(words)
            if len(lines) <= _FEW:
                self.show(words, severity)
