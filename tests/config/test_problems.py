"""What a wrong file is told: every problem at once, in words, each at its place, each once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from craft.config.check import Problems
from craft.config.experiments import inspect_experiments, load_experiments, load_sound
from craft.errors import ConfigError
from tests.config.files import RICH, load, problems_of

HEAD = 'craft = 1\n[defaults]\nmodel.type = "transformer"\n'


def test_a_problem_reads_as_the_design_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = RICH.replace("model.hidden_size = 256", "model.hidden_sze = 256")
    Path("experiments.toml").write_text(text)
    line = text[: text.index("hidden_sze")].count("\n") + 1
    with pytest.raises(ConfigError) as caught:
        load_experiments(Path("experiments.toml"))
    assert str(caught.value) == (
        f"experiments.toml:{line}:7: experiment 'wide': model.hidden_sze: "
        "unknown key (did you mean 'hidden_size'?)\n"
        "    model.hidden_sze = 256\n"
        "          ^"
    )
    (problem,) = caught.value.problems
    assert json.loads(json.dumps(problem.as_json()))["file"] == "experiments.toml"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("model.num_layers = 0", "must be at least 1, found 0 (an integer)", ""),
        ("model.num_layers = '5'", 'must be an integer, found "5" (a string)', ""),
        ("model.num_layers = 1.5", "must be an integer, found 1.5 (a number)", ""),
        ("model.num_layers = true", "must be an integer, found true (a boolean)", ""),
        ("model.qk_norm = 1", "must be true or false, found 1 (an integer)", ""),
        ("model.dropout = 1.0", "must be less than 1, found 1 (a number)", ""),
        ("model.rope_theta = 0", "must be more than 0, found 0 (an integer)", ""),
        ("optimizer.lr = nan", "must be a finite number, found nan (a number)", ""),
        ("optimizer.lr = inf", "must be a finite number, found inf (a number)", ""),
        ("optimizer.lr = 1e4", "must be at most 1000, found 10000 (a number)", ""),
        ("optimizer.lr = 2026-11-21", "must be a number, found 2026-11-21 (a date or time)", ""),
        ("optimizer.betas = [0.9]", "must be an array of at least 2, found an array of 1", ""),
        ("optimizer.betas = {}", "must be an array, found a table", ""),
        ("training = 'long'", 'must be a table, found "long" (a string)', ""),
        ("training.compile = 'yes'", 'must be "auto" or true or false, found "yes" (a string)', ""),
        ("training.micro_batch_size = 0", 'must be "auto" or at least 1, found 0 (an integer)', ""),
        ("data = { type = 'text', path = 3 }", "must be a string or an array, found 3 (an integer)", ""),
        ("data = { type = 'text', path = [3] }", "must be a string, found 3 (an integer)", ""),
        ("data = { type = 'text', path = '' }", '"" (a string) does not fit here', None),
        ('data = { type = "text", path = ["a", "b\\u0000"] }', r'"b\u0000" (a string) does not fit here', None),
        ("data = 3", "must be a table, found 3 (an integer)", ""),
        ("optimizer = 3", "must be a table, found 3 (an integer)", ""),
        ("model = []", "must be a table, found an array of 0", ""),
        ("data.type = 'text'", "missing", 'type "text" needs it'),
        ("data.path = 'x'", "unknown key", None),
        ("checkpoint.mode = 'mx'", 'must be "min" or "max", found "mx" (a string)', "did you mean 'max'?"),
        ("device = 'gpu'", '"gpu" (a string) does not fit here', "auto, cpu, cuda, cuda:1 or mps"),
        ("optimizer.type = 'adamww'", 'unknown type "adamww"', "did you mean 'adamw'? known: adamw, ..."),
        ("optimizer.type = 3", "must be a string, found 3 (an integer)", ""),
        ("model.type = 'zzz'", 'unknown type "zzz"', "known: transformer, ..."),
        ("callbacks.stop = {}", "unknown callback", "known: early_stopping, ..."),
        ("callbacks.a.type = 'b'", 'unknown type "b"', "known: early_stopping, ..."),
        ("callbacks.early_stopping.patience = 0", "must be at least 1, found 0 (an integer)", ""),
        ("lr = 1", "unknown key", "did you mean 'optimizer.lr'?"),
        ("optimzer.lr = 1", "unknown key", "did you mean 'optimizer'?"),
        ("unset = ['schedular']", "unknown setting 'schedular'", "did you mean 'scheduler'?"),
        ("extends = 3", "must be a string or an array of strings, found 3 (an integer)", ""),
    ],
)
def test_a_wrong_setting_is_put_into_words(tmp_path: Path, setting: str, message: str, hint: str | None) -> None:
    (problem,) = problems_of(tmp_path, f"{HEAD}[experiment.x]\n{setting}\n")
    assert problem.message == message
    if hint is not None and hint.endswith("..."):  # a list that grows with Craft
        assert problem.hint.startswith(hint.removesuffix("..."))
    elif hint is not None:
        assert problem.hint == hint
    assert (problem.line, problem.where, problem.experiment) == (5, "experiment 'x'", problem.experiment)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("[experiment.x]\nmodel.type = 'transformer'\n", 1, 1, "does not say which format"),
        ("craft = 2\n[experiment.x]\nmodel.type = 'transformer'\n", 1, 9, "unknown format: must be 1, found 2"),
        ("craft = true\n[experiment.x]\nmodel.type = 'transformer'\n", 1, 9, "unknown format"),
        ("[project]\nname = 'x'\n[tool.other]\n", 1, 1, "this is no experiments file"),
        ("craft = 1\n", 1, 1, "the file has no experiment"),
        ("craft = 1\n[experiment]\n", 1, 1, "the file has no experiment"),
        ("craft = 1\n[experiment.x]\n", 2, 13, "missing"),
        ("craft = 1\n[experiment.x]\nmodel = {}\n", 3, 1, "missing"),
        ("craft = 1\n[experiment]\nextends = 'x'\n", 3, 11, "must be a table"),
        ("craft = 1\nexperiment = 3\n", 2, 14, "must be a table"),
        (HEAD + "plugins = 1\n[experiment.x]\n", 4, 1, "unknown key"),
        ("craft = 1\nplugins = ['a.py']\n[experiment.x]\nmodel.type = 'transformer'\n", 2, 12, "there is no file"),
        (HEAD + "sweep.seeds = [1]\n[experiment.x]\n", 4, 1, "cannot be everybody's"),
        (HEAD + "[project]\nrun_dir = 'x'\n[experiment.x]\n", 5, 1, "unknown key"),
        (HEAD + "[project]\nruns_dir = ''\n[experiment.x]\n", 5, 12, "must be the name of a folder"),
        (HEAD + "[project]\ninclude = 'x'\n[experiment.x]\n", 5, 11, "must be an array of file names"),
        (HEAD + "[project]\ninclude = ['x.toml']\n[experiment.x]\n", 5, 12, "no such file"),
        (HEAD + "[template.x]\n[experiment.x]\n", 5, 13, "there is a template of this name already"),
        (HEAD + "[experiment.'a/b']\n", 4, 13, "'a/b' cannot be a name"),
        (HEAD + "[experiment.'-a']\n", 4, 13, "'-a' cannot be a name"),
        (HEAD + "[experiments.x]\n[experiment.y]\n", 4, 2, "unknown key"),
    ],
)
def test_what_is_wrong_around_the_experiments(tmp_path: Path, text: str, line: int, column: int, message: str) -> None:
    problem = problems_of(tmp_path, text)[0]
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = HEAD + "[experiment.b]\nseed = -1\ntraining.log_every = 0\n[experiment.a]\nextends = 'c'\nseed = 'x'\n"
    text += "[projct]\n"
    found = [(p.line, p.path) for p in problems_of(tmp_path, text)]
    assert found == [(5, "seed"), (6, "training.log_every"), (8, "extends"), (9, "seed"), (10, "projct")]


def test_a_sound_experiment_runs_beside_a_wrong_one_and_none_of_a_wrong_file(tmp_path: Path) -> None:
    file, text = tmp_path / "experiments.toml", f"{HEAD}[experiment.a]\nsed = 1\n[experiment.b]\n[experiment.d]\n"
    file.write_text(text)
    assert load_sound(file, ["b", "d"]).names == ("b", "d")
    with pytest.raises(ConfigError) as caught:
        load_sound(file, ["b", "a"])
    assert [(p.line, p.experiment) for p in caught.value.problems] == [(5, "a")]
    for wrong in (text.replace("craft = 1", "craft = 2"), f'{text}[project]\ninclude = ["gone.toml"]\n'):
        file.write_text(wrong)
        assert inspect_experiments(file).broken == {"a", "b", "d"}
        with pytest.raises(ConfigError) as caught:
            load_sound(file, ["b"])
        assert [(p.line, p.where) for p in caught.value.problems] == [(1 if "craft = 2" in wrong else 9, "")]


def test_where_parents_cannot_be_followed_all_else_is_said_too(tmp_path: Path) -> None:
    own = "model = 7\nextends = 4\nsweep = 'no'\nunset = 3\nlr = 3\n"
    text = f"craft = 1\n[template.t]\n{own}[experiment.x]\n{own}[experiment.y]\nextends = 'x'\nseed = 'z'\n"
    found = [(p.line, p.path) for p in problems_of(tmp_path, text)]
    keys = ("model", "extends", "sweep", "unset", "lr")
    assert found == [*((start + i, key) for start in (3, 9) for i, key in enumerate(keys)), (16, "seed")]


def test_a_problem_that_many_inherit_stands_once_where_it_was_written(tmp_path: Path) -> None:
    text = HEAD + "seed = -1\n[template.t]\nmodel.num_heads = 0\nmodel.hidden_sze = 1\n"
    text += "".join(f"[experiment.e{i}]\nextends = 't'\n" for i in range(3))
    assert [(p.line, p.column, p.where, p.path) for p in problems_of(tmp_path, text)] == [
        (4, 8, "defaults", "seed"),
        (6, 19, "template 't'", "model.num_heads"),
        (7, 7, "template 't'", "model.hidden_sze"),
    ]


def test_settings_that_do_not_fit_together_are_reported_where_the_experiment_decided(tmp_path: Path) -> None:
    text = HEAD + "[template.t]\nmodel = { num_heads = 4, hidden_size = 128 }\n"
    text += (
        "[experiment.x]\nextends = 't'\nmodel.num_heads = 5\n[experiment.y]\nextends = 't'\nmodel.hidden_size = 129\n"
    )
    x, y = problems_of(tmp_path, text)
    assert (x.line, x.column, x.where) == (8, 19, "experiment 'x'")
    assert x.message.startswith("hidden_size 128 is not divisible by num_heads 5; num_heads = 4 or 8")
    assert (y.line, y.column, y.where) == (11, 21, "experiment 'y'")


def test_a_template_that_does_not_fit_together_names_all_that_it_breaks(tmp_path: Path) -> None:
    text = HEAD + "[template.t]\nmodel = { num_heads = 5, hidden_size = 128 }\n"
    assert load(tmp_path, text + "[experiment.x]\nextends = 't'\nmodel.num_heads = 4\n").names == ("x",)
    (problem,) = problems_of(tmp_path, text + "".join(f"[experiment.e{i}]\nextends = 't'\n" for i in range(5)))
    assert problem.where == "experiments 'e0', 'e1', 'e2' and 2 more"
    assert problem.line == 5


def test_templates_and_defaults_that_nobody_uses_are_checked_as_far_as_they_go(tmp_path: Path) -> None:
    text = "craft = 1\n[defaults.optimizer]\ntype = 'muon'\nlr = 'x'\n[template.t]\nmodel.num_hads = 4\n"
    text += (
        "optimizer = { type = 'adamw', momentum = 1 }\n[template.incomplete]\ndata.path = 'x'\nmodel.num_heads = 7\n"
    )
    text += "[experiment.x]\nmodel.type = 'transformer'\noptimizer.type = 'adamw'\n"
    assert [(p.line, p.path) for p in problems_of(tmp_path, text)] == [
        (4, "optimizer.lr"),
        (6, "model.num_hads"),
        (7, "optimizer.momentum"),
    ]


def test_long_values_are_not_shown(tmp_path: Path) -> None:
    secret = "s3cret" * 40
    (problem,) = problems_of(tmp_path, f"{HEAD}[experiment.x]\nseed = '{secret}'\n")
    assert problem.message == "must be an integer, found a string of 240 characters"
    assert secret not in str(problem)


def test_a_name_with_escapes_reaches_the_terminal_only_through_the_gate(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f'{HEAD}[experiment.x]\nmodel."\\u001b[2J" = 1\n')
    assert problem.path == 'model."\\u001b[2J"'
    assert "\x1b" not in str(problem)


def test_five_hundred_problems_are_enough(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, HEAD + "".join(f"[experiment.e{i}]\nkey = 1\n" for i in range(2_000)))
    assert len(problems) == Problems.LIMIT
    text = str(ConfigError(problems=problems))
    assert text.endswith("... and 450 more problems like these")


def test_a_problem_in_an_included_file_stands_in_that_file(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("craft = 1\n[template.t]\nseed = -1\n")
    text = HEAD + "[project]\ninclude = ['more.toml']\n[experiment.x]\nextends = 't'\n"
    (problem,) = problems_of(tmp_path, text)
    assert (problem.file, problem.line, problem.column) == (tmp_path / "more.toml", 3, 8)
    (tmp_path / "more.toml").write_text("craft = \n")
    (problem, *_) = problems_of(tmp_path, text)
    assert (problem.file, problem.line) == (tmp_path / "experiments.toml", 7)


def test_a_key_that_another_tables_type_does_not_know_breaks_the_experiment(tmp_path: Path) -> None:
    text = HEAD + "optimizer.type = 'adamw'\n[template.m]\noptimizer.type = 'muon'\n[template.slow]\n"
    text += "optimizer.momentum = 0.8\n[experiment.x]\nextends = ['m', 'slow']\n"
    assert load(tmp_path, text).plan()[0].config.optimizer.model_dump()["momentum"] == 0.8
    (problem,) = problems_of(tmp_path, text + "[experiment.y]\nextends = 'slow'\n[experiment.z]\nextends = 'slow'\n")
    assert (problem.line, problem.where) == (8, "experiments 'y', 'z'")
    assert problem.hint.startswith('type "adamw" has no such setting')
    # A key that no type knows, or that the table's own type does not know, is the template's own fault.
    text = (
        text.replace("momentum = 0.8", "mometum = 0.8") + "[template.bad]\noptimizer = { type = 'adamw', momentum = 1 }"
    )
    assert [(p.line, p.where) for p in problems_of(tmp_path, text)] == [(8, "template 'slow'"), (12, "template 'bad'")]


def test_an_experiment_without_a_model_is_told_how_to_get_one(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, HEAD + "[experiment.x]\nunset = ['model']\n")
    assert (problem.message, problem.path, problem.line) == ("missing", "model", 4)
    assert problem.hint == 'such as model.type = "transformer", or extend a template that has it'


def test_an_experiment_whose_name_cannot_be_one_is_none_of_the_sound(tmp_path: Path) -> None:
    text = 'craft = 1\n[experiment."[two] words"]\n[experiment.one]\n[template."no name"]\n'
    found = inspect_experiments(tmp_path / "e.toml", text)
    assert "[two] words" in found.broken and "no name" not in found.broken
    assert found.file is not None and "[two] words" not in found.file.names
