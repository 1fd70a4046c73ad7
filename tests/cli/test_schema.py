"""`craft schema`, as a process."""

from __future__ import annotations

import json
from pathlib import Path

from craft.config.editor_schema import FIRST_LINE
from tests.cli.test_validate_show import craft


def test_it_prints_the_schema(tmp_path: Path) -> None:
    done = craft(tmp_path, "schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["title"] == "Craft experiments"


def test_it_writes_beside_the_file_and_says_what_the_file_lacks(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text("craft = 1\n")
    done = craft(tmp_path, "schema", "--write", "experiments.toml")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("wrote .craft/experiments.schema.json\n")
    assert FIRST_LINE in done.stderr
    file.write_text(f"{FIRST_LINE}\ncraft = 1\n")
    assert craft(tmp_path, "schema", "--write", "experiments.toml").stderr == "wrote .craft/experiments.schema.json\n"
    assert json.loads((tmp_path / ".craft" / "experiments.schema.json").read_text())["required"] == ["craft"]


def test_a_file_that_is_not_there_gets_no_schema(tmp_path: Path) -> None:
    done = craft(tmp_path, "schema", "--write", "experiments.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("craft: experiments.toml: no such file")
    assert list(tmp_path.iterdir()) == []
