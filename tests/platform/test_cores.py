"""The cores that a process may use: its mask, and what its control groups allow of their time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from craft.platform import cores, usable_cores


@pytest.fixture
def sixteen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(cores, "_GROUPS", tmp_path)
    monkeypatch.setattr(cores, "_OWN_GROUP", tmp_path / "own")
    return tmp_path


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 16),
        ({"": "max 100000"}, 16),
        ({"a/b": "400000 100000"}, 4),
        ({"a": "250000 100000", "a/b": "max 100000"}, 2),  # of a group above it, and not a whole number
        ({"": "50000 100000"}, 1),
        ({"c": "100000 100000"}, 16),  # another's
        ({"a/b": "nonsense"}, 16),
    ],
)
def test_version_two(limits: dict[str, str], expected: int, sixteen: Path) -> None:
    (sixteen / "own").write_text("0::/a/b\n")
    for place, limit in limits.items():
        (sixteen / place).mkdir(parents=True, exist_ok=True)
        (sixteen / place / "cpu.max").write_text(limit)
    assert usable_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 16), ("300000", 3)])
def test_version_one(quota: str, expected: int, sixteen: Path) -> None:
    (sixteen / "own").write_text("3:cpu,cpuacct:/job\n2:memory:/job\n")
    (sixteen / "cpu" / "job").mkdir(parents=True)
    (sixteen / "cpu" / "job" / "cpu.cfs_quota_us").write_text(quota)
    (sixteen / "cpu" / "job" / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores() == expected


def test_without_groups_the_mask_counts(sixteen: Path) -> None:
    assert usable_cores() == 16


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no masks")
def test_a_mask_is_kept_to() -> None:
    code = "import os; from craft.platform import usable_cores; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(usable_cores())"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "1\n"
