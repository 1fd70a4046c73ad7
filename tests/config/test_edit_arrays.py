"""Elements that go into arrays and out of them: the others, and all comments, stay as they are written."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craft.config.edit import append, delete
from craft.config.positions import TomlPositions

RUNS = ("a", "runs")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "added", "without"),
    [
        (
            "a.runs = [{ x = 1 }, { x = 2 }]  # c",
            "a.runs = [{ x = 1 }, { x = 2 }, { x = 9 }]  # c",
            "a.runs = [{ x = 1 }]  # c",
        ),
        (
            "a.runs = [\n  { x = 1 },  # one\n  # between\n  { x = 2 },  # two\n]\n",
            "a.runs = [\n  { x = 1 },  # one\n  # between\n  { x = 2 },  # two\n  { x = 9 },\n]\n",
            "a.runs = [\n  { x = 1 },  # one\n  # between\n  # two\n]\n",
        ),
        (
            "a.runs = [\n  { x = 1 },  # one\n  { x = 2 }  # two\n]\n",
            "a.runs = [\n  { x = 1 },  # one\n  { x = 2 },  # two\n  { x = 9 }\n]\n",
            "a.runs = [\n  { x = 1 }\n  # one\n    # two\n]\n",
        ),
        (
            "a.runs = [\n\t{ x = 1 },\n\t{ x = 2 }]",
            "a.runs = [\n\t{ x = 1 },\n\t{ x = 2 },\n\t{ x = 9 }]",
            "a.runs = [\n\t{ x = 1 }]",
        ),
        (
            "[[a.runs]]\nx = 1  # one\n[[a.runs]]\nx = 2\n[b]\n",
            "[[a.runs]]\nx = 1  # one\n[[a.runs]]\nx = 2\n[[a.runs]]\nx = 9\n[b]\n",
            "[[a.runs]]\nx = 1  # one\n[b]\n",
        ),
        (
            "a.runs = [\n  { x = 1 },\n  { x = 2 }  # slow, but good\n]\n",
            "a.runs = [\n  { x = 1 },\n  { x = 2 },  # slow, but good\n  { x = 9 }\n]\n",
            "a.runs = [\n  { x = 1 }  # slow, but good\n]\n",
        ),
        (
            "a.runs = [\n  { x = 1 },\n  { x = 2 }  ,]",
            "a.runs = [\n  { x = 1 },\n  { x = 2 }  ,\n  { x = 9 },]",
            "a.runs = [\n  { x = 1 },\n  ]",
        ),
    ],
    ids=["one line", "commas", "no last comma", "bracket behind", "tables", "comma in a comment", "bracket and comma"],
)
def test_an_element_more_and_the_last_one_less(text: str, added: str, without: str, newline: str) -> None:
    text = text.replace("\n", newline)
    assert append(text, RUNS, {"x": 9}) == added.replace("\n", newline)
    assert delete(text, (*RUNS, 1)) == without.replace("\n", newline)


def test_the_first_element_goes_with_its_comma_and_leaves_its_comment() -> None:
    text = "a.runs = [\n  { x = 1 },  # one\n  { x = 2 },\n]\n"
    assert delete(text, (*RUNS, 0)) == "a.runs = [\n  # one\n  { x = 2 },\n]\n"


def test_a_list_begins_where_there_is_none_and_ends_empty() -> None:
    text = append("[a]\nb = 1\n", RUNS, {"x": 9})
    assert text == "[a]\nb = 1\nruns = [{ x = 9 }]\n"
    empty = delete(text, (*RUNS, 0))
    assert empty == "[a]\nb = 1\nruns = []\n"
    assert append(empty, RUNS, {"x": 9}) == text


_GAPS = st.lists(st.sampled_from([" ", "\n", "\r\n", "\t", "# a, b ] [\n", "#,\n", "# x\r\n"]), max_size=3).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_GAPS, _GAPS), max_size=3), st.booleans(), _GAPS, st.data())
def test_any_array_takes_one_more_and_gives_one_away(
    gaps: list[tuple[str, str]], comma: bool, end: str, data: st.DataObject
) -> None:
    inside = ",".join(f"{before}{number}{after}" for number, (before, after) in enumerate(gaps))
    text = f"a = [{inside}{',' * (comma and bool(gaps))}{end}] # c\nb = 1\n"
    values = list(range(len(gaps)))
    added = append(text, ("a",), 9)
    assert tomllib.loads(added) == {"a": [*values, 9], "b": 1} and _comments(added) == _comments(text)
    if values:
        gone = data.draw(st.sampled_from(values))
        less = delete(text, ("a", gone))
        assert tomllib.loads(less) == {"a": [one for one in values if one != gone], "b": 1}
        assert _comments(less) == _comments(text)


def _comments(text: str) -> list[str]:
    positions = TomlPositions(text)
    return sorted(positions.source[one.start : one.stop].decode().rstrip() for one in positions.comments)
