"""What every test stands on: caches and machine state of its own, and two threads for children."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    base: Path = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(base / "cache"))
    monkeypatch.setenv("CRAFT_STATE_DIR", str(base / "state"))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
