"""A run that was trained, and samplers to ask it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft.runs.sampler_client import Sampler
from tests.generation.forked_sampler import fork_samplers, forked_samplers
from tests.training.runs import definition, make_run, train, write_text

__all__ = ["forked_samplers"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/tiny-001, trained to its end."""
    folder = tmp_path_factory.mktemp("sampler")
    run = make_run(folder / "runs", definition(write_text(folder / "text.txt")))
    assert train(run) == 0
    return folder


@pytest.fixture(scope="session")
def shared(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sampler]:
    """A sampler for all tests that leave it as it is."""
    with pytest.MonkeyPatch.context() as patch:
        fork_samplers(patch)
        sampler = Sampler(log=tmp_path_factory.mktemp("log") / "log.txt")
    with sampler:
        hello = sampler.receive()
        assert hello is not None and hello["type"] == "hello" and hello["pid"] == sampler.pid
        yield sampler


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> str:
    """A copy that a test may damage."""
    shutil.copytree(trained / "runs" / "tiny-001", tmp_path / "tiny-001")
    return str(tmp_path / "tiny-001")
