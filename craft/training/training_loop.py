"""One optimizer step, and nothing else: what a bare loop would do, with accumulation, clipping and bookkeeping.

Between records nothing here waits for the device: sums stay tensors until `take_record` reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from craft.data.datasets import Pair
from craft.models.base import IGNORED
from craft.training.loss_scale import LossScale
from craft.training.optimizers import Optimizer
from craft.training.schedulers import Scheduler

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(inputs, targets) of a micro-batch, on the device, to their mean loss: a scalar with a gradient."""


class Batches(Protocol):
    """Whatever knows the batch of each step."""

    def batch(self, step: int) -> Pair:
        """Inputs and targets (B, T) int64 of optimizer step `step`, from 1."""


class TrainingLoop:
    """Steps a model through batches. What it sums since the last record survives a restart through `state_dict`."""

    def __init__(
        self,
        model: nn.Module,
        loss_function: LossFunction,
        batches: Batches,
        optimizer: Optimizer,
        scheduler: Scheduler,
        *,
        device: torch.device,
        micro_batch_size: int,
        grad_clip: float,
        loss_scale: LossScale,
    ) -> None:
        self.model, self.loss_function, self.batches = model, loss_function, batches
        self.optimizer, self.scheduler, self.device = optimizer, scheduler, device
        self.micro_batch_size, self.grad_clip, self.loss_scale = micro_batch_size, grad_clip, loss_scale
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.tokens = 0
        self.lr_scale = 1.0
        """What the schedule's factor is multiplied by; 1 unless somebody changed the rate on the way."""
        self.peak_ratio = 1.0
        """The same, for an optimizer of a person's own, whose rate was changed while it trains."""
        self.skipped = 0
        """Batches passed over: step S trains on batch S + skipped."""
        self._updating = False
        self._loss_sum = torch.zeros((), device=device)
        self._steps_summed = 0
        self._grad_norm = torch.zeros((), device=device)
        self._first_bad = torch.zeros((), dtype=torch.int64, device=device)

    def step(self, step: int) -> None:
        """Optimizer step `step` (1-based): the whole batch, in micro-batches, and one update.

        Raises what torch raises when memory runs out; before the update, `halve_micro_batch` may mend that.
        """
        self._updating = False
        loss, tokens = self._accumulate(self.batches.batch(step + self.skipped))
        self._updating = True
        self.optimizer.lr_factor = self.scheduler.factor(step) * self.lr_scale * self.peak_ratio
        if self.loss_scale.unscale(self.parameters):
            if self.grad_clip:
                self._grad_norm = nn.utils.clip_grad_norm_(self.parameters, self.grad_clip)
            self.optimizer.step()
        self.forget_gradients()
        self.tokens += tokens
        self._loss_sum += loss
        self._steps_summed += 1
        bad = ~torch.isfinite(loss) & (self._first_bad == 0)
        self._first_bad = torch.where(bad, step, self._first_bad)

    def _accumulate(self, batch: Pair) -> tuple[Tensor, int]:
        """Gradients of the mean loss over a batch; that loss, and the tokens in it."""
        # Targets that count, per micro-batch: each counts the same, whatever micro-batch it falls into.
        counted = [int((part != IGNORED).sum()) for part in torch.split(batch[1], self.micro_batch_size)]
        inputs, targets = (self._move(tensor) for tensor in batch)  # (B, T) each
        loss = torch.zeros((), device=self.device)
        for tokens, wanted, count in zip(
            torch.split(inputs, self.micro_batch_size),
            torch.split(targets, self.micro_batch_size),
            counted,
            strict=True,
        ):
            if not count:
                continue
            part = self.loss_function(tokens, wanted) * (count / sum(counted))
            self.loss_scale.apply(part).backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
        return loss, targets.numel()

    def forget_gradients(self) -> None:
        """Let all gradients go."""
        for parameter in self.parameters:
            parameter.grad = None

    def halve_micro_batch(self) -> bool:
        """Make a step's pieces smaller after memory ran out in it; False when they cannot be, or the weights were being
        changed already, so that the step cannot be made again."""
        self.forget_gradients()
        if self._updating or self.micro_batch_size == 1:
            return False
        self.micro_batch_size = -(-self.micro_batch_size // 2)
        return True

    def _move(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cuda":
            return (tensor if tensor.is_pinned() else tensor.pin_memory()).to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def first_nonfinite_step(self) -> int:
        """The first step since the start of this process whose loss was NaN or infinite; 0 when none was. Waits."""
        return int(self._first_bad.item())

    def forget_nonfinite(self) -> None:
        """Look for the first such step anew: the weights were put back to what they were before."""
        self._first_bad.zero_()

    def weights_are_finite(self) -> bool:
        """Whether every parameter is a number still. Waits."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters)

    def take_record(self) -> dict[str, float]:
        """The mean loss since the last record, the last gradient norm and the learning rate. Waits for the device."""
        record = {
            "train/loss": self._loss_sum.item() / max(self._steps_summed, 1),
            "train/lr": self.optimizer.lr,
        }
        if self.grad_clip:
            record["train/grad_norm"] = self._grad_norm.item()
        self._loss_sum = torch.zeros((), device=self.device)
        self._steps_summed = 0
        return record

    def state_dict(self) -> dict[str, Any]:
        """Tokens seen, changes to the course, and the sums of a record that is not written yet."""
        return {
            "tokens": self.tokens,
            "lr_scale": self.lr_scale,
            "skipped": self.skipped,
            "loss_sum": self._loss_sum.item(),
            "steps_summed": self._steps_summed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.tokens, self._steps_summed = state["tokens"], state["steps_summed"]
        # Runs of Craft 0.1 know neither.
        self.lr_scale, self.skipped = state.get("lr_scale", 1.0), state.get("skipped", 0)
        self._loss_sum = torch.tensor(state["loss_sum"], device=self.device)
