"""Elements that go into arrays and out of them: the others, and all comments, stay as they are written."""

from __future__ import annotations

import pytest

from craft.config.edit import append, delete

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
    ],
    ids=["one line", "commas", "no last comma", "bracket behind", "tables"],
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
