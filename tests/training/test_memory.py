"""Memory that runs out: the step again in smaller pieces, or one sentence about what took it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from craft.errors import TrainingError
from craft.runs.events import read_events
from craft.runs.folder import RunFolder, read_identity
from craft.runs.status import read_status
from craft.training.experiment import Experiment
from craft.training.memory import is_out_of_memory
from craft.training.trainer import Trainer
from tests.training import runs

LIMIT_MB = 1100


def run_limited(folder: RunFolder) -> int:
    """A real worker that may take no more than so much memory."""
    limit = LIMIT_MB << 20

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    command = [sys.executable, "-m", "craft.training.worker", str(folder.path)]
    with folder.log.open("ab") as log:
        return subprocess.run(
            command, stdout=log, stderr=log, check=False, preexec_fn=limited, env={**os.environ, "OMP_NUM_THREADS": "1"}
        ).returncode


def large(tmp_path: Path, **training: Any) -> Any:
    """A definition whose whole batch takes some gigabytes, and a sequence of it some megabytes."""
    text = runs.write_text(tmp_path / "text.txt", words=40_000)
    return runs.definition(
        text,
        data={"type": "text", "path": str(text), "context_length": 256, "val_fraction": 0.1},
        model={"type": "transformer", "num_layers": 2, "num_heads": 2, "hidden_size": 128, "dropout": 0.1},
        training={"max_steps": 2, "batch_size": 512, "eval_every": 0, "log_every": 1, **training},
        checkpoint={"every": 0},
    )


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_taken_in_pieces(tmp_path: Path) -> None:
    config = large(tmp_path, micro_batch_size="auto")
    folder = runs.make_run(tmp_path / "runs", config)
    assert run_limited(folder) == 0, folder.log.read_text()
    changed = [event for event in read_events(folder) if event["kind"] == "changed"]
    assert changed
    assert "memory ran out in micro-batches of 512" in changed[0]["text"]
    chosen = read_identity(folder).chosen["micro_batch_size"]
    assert 1 <= chosen < 512
    whole = runs.make_run(tmp_path / "runs", config)
    assert runs.train(whole) == 0
    from craft.runs.metrics import MetricsReader

    losses = []
    for run in (folder, whole):
        reader = MetricsReader(run.metrics)
        reader.poll()
        losses.append(list(reader.series("train/loss")[1]))
    assert losses[0] == pytest.approx(losses[1], rel=0.02), "the same batch, in other pieces and with other dropout"


@pytest.mark.slow
def test_what_took_the_memory_is_said(tmp_path: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", large(tmp_path, micro_batch_size=512))
    assert run_limited(folder) == 1
    status = read_status(folder)
    assert status is not None
    assert status.error is not None
    assert status.error.startswith("memory ran out at step 1: ")
    assert "a step in micro-batches of 512 takes about" in status.error
    assert "activations" in status.error
    assert "Traceback" not in folder.log.read_text()


class Scarce:
    """Memory for so many sequences at once, and no more."""

    def __init__(self, trainer: Trainer, most: int) -> None:
        self.compute, self.most = trainer.loop.loss_function, most

    def __call__(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss = self.compute(inputs, targets)
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return loss


def setup(tmp_path: Path, micro: Any, most: int) -> tuple[Experiment, Trainer]:
    text = runs.write_text(tmp_path / "text.txt")
    config = runs.definition(text, training={"micro_batch_size": micro, "batch_size": 12, "max_steps": 6})
    experiment = Experiment(config, folder=runs.make_run(tmp_path / "runs", config))
    trainer = experiment.setup()
    trainer.loop.loss_function = Scarce(trainer, most)
    return experiment, trainer


def test_the_repeated_step_is_the_one_that_smaller_pieces_would_have_made(tmp_path: Path) -> None:
    """Random numbers and gradients of the attempt that failed leave no trace."""
    scarce, one = setup(tmp_path, "auto", most=3)
    one.fit()
    scarce.close()
    assert one.loop.micro_batch_size == 3
    small, other = setup(tmp_path, 3, most=3)
    other.fit()
    small.close()
    assert runs.final_weights(scarce.folder) == runs.final_weights(small.folder)
    assert read_identity(scarce.folder).chosen["micro_batch_size"] == 3


def test_the_smaller_pieces_stay_when_the_run_is_resumed(tmp_path: Path) -> None:
    experiment, trainer = setup(tmp_path, "auto", most=3)
    trainer.fit(until=3)
    experiment.close()
    assert experiment._lock is not None
    experiment._lock.release()
    again = Experiment(experiment.config, folder=experiment.folder)
    assert again.setup().loop.micro_batch_size == 3
    assert again._lock is not None
    again._lock.release()


@pytest.mark.parametrize(("micro", "most"), [(4, 2), ("auto", 0)])
def test_where_nothing_smaller_is_allowed_the_run_says_what_took_it(tmp_path: Path, micro: Any, most: int) -> None:
    experiment, trainer = setup(tmp_path, micro, most)
    with pytest.raises(TrainingError, match=r"memory ran out at step 1: CUDA out of memory.*takes about .*activations"):
        trainer.fit()
    assert trainer.step == 0
    assert experiment._lock is not None
    experiment._lock.release()


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_say_that_memory_ran_out(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory
