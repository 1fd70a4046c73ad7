"""Folders are made whole or not at all, and say where they come from."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from craft import platform
from craft.config.definition import definition_hash, load_definition
from craft.config.experiments import load_experiments
from craft.errors import RunError
from craft.launch.create import create_runs, git_commit
from tests.launch.project import EXPERIMENTS
from tests.runs.crash import crashes, watch

OWN = "class Numbers:\n    pass\n"
OWN_FILE = """\
craft = 1
[experiment.own]
data = { type = "parts.own:Numbers", context_length = 8 }
model = { type = "transformer", num_layers = 1, num_heads = 2, hidden_size = 16 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiments.toml"
    path.write_text(EXPERIMENTS + "[experiment.s.sweep]\nstrategy = 'grid'\naxes.seed = [1, 2]\n")
    (tmp_path / "text.txt").write_text("abc " * 100)
    return path


def test_a_run_knows_its_origin(file: Path, tmp_path: Path) -> None:
    planned = load_experiments(file).plan(["tiny"], ["seed=9"])
    before = time.time()
    (folder,) = create_runs(tmp_path / "runs", planned)
    identity = json.loads(folder.run_json.read_text())
    assert identity["experiment"] == "tiny"
    assert identity["seed"] == 9
    assert identity["source"] == str(file)
    assert before <= identity["created"] <= time.time()
    assert identity["definition_hash"] == definition_hash(planned[0].config)
    assert identity["group"] is None
    name, config = load_definition(folder.definition)
    assert (name, config) == ("tiny", planned[0].config)


def test_a_full_disk_leaves_nothing_behind(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = load_experiments(file).plan()
    real, written = platform.write_file_durable, []

    def full(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) > 5:
            raise OSError(28, "No space left on device", str(path))
        real(path, content)

    monkeypatch.setattr(platform, "write_file_durable", full)
    with pytest.raises(RunError, match="No space"):
        create_runs(tmp_path / "runs", planned)
    assert len(written) == 6, "some folders had been made before"
    left = [path for path in (tmp_path / "runs").rglob("*") if not path.is_dir()]
    assert left == []


def test_the_commit_of_the_file_is_kept(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None

    def git(*arguments: str) -> Any:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    assert git_commit(tmp_path) is None, "nothing is committed yet"
    git("commit", "-q", "--allow-empty", "-m", "first")
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)
    assert git_commit(inside) == git("rev-parse", "HEAD")


@pytest.mark.skipif(sys.platform == "darwin", reason="files are forced by another call there")
def test_no_crash_leaves_a_run_without_its_own_code(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "parts").mkdir(parents=True)
    (root / "parts" / "__init__.py").touch()
    (root / "parts" / "own.py").write_text(OWN)
    (root / "experiments.toml").write_text(OWN_FILE)
    planned = load_experiments(root / "experiments.toml").plan()
    with pytest.MonkeyPatch.context() as patch:
        watched = watch(root, patch)
        create_runs(root / "runs", planned)
        watched.take()
    found = 0
    for picture in watched.pictures:
        for way, tree in crashes(picture, root, random.Random(0)):
            runs = tree.get("runs", {})
            assert isinstance(runs, dict)
            run = runs.get("own-001", {})
            assert isinstance(run, dict)
            identity = run.get("run.json", b"")
            if isinstance(identity, bytes) and identity.strip(b"\0"):
                code = run.get("code")
                assert isinstance(code, dict), way
                parts = code.get("parts")
                assert isinstance(parts, dict), way
                assert parts.get("own.py") == OWN.encode(), way
                found += 1
    assert found
