"""What the doctor looks at, and what it finds."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "warning", "fault", "fixed"]
_SHOWN = 4  # names that a line holds; --json has them all
SCRATCH = ".craft-doctor-"
"""How the doctor's own folders begin; the number of its process follows."""


@dataclass(frozen=True)
class Patient:
    """What is examined: this machine, and the runs of one folder, which need not be there yet."""

    runs_dir: Path
    measure: bool = False
    """Measure speeds anew although they are known."""


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is well, and what to do where it is not."""

    check: str
    state: State
    text: str
    advice: str = ""
    """What a person can do; a command, where there is one."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Figures and names, for programs."""
    repair: Callable[[], Iterable[str]] | None = None
    """Puts it right, and says what it did; raises CraftError or OSError for what is left to the person. It looks
    again first, and touches no run that lives."""


Check = Callable[[Patient], Iterable[Finding]]


def some(names: Iterable[str]) -> str:
    """The first of many names, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - _SHOWN:,} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more


def plural(number: int, thing: str, things: str = "") -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def nearest(path: Path) -> Path:
    """The folder that is there already, of a path that need not be."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


@contextlib.contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """A folder to try things in, on the file system of `place`; gone afterwards. Raises OSError."""
    folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir=nearest(place)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
