"""A few real steps, in a real process, of which nothing stays but the figures."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft import platform
from craft.analysis.dry_runs import kept_result
from craft.analysis.past_speed import expected_time
from craft.config.definition import definition_hash
from craft.config.estimate import estimate
from craft.config.experiments import PlannedRun, load_experiments
from craft.errors import CraftError, TrainingError
from craft.launch.dry_run import DryRun, DryRunStoppedError, Progress
from craft.launch.queue.slots import Slot, slots_for
from tests.children import child, says, wait_until
from tests.launch.project import EXPERIMENTS

OWN = """
import torch
from craft.models import LanguageModel
from craft.models.base import ModelOutput

class Fails(LanguageModel):
    type = "fails"
    def __init__(self, *, vocab_size, context_length, width=8):
        super().__init__()
        self.table = torch.nn.Embedding(vocab_size, width)
    def forward(self, tokens, targets=None, state=None):
        raise ValueError("my layer has a hole")
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project, and a temporary folder of its own, to see that nothing is left in it."""
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 120)
    (tmp_path / "experiments.toml").write_text(EXPERIMENTS.replace("max_steps = 20", "max_steps = 400"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    yield tmp_path
    assert not list(temporary.iterdir())


def planned(place: Path, *overrides: str, name: str = "tiny") -> PlannedRun:
    return load_experiments(place / "experiments.toml").plan([name], overrides)[0]


def test_it_measures_real_steps_keeps_the_figures_and_leaves_nothing_behind(place: Path) -> None:
    run = planned(place)
    said: list[Progress] = []
    result = DryRun(run, place / "runs").go(said.append)

    assert not (place / "runs").exists()
    assert 3 < result.steps <= 400
    assert 0 < result.fastest <= result.seconds_per_step <= result.slowest
    assert result.tokens_per_second == pytest.approx(4 * 16 / result.seconds_per_step)
    assert result.losses[0][0] == 1
    assert result.losses[-1][1] < result.losses[0][1]  # it really trains
    assert result.peak_memory is not None
    assert result.peak_memory > 50e6
    assert result.evaluation_seconds is not None
    assert (result.device, result.steps_of_run, result.disturbed_by) == ("cpu", 400, [])
    assert any(reason.startswith("precision") for reason in result.reasons)
    assert {"measuring", "one evaluation"} <= {one.message for one in said}

    hashed = definition_hash(run.config)
    assert kept_result(hashed) == result
    figures = estimate(run.config, source_dir=place)
    expected = expected_time(run.config, hashed, figures, [])
    assert expected is not None
    assert expected.basis == "measured"
    training = 400 * result.seconds_per_step
    assert 0.9 * training < expected.seconds.high < 1.1 * training + 50 * result.evaluation_seconds


def test_stopped_it_is_gone_at_once(place: Path) -> None:
    dry_run = DryRun(planned(place, "training.max_steps=100000"), place / "runs")
    began = threading.Event()
    failed: list[BaseException] = []

    def go() -> None:
        try:
            dry_run.go(lambda progress: began.set() if progress.step else None)
        except CraftError as error:
            failed.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    assert began.wait(60)
    process = dry_run._process
    assert process is not None
    dry_run.stop()
    thread.join(20)
    assert [type(error) for error in failed] == [DryRunStoppedError]
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


_ASKS = """
import sys, tempfile
from pathlib import Path
from craft.config.experiments import load_experiments
from craft.launch.dry_run import DryRun
tempfile.tempdir = sys.argv[2]
file = Path(sys.argv[1])
dry_run = DryRun(load_experiments(file).plan(["tiny"], ["training.max_steps=100000"])[0], file.parent / "runs")
dry_run.go(lambda progress: print(dry_run._process.pid, flush=True) if progress.step else None)
"""


def test_it_ends_and_sweeps_itself_away_when_whoever_asked_is_killed(place: Path) -> None:
    with child(_ASKS, place / "experiments.toml", place / "temporary") as asks:
        pid = int(says(asks))
        asks.kill()
        asks.wait()
        wait_until(lambda: platform.start_ticks(pid) is None)
    wait_until(lambda: not list((place / "temporary").iterdir()))


def test_what_goes_wrong_in_ones_own_model_is_said_with_its_line(place: Path) -> None:
    (place / "mine.py").write_text(OWN)
    file = place / "experiments.toml"
    model = '[defaults.model]\ntype = "transformer"\nnum_layers = 1\nnum_heads = 2\nhidden_size = 16\n'
    file.write_text(file.read_text().replace(model, "").split("[experiment.other]")[0] + 'model.type = "mine:Fails"\n')
    with pytest.raises(TrainingError, match=r"my layer has a hole.*mine\.py:12"):
        DryRun(planned(place), place / "runs").go()


def test_a_text_that_is_not_there_is_said_before_anything_starts(place: Path) -> None:
    (place / "text.txt").unlink()
    with pytest.raises(CraftError, match=r"text\.txt"):
        DryRun(planned(place), place / "runs").go()


def test_a_run_that_trains_beside_it_is_named_and_keeps_its_slot(place: Path) -> None:
    (slot,) = slots_for("cpu")
    lock = platform.FileLock(slot.path)
    slot.path.parent.mkdir(parents=True)
    assert lock.acquire(0.0)
    try:
        slot.give(place / "runs" / "wide-001", platform.ProcessIdentity.current())
        result = DryRun(planned(place), place / "runs").go()
        assert result.disturbed_by == ["wide-001"]
        assert lock.held
    finally:
        lock.release()


def test_it_does_not_begin_on_a_gpu_that_trains(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Slot(platform.slots_dir() / "gpu-GPU-1.lock", {"CUDA_VISIBLE_DEVICES": "GPU-1"})
    busy.path.parent.mkdir(parents=True)
    busy.give(place / "runs" / "wide-001", platform.ProcessIdentity.current())
    monkeypatch.setattr("craft.launch.queue.slots.slots_for", lambda *_: [busy])
    with pytest.raises(CraftError, match=r"wide-001 has it; wait for its end"):
        DryRun(planned(place), place / "runs").go()


def test_a_busy_machine_is_said_to_be_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 0.0, 0.0))
    (words,) = DryRun(planned(place), place / "runs").go().disturbed_by
    assert words.startswith("other work (load 99.0 on ")
