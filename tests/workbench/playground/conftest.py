"""Runs to write from, and samplers that are there at once."""

from __future__ import annotations

import pytest

from tests.generation.forked_sampler import forked_samplers
from tests.workbench.playground.trained import project, trained_project

__all__ = ["forked_samplers", "project", "trained_project"]


@pytest.fixture(autouse=True)
def _forked(forked_samplers: None) -> None:
    """Seconds of importing less for each test."""
