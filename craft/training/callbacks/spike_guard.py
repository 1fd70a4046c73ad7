"""Going back when the loss leaps, or is no number any more.

Spikes of the loss are met in the training of large models by restarting from before them and passing over the batches
in between (Chowdhery et al., 2022, PaLM, section 5.1).
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import SpikeGuardConfig
from craft.training.callbacks.base import Callback

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

ENOUGH = 10
"""Records before a leap can be told from the noise; a smaller window is enough by itself."""


class SpikeGuard(Callback):
    """Compares each training record's loss, a mean over `log_every` steps, with those before it."""

    def __init__(self, config: SpikeGuardConfig) -> None:
        self.config = config
        self.losses: list[float] = []
        self.last_good = 0
        """The step of the newest record that was compared and is no leap."""
        self.rollbacks = 0
        self._gave_up = False

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Look at the loss; ask to go back to before the steps that it is the mean of."""
        loss = float(record["train/loss"])
        leap = self._leap(loss)
        if leap and self.rollbacks < self.config.max_rollbacks:
            self.rollbacks += 1
            trainer.ask_to_roll_back(leap, before_step=self.last_good, lr_scale=self.config.lr_scale)
            return
        if leap and not self._gave_up:
            self._gave_up = True
            trainer.recorder.warn(f"{leap} at step {trainer.step}, and the run has gone back {self.rollbacks} times")
        if math.isfinite(loss):
            self.losses = [*self.losses, loss][-self.config.window :]
            self.last_good = trainer.step

    def _leap(self, loss: float) -> str:
        """What is wrong with a loss, in words; nothing mostly."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if len(self.losses) < min(ENOUGH, self.config.window):
            return ""
        mean = statistics.fmean(self.losses)
        by_noise = mean + self.config.sigmas * statistics.pstdev(self.losses, mean)
        by_size = mean + (self.config.ratio - 1.0) * abs(mean)
        if loss <= max(by_noise, by_size):
            return ""
        return f"the loss leapt to {loss:.4g} from a mean of {mean:.4g} over {len(self.losses)} records"

    def state_dict(self) -> dict[str, Any]:
        """The losses that the next is compared with, and how often the run went back."""
        return {"losses": self.losses, "last_good": self.last_good, "rollbacks": self.rollbacks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on comparing. When the run went back itself, that it did so is not forgotten."""
        self.losses, self.last_good = list(state["losses"]), state["last_good"]
        self.rollbacks = max(self.rollbacks, state["rollbacks"])
