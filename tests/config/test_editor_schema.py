"""The schema for editors: what Craft accepts it accepts, and the slips that an editor can know it shows."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from craft.config import fields
from craft.config.definition import dump_definition
from craft.config.editor_schema import FIRST_LINE, editor_schema, write_editor_schema
from craft.config.schema import ExperimentConfig
from tests.config.files import RICH, load

SCHEMA = editor_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def complaints(text: str) -> list[str]:
    """What an editor would underline: the place and the reason."""
    found = VALIDATOR.iter_errors(tomllib.loads(text))
    return [f"{error.json_path.removeprefix('$.')}: {error.message}" for error in found]


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_what_craft_accepts_has_no_complaint(tmp_path: Path) -> None:
    assert complaints(RICH) == []
    assert complaints((Path(__file__).parents[2] / "experiments.toml").read_text()) == []
    for run in load(tmp_path, RICH).plan():  # a run's own definition, where nothing is left out
        assert complaints(dump_definition(run.experiment, run.config, runs_dir=tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[experiment.a.model]\nhidden_sze = 8", "'hidden_sze' was unexpected"),
        ("[experiment.a]\nmodle.hidden_size = 8", "'modle' was unexpected"),
        ("[defaults]\nextends = 'a'", "'extends' was unexpected"),
        ("[defaults.optimizer]\ntype = 'adamw'\nmomentum = 0.9", "'momentum' is not one of"),
        ("[defaults.optimizer]\ntype = 'zzz'", "'zzz' is not valid"),
        ("[defaults.data]\ntype = 'txt'", "'txt' is not valid"),
        ("[defaults.data]\ntype = 'mine:Words'\nval_fraction = 0.1", "'val_fraction' is not one of"),
        ("[defaults.training]\nbatch_size = 0", "0 is less than the minimum"),
        ("[defaults.training]\nbatch_size = '8'", "'8' is not of type 'integer'"),
        ("[defaults.callbacks.stop]\ntype = 'early_stoping'", "'early_stoping' is not valid"),
        ("[experiment.a]\nunset = ['schedule']", "is not valid under any"),
        ("[experiment.a.sweep]\nstrategy = 'gird'", "'gird' is not one of"),
        ("[experiment.a.sweep.axes]\noptimiser.lr = [1]", "'optimiser'"),
        ("plugins = [1]", "1 is not of type 'string'"),
    ],
)
def test_a_slip_is_shown(text: str, expected: str) -> None:
    assert expected in "\n".join(complaints(f"craft = 1\n{text}"))


def test_a_section_without_a_type_may_hold_any_types_settings() -> None:
    assert complaints("craft = 1\n[experiment.a.optimizer]\nmomentum = 0.9\nlr = 0.1") == []


def test_every_setting_has_words_and_types() -> None:
    entry = SCHEMA["definitions"]["entry"]["properties"]
    assert entry.keys() == {*ExperimentConfig.model_fields, *fields.INSTRUCTIONS}
    for name in fields.sections():
        table: dict[str, Any] = entry[name]
        if name in fields.NAMED:
            table = table["additionalProperties"]
        known = {key for cls in fields.types_of(name).values() for key in cls.model_fields}
        assert table["properties"].keys() == known
        silent = [key for key, value in table["properties"].items() if not value.get("description")]
        assert not silent, f"{name}: {silent} have no docstring"


def test_short_names_of_plugins_are_types(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class GatedLSTM: ...")
    experiments = tmp_path / "experiments.toml"
    experiments.write_text("craft = 1\nplugins = ['mine.py']\n")
    schema = json.loads(write_editor_schema(experiments).read_text())
    text = "[experiment.a.model]\ntype = 'gated_lstm'\n"
    file = tomllib.loads(f"craft = 1\n{text}")
    assert not list(jsonschema.Draft7Validator(schema).iter_errors(file))
    assert list(jsonschema.Draft7Validator(SCHEMA).iter_errors(file))


def test_it_is_written_where_the_first_line_says(tmp_path: Path) -> None:
    path = write_editor_schema(tmp_path / "experiments.toml")
    assert path == tmp_path / FIRST_LINE.removeprefix("#:schema ")
    assert path.read_text().startswith('{\n  "$schema"')
