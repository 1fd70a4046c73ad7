"""How fast this machine multiplies matrices: what a run's rate is held against, and what is decided by.

A rate is measured once and kept for this machine, so that runs of one definition agree, and so that no start pays for
it again. It is the fastest of many short products: other work on the machine slows some of them, not all.
"""

from __future__ import annotations

import json
import platform as python_platform
import time
from typing import Any

import torch

from craft import platform

RATES_FILE = "matmul-rates.json"
# Square products large enough to reach the full rate, small enough to take a few milliseconds on two cores.
_CPU_SIDE, _GPU_SIDE = 1024, 8192
_TRIES = 12
# A run of this length pays for measuring what the machine can do, a tenth of a second, where that is not known.
_SETTLED_SECONDS = 20.0


class Utilisation:
    """Model FLOPs utilisation (Chowdhery et al., 2022, arXiv:2204.02311): the part of this machine's own rate of matrix
    products. A rate that is not known yet is measured once a run has gone on for a while."""

    def __init__(self, device: torch.device, dtype: torch.dtype, flops_per_token: float | None) -> None:
        self.device, self.dtype, self.flops_per_token = device, dtype, flops_per_token
        self._rate = matmul_rate(device, dtype, measure=False)

    def of(self, tokens_per_second: float, trained_seconds: float) -> float | None:
        """The part of the machine that so many tokens a second are; None where it is not known."""
        if self.flops_per_token is None:
            return None
        if self._rate is None:
            self._rate = matmul_rate(self.device, self.dtype, measure=trained_seconds > _SETTLED_SECONDS)
        return None if self._rate is None else tokens_per_second * self.flops_per_token / self._rate


def matmul_rate(device: torch.device, dtype: torch.dtype, *, measure: bool = True) -> float | None:
    """FLOP a second of matrix products in this dtype, on the threads that are set; None where it is not known yet and
    `measure` is false. Takes a tenth of a second when it has to be measured."""
    kept, key = _kept(), _key(device, dtype)
    if key in kept:
        return float(kept[key])
    if not measure:
        return None
    rate = _measured(device, dtype)
    file = platform.state_dir() / RATES_FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(file, json.dumps({**_kept(), key: round(rate)}, indent=1).encode())
    except OSError:
        pass  # a home that cannot be written costs a measurement each time
    return rate


def _key(device: torch.device, dtype: torch.dtype) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else python_platform.processor()
    threads = f" on {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    which = str(dtype).removeprefix("torch.")
    return f"{python_platform.node()} {device.type} {name}{threads}, {which}, torch {torch.__version__}"


def _kept() -> dict[str, Any]:
    try:
        found = json.loads((platform.state_dir() / RATES_FILE).read_bytes())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _measured(device: torch.device, dtype: torch.dtype) -> float:
    side = _GPU_SIDE if device.type == "cuda" else _CPU_SIDE
    left, right = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(2))
    fastest = float("inf")
    for _ in range(_TRIES):
        started = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        fastest = min(fastest, time.perf_counter() - started)
    return 2.0 * side**3 / fastest
