"""Random edits of random files: the result means the edit, comments survive, untouched lines are the same bytes."""

from __future__ import annotations

import copy
import random
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craft.config.edit import copy_table, delete, rename_table, set_value
from craft.config.positions import Path, TomlPositions
from craft.config.toml_values import same
from craft.errors import ConfigError
from tests.config.random_files import DOCUMENTS, KEYS, VALUES, Writer


def get(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def all_paths(data: Any, path: Path = ()) -> list[Path]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in inner for found in ((*path, key), *all_paths(value, (*path, key)))]


def comments_of(text: str) -> list[str]:
    positions = TomlPositions(text)
    return sorted(positions.source[c.start : c.stop].decode() for c in positions.comments)


def touched_lines(text: str, path: Path) -> set[int]:
    """Lines that an edit at `path` may change: its own, and those of the inline value around it."""
    positions = TomlPositions(text)
    touched: set[int] = set()
    for place, entry in positions.entries.items():
        inside = place[: len(path)] == path
        around = path[: len(place)] == place or (entry.inline and path[: len(entry.home)] == entry.home)
        if not entry.inline and (inside or around):
            first = positions.line_column(entry.pair)[0]
            touched |= set(range(first, positions.line_column(entry.pair.stop - 1)[0] + 1))
    first = 0
    for place, table in sorted(positions.tables.items(), key=lambda item: item[1].header):
        goes = bool(place) and place[: len(path)] == path
        first = (first or positions.line_column(table.header)[0]) if goes else 0
        if goes:  # with what stands between it and the one before, where that goes too
            touched |= set(range(first, positions.line_column(table.end - 1)[0] + 1))
    return touched


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(line in rest for line in part)


def expected_after(data: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(data)
    table: Any = data
    for part in path[:-1]:
        table = table.setdefault(part, {}) if isinstance(table, dict) else table[part]
    table[path[-1]] = value
    return data


def check_untouched(text: str, edited: str, path: Path) -> None:
    touched = touched_lines(text, path)
    lines = text.split("\n")
    last = len(lines)  # may get a line end
    kept = [line for i, line in enumerate(lines, 1) if i not in touched and line.strip() and i != last]
    assert is_subsequence(kept, edited.split("\n")), "a line changed that the edit was not about"


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.integers(0, 2**32), VALUES, KEYS, st.data())
def test_random_values_set(document: dict[str, Any], seed: int, value: Any, key: str, data: st.DataObject) -> None:
    text = Writer(random.Random(seed)).write(document)
    assert same(tomllib.loads(text), document), "the test's own writer is wrong"
    places = all_paths(document)
    tables = [(), *(p for p in places if isinstance(get(document, p), dict))]
    new = [(*table, key) for table in tables] + [(*table, "new", key) for table in tables]
    path = data.draw(st.sampled_from([*places, *(p for p in new if p[:-1] in tables or p[:-2] in tables)]))
    if path not in places and any(
        not isinstance(get_or_none(document, path[:i]), dict | None) for i in range(len(path))
    ):
        return  # something that is no table stands in the way
    if isinstance(path[-1], int) and not isinstance(value, dict) and path in TomlPositions(text).tables:
        with pytest.raises(ConfigError, match="cannot become a plain value"):
            set_value(text, path, value)
        return
    edited = set_value(text, path, value)
    assert same(tomllib.loads(edited), expected_after(document, path, value))
    assert comments_kept(text, edited, path)
    check_untouched(text, edited, path)


def get_or_none(data: Any, path: Path) -> Any:
    try:
        return get(data, path)
    except (KeyError, IndexError, TypeError):
        return None


def comments_kept(text: str, edited: str, path: Path) -> bool:
    """Whether all comments are there that do not stand between the lines of a deleted table."""
    old, new = comments_of(text), comments_of(edited)
    return old == new or any(p and p[: len(path)] == path for p in TomlPositions(text).tables)


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS.filter(bool), st.integers(0, 2**32), st.data())
def test_random_values_deleted(document: dict[str, Any], seed: int, data: st.DataObject) -> None:
    text = Writer(random.Random(seed)).write(document)
    path = data.draw(st.sampled_from(all_paths(document)))
    edited = delete(text, path)
    left = tomllib.loads(edited)
    assert same(pruned(left), pruned(without(document, path)))
    assert get_or_none(left, path) is None or isinstance(path[-1], int)
    assert comments_kept(text, edited, path)
    check_untouched(text, edited, path)


def without(data: dict[str, Any], path: Path) -> dict[str, Any]:
    data = copy.deepcopy(data)
    del get(data, path[:-1])[path[-1]]
    return data


def pruned(data: Any) -> Any:
    """A document without its empty tables: whether those stay depends on how they were written."""
    if isinstance(data, dict):
        inner = {key: pruned(value) for key, value in data.items()}
        return {key: value for key, value in inner.items() if value not in ({}, [])}
    return [pruned(value) for value in data] if isinstance(data, list) else data


NAMES = st.sampled_from(["a", "b", "wide", "x y", "1"])
EXPERIMENTS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {}, optional={"extends": NAMES | st.lists(NAMES, max_size=3), "model": VALUES, "why": st.just("a")}
    ),
    min_size=1,
)


@settings(max_examples=200, deadline=None)
@given(EXPERIMENTS, st.integers(0, 2**32), st.data())
def test_random_experiments_and_templates_renamed(experiments: dict[str, Any], seed: int, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["experiment", "template"]))
    text = Writer(random.Random(seed)).write({kind: experiments})
    old = data.draw(st.sampled_from(sorted(experiments)))
    edited = rename_table(text, kind, old, "new one")

    def renamed(name: Any) -> Any:
        return "new one" if name == old else name

    expected = {renamed(name): copy.deepcopy(table) for name, table in experiments.items()}
    for table in expected.values():
        if isinstance(parents := table.get("extends"), list):
            table["extends"] = [renamed(parent) for parent in parents]
        elif parents is not None:
            table["extends"] = renamed(parents)
    assert same(tomllib.loads(edited), {kind: expected})
    assert comments_of(edited) == comments_of(text)


@settings(max_examples=200, deadline=None)
@given(EXPERIMENTS, st.integers(0, 2**32), st.data())
def test_random_experiments_copied(experiments: dict[str, Any], seed: int, data: st.DataObject) -> None:
    text = Writer(random.Random(seed)).write({"experiment": experiments})
    old = data.draw(st.sampled_from(sorted(experiments)))
    edited = copy_table(text, "experiment", old, "new one")
    assert same(tomllib.loads(edited), {"experiment": {**experiments, "new one": experiments[old]}})
    assert is_subsequence(comments_of(text), comments_of(edited))
    check_untouched(text, edited, ("experiment", "new one"))
