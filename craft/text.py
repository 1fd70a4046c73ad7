"""The gate for text that is not ours: names, logs, prompts, generated text, contents of files.

A terminal obeys the control characters in what it is given: it writes the clipboard (OSC 52), answers into
standard input (CSI 6n), resets itself (ESC c), or shows a line backwards (bidirectional overrides). All that
prints such text sends it through `clean` first, at the point where it is drawn; files on disk keep their raw
bytes. Cleaning twice changes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import IO, Literal

# Bidirectional marks, embeddings, overrides and isolates: they reorder the text around them.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# C0 without tab and newline, DEL, C1, bidirectional controls, lone surrogates (which cannot be encoded).
_HARMFUL = rf"\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_HARMFUL}]+")
# Line and paragraph separators end a line for `str.splitlines`, so they count as line breaks here.
_IN_LINE = re.compile(f"[{_HARMFUL}\t\n\u2028\u2029]+")

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Unicode draws a picture for every C0 control and DEL; the others have none and share one mark.
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\N{SYMBOL FOR DELETE}"}
_CARETS = {code: f"^{chr(code + 0x40)}" for code in range(0x20)} | {0x7F: "^?"}


def clean(text: str, *, ascii_only: bool = False) -> str:
    """Make every character visible that a terminal would obey; newlines and tabs stay.

    Controls become their pictures (ESC is U+241B), one mark a character; C1, bidirectional controls and lone
    surrogates become U+FFFD. With `ascii_only`, for terminals that cannot show more, the marks are `^[` and
    the like, and any other character outside ASCII is written as a backslash escape.
    """
    return _clean(text, _IN_TEXT, ascii_only)


def clean_line(text: str, *, ascii_only: bool = False) -> str:
    """`clean` for text that must stay on one line: newlines and tabs become marks too."""
    return _clean(text, _IN_LINE, ascii_only)


def _clean(text: str, harmful: re.Pattern[str], ascii_only: bool) -> str:
    if ascii_only:
        text = harmful.sub(lambda run: "".join(_caret(char) for char in run[0]), text)
        return text if text.isascii() else text.encode("ascii", "backslashreplace").decode()
    if harmful.search(text) is None:
        return text
    return harmful.sub(lambda run: "".join(_PICTURES.get(ord(char), REPLACEMENT) for char in run[0]), text)


def _caret(char: str) -> str:
    return _CARETS.get(ord(char)) or char.encode("ascii", "backslashreplace").decode()


def width_of(text: str) -> int:
    """Terminal columns that `text` takes; wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # imported late: `craft --help` must not pay for it

    return cell_len(text)


def shorten(text: str, width: int, *, ascii_only: bool = False) -> str:
    """Clean `text` and cut it to at most `width` columns; a cut shows as an ellipsis."""
    text = clean_line(text, ascii_only=ascii_only)
    if width <= 0:
        return ""
    if width_of(text) <= width:
        return text
    ellipsis = "~" if ascii_only else "\N{HORIZONTAL ELLIPSIS}"
    if text.isascii():
        return text[: width - 1] + ellipsis
    from rich.cells import set_cell_size

    # A wide character cut in half leaves a blank, which is not worth its column.
    return set_cell_size(text, width - 1).rstrip(" ") + ellipsis


def fit(text: str, width: int, *, align: Literal["left", "right"] = "left", ascii_only: bool = False) -> str:
    """Clean `text` and make it exactly `width` columns: cut with an ellipsis, or padded with blanks."""
    text = shorten(text, width, ascii_only=ascii_only)
    padding = " " * (max(width, 0) - width_of(text))
    return text + padding if align == "left" else padding + text


def wants_color(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to colour what is written to `stream`: a terminal that can, and no NO_COLOR (no-color.org)."""
    if environ.get("NO_COLOR") or environ.get("TERM") in ("dumb", None, ""):
        return False
    return stream.isatty()


def shows_unicode(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` can show more than ASCII.

    The Linux console (TERM=linux) takes UTF-8, but its fonts of 256 or 512 glyphs draw blanks for most of it.
    """
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
    return encoding.startswith(("utf", "gb18030")) and environ.get("TERM") not in ("dumb", "linux")
