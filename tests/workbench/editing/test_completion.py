"""What is offered while typing, and what is said of the setting at the cursor."""

from __future__ import annotations

import pytest

from craft.config import fields
from craft.config.schema import ExperimentConfig
from workbench.screens.experiments.editing.completion import Names, completions, help_at
from workbench.screens.experiments.editing.facts import facts_of
from workbench.screens.experiments.editing.text_document import FileDocument
from workbench.screens.experiments.editing.where import where_is

NAMES = Names(("small", "wide"), {"model": "transformer", "optimizer": "muon"})


def offered(text: str, taken: tuple[str, ...] = ()) -> list[str]:
    at = text.index("|")
    document = FileDocument(text.replace("|", ""))
    return [one.text for one in completions(where_is(document, *document.location_of(at)), NAMES, taken)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("[exp|", ["experiment"]),
        ("[experiment.|]", ["small", "wide"]),
        ("[experiment.wide.op|]", ["optimizer"]),
        ("[experiment.wide.callbacks.ea|]", ["early_stopping"]),
        ("[experiment.wide]\next|", ["extends"]),
        ("[experiment.wide]\nmodel.num_|", ["num_layers", "num_heads", "num_kv_heads"]),
        ("[experiment.wide]\nmodel = { qk|", ["qk_norm"]),
        ("[experiment.wide.model]\nmlp = |", ['"relu2"', '"gelu"', '"swiglu"']),
        ('[experiment.wide.model]\nmlp = "sw|', ['"swiglu"']),
        ("[experiment.wide.model]\nqk_norm = f|", ["false"]),
        ('[experiment.wide]\nextends = "|"', ['"small"']),
        ('[experiment.wide]\nunset = ["optimizer.mom|', ['"optimizer.momentum"']),
        ("[experiment.wide.sweep]\naxes.optimizer.mom|", ["momentum"]),
        ('[experiment.wide.sweep]\naxes = { "optimizer.mom|', ["optimizer.momentum"]),
        ("[experiment.wide.sweep]\nstrategy = |", ['"grid"', '"list"', '"random"']),
        ("[experiment.wide.sweep]\naxes.model.norm = [|]", ['"rmsnorm"', '"layernorm"']),
        ("[experiment.wide]\ndevice = |", ['"auto"', '"cpu"', '"cuda"', '"mps"']),
        ("[project]\n|", ["runs_dir", "include"]),
        ('[experiment.wide]\nwhy = "|"', []),
        ("[unknown]\nx|", []),
    ],
)
def test_what_is_offered(text: str, first: list[str]) -> None:
    assert offered(text) == first


def test_keys_of_another_type_and_those_that_are_there_are_not_offered() -> None:
    keys = offered("[experiment.wide.optimizer]\n|", taken=("lr",))
    assert "ns_steps" in keys, "muon's own"
    assert "nesterov" not in keys, "sgd's"
    assert "lr" not in keys
    assert "sweep" not in offered("[template.x]\n|") and "why" not in offered("[defaults]\n|")


def test_help_says_type_bounds_default_and_what_it_is() -> None:
    document = FileDocument("[experiment.wide]\nmodel.num_heads = 4")
    facts = help_at(where_is(document, 1, 9), NAMES)
    assert facts is not None
    assert facts.words == "an integer, at least 1; 4 unless set"
    assert facts.about == "Query heads; `hidden_size` must be divisible by it."
    document = FileDocument("[experiment.wide.sweep]\naxes.model.num_heads = [4]")
    facts = help_at(where_is(document, 1, 9 + 6), NAMES)
    assert facts is not None and facts.words.startswith("a list of values, each an integer, at least 1")


def test_every_setting_of_the_schema_has_facts_in_words() -> None:
    for name in ExperimentConfig.model_fields:
        for kind, cls in fields.types_of(name).items():
            for key in cls.model_fields:
                path = (name, "x", key) if name in fields.NAMED else (name, key)
                facts = facts_of(path, kind)
                assert facts is not None and facts.what, path
                assert "a value" not in facts.what.split(), path
                assert "PydanticUndefined" not in facts.words, path
                if facts.shape == "choice":
                    assert facts.choices, path
