"""Text that is half typed: what its parts are, where the cursor is, and that no byte changes that was not edited."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craft.config.positions import TomlPositions
from tests.config.random_files import DOCUMENTS, Writer
from workbench.screens.experiments.editing.scan import Open, parts_of, scan_line
from workbench.screens.experiments.editing.text_document import FileDocument
from workbench.screens.experiments.editing.where import where_is


def kinds(line: str, before: Open | None = None) -> list[tuple[str, str]]:
    return [(line[one.start : one.stop], one.kind) for one in scan_line(line, before or Open())[0]]


def test_parts_of_lines() -> None:
    assert kinds('model = { type = "lstm", n = 2 } # c') == [
        ("model", "key"),
        ("=", "sign"),
        ("{", "sign"),
        ("type", "key"),
        ("=", "sign"),
        ('"lstm"', "text"),
        (",", "sign"),
        ("n", "key"),
        ("=", "sign"),
        ("2", "number"),
        ("}", "sign"),
        ("# c", "comment"),
    ]
    assert kinds('[experiment."a # b"] # c') == [('[experiment."a # b"]', "header"), ("# c", "comment")]
    assert kinds("a = foo") == [("a", "key"), ("=", "sign"), ("foo", "fault")]
    assert kinds('a = "open') == [("a", "key"), ("=", "sign"), ('"open', "fault")]
    assert kinds("x ]", Open("'''", "")) == [("x ]", "text")]
    assert parts_of('[experiment."a.b".model]') == ("experiment", "a.b", "model")


def test_what_is_open_goes_on_in_the_next_line_and_ends_at_a_header() -> None:
    document = FileDocument('a = [\n  1,\n[experiment.x]\nb = { c = \nd = """\n[no]\n"""\ne = 1')
    assert [one.kind for one in document.tokens(1)] == ["number", "sign"]
    assert document.tokens(2)[0].kind == "header", "an array that was never closed does not swallow the file"
    assert document.tokens(4)[0].kind == "key", "nor does a table in braces"
    assert document.tokens(5)[0].kind == "text"
    assert document.table_at(7) == ("experiment", "x")


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.integers(0, 2**32))
def test_keys_stand_where_the_parser_finds_them(document: dict[str, object], seed: int) -> None:
    text = Writer(random.Random(seed)).write(document)
    positions = TomlPositions(text)
    lines = FileDocument(text)
    found = set()
    for row in range(lines.line_count):
        at = len(lines.newline.join(lines.lines[:row]).encode()) + (len(lines.newline) if row else 0)
        for token in lines.tokens(row):
            if token.kind == "key":
                found.add(at + len(lines.lines[row][: token.start].encode()))
    expected = {entry.pair.start for entry in positions.entries.values() if not entry.inline}
    assert expected <= found


PIECES = st.text(alphabet=st.sampled_from(list("ab=[]{}\"'#.\\ \t\r\n\x1b\x0b\u2028\u202eé語1")), max_size=12)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), PIECES), max_size=6))
def test_edits_of_any_text_change_just_what_they_are_about(text: str, edits: list[tuple[int, int, str]]) -> None:
    document = FileDocument(text)
    assert document.text == text
    windows = document.newline == "\r\n"
    for first, last, new in edits:
        places = sorted((min(first, len(text)), min(last, len(text))))
        start, stop = (document.location_of(at) for at in places)
        here, there = document.index_of(start), document.index_of(stop)
        # In a Windows file a line's end is one thing, and what is typed has the file's own.
        written = new.replace("\r\n", "\n").replace("\n", "\r\n") if windows else new
        replaced = document.replace_range(start, stop, new).replaced_text
        assert replaced == text[here:there]
        text = text[:here] + written + text[there:]
        assert document.text == text
        for row in range(document.line_count):
            tokens = document.tokens(row)
            assert all(0 <= one.start < one.stop <= len(document[row]) for one in tokens)
            where_is(document, row, len(document[row]))


@pytest.mark.parametrize(
    ("text", "kind", "table", "word"),
    [
        ("[experiment.wide.mo|]", "header", ("experiment", "wide"), "mo"),
        ("[experiment.wide]\nmodel.hid|", "key", ("experiment", "wide", "model"), "hid"),
        ("[defaults]\nmodel = { type = 'x', hi|", "key", ("defaults", "model"), "hi"),
        ('[a]\nx = "w|', "value", ("a",), "w"),
        ("[a]\nx = [\n 1,\n |\n]", "value", ("a", "x"), ""),
        ("[a]\nx = 1 # |", "nothing", ("a",), ""),
        ("[a]\nx = 1 |", "nothing", ("a",), ""),
        ('[a]\nx = """\ny = |"""', "nothing", ("a",), ""),
    ],
)
def test_where_the_cursor_is(text: str, kind: str, table: tuple[str, ...], word: str) -> None:
    document = FileDocument(text.replace("|", ""))
    where = where_is(document, *FileDocument(text).location_of(text.index("|")))
    assert (where.kind, where.table, where.word) == (kind, table, word)
