"""Every benchmark is among those that `make bench` runs or names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import ELSEWHERE, HERE

FOLDER = Path(__file__).parents[2] / "benchmarks"
# Parts of others.
PARTS = {"__init__", "__main__", "turns", "library_trainers", "gpu_parts", "faults"}


def test_each_is_run_or_named() -> None:
    modules = [*FOLDER.glob("*.py"), *(path.parent for path in FOLDER.glob("*/__main__.py"))]
    assert {path.stem for path in modules} - PARTS == {*HERE, *ELSEWHERE}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_it_takes_is_what_is_said(name: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"], cwd=FOLDER.parent, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    for word in ELSEWHERE[name].replace("[", "").split():
        if word.startswith("--"):
            assert word.rstrip("]") in found.stdout
