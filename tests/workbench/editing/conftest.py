"""A file to edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workbench.editing.harness import TEXT


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An experiments file in a folder of its own."""
    path = tmp_path / "project" / "experiments.toml"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path
