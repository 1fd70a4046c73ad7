"""A run's own definition: nothing left to defaults, and read back the same."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from craft.config import fields
from craft.config.annotate import annotated
from craft.config.definition import definition_hash, dump_definition, load_definition
from craft.config.experiments import load_experiments
from craft.config.schema import ExperimentConfig
from craft.errors import ConfigError
from tests.config.files import RICH, load

HEAD = 'craft = 1\n[experiment.x]\nmodel.type = "transformer"\n'


NEEDED = {
    **dict.fromkeys((("data", kind) for kind in ("text", "jsonl", "csv")), "path = ['a b.txt', 'c']"),
    **dict.fromkeys((("data", kind) for kind in ("hf", "tokens", "pickled")), "path = 'a b'"),
    ("tokenizer", "hf"): "path = 'tokenizer.json'",
    ("callbacks", "webhook"): "url = 'http://localhost/told'",
    ("callbacks", "command"): "run = 'true'",
}
"""What a type cannot do without."""


def sections_with_types() -> list[tuple[str, str]]:
    return [(section, kind) for section in fields.sections() for kind in fields.types_of(section)]


def holds_everything(config: BaseModel, settings: dict[str, Any]) -> None:
    assert settings.keys() == type(config).model_fields.keys()
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            holds_everything(value, settings[name])


@pytest.mark.parametrize(("section", "kind"), sections_with_types())
def test_every_section_reads_back_the_same(tmp_path: Path, section: str, kind: str) -> None:
    table = f"{section}.tried" if section in fields.NAMED else section
    own = kind == fields.OWN_TYPE
    needed = "arguments = { a = [1, 'x'], b = 2.0 }" if own else NEEDED.get((section, kind), "")
    settings = "\n".join(filter(None, (f"type = '{'mine:Data' if own else kind}'" if kind else "", needed)))
    text = HEAD if section == "model" and not needed else f"{HEAD}[experiment.x.{table}]\n{settings}\n"
    if section == "model":
        text = f"craft = 1\n[experiment.x.model]\n{settings}\n"
    (run,) = load(tmp_path, text).plan()
    written = dump_definition("x", run.config, runs_dir=tmp_path / "elsewhere")
    holds_everything(run.config, tomllib.loads(written)["experiment"]["x"])
    path = tmp_path / "run" / "experiment.toml"
    path.parent.mkdir()
    path.write_text(written)
    assert load_definition(path) == ("x", run.config)
    again = load_experiments(path)
    assert again.runs_dir == tmp_path / "elsewhere"
    (planned,) = again.plan(["x"])
    assert planned.config == run.config
    assert definition_hash(planned.config) == definition_hash(run.config)
    defaults = {path for path, origin in planned.origins.items() if origin.kind != "file"}
    assert defaults <= {"callbacks"}  # an empty table has no value that could have a place
    assert dump_definition("x", planned.config, runs_dir=tmp_path / "elsewhere") == written


def test_every_run_of_a_file_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    runs = load(tmp_path, RICH).plan()
    for run in runs:
        path.write_text(dump_definition(run.experiment, run.config, runs_dir=None))
        assert load_definition(path) == (run.experiment, run.config)
    assert len({definition_hash(run.config) for run in runs}) == len(runs)


def test_texts_of_any_letters_read_back_the_same(tmp_path: Path) -> None:
    prompts = ['"""', "'''", "\\", "\t\n\r", "\x1b[2J", "日本 𝄞", "", " "]
    config = ExperimentConfig.model_validate({"model": {"type": "transformer"}, "generation": {"prompts": prompts}})
    path = tmp_path / "experiment.toml"
    path.write_text(dump_definition("x", config, runs_dir=None))
    assert load_definition(path)[1].generation.prompts == prompts


def test_the_hash_is_of_what_influences_the_run(tmp_path: Path) -> None:
    file = load(tmp_path, RICH)

    def hash_of(*overrides: str) -> str:
        return definition_hash(file.plan(["transformer"], overrides)[0].config)

    assert hash_of() == hash_of("description=other", "why=other")
    assert hash_of() == hash_of("seed=1337", "optimizer.lr=2e-2")
    assert hash_of() != hash_of("seed=1338")
    assert hash_of() == definition_hash(
        file.plan(["lr"], [])[0].config.model_copy(
            update={
                "seed": 1337,
                "optimizer": file.plan(["transformer"])[0].config.optimizer,
            }
        )
    )  # names influence nothing


def test_a_file_of_several_runs_is_no_definition(tmp_path: Path) -> None:
    load(tmp_path, RICH)
    with pytest.raises(ConfigError, match="holds one run, this file 16"):
        load_definition(tmp_path / "experiments.toml")


def test_an_annotated_definition_is_one(tmp_path: Path) -> None:
    file = load(tmp_path, RICH.replace("Four blocks", "\\u009b2J Four\\u202e blocks"))
    shown = annotated(file.plan(["transformer", "lr"], ["training.max_steps=7"]))
    assert shown.replace("\n", "").isprintable()
    path = tmp_path / "shown.toml"
    path.write_text(shown)
    runs = load_experiments(path).plan()
    assert [run.config for run in runs] == [
        file.plan([name], ["training.max_steps=7"])[0].config for name in ("transformer", "lr")
    ]
    lines = shown.splitlines()
    line = RICH[: RICH.index("hidden_size = 128")].count("\n") + 1
    assert f"hidden_size = 128{' ' * 31}  # {tmp_path / 'experiments.toml'}:{line}" in lines
    assert any(line.startswith("max_steps = 7 ") and line.endswith("# command line") for line in lines)
    assert any(line.startswith("dropout = 0.0 ") and line.endswith("# default") for line in lines)
    assert "# The first of 6 runs: the sweep changes optimizer.lr, seed." in lines
    assert any(line.startswith("seed = 1 ") and line.endswith("(swept)") for line in lines)
