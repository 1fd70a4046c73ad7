from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from craft.text import clean, clean_line, fit, shorten, shows_unicode, wants_color, width_of
from tests.escapes import HARMFUL, TERMINAL_ESCAPES

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize("escape", TERMINAL_ESCAPES.values(), ids=TERMINAL_ESCAPES.keys())
def test_every_escape_becomes_visible(escape: str) -> None:
    cleaned = clean(f"before{escape}after")
    assert not HARMFUL & set(cleaned)
    assert len(cleaned) == len(f"before{escape}after"), "one mark a character, nothing swallowed"
    assert cleaned.startswith("before") and cleaned.endswith("after")


def test_marks_are_those_a_reader_knows() -> None:
    assert clean("\x1b[6n\x00\x7f\r") == "\u241b[6n\u2400\u2421\u240d"
    assert clean("\x9b6n\u202e\ud800") == "\ufffd6n\ufffd\ufffd"


def test_ordinary_text_is_left_alone() -> None:
    text = "a\tb\nna\u00efve \u65e5\u672c\u8a9e \U0001f600 [/not markup] e\u0301"
    assert clean(text) is text
    assert clean_line("one line") == "one line"


def test_a_line_stays_a_line() -> None:
    assert clean_line("a\nb\tc\u2028d") == "a\u240ab\u2409c\ufffdd"


@given(any_text)
def test_the_gate_holds_for_any_text_and_twice_is_once(text: str) -> None:
    for gate in (clean, clean_line):
        cleaned = gate(text)
        assert not HARMFUL & set(cleaned)
        assert gate(cleaned) == cleaned
        cleaned.encode("utf-8")  # no surrogate is left
    assert len(clean_line(text).splitlines()) <= 1


@given(any_text)
def test_a_terminal_of_ascii_gets_ascii(text: str) -> None:
    cleaned = clean_line(text, ascii_only=True)
    assert cleaned.isascii()
    assert all(" " <= char <= "~" for char in cleaned)


def test_ascii_marks_are_carets_and_escapes() -> None:
    assert clean("\x1b[\x7f\x9b\u00e9\n", ascii_only=True) == "^[[^?\\x9b\\xe9\n"


@given(any_text, st.integers(0, 30))
def test_fit_takes_exactly_the_columns_it_was_given(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit(text, width, align="right")) == width
    assert width_of(shorten(text, width)) <= width
    assert len(fit(text, width, ascii_only=True)) == width


def test_wide_characters_count_two_columns() -> None:
    assert width_of("\u65e5\u672c") == 4
    assert fit("\u65e5\u672c\u8a9e", 6) == "\u65e5\u672c\u8a9e"
    assert shorten("\u65e5\u672c\u8a9e", 5) == "\u65e5\u672c\u2026"
    # The second character would straddle the edge, so a blank makes up for it.
    assert fit("\u65e5\u672c\u8a9e", 4) == "\u65e5\u2026 "
    assert fit("abc", 5, align="right") == "  abc"


def test_megabytes_take_no_time_worth_noticing() -> None:
    from time import process_time

    plain, hostile = "def f(): \u00e9\n" * 200_000, "\x1b[31m" * 400_000
    started = process_time()
    clean(plain)
    clean(hostile)
    # 0.25 s on a slow machine; a character at a time in Python would need seconds.
    assert process_time() - started < 2


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_color_is_for_terminals_that_want_it() -> None:
    assert wants_color(_Terminal(), {"TERM": "xterm"})
    assert not wants_color(_Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})
    assert wants_color(_Terminal(), {"TERM": "xterm", "NO_COLOR": ""}), "empty means not set"
    assert not wants_color(_Terminal(), {"TERM": "dumb"})
    assert not wants_color(_Terminal(), {})
    assert not wants_color(io.StringIO(), {"TERM": "xterm"})


def test_unicode_is_for_encodings_and_consoles_that_have_it() -> None:
    assert shows_unicode(_Terminal(), {"TERM": "xterm"})
    assert not shows_unicode(_Terminal(), {"TERM": "linux"})
    assert not shows_unicode(io.TextIOWrapper(io.BytesIO(), encoding="ascii"), {"TERM": "xterm"})
    assert not shows_unicode(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"), {"TERM": "xterm"})
