"""What each setting does to a run that goes on: field by field, without any run."""

from __future__ import annotations

from typing import Any

import pytest

from craft.config.estimate.parts import ModelParts, Weights, Workload
from craft.config.experiments import load_experiments
from craft.config.fields import sections, types_of
from craft.config.schema import ExperimentConfig
from craft.config.schema.model import OwnModel
from craft.launch.going_on.meaning import changes_between, effects, parts_anew

SMALL = {"type": "transformer", "num_layers": 1, "num_heads": 2, "hidden_size": 16}
OWN_TEXT = {"type": "text", "path": "/text.txt", "context_length": 16}


def config(**changes: Any) -> ExperimentConfig:
    settings: dict[str, Any] = {"model": SMALL, "data": OWN_TEXT}
    settings |= {"optimizer": {"type": "adamw"}, "scheduler": {"type": "cosine"}}
    for name, value in changes.items():
        settings[name] = {**settings.get(name, {}), **value} if isinstance(value, dict) else value
    return ExperimentConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("changes", "kinds", "anew", "resumable"),
    [
        ({"why": "to see"}, {"why": "continues"}, [], True),
        ({"optimizer": {"lr": 0.5}}, {"optimizer.lr": "continues"}, [], True),
        ({"optimizer": {"type": "muon", "lr": 0.5}}, {"optimizer.type": "anew"}, ["optimizer"], False),
        ({"scheduler": {"type": "constant"}}, {"scheduler.type": "continues"}, [], True),
        ({"scheduler": {"type": "plateau"}}, {"scheduler.type": "anew"}, ["scheduler"], True),
        ({"seed": 7}, {"seed": "anew"}, ["data", "random"], False),
        ({"device": "cuda"}, {"device": "continues"}, [], True),
        ({"precision": "bf16"}, {"precision": "continues"}, [], True),
        ({"precision": "fp16"}, {"precision": "anew"}, ["loss_scale"], True),
        ({"training": {"batch_size": 7}}, {"training.batch_size": "anew"}, ["data"], False),
        ({"training": {"max_steps": 7}}, {"training.max_steps": "continues"}, [], True),
        ({"training": {"threads": 1}}, {"training.threads": "continues"}, [], True),
        ({"training": {"ema_decay": 0.9}}, {"training.ema_decay": "anew"}, ["ema"], True),
        ({"checkpoint": {"keep": 7}}, {"checkpoint.keep": "continues"}, [], True),
        ({"generation": {"top_k": 7}}, {"generation.top_k": "continues"}, [], True),
        ({"data": {"path": "/other"}}, {"data.path": "anew"}, ["text"], True),
        ({"data": {"processors": ["lowercase"]}}, {"data.processors": "anew"}, ["text"], False),
        ({"data": {"type": "csv"}}, {"data.type": "anew"}, ["text"], False),
        ({"data": {"shuffle": False}}, {"data.shuffle": "anew"}, ["data"], False),
        ({"data": {"context_length": 8}}, {"data.context_length": "anew"}, ["data", "figures"], False),
        ({"data": {"val_fraction": 0.2}}, {"data.val_fraction": "anew"}, ["data", "figures"], False),
        ({"data": {"path": "/b"}, "seed": 7}, {"data.path": "anew", "seed": "anew"}, ["data", "figures", "random"], 0),
        ({"model": {"dropout": 0.5}}, {"model.dropout": "continues"}, [], True),
        ({"model": {"mlp": "gelu"}}, {"model.mlp": "continues"}, [], False),
        ({"model": {"num_heads": 4}}, {"model.num_heads": "continues"}, [], False),
        ({"model": {"hidden_size": 32}}, {"model.hidden_size": "cannot"}, [], False),
        ({"model": {"position": "learned"}}, {"model.position": "cannot"}, [], False),
        ({"model": {"type": "lstm"}}, {"model.type": "cannot"}, [], False),
        ({"model": {"num_layers": 2, "mlp": "gelu"}}, {"model.num_layers": "cannot", "model.mlp": "continues"}, [], 0),
        ({"tokenizer": {"type": "byte"}}, {"tokenizer.type": "cannot"}, [], False),
        ({"init_from": "other-001@best"}, {"init_from": "cannot"}, [], False),
    ],
)  # fmt: skip
def test_what_a_change_does(changes: dict[str, Any], kinds: dict[str, str], anew: list[str], resumable: bool) -> None:
    before = config()
    after = config(**changes) if changes.get("model", {}).get("type") != "lstm" else other_model()
    found = effects(before, after)
    assert {one.path: one.kind for one in found} == kinds
    assert sorted(parts_anew(found)) == anew
    assert all(one.resumable for one in found) == resumable
    assert effects(after, after) == []


