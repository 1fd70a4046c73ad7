"""Lines made while a text grows, and tokens that get their part of it."""

from __future__ import annotations

import random
import time

import pytest

from craft.text import width_of
from workbench.screens.playground.tokens import PROMPT, Comparing, Settling, Token, Wrapped


def tokens(*pieces: str) -> list[Token]:
    return [Token(number, piece, text=piece) for number, piece in enumerate(pieces)]


def lines(wrapped: Wrapped) -> list[str]:
    return ["".join(shown for shown, _, _ in wrapped.line(number)) for number in range(len(wrapped))]


def test_each_token_gets_its_own_text_also_where_it_was_held_back() -> None:
    pieces = [("foo\n", "foo"), ("\n", ""), ("bar", "\n\nbar"), ("\\xc3", ""), ("\\xa9", "é"), ("x", "x")]
    settling, made = Settling(0), []
    for piece, text in pieces:
        made.append(Token(0, piece))
        settling.take(made, text)
    assert [token.text for token in made] == ["foo\n", "\n", "bar", "", "é", "x"]


def test_lines_break_at_blanks_and_newlines_and_every_character_stays() -> None:
    wrapped = Wrapped(10, ascii_only=False)
    wrapped.add_prompt("ab ")
    for number, text in enumerate(["cde fgh", "i\tj", "日本語日本語", "\n", "\x1b[2J\u202e", "e\u0301"]):
        wrapped.add(number, text)
    shown = lines(wrapped)
    assert all(width_of(line) <= 10 for line in shown), shown
    assert shown[0] == "ab cde "
    assert shown[1].startswith("fghi")
    assert "→" in shown[1] and "↵" in "".join(shown)
    assert "\x1b" not in "".join(shown) and "\u202e" not in "".join(shown) and "\u241b[2J\ufffd" in "".join(shown)
    assert wrapped.line(0)[0] == ("ab ", PROMPT, False)
    assert [wrapped.line_of(number) for number in (0, 1, 5)] == [0, 1, len(shown) - 1]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_text_that_grows_looks_as_if_it_had_been_there(ascii_only: bool) -> None:
    chance = random.Random(1)
    parts = ["".join(chance.choices("ab \n\t日\x07é", weights=(9, 9, 5, 1, 1, 2, 1, 2), k=5)) for _ in range(300)]
    one, other = Wrapped(23, ascii_only=ascii_only), Wrapped(23, ascii_only=ascii_only)
    for number, part in enumerate(parts):
        for char in part:
            one.add(number, char)
        other.add(number, part)
    assert lines(one) == lines(other)
    assert not ascii_only or "".join(lines(one)).isascii()
    # Whole lines never change again.
    before = lines(one)[: one.whole]
    one.add(300, "more and more")
    assert lines(one)[: len(before)] == before


def test_ten_thousand_tokens_are_put_into_lines_in_a_blink() -> None:
    wrapped = Wrapped(100, ascii_only=False)
    started = time.process_time()
    for number in range(10_000):
        wrapped.add(number, " word" if number % 15 else ".\n")
    assert time.process_time() - started < 1.0  # 0.05 s here
    assert len(wrapped) > 600


def test_where_two_texts_part_is_found_while_they_grow() -> None:
    one, other = tokens("a", "bc", "d"), tokens("ab")
    comparing = Comparing(one, other)
    assert comparing.go_on(over=False) is None
    other += tokens("c", "x")
    assert comparing.go_on(over=False) == 2
    assert Comparing(tokens("a", "b"), tokens("a", "b", "c")).go_on(over=True) is None
    assert Comparing(tokens("a", "b", "c"), tokens("a", "b")).go_on(over=False) is None
    assert Comparing(tokens("a", "b", "c"), tokens("a", "b")).go_on(over=True) == 2
