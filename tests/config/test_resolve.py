"""The order of the layers, on files and against a plain model of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from craft.config.definition import settings_of
from craft.config.experiments import PlannedRun
from craft.config.resolve import MAX_LAYERS
from tests.config.files import RICH, load, problems_of

HEAD = 'craft = 1\n[defaults]\nmodel.type = "transformer"\n'


def one(tmp_path: Path, text: str, name: str, *overrides: str) -> PlannedRun:
    (run,) = load(tmp_path, text).plan([name], overrides)
    return run


def test_the_designs_file_resolves(tmp_path: Path) -> None:
    file = load(tmp_path, RICH)
    assert file.names == ("transformer", "wide", "own-text", "lr", "list", "random")
    assert file.templates == ("small",)
    assert file.runs_dir == tmp_path / "runs"
    assert file.text == RICH
    transformer, wide, own_text, *_ = file.plan()
    assert transformer.config.optimizer.type == "muon"
    assert transformer.config.model.hidden_size == 128
    assert (transformer.group, transformer.axes) == (None, {})
    assert wide.config.model.hidden_size == 256
    assert wide.config.scheduler.type == "cosine"  # the schema's own, for the inherited one is unset
    assert (wide.config.description, wide.config.why) == ("", "")  # not inherited
    assert own_text.config.model.hidden_size == 256
    assert own_text.config.training.max_steps == 500


def test_each_layer_lies_on_the_one_before(tmp_path: Path) -> None:
    text = HEAD + "".join(
        (
            "seed = 1\ntraining.max_steps = 1\ntraining.log_every = 1\ntraining.eval_every = 1\ncheckpoint.every = 1\n",
            "[template.a]\ntraining.max_steps = 2\ntraining.log_every = 2\ntraining.eval_every = 2\n",
            "[template.b]\ntraining.log_every = 3\ntraining.eval_every = 3\n",
            '[experiment.x]\nextends = ["a", "b"]\ntraining.eval_every = 4\n',
        )
    )
    training = one(tmp_path, text, "x").config.training
    assert (training.max_steps, training.log_every, training.eval_every) == (2, 3, 4)
    assert one(tmp_path, text, "x").config.checkpoint.every == 1
    run = one(tmp_path, text, "x", "training.eval_every=5", "training.eval_every=6")
    assert run.config.training.eval_every == 6


def test_arrays_replace_and_tables_merge(tmp_path: Path) -> None:
    text = HEAD + 'generation.prompts = ["a", "b"]\n[experiment.x]\ngeneration = { prompts = ["c"], top_k = 3 }\n'
    generation = one(tmp_path, text, "x").config.generation
    assert generation.prompts == ["c"]
    assert generation.top_k == 3
    assert generation.max_new_tokens == 200


def test_a_section_whose_type_changes_is_replaced_whole(tmp_path: Path) -> None:
    text = HEAD + '[defaults.optimizer]\ntype = "muon"\nlr = 0.5\nns_steps = 7\n'
    text += '[experiment.x]\noptimizer.type = "adamw"\n[experiment.y]\noptimizer.lr = 0.25\n'
    assert one(tmp_path, text, "x").config.optimizer.lr == 1e-3
    assert one(tmp_path, text, "y").config.optimizer.model_dump()["ns_steps"] == 7
    assert one(tmp_path, text, "y", "optimizer.type=adamw").config.optimizer.lr == 1e-3
    # Naming the type that is there already changes nothing.
    assert one(tmp_path, text, "y", "optimizer.type=muon").config.optimizer.lr == 0.25


def test_what_is_said_before_a_type_is_known_stays(tmp_path: Path) -> None:
    text = HEAD + "[template.fast.optimizer]\nlr = 0.5\n[experiment.x]\nextends = 'fast'\noptimizer.type = 'muon'\n"
    assert one(tmp_path, text, "x").config.optimizer.lr == 0.5


def test_callbacks_merge_by_name(tmp_path: Path) -> None:
    text = (
        HEAD + "callbacks.early_stopping.patience = 9\ncallbacks.second = { type = 'early_stopping', patience = 8 }\n"
    )
    text += "[experiment.x]\ncallbacks.early_stopping.enabled = false\n"
    text += "[experiment.y]\ncallbacks.second = { type = 'early_stopping', monitor = 'val/accuracy', mode = 'max' }\n"
    text += "[experiment.z]\nunset = ['callbacks.second', 'callbacks.early_stopping.patience']\n"
    x = one(tmp_path, text, "x").config.callbacks
    assert [(c.patience, c.enabled) for c in x.values()] == [(9, False), (8, True)]
    assert one(tmp_path, text, "y").config.callbacks["second"].patience == 8
    z = one(tmp_path, text, "z").config.callbacks
    assert {name: c.patience for name, c in z.items()} == {"early_stopping": 5}


def test_unset_comes_after_the_parents_and_before_the_own_table(tmp_path: Path) -> None:
    text = HEAD + "seed = 5\n[template.a]\nunset = ['seed']\ntraining.max_steps = 7\n"
    text += "[experiment.x]\nextends = 'a'\nunset = ['training.max_steps', 'checkpoint.keep']\ntraining.log_every = 2\n"
    text += "[experiment.y]\nunset = ['seed']\nseed = 6\n[experiment.z]\nextends = 'x'\ntraining.max_steps = 8\n"
    x = one(tmp_path, text, "x").config
    assert (x.seed, x.training.max_steps, x.training.log_every) == (1337, 1000, 2)
    assert one(tmp_path, text, "y").config.seed == 6
    assert one(tmp_path, text, "z").config.seed == 1337  # gone for the children, too


def test_the_experiments_own_things_are_not_inherited(tmp_path: Path) -> None:
    text = HEAD + "[experiment.x]\ndescription = 'd'\nwhy = 'w'\nsweep.seeds = [1, 2]\n[experiment.y]\nextends = 'x'\n"
    (run,) = load(tmp_path, text).plan(["y"])
    assert (run.config.description, run.config.why, run.config.seed, run.group) == ("", "", 1337, None)
    x = load(tmp_path, text).plan(["x"])
    assert [(r.config.description, r.config.seed) for r in x] == [("d", 1), ("d", 2)]


def test_names_of_files_start_from_where_they_are_written(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.toml").write_text(
        "craft = 1\n[template.texts.data]\ntype = 'text'\npath = ['a.txt', '../b/*.txt', '/c']\n"
    )
    text = (
        "craft = 1\n[project]\ninclude = ['sub/more.toml']\nruns_dir = '../runs'\n[experiment.x]\nextends = 'texts'\n"
    )
    text += "model.type = 'transformer'\n[experiment.y]\nextends = 'x'\ndata.path = 'd.txt'\n"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert one(tmp_path, text, "x").config.data.model_dump()["path"] == [
        str(tmp_path / "sub" / "a.txt"),
        str(tmp_path / "b" / "*.txt"),
        "/c",
    ]
    assert one(tmp_path, text, "y").config.data.model_dump()["path"] == str(tmp_path / "d.txt")
    run = one(tmp_path, text, "y", "data.path=e.txt")
    assert run.config.data.model_dump()["path"] == str(tmp_path / "here" / "e.txt")
    assert load(tmp_path, text).runs_dir == tmp_path.parent / "runs"


def test_included_defaults_lie_under_the_files_own(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("craft = 1\nproject.include = ['b.toml', 'experiments.toml']\ndefaults.seed = 2\n")
    (tmp_path / "b.toml").write_text("craft = 1\n[defaults]\nseed = 3\ntraining.max_steps = 4\n[experiment.unseen]\n")
    text = "craft = 1\nproject.include = ['a.toml']\n[experiment.x]\nmodel.type = 'transformer'\n"
    file = load(tmp_path, text)
    assert file.names == ("x",)
    (run,) = file.plan()
    assert (run.config.seed, run.config.training.max_steps) == (2, 4)
    origin = run.origins["training.max_steps"]
    assert (origin.file, origin.line, origin.kind) == (tmp_path / "b.toml", 4, "file")


def test_every_setting_knows_where_it_comes_from(tmp_path: Path) -> None:
    lines = RICH.splitlines()
    run = load(tmp_path, RICH).plan(["lr"], ["training.max_steps=9"])[4]
    assert run.axes == {"optimizer.lr": 0.02, "seed": 2}
    for path, value in flat(settings_of(run.config)).items():
        origin = run.origins.pop(path)
        if origin.kind in ("file", "sweep"):
            assert origin.file == tmp_path / "experiments.toml"
            written = lines[origin.line - 1][origin.column - 1 :]
            assert written.startswith(tomli_w.dumps({"v": value}, multiline_strings=False)[4:6].strip("\n"))
        elif origin.kind == "command line":
            assert (path, value) == ("training.max_steps", 9)
    assert run.origins == {}


def flat(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{path}{key}.") if isinstance(value, dict) and value else {f"{path}{key}": value}
    return found


def test_parents_that_cannot_be_followed(tmp_path: Path) -> None:
    text = HEAD + "[template.small]\n[experiment.a]\nextends = 'smal'\n[experiment.b]\nextends = 'c'\n"
    text += "[experiment.c]\nextends = ['small', 'b']\n[experiment.d]\nextends = 'd'\n[experiment.e]\nextends = 'a'\n"
    found = [(p.line, p.column, p.message, p.hint) for p in problems_of(tmp_path, text)]
    assert found == [
        (6, 11, "no template or experiment 'smal'", "did you mean 'small'?"),
        (10, 21, "goes in a circle: b -> c -> b", ""),
        (12, 11, "goes in a circle: d -> d", ""),
    ]


def test_parents_that_double_are_refused(tmp_path: Path) -> None:
    doubling = "".join(f"[template.t{i + 1}]\nextends = ['t{i}', 't{i}']\n" for i in range(40))
    problems = problems_of(tmp_path, HEAD + "[experiment.x]\nextends = 't40'\n[template.t0]\n" + doubling)
    assert [p.where for p in problems] == ["template 't8'"]
    assert f"leads to more than {MAX_LAYERS} tables" in problems[0].message
    chain = "".join(f"[template.t{i + 1}]\nextends = 't{i}'\n" for i in reversed(range(5_000)))
    problems = problems_of(tmp_path, HEAD + chain + "[template.t0]\n[experiment.x]\nextends = 't5000'\n")
    assert "leads through more than" in problems[0].message


# Three templates and an experiment over four settings: what comes out must be what a loop over the layers gives.
SETTINGS = ("training.max_steps", "training.log_every", "checkpoint.keep", "seed")
TABLE = st.dictionaries(st.sampled_from(SETTINGS), st.integers(1, 99), max_size=4)
UNSET = st.lists(st.sampled_from([*SETTINGS, "training", "checkpoint"]), max_size=2)


@settings(max_examples=150, deadline=None)
@given(st.tuples(TABLE, TABLE, TABLE, TABLE), st.tuples(UNSET, UNSET, UNSET), st.permutations("ab"), TABLE)
def test_merging_follows_the_order(
    tmp_path_factory: Any,
    tables: tuple[dict[str, int], ...],
    unset: tuple[list[str], ...],
    parents: list[str],
    command_line: dict[str, int],
) -> None:
    defaults, a, b, own = tables
    document = {
        "craft": 1,
        "defaults": {"model": {"type": "transformer"}, **nested(defaults)},
        "template": {"a": {"unset": unset[0], **nested(a)}, "b": {"unset": unset[1], **nested(b)}},
        "experiment": {"x": {"extends": parents, "unset": unset[2], **nested(own)}},
    }
    state = dict(defaults)
    layers = {"a": (unset[0], a), "b": (unset[1], b), "x": (unset[2], own)}
    for layer in [*parents, "x"]:
        gone, table = layers[layer]
        state = {k: v for k, v in state.items() if not any(k == u or k.startswith(f"{u}.") for u in gone)} | table
    state |= command_line
    overrides = [f"{path}={value}" for path, value in command_line.items()]
    folder = tmp_path_factory.mktemp("merge")
    (run,) = load(folder, tomli_w.dumps(document)).plan(["x"], overrides)
    values = flat(run.config.model_dump())
    assert {path: values[path] for path in state} == state
    expected = {path: "command line" if path in command_line else "file" for path in state}
    assert {path: run.origins[path].kind for path in SETTINGS} == dict.fromkeys(SETTINGS, "default") | expected


def nested(table: dict[str, int]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in table.items():
        *heads, last = path.split(".")
        inside = tree
        for head in heads:
            inside = inside.setdefault(head, {})
        inside[last] = value
    return tree


def test_a_glob_means_its_own_stars_and_not_its_folders(tmp_path: Path) -> None:
    folder = tmp_path / "run[1]"
    folder.mkdir()
    text = HEAD + "[experiment.x]\ndata = { type = 'text', path = ['*.txt', 'a.txt', 'b[2].txt'] }\n"
    (folder / "b[2].txt").touch()
    names = one(folder, text, "x").config.data.model_dump()["path"]
    assert names == [f"{tmp_path}/run[[]1]/*.txt", f"{folder}/a.txt", f"{folder}/b[2].txt"]


def test_an_empty_table_changes_nothing_and_knows_its_place(tmp_path: Path) -> None:
    text = HEAD + "optimizer.lr = 0.5\n[template.t]\ntraining.log_every = {}\n[experiment.x]\noptimizer = {}\n"
    text += "data.arguments = {}\n[experiment.y]\nextends = 't'\ncallbacks = {}\n"
    wrong = problems_of(tmp_path, text)
    assert [(p.line, p.column, p.path) for p in wrong] == [(6, 22, "training.log_every"), (9, 6, "data.arguments")]
    text = text.replace("training.log_every = {}", "tokenizer = {}").replace("data.arguments", "callbacks")
    x, y = load(tmp_path, text).plan()
    assert x.config.optimizer.lr == y.config.optimizer.lr == 0.5
    assert (y.origins["callbacks"].line, y.origins["tokenizer.type"].kind) == (12, "default")
