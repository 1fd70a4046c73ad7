"""The terminal that this command runs in: what the workbench could draw there."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Iterable
from typing import IO

from craft.launch.doctor.finding import Finding, Patient
from craft.text import shows_unicode

_COLUMNS, _LINES = 80, 24


def terminal(patient: Patient) -> Iterable[Finding]:
    """Size, colours, characters and mouse."""
    stream = next((one for one in (sys.stdout, sys.stderr, sys.stdin) if _is_terminal(one)), None)
    kind = os.environ.get("TERM", "")
    if stream is None:
        yield Finding("terminal", "ok", "this command has none to look at", details={"terminal": False})
        return
    size = os.get_terminal_size(stream.fileno())
    colors, mouse = _abilities(kind, stream)
    unicode = shows_unicode(sys.stdout)
    details = {
        "terminal": True,
        "type": kind,
        "columns": size.columns,
        "lines": size.lines,
        "colors": colors,
        "unicode": unicode,
        "mouse": mouse,
        "inside": next(
            (name for name in ("tmux", "screen") if os.environ.get({"tmux": "TMUX", "screen": "STY"}[name])), None
        ),
    }
    shown = f"{kind or 'no TERM'}, {size.columns}x{size.lines}, {_colors(colors)}"
    shown += f", {'Unicode' if unicode else 'ASCII only'}, {'mouse' if mouse else 'no mouse'}"
    wrong = []
    if kind in ("", "dumb", "unknown"):
        wrong.append("set TERM to what the terminal is, such as xterm-256color")
    elif colors < 8 and not os.environ.get("NO_COLOR"):
        wrong.append(f"TERM={kind} has no colours: is it what the terminal is?")
    if not unicode and kind not in ("linux", "dumb", ""):
        wrong.append(f"use a UTF-8 locale: this one is {locale.getlocale()[1] or 'C'} (LANG, LC_ALL)")
    if 0 < size.columns < _COLUMNS or 0 < size.lines < _LINES:
        wrong.append(f"make it {_COLUMNS}x{_LINES} or larger for the workbench")
    yield Finding("terminal", "warning" if wrong else "ok", shown, "; ".join(wrong), details)


def _is_terminal(stream: IO[str] | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _colors(number: int) -> str:
    return "16 million colours" if number > 256 else f"{number} colours" if number else "no colours"


def _abilities(kind: str, stream: IO[str]) -> tuple[int, bool]:
    """Colours, and whether the mouse is reported, by the terminal's description; by its name where it has none."""
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        colors = 1 << 24
    else:
        colors = 256 if "256" in kind else 0
    modern = kind.startswith(("xterm", "tmux", "screen", "rxvt", "alacritty", "foot", "wezterm", "st-"))
    try:
        import curses

        curses.setupterm(kind or "dumb", stream.fileno())
        return max(colors, curses.tigetnum("colors"), 0), bool(curses.tigetstr("kmous")) or modern
    except Exception:  # curses.error, or a Python that was built without it
        return colors or (8 if modern else 0), modern
