"""Places of keys and values: against the text itself and against tomllib."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from craft.config.positions import Path, Span, TomlPositions

RICH = '''# a file with everything in it
craft = 1
top.sub.key = "dotted"   # a comment
"quoted \\u00e9 key" = """
two lines
"""

[defaults]
seed = 7
data = { type = "text", path = ["a.txt", "b.txt"], deep = { x = 1, y.z = 2 } }

[experiment.'wide one'.model] # late super-table below
size = [
  1, # one
  { a = 1, b = [[], [2]] },
]
when = 1979-05-27T07:32:00Z
[experiment.'wide one']
why = 'Größe: ümläuts before'

[[run]]
lr = 1e-3
[run.more]
k = true
[[run.inner]]
z = 1
[[run.inner]]
z = 2
[[run]]
[run.more]
k = false
'''


def flatten(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Every value of a document by its path, tables and arrays included."""
    found = {path: value} if path else {}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= flatten(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            found |= flatten(inner, (*path, i))
    return found


def test_every_value_stands_where_the_index_says() -> None:
    positions = TomlPositions(RICH)
    for path, value in flatten(tomllib.loads(RICH)).items():
        place = positions.find_value(path)
        if place is None:
            assert isinstance(value, list), f"{path} is nowhere"
            continue
        if path in positions.entries or path in positions.items:
            written = positions.source[place.start : place.stop].decode()
            assert tomllib.loads(f"v = {written}")["v"] == value


def test_every_key_stands_where_the_index_says() -> None:
    positions = TomlPositions(RICH)
    assert positions.parts.keys() >= positions.entries.keys()
    for path, places in positions.parts.items():
        for place in [*places, positions.find_key(path)]:
            assert place is not None
            written = positions.source[place.start : place.stop].decode()
            assert next(iter(tomllib.loads(f"{written} = 0"))) == path[-1]


def test_a_name_is_found_wherever_it_is_written() -> None:
    places = TomlPositions(RICH).parts[("experiment", "wide one")]
    assert [TomlPositions(RICH).line_column(place) for place in places] == [(12, 13), (18, 13)]


def test_tables_know_their_lines() -> None:
    positions = TomlPositions(RICH)
    headers = {path: positions.source[t.header.start : t.header.stop].decode() for path, t in positions.tables.items()}
    assert headers == {
        (): "",
        ("defaults",): "[defaults]",
        ("experiment", "wide one", "model"): "[experiment.'wide one'.model]",
        ("experiment", "wide one"): "[experiment.'wide one']",
        ("run", 0): "[[run]]",
        ("run", 0, "more"): "[run.more]",
        ("run", 0, "inner", 0): "[[run.inner]]",
        ("run", 0, "inner", 1): "[[run.inner]]",
        ("run", 1): "[[run]]",
        ("run", 1, "more"): "[run.more]",
    }
    assert positions.tables[("defaults",)].entries == (("defaults", "seed"), ("defaults", "data"))
    assert positions.tables[()].entries[1] == ("top", "sub", "key")


def test_comments_are_found_wherever_they_stand() -> None:
    positions = TomlPositions(RICH.replace("\n", "\r\n"))
    assert [positions.source[c.start : c.stop].decode() for c in positions.comments] == [
        "# a file with everything in it",
        "# a comment",
        "# late super-table below",
        "# one",
    ]


def test_a_table_ends_before_the_comment_on_its_last_line() -> None:
    positions = TomlPositions("[a]\nx = 1 # why\n# more\n[b] # none\n")
    assert [positions.source[: t.end].decode()[-3:] for t in positions.tables.values()] == ["= 1", "[b]", ""]


@pytest.mark.parametrize(
    ("path", "key", "line", "column"),
    [
        (("craft",), False, 2, 9),
        (("top", "sub"), False, 3, 5),
        (("top", "sub", "key"), True, 3, 9),
        (("defaults", "data", "deep", "y", "z"), False, 10, 74),
        (("defaults", "data", "path", 1), False, 10, 42),
        (("defaults", "nothing", "here"), False, 8, 2),
        (("experiment", "wide one", "why"), False, 19, 7),
        (("run", 1, "more", "k"), False, 31, 5),
    ],
)
def test_lines_and_columns_count_from_one(path: Path, key: bool, line: int, column: int) -> None:
    positions = TomlPositions(RICH)
    place = positions.nearest(path, key=key)
    assert place is not None
    assert positions.line_column(place) == (line, column)


def test_a_column_after_wide_letters_counts_letters() -> None:
    positions = TomlPositions('a = { "é€𝄞" = 1, b = 2 }\r\nc = 3')
    assert positions.line_column(positions.entries[("a", "b")].key) == (1, 18)
    assert positions.line_column(positions.entries[("c",)].value) == (2, 5)
    assert positions.line_text(1) == 'a = { "é€𝄞" = 1, b = 2 }'


@pytest.mark.parametrize(
    "text", ["", "a", "a = ", "[", "[a", "[[a]", "a.b", "= 1", "[a]\nb = [1, {c", '"\\q" = 1', "a = {x=\n}"]
)
def test_a_broken_text_is_read_as_far_as_it_goes(text: str) -> None:
    positions = TomlPositions(text)
    assert positions.nearest(("no", "such", "key")) is None
    assert positions.line_column(Span(0, 0)) == (1, 1)


def test_a_megabyte_on_one_line_is_read_once() -> None:
    count = 20_000
    text = "a = { " + ", ".join(f"key_{i} = {i}" for i in range(count)) + " }"
    positions = TomlPositions(text)
    line, column = positions.line_column(positions.entries[("a", f"key_{count - 1}")].key)
    assert (line, text[column - 1 :]) == (1, f"key_{count - 1} = {count - 1} }}")
