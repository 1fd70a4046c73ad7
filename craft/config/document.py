"""Reading one TOML file, so that whatever is wrong with it becomes one line with its place.

tomllib is trusted with the meaning of a text, not with its size: what makes it slow or deep is refused first,
and each of the four kinds of exception it can raise becomes a `Problem`.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from craft.config.positions import Path as KeyPath
from craft.config.positions import TomlPositions
from craft.errors import ConfigError, Problem
from craft.text import clean_line, width_of

MAX_BYTES = 1 << 20
"""An experiments file is written by hand; anything larger is another file given by mistake."""
MAX_PARTS = 16
"""Parts of one dotted key; no setting needs more than seven. tomllib's time grows with their square."""
MAX_DEPTH = 32
"""Tables and arrays inside each other; no setting lies deeper than eight."""
_SHOWN = 80  # code points of a source line, and of a value, that a message shows

# Strings and comments, also unterminated ones, each in one step: no character is looked at twice.
_STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|\'\'\'.*?(?:\'{3,5}|\Z)|"(?:\\.|[^"\\\n])*"?|\'[^\'\n]*\'?|#[^\n]*',
    re.DOTALL,
)
# Possessive, and only from the beginning of a word: linear in the text.
_ENDLESS_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MAX_PARTS}}}")
_TOMLLIB_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONG_NUMBER = re.compile(r"\d[\d_]{639,}")  # the least that Python's limit can be set to


@dataclass(frozen=True)
class Document:
    """A TOML text with its meaning, and the places of both when they are asked for."""

    path: Path
    """As it was given: what messages show."""
    text: str
    data: dict[str, Any]

    @cached_property
    def folder(self) -> Path:
        """The absolute folder that relative paths in the text start from."""
        return self.path.absolute().parent

    @cached_property
    def positions(self) -> TomlPositions:
        """Where everything stands; made on first use."""
        return TomlPositions(self.text)

    def locate(self, path: KeyPath, *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at `path`, or of its key, or of the nearest table around it."""
        span = self.positions.nearest(path, key=key)
        return self.positions.line_column(span) if span else (1, 1)


def read_document(path: Path, text: str | None = None) -> Document:
    """Read the TOML file at `path`; with `text`, what an editor holds of it instead of what is on disk.

    Raises ConfigError, with one problem, when there is no such file or it is not one, or not TOML; with
    all of them when single values are beyond what Craft reads.
    """
    text = _decode(path, read_bytes(path) if text is None else _encode(path, text))
    if not is_unicode(str(path.absolute())):
        raise _whole(path, "its path is not Unicode text, so no run could note it", "rename the file or its folder")
    if (endless := _find_endless_key(text)) is not None:
        raise _fault(path, text, endless, f"a key has more than {MAX_PARTS} parts")
    data = _parse(path, text)
    document = Document(path, text, data)
    if faults := [problem_at(document, where, message) for where, message in beyond_limits(data)]:
        raise ConfigError(problems=faults)
    return document


def problem_at(document: Document, at: KeyPath, message: str, *, key: bool = False, **more: str) -> Problem:
    """A problem of the value, or the key, at a path; `more` goes into the Problem as it is."""
    line, column = document.locate(at, key=key)
    return _problem(document.path, document.positions.line_text(line), line, column, message, **more)


def _problem(file: Path, written: str, line: int, column: int, message: str, **more: str) -> Problem:
    shown, caret = _excerpt(written, column - 1)
    fields = {"experiment": "", "path": "", **more}
    return Problem(file, line, column, message=message, source_line=shown, caret=caret, **fields)


def _excerpt(line: str, at: int) -> tuple[str, int]:
    """What is shown of a line around code point `at`, and the terminal columns before that place."""
    start, stop = 0, len(line)
    if stop > _SHOWN:
        start = max(0, min(at - _SHOWN // 2, stop - _SHOWN))
        stop = start + _SHOWN
    before = ("..." if start else "") + clean_line(line[start:at])
    after = clean_line(line[at:stop]) + ("..." if stop < len(line) else "")
    return (before + after).rstrip(), width_of(before)


def _fault(path: Path, text: str, offset: int, message: str, hint: str = "") -> ConfigError:
    """A fault at a code point of the text, which need not be TOML."""
    start = text.rfind("\n", 0, offset) + 1
    stop = text.find("\n", offset)
    written = text[start : stop if stop >= 0 else len(text)]
    line = text.count("\n", 0, offset) + 1
    return ConfigError(problems=[_problem(path, written, line, offset - start + 1, message, hint=hint)])


def _whole(path: Path, message: str, hint: str = "") -> ConfigError:
    """A fault of the file itself, which has no line to show."""
    return ConfigError(problems=[Problem(path, 0, 0, "", "", message, hint=hint)])


def is_unicode(text: str) -> bool:
    """Whether a text can be written to a file. Python keeps other bytes, of arguments and names, as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_bytes(path: Path) -> bytes:
    """What the file at `path` holds, TOML or not. Raises ConfigError where it is no file, or larger than MAX_BYTES."""
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _whole(path, "no such file", _other_file(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _whole(path, f"cannot be read: {reason}") from None
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise _whole(path, "is a folder, not an experiments file", _other_file(path / "experiments.toml"))
        if not stat.S_ISREG(kind):
            raise _whole(path, "is a device or a pipe, not an experiments file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _whole(path, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(raw) > MAX_BYTES:
        raise _whole(path, "is larger than 1 MiB, so it is not an experiments file")
    return raw


def _other_file(path: Path) -> str:
    """Which TOML file of the same folder was probably meant."""
    from difflib import get_close_matches

    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix == ".toml")
    except (OSError, ValueError):
        names = []
    near = get_close_matches(path.name, names, n=1) or names[:1]
    return f"did you mean '{path.parent / near[0]}'?" if near else "'craft init' writes one"


def _encode(path: Path, text: str) -> bytes:
    """What a file of this text would hold. The same limits apply as on disk."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BYTES:
        raise _whole(path, "is larger than 1 MiB, so it is not an experiments file")
    return raw


def _decode(path: Path, raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        message = "the file starts with a byte order mark"
        raise _fault(path, raw[3:].decode(errors="replace"), 0, message, "save it as UTF-8 without one")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        readable = raw.decode(errors="replace")
        offset = len(raw[: error.start].decode())
        hint = "save it as UTF-8"
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            hint = "it looks like UTF-16; " + hint
        raise _fault(path, readable, offset, f"byte 0x{raw[error.start]:02x} is not UTF-8", hint) from None
    if not text.strip():
        raise _whole(path, "the file is empty", "it needs an [experiment.NAME] table; 'craft init' writes one")
    return text


def _find_endless_key(text: str) -> int | None:
    """Where a key of more than MAX_PARTS parts begins; None when there is none."""
    found = _ENDLESS_KEY.search(_bare(text))
    return found.start() if found else None


def _bare(text: str) -> str:
    """The text without what stands in strings and comments: as long as before, a string one word."""
    return _STRING_OR_COMMENT.sub(lambda found: ("s" if found[0][0] != "#" else " ") * len(found[0]), text)


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        offset = len(text.rstrip())
        if place := _TOMLLIB_PLACE.search(message):
            message = message[: place.start()]
            if place[1]:
                # Of a key that is there already tomllib names the end, where nothing is to be seen.
                is_key = message.startswith("Cannot ")
                offset = _offset(text, int(place[1]), 0 if is_key else int(place[2]))
        raise _fault(path, text, offset, f"not TOML: {_reworded(message)}", _mend(message, text, offset)) from None
    except ValueError:
        # The one that tomllib lets through: an integer that Python refuses to read, and does not place.
        number = _LONG_NUMBER.search(_bare(text))
        raise _fault(path, text, number.start() if number else 0, "not TOML: a number has too many digits") from None
    except RecursionError:
        message = f"tables or arrays are nested more than {MAX_DEPTH} deep"
        raise _fault(path, text, _offset_of_depth(text), message) from None


def _mend(message: str, text: str, offset: int) -> str:
    """What to write in place of what other languages would take, for the slips that are made most."""
    written = text[offset : offset + _SHOWN]
    word = re.match(r"[A-Za-z_][\w./:-]*", written)
    if message.startswith("Expected '=' after a key") and written[:1] == ":":
        return "TOML writes key = value"
    if not message.startswith("Invalid value"):
        return ""
    if word and word[0].lower() in ("true", "false"):
        return f"TOML writes {word[0].lower()}"
    if word and word[0].lower() in ("none", "null", "nil"):
        return "TOML has no empty value; leave the line out, or name the setting in unset"
    if word:
        return f'a text stands in quotes: "{word[0]}"'
    if re.match(r"[+-]?\.\d", written):
        return "a number begins with a digit: 0.5"
    return "an array stands in [ ]" if written[:1] == "(" else ""


def _reworded(message: str) -> str:
    """tomllib's words, where a person would not know what they mean."""
    message = message.replace("Cannot overwrite a value", "this key has a value already")
    if message.startswith("Cannot mutate immutable namespace"):
        return "this table is written in braces, so nothing can be added to it outside them"
    message = re.sub(r"^Cannot declare (\(.*\)) twice$", r"this table is there already", message)
    message = message[0].lower() + message[1:]
    return message if len(message) <= 2 * _SHOWN else message[: 2 * _SHOWN] + "..."


def _offset(text: str, line: int, column: int) -> int:
    """The code point at a line and column; column 0 stands for the first that is not blank."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    if column:
        return start + column - 1
    while text[start : start + 1] in (" ", "\t"):
        start += 1
    return start


def _offset_of_depth(text: str) -> int:
    """Where brackets are first nested more than MAX_DEPTH deep."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", _bare(text)):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            return bracket.start()
    return 0


def beyond_limits(data: dict[str, Any]) -> Iterable[tuple[KeyPath, str]]:
    """Places and faults of values that TOML's own standard, or good sense, does not allow."""
    waiting: list[tuple[KeyPath, Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict | list):
            if len(path) > MAX_DEPTH:
                yield path[:MAX_DEPTH], f"tables or arrays are nested more than {MAX_DEPTH} deep"
                return
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend(((*path, key), inner) for key, inner in inside if isinstance(inner, dict | list | int))
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            yield path, "an integer is too large: TOML's have 64 bits"
