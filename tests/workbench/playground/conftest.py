"""Runs to write from, and samplers that are there at once."""

from __future__ import annotations

import subprocess

import pytest

from tests.generation.forked_sampler import forked_samplers
from tests.workbench.playground.trained import project, trained_project

__all__ = ["forked_samplers", "project", "real_samplers", "trained_project"]


@pytest.fixture(autouse=True)
def _forked(forked_samplers: None) -> None:
    """Seconds of importing less for each test."""


@pytest.fixture
def real_samplers(_forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers are started as they are outside of tests."""
    monkeypatch.setattr("craft.runs.sampler_client.subprocess", subprocess)
