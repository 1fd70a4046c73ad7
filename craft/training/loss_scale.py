"""Loss scaling, without which small gradients vanish in fp16 (Micikevicius et al., 2018, arXiv:1710.03740)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# torch.amp.GradScaler's figures: start high, halve at an overflow, double after this many steps without one.
FIRST_SCALE, PATIENCE = 65536.0, 2000


class LossScale:
    """A factor on the loss that follows what fp16 can hold; switched off it is 1 and costs nothing."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.scale = FIRST_SCALE if enabled else 1.0
        self.good_steps = 0

    def apply(self, loss: Tensor) -> Tensor:
        """The loss to go backward from."""
        return loss * self.scale if self.enabled else loss

    def unscale(self, parameters: list[nn.Parameter]) -> bool:
        """Divide the gradients by the factor; False when they overflowed, and the update must be left out.

        Waits for the device, in fp16 only.
        """
        if not self.enabled:
            return True
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not torch.isfinite(nn.utils.get_total_norm(gradients)):
            self.scale, self.good_steps = self.scale / 2, 0
            return False
        torch._foreach_div_(gradients, self.scale)
        self.good_steps += 1
        if self.good_steps == PATIENCE:
            self.scale, self.good_steps = self.scale * 2, 0
        return True

    def state_dict(self) -> dict[str, Any]:
        """The factor and the steps since it last changed."""
        return {"enabled": self.enabled, "scale": self.scale, "good_steps": self.good_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved factor; one that was switched off then says nothing of what fp16 can hold."""
        # Without the word it is of an earlier Craft, where a factor of 1 was one that was switched off.
        if self.enabled == state.get("enabled", state["scale"] != 1.0):
            self.scale, self.good_steps = state["scale"], state["good_steps"]
