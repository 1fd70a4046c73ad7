"""Which runs to show: words, and expressions over figures and settings.

wide lr-0                      both words in the name, experiment, group, phase, tags or note
val/loss < 1.9 and lr > 1e-3   figures and settings; a setting by the end of its path
phase = failed or not seed = 1
optimizer.type ~ ada           contains
tokens >= 10M   age < 2d       numbers with k, M, B; ages with s, m, h, d, w
note ~ "in two" 'in two'       quotes of either kind keep blanks and signs

filter     = either
either     = both { "or" both }
both       = one { ["and"] one }          side by side means and
one        = "not" one | "(" either ")" | NAME SIGN VALUE | WORD
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from craft.errors import UsageError

Value = str | float | bool | None
Facts = Callable[[str], Value]
"""What a run says of a name: None where it says nothing. `text` holds all that words are looked for in."""

SIGNS = ("<=", ">=", "!=", "==", "<", ">", "=", "~")
_TOKEN = re.compile(
    r"""\s*(?:(?P<sign><=|>=|!=|==|<|>|=|~)|(?P<bracket>[()])|(?P<quoted>"[^"]*"|'[^']*')|"""
    r"""(?P<word>[^\s()<>=!~"'][^\s()<>=!~"]*))"""
)
_SCALES = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
NAMES: dict[str, tuple[tuple[str, ...], str]] = {
    "run": (("name",), "its name"),
    "phase": ((), "what it is doing: running, finished, failed and so on"),
    "experiment": ((), "the experiment that it is of"),
    "group": ((), "the sweep that it is of"),
    "parent": (("from",), "the run that it was forked from"),
    "step": ((), "steps done"),
    "progress": ((), "the part of its steps that is done, from 0 to 1"),
    "tokens": ((), "tokens trained on"),
    "speed": (("tok/s",), "the last speed recorded, in tokens a second"),
    "train/loss": (("loss", "train"), "the last training loss"),
    "val/loss": (("val",), "the last validation loss"),
    "best": ((), "the best value of what is monitored"),
    "best_step": ((), "the step of that"),
    "eta": ((), "time left while it trains, as 2h"),
    "age": ((), "time since it was made, as 2d"),
    "star": ((), "true or false"),
    "tag": (("tags",), "its tags; one of them is enough for =, and != means none"),
    "note": ((), "its note"),
}
"""What every run is asked by: other names of it, as headings have them, and what it is. Settings and metrics have
their own names."""
_CANONICAL = {name: known for known, (others, _) in NAMES.items() for name in (known, *others)}
AGES = ("age", "time", "eta")
"""Names whose values are seconds, so that 2h can be written."""
SEVERAL = ("tag",)
"""Names with any number of words for a value, which facts give with a blank between them."""
DEEPEST = 100
"""Brackets and nots inside each other: a person writes a few, and Python's own stack has an end."""


def canonical(name: str) -> str:
    """The name that a heading stands for, whatever its case; any other name is itself."""
    return _CANONICAL.get(name.casefold(), name)


class Filter(Protocol):
    """Whether a run is shown."""

    def holds(self, facts: Facts) -> bool: ...

    def names(self) -> set[str]:
        """The figures and settings that it asks for."""

    def words(self) -> list[str]:
        """The words that stand for themselves: with a sign behind it, one would be a name."""
        ...


@dataclass(frozen=True)
class Word:
    """A text that a run must have somewhere, whatever its case."""

    text: str

    def holds(self, facts: Facts) -> bool:
        return self.text.casefold() in str(facts("text") or "").casefold()

    def names(self) -> set[str]:
        return set()

    def words(self) -> list[str]:
        return [self.text]


@dataclass(frozen=True)
class Compared:
    """A figure or a setting against a value. One that a run does not have is never less, more or equal."""

    name: str
    sign: str
    value: Value

    def holds(self, facts: Facts) -> bool:
        found = facts(self.name)
        if self.name in SEVERAL and self.sign in ("=", "==", "!="):
            return any(_equal(one, self.value) for one in str(found or "").split()) == (self.sign != "!=")
        if found is None:
            return False
        if self.sign == "~":
            return str(self.value).casefold() in str(found).casefold()
        if self.sign in ("=", "==", "!="):
            return _equal(found, self.value) == (self.sign != "!=")
        if not (_is_number(found) and _is_number(self.value)):
            return False
        ours, theirs = float(found), float(self.value)  # type: ignore[arg-type]
        return {"<": ours < theirs, "<=": ours <= theirs, ">": ours > theirs, ">=": ours >= theirs}[self.sign]

    def names(self) -> set[str]:
        return {self.name}

    def words(self) -> list[str]:
        return []


@dataclass(frozen=True)
class Not:
    """The opposite."""

    inner: Filter

    def holds(self, facts: Facts) -> bool:
        return not self.inner.holds(facts)

    def names(self) -> set[str]:
        return self.inner.names()

    def words(self) -> list[str]:
        return self.inner.words()


