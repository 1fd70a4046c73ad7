"""Edits of a person's file: each on an example that shows its bytes, and all on random files."""

from __future__ import annotations

import copy
import difflib
import math
import random
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craft.config.edit import delete, rename_experiment, set_value
from craft.config.positions import Path, TomlPositions
from craft.config.toml_values import same, write_key, write_value
from craft.errors import ConfigError

FILE = """\
#:schema ./.craft/experiments.schema.json
craft = 1   # format

[defaults]
seed = 1337            # the usual

[defaults.optimizer]
type = "muon"
lr = 0.02              # peak
betas = [
    0.9,               # first
    0.95,              # second
]

# ---- experiments ----
[experiment.small]
model = { type = "transformer", num_layers = 4 }

[experiment.wide]
extends = "small"      # twice as wide
model.hidden_size = 256
  model.num_heads = 8
# model.mlp = "swiglu"

[experiment.lr]
extends = ["small", "wide"]
[experiment.lr.sweep]
axes.optimizer.lr = [0.005, 0.02]
"""


def difference(old: str, new: str) -> list[str]:
    """The lines that an edit took out and put in."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0)
    return [f"{line[0]} {line[1:]}" for line in list(lines)[2:] if line[0] in "+-"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param(
            ("defaults", "optimizer", "lr"),
            0.01,
            ["- lr = 0.02              # peak", "+ lr = 0.01              # peak"],
            id="under a header",
        ),
        pytest.param(
            ("experiment", "wide", "model", "hidden_size"),
            512,
            ["- model.hidden_size = 256", "+ model.hidden_size = 512"],
            id="dotted",
        ),
        pytest.param(
            ("experiment", "small", "model", "num_layers"),
            2,
            [
                '- model = { type = "transformer", num_layers = 4 }',
                '+ model = { type = "transformer", num_layers = 2 }',
            ],
            id="inline",
        ),
        pytest.param(
            ("defaults", "optimizer", "betas"),
            [0.9, 0.99],
            ["-     0.95,              # second", "+     0.99,              # second"],
            id="one element beside comments",
        ),
        pytest.param(
            ("defaults", "optimizer", "betas"),
            [0.9, 0.95, 0.5],
            ["-     0.95,              # second", "+     0.95, 0.5,              # second"],
            id="one element more beside comments",
        ),
        pytest.param(
            ("defaults", "optimizer", "betas"),
            [0.9],
            [
                "- betas = [",
                "-     0.9,               # first",
                "-     0.95,              # second",
                "- ]",
                "+ # first",
                "+ # second",
                "+ betas = [0.9]",
            ],
            id="fewer elements move the comments above",
        ),
        pytest.param(
            ("experiment", "lr", "extends", 1),
            "small",
            ['- extends = ["small", "wide"]', '+ extends = ["small", "small"]'],
            id="one element",
        ),
        pytest.param(("defaults", "device"), "cpu", ['+ device = "cpu"'], id="new key"),
        pytest.param(
            ("experiment", "wide", "model", "mlp"), "gelu", ['+   model.mlp = "gelu"'], id="new dotted key"
        ),
        pytest.param(
            ("experiment", "small", "model", "bias"),
            True,
            [
                '- model = { type = "transformer", num_layers = 4 }',
                '+ model = { type = "transformer", num_layers = 4, bias = true }',
            ],
            id="new inline key",
        ),
        pytest.param(
            ("experiment", "wide", "training", "max_steps"),
            50,
            ["+ [experiment.wide.training]", "+ max_steps = 50", "+ "],
            id="new table beside its siblings",
        ),
        pytest.param(
            ("experiment", "deep er"),
            {"extends": "small", "model": {"num_layers": 8}},
            [
                "+ ",
                '+ [experiment."deep er"]',
                '+ extends = "small"',
                "+ ",
                '+ [experiment."deep er".model]',
                "+ num_layers = 8",
            ],
            id="new experiment",
        ),
        pytest.param(
            ("project", "runs_dir"),
            "elsewhere",
            ["+ ", "+ [project]", '+ runs_dir = "elsewhere"'],
            id="new top table",
        ),
        pytest.param(("plugins",), ["a.py"], ['+ plugins = ["a.py"]'], id="new top key"),
        pytest.param(("craft",), 1, [], id="the same value"),
    ],
)  # fmt: skip
def test_setting_changes_one_place(path: Path, value: Any, expected: list[str]) -> None:
    edited = set_value(FILE, path, value)
    assert difference(FILE, edited) == expected
    assert same(get(tomllib.loads(edited), path), value)


def test_a_new_table_stands_after_the_comments_of_its_neighbour() -> None:
    edited = set_value(FILE, ("experiment", "wide", "training", "max_steps"), 50)
    assert '# model.mlp = "swiglu"\n\n[experiment.wide.training]\nmax_steps = 50\n\n[experiment.lr]\n' in edited


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(
            ("defaults", "optimizer", "lr"),
            ["- lr = 0.02              # peak", "+ # peak"],
            id="a comment stays",
        ),
        pytest.param(("experiment", "wide", "model", "hidden_size"), ["- model.hidden_size = 256"], id="dotted"),
        pytest.param(
            ("experiment", "wide", "model"),
            ["- model.hidden_size = 256", "-   model.num_heads = 8"],
            id="all dotted keys of a table",
        ),
        pytest.param(
            ("experiment", "small", "model", "type"),
            ['- model = { type = "transformer", num_layers = 4 }', "+ model = { num_layers = 4 }"],
            id="inline, first",
        ),
        pytest.param(
            ("experiment", "small", "model", "num_layers"),
            [
                '- model = { type = "transformer", num_layers = 4 }',
                '+ model = { type = "transformer" }',
            ],
            id="inline, last",
        ),
        pytest.param(
            ("experiment", "lr"),
            [
                "- ",
                "- [experiment.lr]",
                '- extends = ["small", "wide"]',
                "- [experiment.lr.sweep]",
                "- axes.optimizer.lr = [0.005, 0.02]",
            ],
            id="a table with its sub-tables",
        ),
        pytest.param(
            ("experiment", "lr", "sweep", "axes"), ["- axes.optimizer.lr = [0.005, 0.02]"], id="implied table"
        ),
        pytest.param(
            ("experiment", "lr", "extends", 0),
            ['- extends = ["small", "wide"]', '+ extends = ["wide"]'],
            id="an element",
        ),
    ],
)
def test_deleting_takes_one_thing_away(path: Path, expected: list[str]) -> None:
    edited = delete(FILE, path)
    assert difference(FILE, edited) == expected


def test_renaming_follows_every_reference() -> None:
    edited = rename_experiment(FILE, "small", "tiny v2")
    assert difference(FILE, edited) == [
        "- [experiment.small]",
        '+ [experiment."tiny v2"]',
        '- extends = "small"      # twice as wide',
        '+ extends = "tiny v2"      # twice as wide',
        '- extends = ["small", "wide"]',
        '+ extends = ["tiny v2", "wide"]',
    ]
    assert difference(FILE, rename_experiment(FILE, "lr", "rate")) == [
        "- [experiment.lr]",
        "+ [experiment.rate]",
        "- [experiment.lr.sweep]",
        "+ [experiment.rate.sweep]",
    ]


def test_a_reference_to_a_template_is_not_renamed() -> None:
    text = '[template.x]\n[experiment.a]\nextends = "x"\n'
    with pytest.raises(ConfigError, match="no experiment 'x'"):
        rename_experiment(text, "x", "y")
    with pytest.raises(ConfigError, match="already a template of this name"):
        rename_experiment(text, "a", "x")


def test_windows_line_ends_and_a_missing_last_one() -> None:
    text = FILE.replace("\n", "\r\n").removesuffix("\r\n")
    edited = set_value(set_value(text, ("experiment", "lr", "sweep", "strategy"), "grid"), ("t", "x"), 1)
    assert edited.count("\n") == edited.count("\r\n")
    assert edited.startswith(text)
    assert tomllib.loads(edited)["experiment"]["lr"]["sweep"]["strategy"] == "grid"


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("", ("craft",), 1, "craft = 1\n"),
        ("# only words", ("a", "b"), 1, "# only words\n\n[a]\nb = 1\n"),
        ("[a]\n", ("craft",), 1, "craft = 1\n\n[a]\n"),
        ("#:schema x\n[a]\n", ("craft",), 1, "#:schema x\ncraft = 1\n\n[a]\n"),
        ("# head\n\n# of a\n[a]\n", ("craft",), 1, "# head\n\ncraft = 1\n\n# of a\n[a]\n"),
        ("[a]\n[b]", ("a", "x"), 1, "[a]\nx = 1\n[b]"),
        ("# of b\n[a.b]\nx = 1\n", ("a", "y"), 2, "[a]\ny = 2\n\n# of b\n[a.b]\nx = 1\n"),
        ("a = {}", ("a", "x"), {"y": 1}, "a = { x = { y = 1 } }"),
        ("a.b = 1\n[c]\n", ("a", "d", "e"), 2, "a.b = 1\na.d.e = 2\n[c]\n"),
        ("a = { b.c = 1 }", ("a", "b", "d"), 2, "a = { b.c = 1, b.d = 2 }"),
        ("[[r]]\nx = 1\n\n[[r]]\n", ("r", 0, "s"), {"y": 1}, "[[r]]\nx = 1\n\n[r.s]\ny = 1\n\n[[r]]\n"),
        ("a = [ # none yet\n]\n", ("a",), [1], "# none yet\na = [1]\n"),
        ("[a]\nx.y = 1\n", ("a", "x"), 2, "[a]\nx = 2\n"),
        ("a = 5\n", ("a",), {"b": 1}, "a = { b = 1 }\n"),
        ("[a]\nx = 1\ny = 2\n", ("a",), {"y": 3, "z": 4}, "[a]\ny = 3\nz = 4\n"),
        ("v = nan\nw = 1\n", ("w",), 2, "v = nan\nw = 2\n"),
        ("w = 1\n", ("w",), 1.0, "w = 1.0\n"),
        ("w = 1\n", ("w",), True, "w = true\n"),
        ('w = "\\t"\n', ("w",), "a\nb\u007f\"\\", 'w = "a\\nb\\u007f\\"\\\\"\n'),
    ],
)  # fmt: skip
def test_small_files(text: str, path: Path, value: Any, expected: str) -> None:
    assert set_value(text, path, value) == expected


@pytest.mark.parametrize(
    ("text", "path", "value", "message"),
    [
        ("a = ", ("a",), 1, "before it is valid TOML"),
        ("a = 1", ("a", "b"), 1, "a.b cannot be added: a is not a table"),
        ("a = [1]", ("a", 3), 1, "a.3 cannot be added: a is not a table"),
        ("a = 1", ("a",), "\ud800", "edit it by hand, near line 1"),
    ],
)
def test_what_cannot_be_edited_is_refused(text: str, path: Path, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        set_value(text, path, value)


def test_deleting_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"experiment\.none is not in the file"):
        delete(FILE, ("experiment", "none"))


# Random edits of random files.

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=True),
    st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=8),
)
KEYS = st.sampled_from(["a", "b", "model", "lr", "x y", "é", "1", "extends", "wide", 'q"', "#"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=20),
    max_size=5,
)


class Writer:
    """Writes a document in a random one of the many ways that TOML has, comments wherever they may stand."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.comments = chance, 0
        self.newline = chance.choice(["\n", "\n", "\r\n"])

    def comment(self, likely: float = 0.4) -> str:
        if self.chance.random() > likely:
            return ""
        self.comments += 1
        return f"# comment {self.comments} = [x"

    def value(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = (f"{write_key(k)} ={self.chance.choice(['', ' '])}{self.value(v)}" for k, v in value.items())
            return "{" + " , ".join(pairs) + "}"
        if isinstance(value, list) and self.chance.random() < 0.6:
            lines = [f"[{self.comment()}"]
            lines += [f"  {self.value(v)} , {self.comment()}" for v in value]
            return self.newline.join([*lines, "]"])
        if isinstance(value, str) and "\r" not in value and self.chance.random() < 0.3:
            plain = all(c.isprintable() or c == "\n" for c in value) and "'" not in value
            if plain:
                return f"'''\n{value}'''"
        return write_value(value)

    def pairs(self, table: dict[str, Any], stem: str = "") -> list[str]:
        lines = []
        for key, value in table.items():
            name = f"{stem}{write_key(key)}"
            if isinstance(value, dict) and value and self.chance.random() < 0.6:
                lines += self.pairs(value, f"{name}.")
                continue
            if above := self.comment(0.2):
                lines.append(above)
            lines.append(f"{self.chance.choice(['', '  '])}{name} = {self.value(value)} {self.comment()}")
        return lines

    def tables(self, path: Path, table: dict[str, Any]) -> list[str]:
        own, inner = {}, {}
        for key, value in table.items():
            is_tables = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            apart = (isinstance(value, dict) or is_tables) and self.chance.random() < 0.7
            (inner if apart else own)[key] = value
        lines = self.pairs(own)
        name = ".".join(write_key(part) for part in path if isinstance(part, str))
        if path and (lines or not inner or self.chance.random() < 0.5):
            brackets = f"[[{name}]]" if isinstance(path[-1], int) else f"[{name}]"
            lines = [
                *self.blank(),
                *filter(None, [self.comment(0.3)]),
                f"{brackets} {self.comment()}",
                *lines,
            ]
        elif path and isinstance(path[-1], int):
            lines = [f"[[{name}]]", *lines]
        for key, value in inner.items():
            if isinstance(value, dict):
                lines += self.tables((*path, key), value)
            for i, element in enumerate(value if isinstance(value, list) else []):
                lines += self.tables((*path, key, i), element)
        return lines

    def blank(self) -> list[str]:
        return [""] * self.chance.choice([0, 1, 1, 2])

    def write(self, document: dict[str, Any]) -> str:
        text = self.newline.join(self.tables((), document))
        return text + self.chance.choice(["", self.newline])


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
def test_random_experiments_renamed(experiments: dict[str, Any], seed: int, data: st.DataObject) -> None:
    text = Writer(random.Random(seed)).write({"experiment": experiments})
    old = data.draw(st.sampled_from(sorted(experiments)))
    edited = rename_experiment(text, old, "new one")

    def renamed(name: Any) -> Any:
        return "new one" if name == old else name

    expected = {renamed(name): copy.deepcopy(table) for name, table in experiments.items()}
    for table in expected.values():
        if isinstance(parents := table.get("extends"), list):
            table["extends"] = [renamed(parent) for parent in parents]
        elif parents is not None:
            table["extends"] = renamed(parents)
    assert same(tomllib.loads(edited), {"experiment": expected})
    assert comments_of(edited) == comments_of(text)


def test_equal_means_written_alike() -> None:
    assert same(math.nan, math.nan)
    assert not same(1, True)
    assert not same([1], [1.0])
    assert not same({"a": 0.0}, {"a": -0.0})
