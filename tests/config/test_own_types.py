"""`plugins`: types by short names, found without importing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.config.definition import dump_definition, load_definition
from craft.config.experiments import load_experiments
from craft.errors import ConfigError, Problem

CODE = """
raise RuntimeError("this file is not to be imported by reading an experiments file")

class GatedLSTM: ...
class HTTPNotes: type = "notes"
class _Hidden: ...
class Muon: "has the name of a type of Craft's"
"""


def write(folder: Path, text: str, **files: str) -> Path:
    for name, code in {"mine": CODE, **files}.items():
        (folder / f"{name}.py").write_text(code)
    path = folder / "experiments.toml"
    path.write_text(f"craft = 1\n{text}")
    return path


def problems_of(path: Path) -> list[Problem]:
    with pytest.raises(ConfigError) as raised:
        load_experiments(path)
    return raised.value.problems


def test_a_short_name_becomes_the_class_that_bears_it(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "plugins = ['mine.py']\n[experiment.a]\nmodel = { type = 'gated_lstm', arguments = { width = 4 } }\n"
        "callbacks.notes = {}\ncallbacks.other = { type = 'notes' }\noptimizer.type = 'muon'\n",
    )
    (run,) = load_experiments(path).plan()
    assert run.config.model.type == "mine:GatedLSTM"
    assert {name: own.type for name, own in run.config.callbacks.items()} == dict.fromkeys(
        ("notes", "other"), "mine:HTTPNotes"
    )
    assert run.config.optimizer.type == "muon", "Craft's own types come first"
    definition = tmp_path / "definition.toml"
    definition.write_text(dump_definition("a", run.config, runs_dir=None))
    assert load_definition(definition) == ("a", run.config), "a resolved definition needs no list of plugins"


def test_an_override_and_a_sweep_may_name_one(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "plugins = ['mine.py']\n[experiment.a]\nmodel.type = 'transformer'\n"
        "sweep = { strategy = 'list', runs = [{ 'model.type' = 'gated_lstm' }, { 'model.type' = 'transformer' }] }\n",
    )
    assert [run.config.model.type for run in load_experiments(path).plan()] == ["mine:GatedLSTM", "transformer"]
    path = write(tmp_path, "plugins = ['mine.py']\n[experiment.a]\nmodel.type = 'transformer'\n")
    (run,) = load_experiments(path).plan([], ["model.type=gated_lstm"])
    assert run.config.model.type == "mine:GatedLSTM"


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        ("'mine.py'", "must be an array of file names"),
        ("['gone.py']", "there is no file"),
        ("['mine.txt']", "is no Python file beside the experiments file"),
        ("['../mine.py']", "is no Python file beside the experiments file"),
        ("['broken.py']", "is no Python that can be read, line 1"),
        ("['mine.py', 'twin.py']", "the type 'gated_lstm' is brought by mine:GatedLSTM and by twin:GatedLSTM"),
    ],
)
def test_what_is_wrong_with_the_list_is_said_in_its_line(tmp_path: Path, plugins: str, message: str) -> None:
    text = f"plugins = {plugins}\n[experiment.a]\nmodel.type = 'transformer'\n"
    (problem,) = problems_of(write(tmp_path, text, broken="class", twin="class GatedLSTM: ..."))
    assert message in problem.message
    assert problem.line == 2


def test_a_slip_is_answered_with_ones_own_names_too(tmp_path: Path) -> None:
    (problem,) = problems_of(write(tmp_path, "plugins = ['mine.py']\n[experiment.a]\nmodel.type = 'gated_lst'\n"))
    assert "did you mean 'gated_lstm'?" in problem.hint


def test_an_included_file_brings_no_plugins(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("craft = 1\nplugins = ['mine.py']\n")
    path = write(tmp_path, "project.include = ['more.toml']\n[experiment.a]\nmodel.type = 'transformer'\n")
    (problem,) = problems_of(path)
    assert problem.message == "plugins are named in the file that is run"
