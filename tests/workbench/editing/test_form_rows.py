"""The form's rows, and what its edits do to a text: comments stay, and the meaning is that of the form."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craft.config.edit import set_value
from craft.config.editable import ABSENT
from craft.config.experiments import inspect_experiments
from craft.config.faults import value_at
from craft.config.own_settings import OwnType
from craft.config.positions import TomlPositions
from craft.errors import ConfigError
from workbench.screens.experiments.editing.completion import Names, completions
from workbench.screens.experiments.editing.facts import facts_of
from workbench.screens.experiments.editing.form_edits import (
    add_axis,
    add_named,
    add_run,
    reset_setting,
    set_setting,
    set_type,
    typed_of,
    value_of,
)
from workbench.screens.experiments.editing.form_help import help_on
from workbench.screens.experiments.editing.form_model import Form, Row
from workbench.screens.experiments.editing.form_rows import read_form
from workbench.screens.experiments.editing.form_shown import shown_rows
from workbench.screens.experiments.editing.text_document import FileDocument
from workbench.screens.experiments.editing.where import where_is

FILE = Path("experiments.toml")
MEAN = OwnType(
    "mine:Mean",
    ("model",),
    "The mean of all.",
    {
        "model": {
            "properties": {
                "width": {"type": "integer", "description": "how wide"},
                "kind": {"enum": ["mean", "sum"], "default": "mean"},
            },
            "required": ["width"],
            "additionalProperties": False,
        }
    },
)
TEXT = """craft = 1                      # the format

[defaults.optimizer]           # for all
type = "muon"
lr = 0.02                      # of the matrices
[defaults.callbacks]
early_stopping = { patience = 7 }  # waits

[template.small.model]
type = "transformer"
num_layers = 2                 # few
preset = "llama"

[experiment.a]                 # the first
extends = "small"
why = "it must be"
model = { num_layers = 4, num_heads = 2 }   # deeper

