"""Edits of a person's file: each on an example that shows its bytes, and all on random files."""

from __future__ import annotations

import difflib
import math
import tomllib
from typing import Any

import pytest

from craft.config.edit import copy_table, delete, rename_table, set_value
from craft.config.positions import Path
from craft.config.toml_values import same
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


def get(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


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
    edited = rename_table(FILE, "experiment", "small", "tiny v2")
    assert difference(FILE, edited) == [
        "- [experiment.small]",
        '+ [experiment."tiny v2"]',
        '- extends = "small"      # twice as wide',
        '+ extends = "tiny v2"      # twice as wide',
        '- extends = ["small", "wide"]',
        '+ extends = ["tiny v2", "wide"]',
    ]
    assert difference(FILE, rename_table(FILE, "experiment", "lr", "rate")) == [
        "- [experiment.lr]",
        "+ [experiment.rate]",
        "- [experiment.lr.sweep]",
        "+ [experiment.rate.sweep]",
    ]


def test_renaming_changes_names_and_nothing_else_however_a_table_is_written() -> None:
    text = """
# keep in step with the paper
[template.small]   # the paper's own
# why 4 heads: see lab notes
model.hidden_size = 1_28 # 128
[template.small.optimizer]
lr = 1e-3 # 3e-3 diverged!
# of other
[template.other]
extends = [ # in this order
    'small', # first
    "x",
]
[template]
x = { extends = "small", model = { num_heads = 4 } }
[experiment]
a.extends = "small" # by a dotted key
[experiment.small-er]
why = "small"
"""
    edited = rename_table(text, "template", "small", "small v1.5")
    for written, new in (("template.small", 'template."small v1.5"'), ("'small'", '"small v1.5"')):
        text = text.replace(written, new)
    assert edited == text.replace('extends = "small"', 'extends = "small v1.5"')
    inline = """template."x" = { why = "y" } # inline\nexperiment.a.extends = 'x'\n"""
    assert rename_table(inline, "template", "x", "y") == (
        """template.y = { why = "y" } # inline\nexperiment.a.extends = "y"\n"""
    )


def test_a_copy_has_the_very_lines_with_their_comments() -> None:
    assert difference(FILE, copy_table(FILE, "experiment", "wide", "wide 2")) == [
        '+ [experiment."wide 2"]',
        '+ extends = "small"      # twice as wide',
        "+ model.hidden_size = 256",
        "+   model.num_heads = 8",
        '+ # model.mlp = "swiglu"',
        "+ ",
    ]
    assert copy_table(FILE, "experiment", "lr", "rate").removeprefix(FILE).splitlines() == [
        "",
        "[experiment.rate]",
        'extends = ["small", "wide"]',
        "[experiment.rate.sweep]",
        "axes.optimizer.lr = [0.005, 0.02]",
    ]
    for old, new, message in (("huge", "a", "no experiment 'huge'"), ("wide", "small", "already a.* of this name")):
        with pytest.raises(ConfigError, match=message):
            copy_table(FILE, "experiment", old, new)


def test_a_reference_to_a_template_is_not_renamed() -> None:
    text = '[template.x]\n[experiment.a]\nextends = "x"\n'
    with pytest.raises(ConfigError, match="no experiment 'x'"):
        rename_table(text, "experiment", "x", "y")
    with pytest.raises(ConfigError, match="already a template of this name"):
        rename_table(text, "experiment", "a", "x")


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


def test_equal_means_written_alike() -> None:
    assert same(math.nan, math.nan)
    assert not same(1, True)
    assert not same([1], [1.0])
    assert not same({"a": 0.0}, {"a": -0.0})
