"""Presets fill in what is not written, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_an_unknown_preset_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gpt2"):
        TransformerConfig.model_validate({"preset": "gpt3"})
