"""Presets fill in what is not written, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.config.annotate import annotated
from craft.config.definition import dump_definition, load_definition
from craft.config.experiments import load_experiments
from craft.config.schema.model import PRESETS, TransformerConfig


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_is_not_written(name: str) -> None:
    model = TransformerConfig.model_validate({"preset": name, "hidden_size": 64})
    assert model.hidden_size == 64
    assert {key: getattr(model, key) for key in PRESETS[name]} == PRESETS[name]


def test_what_is_written_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(
        "craft = 1\n[template.gpt2.model]\ntype = 'transformer'\npreset = 'gpt2'\nnum_layers = 2\n"
        "[experiment.a]\nextends = 'gpt2'\nmodel.mlp = 'relu2'\n"
        "[experiment.b]\nextends = 'gpt2'\nmodel.preset = 'llama'\n"
    )
    a, b = load_experiments(path).plan()
    assert isinstance(a.config.model, TransformerConfig)
    assert isinstance(b.config.model, TransformerConfig)
    assert (a.config.model.mlp, a.config.model.norm, a.config.model.num_layers) == ("relu2", "layernorm", 2)
    assert (b.config.model.mlp, b.config.model.norm, b.config.model.num_layers) == ("swiglu", "rmsnorm", 2)
    written = tmp_path / "experiment.toml"
    written.write_text(dump_definition("a", a.config, runs_dir=None))
    assert load_definition(written) == ("a", a.config), "a resolved definition leaves nothing to a preset"


def test_another_preset_takes_what_the_first_one_said_with_it(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text("craft = 1\n[experiment.a]\nmodel = { type = 'transformer', preset = 'nanochat', bias = true }\n")
    (run,) = load_experiments(path).plan()
    written = tmp_path / "experiment.toml"
    written.write_text(dump_definition("a", run.config, runs_dir=None))
    for name in ("gpt2", "llama", "none"):
        (other,) = load_experiments(written).plan(["a"], [f"model.preset={name}"])
        (wanted,) = load_experiments(path).plan(["a"], [f"model.preset={name}"])
        assert other.config == wanted.config
        assert other.config.model.bias, "what a person wrote stays"
        assert name != "none" or other.config.model.rope_theta == 10_000.0


def test_it_is_shown_where_a_switch_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(
        "craft = 1\n[experiment.a.model]\ntype = 'transformer'\npreset = 'gpt2'\nqk_norm = true\nnum_layers = 2\n"
    )
    shown = {
        line.split(" = ")[0]: line.partition("# ")[2] for line in annotated(load_experiments(path).plan()).split("\n")
    }
    assert shown["norm"] == f"{path}:4 (its preset)"
    assert shown["qk_norm"] == f"{path}:5"
    assert shown["rope_theta"] == "default"
    (run,) = load_experiments(path).plan(["a"], ["model.preset=llama"])
    assert "# preset" in next(line for line in annotated([run]).split("\n") if line.startswith("mlp"))


def test_an_unknown_preset_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gpt2"):
        TransformerConfig.model_validate({"preset": "gpt3"})
