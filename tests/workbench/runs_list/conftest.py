"""Projects whose workers are real processes; those of a fake one train nothing."""

from __future__ import annotations

import pytest

import craft.launch.workers
from tests.launch.project import FAKE, Project, fake_project, real_project

__all__ = ["fake_project", "real_project", "started_here"]


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.reading.TICK", 0.2)


@pytest.fixture
def started_here(fake_project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fake project whose workers this process starts too."""
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_STEP_SECONDS", "0.01")
    monkeypatch.setattr(craft.launch.workers, "WORKER", "fake_worker")
    return fake_project
