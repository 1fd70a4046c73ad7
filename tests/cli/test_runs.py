"""`craft runs` with filters and orders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from craft.runs.status import StatusWriter
from tests.training import runs as training
from workbench.screens.runs.columns import phase_word
from workbench.watch import RunsReader

CRAFT = str(Path(sys.executable).with_name("craft"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, lr, loss in (("small", 0.02, 1.9), ("wide", 0.002, 1.7), ("deep", 0.02, None)):
        config = training.definition(tmp_path / "text.txt", optimizer={"type": "adamw", "lr": lr})
        folder = training.make_run(tmp_path / "runs", config, name)
        StatusWriter(folder).write(phase="finished" if loss else "failed", step=10, val_loss=loss, best=loss)
    return tmp_path


def craft_runs(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CRAFT, "runs", *words], cwd=place, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["val/loss < 1.8"], ["wide-001"]),
        (["lr = 0.02", "and", "not", "phase = failed"], ["small-001"]),
        (["--sort", "val/loss"], ["wide-001", "small-001", "deep-001"]),
        (["--sort", "-val/loss"], ["small-001", "wide-001", "deep-001"]),
        (["--sort", "name", "--disk"], ["deep-001", "small-001", "wide-001"]),
        (["no such word"], []),
    ],
)
def test_what_is_asked_for_is_listed(place: Path, words: list[str], shown: list[str]) -> None:
    found = craft_runs(place, *words, "--json")
    assert found.returncode == 0, found.stderr
    assert [json.loads(line)["run"] for line in found.stdout.splitlines()] == shown


def test_what_cannot_be_asked_is_said(place: Path) -> None:
    assert "none of 3 runs in runs is let through" in craft_runs(place, "nothing").stderr
    for words, said in ((["lr >"], "a value is missing after '>'"), (["--sort", "beauty"], "no run has 'beauty'")):
        found = craft_runs(place, *words)
        assert found.returncode == 2 and said in found.stderr and not found.stdout


@pytest.mark.parametrize("damage", ["null", None])
def test_a_damaged_folder_is_called_so_as_in_the_workbench(place: Path, damage: str | None) -> None:
    status = place / "runs" / "wide-001" / "status.json"
    status.unlink()
    status.mkdir() if damage is None else status.write_text(damage)
    found = craft_runs(place, "phase = damaged", "--json")
    (line,) = found.stdout.splitlines()
    assert json.loads(line)["run"] == "wide-001" and json.loads(line)["phase"] == "damaged"
    assert {phase_word(run) for run in RunsReader(place / "runs").read()} == {"damaged", "failed", "finished"}
