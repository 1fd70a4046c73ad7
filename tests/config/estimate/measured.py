"""What torch really allocates: the allocator's own events.

torch.profiler records every allocation and release of torch's CPU allocator, buffers inside kernels included. Played
in order they give the bytes that are there at each moment, and so the peak. Nothing is sampled: two runs of the same
work give the same peak. A storage-tracking TorchDispatchMode gives figures within 0.4 % of these, but does not see
inside kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from craft.config.schema.scheduler import ConstantSchedule
from craft.models import LanguageModel, create_model_from_config
from craft.training.evaluation import Evaluator
from craft.training.loss_scale import LossScale
from craft.training.optimizers import Optimizer, create_optimizer
from craft.training.precision import DTYPES
from craft.training.schedulers import create_scheduler
from craft.training.training_loop import TrainingLoop
from tests.config.estimate.shapes import Case

CPU = torch.device("cpu")


@dataclass
class RandomBatches:
    """Random tokens in place of a text: their memory is the same."""

    vocab_size: int
    shape: tuple[int, int]
    num_tokens: int = 1
    num_bytes: int = 1

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step."""
        return torch.randint(self.vocab_size, self.shape), torch.randint(self.vocab_size, self.shape)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return (self.batch(part) for part in range(2))  # the logits of one are there while the next is computed


def peak_bytes(work: Callable[[], Any]) -> int:
    """The most that torch's CPU allocator held at once while `work` ran, of what `work` itself allocated."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        made = work()
    del made  # freed after the last event only, so that a step's end does not look like its peak
    assert profiled.profiler is not None
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def build(case: Case) -> tuple[LanguageModel, Optimizer]:
    """A model of the case's shape and its optimizer."""
    model = create_model_from_config(case.model, case.work.vocab_size, case.work.context_length)
    model.compute_dtype = DTYPES[case.work.precision]
    model.gradient_checkpointing = case.work.recomputes
    return model, create_optimizer(case.optimizer, model)


def training_peak(case: Case) -> int:
    """The most that two training steps hold; in the second all state is there."""

    def train() -> object:
        model, optimizer = build(case)
        loop = TrainingLoop(
            model,
            lambda inputs, targets: model(inputs, targets).loss,
            RandomBatches(case.work.vocab_size, (case.batch_size, case.work.context_length)),  # type: ignore[arg-type]
            optimizer,
            create_scheduler(ConstantSchedule(), 2),
            device=CPU,
            micro_batch_size=case.work.sequences,
            grad_clip=1.0,
            loss_scale=LossScale(enabled=False),
        )
        loop.step(1)
        loop.step(2)
        return loop

    return peak_bytes(train)


def evaluation_peak(case: Case, sequences: int) -> int:
    """The most that is held while a batch of an evaluation is measured."""
    windows = RandomBatches(case.work.vocab_size, (sequences, case.work.context_length))

    def evaluate() -> object:
        model, optimizer = build(case)
        Evaluator(windows, CPU).evaluate(model)  # type: ignore[arg-type]
        return model, optimizer

    return peak_bytes(evaluate)