@dataclass(frozen=True)
class Several:
    """All of some filters, or any of them."""

    inner: Sequence[Filter]
    every: bool

    def holds(self, facts: Facts) -> bool:
        return (all if self.every else any)(one.holds(facts) for one in self.inner)

    def names(self) -> set[str]:
        return {name for one in self.inner for name in one.names()}

    def words(self) -> list[str]:
        return [word for one in self.inner for word in one.words()]


def fault_at(text: str, column: int, message: str) -> UsageError:
    """What is wrong with a filter, with a mark under the place."""
    return UsageError(f"filter: {message}\n    {text}\n    {' ' * column}^")


def parse_filter(text: str) -> Filter:
    """Read a filter; an empty one lets everything through. Raises UsageError with a mark under the place."""
    reader = _Reader(text)
    found = reader.either() if reader.tokens else Several((), True)
    if reader.kind():
        raise reader.fault(f"'{reader.ahead()}' is left over; is a bracket missing?")
    return found


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


class _Reader:
    """Recursive descent over the grammar above."""

    def __init__(self, text: str) -> None:
        self.text, self.place, self.depth = text, 0, 0
        self.tokens: list[_Token] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None or not found.lastgroup:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self.fault("a quote is not closed" if text[at] in "\"'" else "this cannot be read", at)
            kind = found.lastgroup
            quote = kind == "quoted"
            self.tokens.append(_Token(kind, found[kind][1:-1] if quote else found[kind], found.start(kind) + quote))
            at = found.end()

    def ahead(self) -> str:
        """The text of the next token; "" at the end, and for an empty quoted word."""
        return self.tokens[self.place].text if self.place < len(self.tokens) else ""

    def kind(self) -> str:
        """The kind of the next token; "" at the end."""
        return self.tokens[self.place].kind if self.place < len(self.tokens) else ""

    def _take(self) -> _Token:
        self.place += 1
        return self.tokens[self.place - 1]

    def _is_word(self, word: str) -> bool:
        return self.kind() == "word" and self.ahead().lower() == word

    def fault(self, message: str, column: int | None = None) -> UsageError:
        if column is None:
            column = self.tokens[self.place].column if self.place < len(self.tokens) else len(self.text)
        return fault_at(self.text, column, message)

    def either(self) -> Filter:
        parts = [self._both()]
        while self._is_word("or"):
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Several(tuple(parts), every=False)

    def _both(self) -> Filter:
        parts = [self._one()]
        while self.kind() and not self._is_word("or") and not (self.kind() == "bracket" and self.ahead() == ")"):
            if self._is_word("and"):
                self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Several(tuple(parts), every=True)

    def _inside(self, read: Callable[[], Filter]) -> Filter:
        self.depth += 1
        found = read()
        self.depth -= 1
        return found

    def _one(self) -> Filter:
        if not self.kind():
            raise self.fault("something is missing here")
        if self.depth > DEEPEST:
            self.place -= 1
            raise self.fault(f"more than {DEEPEST} brackets and nots, one inside the other")
        if self._is_word("not"):
            self._take()
            return Not(self._inside(self._one))
        if self.kind() == "bracket":
            if self._take().text == ")":
                self.place -= 1
                raise self.fault("nothing is open that could be closed")
            inner = self._inside(self.either)
            if not (self.kind() == "bracket" and self.ahead() == ")"):
                raise self.fault("a ')' is missing")
            self._take()
            return inner
        if self.kind() == "sign":
            raise self.fault(f"a name is missing before '{self.ahead()}'")
        token = self._take()
        if self.kind() != "sign":
            return Word(token.text)
        name, sign = canonical(token.text), self._take().text
        if self.kind() not in ("word", "quoted"):
            raise self.fault(f"a value is missing after '{sign}'")
        value = self._take()
        read = value.text if value.kind == "quoted" else read_value(value.text, ages=name in AGES)
        if sign in ("<", "<=", ">", ">=") and not _is_number(read):
            self.place -= 1
            raise self.fault(f"'{value.text}' is no number; only numbers are less or more")
        return Compared(name, sign, read)


def read_value(text: str, *, ages: bool = False) -> Value:
    """A number, also as 10k or, for `ages`, as 2h; true or false; else the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    units = _SECONDS if ages else _SCALES
    number, scale = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        return float(number.replace("_", "")) * scale
    except ValueError:
        return text


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(found: Value, wanted: Value) -> bool:
    if isinstance(found, str) and _is_number(wanted):
        found = read_value(found)  # a name of digits, as a tag can be
    if _is_number(found) and _is_number(wanted):
        return float(found) == float(wanted)  # type: ignore[arg-type]
    return str(found).casefold() == str(wanted).casefold()