[experiment.b]
extends = ["small", "a"]
optimizer = { type = "adamw", lr = 1e-3 }
[experiment.b.sweep]
axes.optimizer.lr = [0.1, 0.2] # wide
seeds = [1, 2]
"""


def form_of(name: str, text: str = TEXT, kind: str = "experiment") -> Form:
    form = read_form(FILE, text, kind, name, inspect_experiments(FILE, text).problems)
    assert not form.fault, form.fault
    return form


def row_of(form: Form, *path: str) -> Row:
    return next(row for row in form.rows if row.path == path and row.kind in ("setting", "named"))


def test_where_values_come_from_and_what_differs_from_the_parent() -> None:
    form = form_of("a")
    layers = row_of(form, "model", "num_layers")
    assert (layers.value, layers.origin, layers.line, layers.differs) == (4, "here, line 17", 17, True)
    assert (layers.inherited, layers.inherited_from) == (2, "small, line 11")
    rate = row_of(form, "optimizer", "lr")
    assert (rate.value, rate.origin, rate.is_own) == (0.02, "defaults, line 5", False)
    norm = row_of(form, "model", "mlp")
    assert (norm.value, norm.origin) == ("swiglu", "preset llama")
    assert row_of(form, "training", "batch_size").origin == "default"
    assert row_of(form, "callbacks", "early_stopping", "patience").origin == "defaults, line 7"
    assert not row_of(form, "why").differs and row_of(form, "why").is_own
    assert row_of(form, "extends").value == "small"


def test_a_value_that_the_sweep_overrides_says_so() -> None:
    form = form_of("b")
    assert row_of(form, "optimizer", "lr").overridden == row_of(form, "seed").overridden == "the sweep overrides it"
    assert "the sweep overrides it; set here" in help_on(row_of(form, "optimizer", "lr")).plain
    assert not row_of(form, "optimizer", "type").overridden
    assert not row_of(form_of("a"), "optimizer", "lr").overridden
    runs = 'strategy = "list"\nruns = [{ "optimizer.lr" = 0.1 }, { optimizer.lr = 0.2, model.num_layers = 1 }]'
    form = form_of("b", TEXT.replace("axes.optimizer.lr = [0.1, 0.2] # wide", runs))
    assert row_of(form, "optimizer", "lr").overridden == "the sweep overrides it"
    assert row_of(form, "model", "num_layers").overridden == "1 of the sweep's 2 runs overrides it"


def test_only_keys_of_the_type_and_a_section_that_was_replaced() -> None:
    form = form_of("b")
    keys = {row.label for row in form.rows if row.path[:1] == ("optimizer",) and row.kind == "setting"}
    assert "betas" in keys and "ns_steps" not in keys
    heading = next(row for row in form.rows if row.kind == "section" and row.path == ("optimizer",))
    assert heading.note == 'replaces the inherited "muon": nothing of that holds here'
    assert row_of(form, "optimizer", "lr").inherited == 1e-3, "the schema's, not muon's"
    assert row_of(form, "sweep", "axes", "optimizer", "lr").value == [0.1, 0.2]


def test_what_is_wrong_stands_in_its_row() -> None:
    text = TEXT.replace("num_heads = 2", "num_heads = true, norn = 1").replace("seeds = [1, 2]", "seeds = 3")
    form = form_of("a", text)
    assert row_of(form, "model", "num_heads").fault == "must be an integer, found true (a boolean)"
    assert "did you mean" in row_of(form, "model", "norn").fault
    assert "must be a list of integers" in row_of(form_of("b", text), "sweep", "seeds").fault
    assert "at least 1" in form.fault_of(("model", "num_layers"), 0)
    assert form.fault_of(("training", "batch_size"), 7) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT + "x = ", "line 25: not TOML"),
        (TEXT.replace("[experiment.a]  ", "[experiment.q]  "), "there is no experiment 'a'"),
        ("", "the file is empty"),
        ("[" * 1000, "line 1: not TOML"),
    ],
)
def test_a_text_that_cannot_be_read_says_where(text: str, said: str) -> None:
    assert read_form(FILE, text, "experiment", "a").fault.startswith(said)


def test_templates_and_defaults_have_forms_too() -> None:
    assert row_of(form_of("small", kind="template"), "model", "num_layers").is_own
    form = form_of("", kind="defaults")
    assert row_of(form, "optimizer", "lr").is_own
    assert not any(row.path[:1] in (("extends",), ("sweep",)) for row in form.rows)


def test_values_as_they_are_typed() -> None:
    whole, rate = facts_of(("model", "num_layers"), "transformer"), facts_of(("optimizer", "lr"), "muon")
    either, paths = facts_of(("training", "micro_batch_size"), ""), facts_of(("data", "path"), "text")
    assert value_of("1_000", whole) == 1000 and value_of(" 1e-3 ", rate) == 1e-3
    assert value_of("auto", either) == "auto" and value_of("8", either) == 8
    assert value_of("a b.txt", paths) == "a b.txt" and value_of('["a", "b"]', paths) == ["a", "b"]
    assert value_of("true", facts_of(("why",))) == "true", "a text needs no quotes"
    for typed in ("", "abc", "1\n2", "[1", "1 # c = 2\nx = 3"):
        with pytest.raises(ConfigError):
            value_of(typed, whole)


def comments(text: str) -> list[str]:
    positions = TomlPositions(text)
    return sorted(positions.source[one.start : one.stop].decode() for one in positions.comments)


EDITS: list[tuple[str, Any, Any]] = [
    ("set", ("model", "num_layers"), st.integers(1, 12)),
    ("set", ("model", "hidden_size"), st.sampled_from([64, 128])),
    ("set", ("optimizer", "lr"), st.floats(1e-5, 1)),
    ("set", ("why",), st.text(max_size=12)),
    ("set", ("training", "max_steps"), st.integers(1, 9)),
    ("set", ("extends",), st.sampled_from(["small", ["small"]])),
    ("set", ("callbacks", "early_stopping", "enabled"), st.booleans()),
    ("set", ("generation", "prompts"), st.lists(st.text(max_size=5), max_size=3)),
    ("set", ("sweep", "seeds"), st.lists(st.integers(0, 9), min_size=1, max_size=3)),
    ("type", ("optimizer",), st.sampled_from(["adamw", "sgd", "muon", "lion"])),
    ("type", ("scheduler",), st.sampled_from(["cosine", "constant"])),
    ("reset", None, st.integers(0, 400)),
    ("add", ("callbacks",), st.sampled_from(["norms", "sample_text"])),
    ("axis", ("model", "hidden_size"), st.just([64, 128])),
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["a", "b"]), st.data())
def test_any_edits_keep_comments_and_mean_what_the_form_says(name: str, data: st.DataObject) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 6))):
        form = form_of(name, text)
        what, path, values = data.draw(st.sampled_from(EDITS))
        value = data.draw(values)
        before = tomllib.loads(text)
        try:
            if what == "set":
                new = set_setting(form, text, path, value)
                written = value_at(tomllib.loads(new), (*form.home, *path))
                assert written == value
            elif what == "type":
                new, gone = set_type(form, text, path, value)
                assert value_at(tomllib.loads(new), (*form.home, *path, "type")) == value
                assert not any(key in (value_at(tomllib.loads(new), (*form.home, *path)) or {}) for key in gone)
            elif what == "add":
                new = add_named(form, text, "callbacks", value, value)
                assert any(row.path == ("callbacks", value) for row in form_of(name, new).rows)
            elif what == "axis":
                new = add_axis(form, text, path, value)
                assert row_of(form_of(name, new), "sweep", "axes", *path).value == value
            else:
                own = [row for row in form.rows if row.is_own and row.kind == "setting"]
                row = own[value % len(own)]
                new = reset_setting(form, text, row.path)
                if row.path[0] != "sweep":
                    left = row_of(form_of(name, new), *row.path) if has(form_of(name, new), row.path) else None
                    assert left is None or not left.is_own
        except ConfigError as error:
            assert "edit" in str(error), error  # an edit may be refused, in words; then nothing happened
            continue
        assert comments(new) == comments(text)
        others = [one for one in ("a", "b") if one != name]
        after = tomllib.loads(new)
        assert all(after["experiment"][one] == before["experiment"][one] for one in others)
        assert {key: after[key] for key in after if key != "experiment"} == {
            key: before[key] for key in before if key != "experiment"
        }
        text = new


def has(form: Form, path: tuple[str, ...]) -> bool:
    return any(row.path == path for row in form.rows)


def test_a_value_is_typed_as_it_is_shown() -> None:
    for row in form_of("b").rows:
        if row.kind == "setting" and row.value is not ABSENT:
            assert value_of(typed_of(row.value, row.facts), row.facts) == row.value, row.path


def test_a_type_takes_settings_away_that_it_has_none_of() -> None:
    text = set_value(TEXT, ("experiment", "a", "optimizer"), {"lr": 0.1, "ns_steps": 3})
    new, gone = set_type(form_of("a", text), text, ("optimizer",), "sgd")
    assert gone == ["ns_steps"]
    assert tomllib.loads(new)["experiment"]["a"]["optimizer"] == {"lr": 0.1, "type": "sgd"}


def test_which_rows_a_view_a_filter_and_folds_leave() -> None:
    rows = form_of("b", TEXT + "[experiment.b.callbacks.norms]\n").rows

    def shown(words: str = "", view: str = "all", *folded: str) -> list[str]:
        return [".".join(row.path) for row in shown_rows(rows, words, view, set(folded))]

    assert shown(view="own") == [
        *("about", "extends", "optimizer", "optimizer.type", "optimizer.lr"),
        *("callbacks", "callbacks.norms", "sweep", "sweep.seeds", "sweep.axes.optimizer.lr"),
    ]
    assert shown("opt lr") == [
        *("optimizer", "optimizer.lr_ratios", "optimizer.lr", "sweep", "sweep.axes.optimizer.lr"),
    ]
    assert "optimizer.betas" not in shown("", "all", "optimizer") and "optimizer" in shown("", "all", "optimizer")
    inside = shown("", "all", "callbacks.norms")
    assert "callbacks.norms" in inside and "callbacks.norms.every" not in inside
    assert shown("opt lr", "all", "optimizer") == shown("opt lr"), "what is looked for is shown wherever it lies"


def test_types_of_plugins_are_offered_with_what_they_take(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Mean: pass\nclass Words: pass\n")
    text = (
        'craft = 1\nplugins = ["mine.py"]\n[experiment.a]\nmodel = { type = "mean", arguments = { knd = 1 } }  # own\n'
    )
    words = OwnType("mine:Words", ("tokenizer",))
    unknown = read_form(tmp_path / "e.toml", text, "experiment", "a")
    [section] = [row for row in unknown.rows if row.path == ("model",)]
    assert "not checked" in section.note and section.fault == ""
    assert row_of(unknown, "model", "arguments").value == {"knd": 1}
    assert row_of(unknown, "model", "type").facts.choices[-2:] == ("mean", "words"), "nobody knows yet which is which"

    form = read_form(tmp_path / "e.toml", text, "experiment", "a", (), {one.reference: one for one in (MEAN, words)})
    [section] = [row for row in form.rows if row.path == ("model",)]
    assert section.note == "The mean of all."
    assert "words" not in row_of(form, "model", "type").facts.choices
    assert "words" in row_of(form, "tokenizer", "type").facts.choices
    width, kind, wrong = (row_of(form, "model", "arguments", name) for name in ("width", "kind", "knd"))
    assert (width.facts.shape, width.facts.about, width.fault) == ("number", "how wide", "missing (mine:Mean needs it)")
    assert (kind.facts.shape, kind.value, kind.origin) == ("choice", "mean", "default")
    assert wrong.fault == "unknown key (did you mean 'kind'?)"
    assert form.fault_of(width.path, 1.5) == "must be an integer, found 1.5 (a number) (as mine:Mean says)"
    text = set_setting(form, reset_setting(form, text, wrong.path), width.path, 8)
    assert text.endswith('model = { type = "mean", arguments = { width = 8 } }  # own\n')

    names = Names(form.entries, form.types, form.own)
    for typed, first in (
        ("model.type = |", '"mean"'),
        ("model.arguments.w|", "width"),
        ("model.arguments.kind = |", '"mean"'),
    ):
        document = FileDocument("[experiment.a]\n" + typed.replace("|", ""))
        found = completions(where_is(document, 1, typed.index("|")), names)
        assert first in [one.text for one in found], typed

    broken = {"mine:Mean": OwnType("mine:Mean", fault="importing it raised ValueError: no")}
    form = read_form(tmp_path / "e.toml", text, "experiment", "a", (), broken)
    assert row_of(form, "model", "type").fault == "importing it raised ValueError: no"


def test_the_runs_of_a_list_are_added_changed_and_taken_out() -> None:
    text = TEXT.replace(
        "axes.optimizer.lr = [0.1, 0.2] # wide",
        'strategy = "list"\nruns = [\n    { "optimizer.lr" = 0.1 },  # slow\n'
        "    { optimizer.lr = 0.2, model.num_layers = 0 },\n]",
    )
    form = form_of("b", text)
    rows = [row for row in form.rows if row.path[:2] == ("sweep", "runs")]
    assert [(row.kind, row.label) for row in rows] == [
        ("named", "run 1"),
        ("setting", "optimizer.lr"),
        ("named", "run 2"),
        ("setting", "optimizer.lr"),
        ("setting", "model.num_layers"),
        ("add", "add a run"),
    ]
    assert rows[1].facts is not None and rows[1].facts.shape == "number"
    assert "at least 1" in rows[4].fault and not rows[3].fault
    text = set_setting(form, text, rows[1].path, 0.5)
    text = set_setting(form, text, ("sweep", "runs", "0", "training.max_steps"), 7)
    text = add_run(form, text, {"optimizer.lr": 0.3})
    text = reset_setting(form, text, rows[2].path)
    assert text.partition("runs = ")[2] == (
        '[\n    { "optimizer.lr" = 0.5, "training.max_steps" = 7 },  # slow\n'
        '    { "optimizer.lr" = 0.3 },\n]\nseeds = [1, 2]\n'
    )
    assert not inspect_experiments(FILE, text).problems