def other_model() -> ExperimentConfig:
    return ExperimentConfig.model_validate({"model": {"type": "lstm"}, "data": OWN_TEXT})


def test_positions_that_are_learnt_fix_the_length_of_the_context() -> None:
    before, after = (config(model={"position": "learned"}, data={"context_length": length}) for length in (16, 8))
    (effect,) = effects(before, after)
    assert (effect.kind, effect.path) == ("cannot", "data.context_length")


def test_sizes_that_only_together_fit_are_all_named() -> None:
    before, after = config(), config(model={"num_heads": 4, "hidden_size": 24})
    assert {one.path: one.kind for one in effects(before, after)}["model.hidden_size"] == "cannot"


def test_an_average_that_ends_goes_on_from_the_weights() -> None:
    (effect,) = effects(config(training={"ema_decay": 0.9}), config())
    assert (effect.kind, effect.parts) == ("continues", ())
    assert "not their average" in effect.why


def test_a_callback_of_another_type_by_the_same_name_begins_anew() -> None:
    before = config(callbacks={"one": {"type": "early_stopping"}, "gone": {"type": "norms"}})
    after = config(callbacks={"one": {"type": "spike_guard"}, "new": {"type": "norms"}})
    found = {one.path: one for one in effects(before, after)}
    assert found["callbacks.one.type"].parts == ("callbacks.one",)
    assert found["callbacks.gone.type"].kind == found["callbacks.new.type"].kind == "continues"


def test_every_setting_of_the_schema_is_judged() -> None:
    """A setting that is added to the schema must be thought of here: those that fall through do go on."""
    judged = {"model", "tokenizer", "data", "seed", "init_from", "device", "precision", "task"}
    free = {"description", "why", "optimizer", "scheduler", "checkpoint", "callbacks", "metrics", "generation"}
    assert set(ExperimentConfig.model_fields) == judged | free | {"training"}
    (training,) = types_of("training").values()
    assert set(training.model_fields) == {
        "max_steps", "max_epochs", "batch_size", "micro_batch_size", "gradient_checkpointing", "grad_clip", "ema_decay",
        "eval_every", "log_every", "compile", "threads", "trainer", "on_nonfinite",
    }  # fmt: skip
    assert "training" in sections()


def test_a_model_of_ones_own_is_measured_to_know_whether_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(model: OwnModel, works: list[Workload], **settings: Any) -> dict[Workload, ModelParts]:
        shape = int(model.model_dump()["arguments"]["width"])
        return {work: ModelParts([Weights("all", (shape,), "matrix")], {}, []) for work in works}

    monkeypatch.setattr("craft.launch.going_on.meaning.measure", measure)

    def own(**arguments: float) -> ExperimentConfig:
        return ExperimentConfig.model_validate({"model": {"type": "mine:Net", "arguments": arguments}})

    for change, kind in (({"slope": 2.0}, "continues"), ({"width": 9}, "cannot")):
        (effect,) = effects(own(width=8, slope=1.0), own(**{"width": 8, "slope": 1.0, **change}))
        assert (effect.kind, effect.resumable) == (kind, False)


def test_keys_are_written_as_toml_has_them(tmp_path: Any) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text('craft = 1\n[experiment.a.model]\ntype = "transformer"\n')
    before, after = (
        load_experiments(file).plan([], overrides)[0].config
        for overrides in ([], ['callbacks."two words".type=norms', 'callbacks."two words".every=3'])
    )
    assert changes_between(before, after)['callbacks."two words".every'] == (None, 3)
