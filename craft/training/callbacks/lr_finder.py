"""Which learning rate a model takes, tried out before its first step (Smith, 2017, arXiv:1506.01186, section 3.3).

Everything that the trial steps change is put back, so the run that follows starts from the untouched model. Killed
while it tries, a run tries again, as nothing of it was saved yet.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from craft import platform
from craft.config.schema.callbacks import LRFinderConfig
from craft.errors import TrainingError
from craft.training.callbacks.base import Callback
from craft.training.checkpointing import RandomStates
from craft.training.recovery import step_within_memory
from craft.training.schedulers import Scheduler

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

FILE = "lr_finder.json"
DIVERGED = 1.25
"""Times the first loss at which the loss has run away."""


@dataclass(frozen=True)
class Suggestion:
    """A learning rate, and why."""

    lr: float
    """The smaller one of the rate of the steepest fall and a tenth of the highest that is bearable."""
    steepest: float
    """The rate at which the smoothed loss falls fastest."""
    lowest: float
    """The rate at which it is lowest."""
    diverged: float | None
    """The rate at which it ran away; None when it did not."""

    def __str__(self) -> str:
        """In a sentence."""
        end = f"it runs away from {self.diverged:.2g}" if self.diverged else f"it is lowest at {self.lowest:.2g}"
        return f"learning rate {self.lr:.2g} is suggested: the loss falls fastest at {self.steepest:.2g}, and {end}"


class LRFinder(Callback):
    """Tries rates, each for one step, and suggests one; the run ends with that, or trains with it."""

    def __init__(self, config: LRFinderConfig) -> None:
        self.config = config
        self.found: dict[str, Any] | None = None

    def on_train_start(self, trainer: Trainer) -> None:
        """Try, unless it was done, or the model is not untouched any more."""
        if self.found is not None:
            return
        if trainer.step:
            trainer.recorder.warn(f"no learning rate is looked for: the model was trained for {trainer.step} steps")
            return
        rates, losses = self._try_out(trainer)
        if trainer.stop_reason is not None:
            return
        suggestion = suggest(rates, losses)
        self._write(trainer, rates, losses, suggestion)
        if suggestion is None:
            raise TrainingError(
                f"no learning rate from {self.config.low:g} to {self.config.high:g} made the loss fall, which was "
                f"{losses[0]:.4g}; try others with lr_finder.low and lr_finder.high"
            )
        self.found = asdict(suggestion)
        trainer.recorder.event("lr_found", text=str(suggestion), **self.found)
        if self.config.then == "stop":
            trainer.ask_to_stop(str(suggestion), finished=True)
        else:
            trainer.set_lr_scale(suggestion.lr / trainer.optimizer.lr)

    def _try_out(self, trainer: Trainer) -> tuple[list[float], list[float]]:
        """The rates tried and the loss before each one's update; the trainer is as it was afterwards."""
        loop, growth = trainer.loop, (self.config.high / self.config.low) ** (1 / (self.config.steps - 1))
        before, schedule = _Untouched(trainer), loop.scheduler
        loop.scheduler = ramp = _Rate()
        peak = trainer.optimizer.lr
        rates: list[float] = []
        losses: list[float] = []
        try:
            for number in range(self.config.steps):
                rates.append(self.config.low * growth**number)
                ramp.now = rates[-1] / peak
                trainer.step = number % trainer.max_steps + 1
                step_within_memory(trainer)
                trainer.step = 0
                losses.append(loop.take_record()["train/loss"])
                if not losses[-1] <= DIVERGED * losses[0]:  # a NaN too
                    break
                if number % 10 == 0:
                    trainer.recorder.preparing(f"trying learning rates: {number} of {self.config.steps}")
                trainer.look_up()
                if trainer.stop_reason is not None:
                    break
        finally:
            trainer.step, loop.scheduler = 0, schedule
            before.put_back(trainer)
        trainer.recorder.phase("running")
        return rates, losses

    def _write(self, trainer: Trainer, rates: list[float], losses: list[float], found: Suggestion | None) -> None:
        """Put the curve beside the run's metrics."""
        finite = [loss if math.isfinite(loss) else None for loss in losses]
        content = {"suggestion": asdict(found) if found else None, "lr": rates, "loss": finite}
        path = trainer.recorder.folder.path / FILE
        try:
            platform.write_file_durable(path, (json.dumps(content, indent=1) + "\n").encode())
        except OSError as error:
            trainer.recorder.warn(f"{FILE} is not written: {error.strerror}")

    def state_dict(self) -> dict[str, Any]:
        """What was found."""
        return {"found": self.found} if self.found else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """It is not looked for again."""
        self.found = state["found"]


class _Rate(Scheduler):
    """The factor of the trial step that is next."""

    now = 1.0

    def factor(self, step: int) -> float:
        """See the base class."""
        return self.now


class _Untouched:
    """What a step of the loop changes, as it was."""

    def __init__(self, trainer: Trainer) -> None:
        self.random = RandomStates(trainer.device)
        self.model = {name: tensor.to("cpu", copy=True) for name, tensor in trainer.model.state_dict().items()}
        self.optimizer = {name: t.to("cpu", copy=True) for name, t in trainer.optimizer.state_dict().items()}
        self.states = self.random.state_dict()
        self.lr_factor = trainer.optimizer.lr_factor
        self.loop, self.loss_scale = trainer.loop.state_dict(), trainer.loop.loss_scale.state_dict()

    def put_back(self, trainer: Trainer) -> None:
        trainer.model.load_state_dict(self.model)
        trainer.optimizer.load_state_dict(self.optimizer)
        trainer.optimizer.lr_factor = self.lr_factor
        self.random.load_state_dict(self.states)
        trainer.loop.load_state_dict(self.loop)
        trainer.loop.loss_scale.load_state_dict(self.loss_scale)
        trainer.loop.forget_nonfinite()


def suggest(rates: list[float], losses: list[float]) -> Suggestion | None:
    """The rate that a curve of losses over growing rates speaks for; None when no rate made the loss fall."""
    diverged = None if losses[-1] <= DIVERGED * losses[0] else rates[-1]
    whole = losses[:-1] if diverged else losses
    half = max(1, len(whole) // 20)
    smooth = [_mean(whole[max(0, i - half) : i + half + 1]) for i in range(len(whole))]
    if len(smooth) < 2 * half + 2:
        return None
    lowest = min(range(len(smooth)), key=smooth.__getitem__)
    falls = [(smooth[i - half] - smooth[i + half], i) for i in range(half, min(lowest, len(smooth) - half - 1) + 1)]
    if not falls or max(falls)[0] <= 0:
        return None
    steepest = rates[max(falls)[1]]
    bearable = diverged or rates[lowest]
    return Suggestion(min(steepest, bearable / 10), steepest, rates[lowest], diverged)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
