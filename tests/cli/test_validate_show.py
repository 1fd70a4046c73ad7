"""`craft validate` and `craft show`, as processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.config.files import RICH


def craft(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from craft.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_sound_file_has_a_line_for_each_experiment(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    done = craft(tmp_path, "validate", "experiments.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:4] == [
        "transformer: OK, 1 run",
        "wide: OK, 1 run",
        "own-text: OK, 1 run",
        "lr: OK, 6 runs",
    ]
    done = craft(tmp_path, "validate", "experiments.toml", "--json")
    assert json.loads(done.stdout.splitlines()[3]) == {"experiment": "lr", "ok": True, "runs": 6}


def test_a_wrong_file_has_all_its_problems_on_standard_error(tmp_path: Path) -> None:
    text = RICH.replace("hidden_size = 256", "hidden_sze = 256").replace("keep = 3", "keep = 0")
    (tmp_path / "experiments.toml").write_text(text)
    done = craft(tmp_path, "validate", "experiments.toml")
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 6
    assert lines[0] == "experiments.toml:28:8: defaults: checkpoint.keep: must be at least 1, found 0 (an integer)"
    assert lines[3].endswith("model.hidden_sze: unknown key (did you mean 'hidden_size'?)")
    done = craft(tmp_path, "validate", "experiments.toml", "--json")
    assert (done.returncode, done.stderr) == (2, "")
    assert [json.loads(line)["line"] for line in done.stdout.splitlines()] == [28, 52]
    assert craft(tmp_path, "show", "experiments.toml", "wide").returncode == 2


def test_no_file_is_one_line(tmp_path: Path) -> None:
    done = craft(tmp_path, "validate", "experiments.toml")
    assert (done.returncode, done.stderr) == (2, "experiments.toml: no such file ('craft init' writes one)\n")


def test_show_prints_a_definition_with_places(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    done = craft(tmp_path, "show", "experiments.toml", "wide", "training.max_steps=60")
    assert (done.returncode, done.stderr) == (0, "")
    shown = tomllib.loads(done.stdout)["experiment"]["wide"]
    assert (shown["training"]["max_steps"], shown["model"]["hidden_size"]) == (60, 256)
    assert "# experiments.toml:52\n" in done.stdout
    done = craft(tmp_path, "show", "experiments.toml", "lr", "--json")
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [run["axes"]["seed"] for run in runs] == [1, 2, 3, 1, 2, 3]
    assert runs[0]["origins"]["optimizer.lr"]["kind"] == "sweep"
    assert runs[0]["origins"]["optimizer.lr"]["line"] == 65


def test_show_says_what_is_wrong_with_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    done = craft(tmp_path, "show", "experiments.toml", "wied")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("command line: no experiment 'wied' in experiments.toml (did you mean 'wide'?")
    done = craft(tmp_path, "show", "experiments.toml", "wide", "model.hidden_sze=1")
    assert done.stderr == "command line: model.hidden_sze: unknown key (did you mean 'hidden_size'?)\n"
