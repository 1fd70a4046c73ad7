"""`craft init`, as a process."""

from __future__ import annotations

import json
from pathlib import Path

from craft.config.experiments import load_experiments
from tests.cli.test_validate_show import craft
from tests.config.test_scaffold import words


def test_one_command_from_a_text_to_a_run(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(words(2_000))
    done = craft(tmp_path, "init", "mine.txt")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "next: craft run experiments.toml small"
    assert json.loads((tmp_path / ".craft" / "experiments.schema.json").read_text())
    assert craft(tmp_path, "validate", "experiments.toml").returncode == 0
    done = craft(tmp_path, "run", "experiments.toml", "small", "training.max_steps=2", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "runs" / "small-001" / "status.json").read_text())["phase"] == "finished"


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text("# mine\n")
    done = craft(tmp_path, "init")
    assert done.returncode == 2
    assert done.stderr.startswith("craft: experiments.toml is there already; --output NAME writes another file")
    assert file.read_text() == "# mine\n"
    assert craft(tmp_path, "init", "--output", "other.toml").returncode == 0
    assert load_experiments(tmp_path / "other.toml").names == ("small", "deeper")
    assert craft(tmp_path, "init", "--force").returncode == 0
    assert load_experiments(file).names == ("small", "deeper")


def test_what_cannot_be_used_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    for arguments, message in [
        (["missing.txt"], "craft: missing.txt: no such file or folder"),
        (["latin.txt"], "craft: latin.txt: not UTF-8"),
        (["--output", "."], "craft: . is a folder; name a file"),
        (["--output", "no/such/x.toml"], "craft: no/such: no such folder"),
    ]:
        done = craft(tmp_path, "init", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["latin.txt"]
