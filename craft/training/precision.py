"""Which device and which arithmetic, decided once at a run's first start, with the reasons.

Weights, gradients and optimizer state are fp32 whatever is chosen here; the choice is the arithmetic of forward
and backward.
"""

from __future__ import annotations

import json
import math
import platform as python_platform
import time
from dataclasses import dataclass

import torch

from craft import platform
from craft.config.estimate.machine import BF16_FILE, BF16_WORTH_IT
from craft.models.device import choose_device

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

DTYPES_COMPARED = (torch.float32, torch.bfloat16)


@dataclass(frozen=True)
class Arithmetic:
    """What was chosen, and why."""

    device: torch.device
    precision: str
    reasons: list[str]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of forward and backward."""
        return DTYPES[self.precision]


def cpu_bf16_speed() -> float:
    """How many times faster than fp32 a bf16 product is on this CPU.

    Measured once and kept for this machine, so that runs of one definition agree.
    """
    kept = platform.state_dir() / BF16_FILE
    key = f"{python_platform.node()} {python_platform.processor()} torch {torch.__version__}"
    try:
        measured = json.loads(kept.read_text())
        if measured["key"] == key:
            return float(measured["ratio"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not measured yet, or unreadable: measure

    # One thread, in turn, and the fastest of each: other work on the machine must not decide what is kept for good.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pairs = {dtype: (torch.ones(512, 256, dtype=dtype), torch.ones(256, 256, dtype=dtype)) for dtype in DTYPES_COMPARED}
    fastest = dict.fromkeys(DTYPES_COMPARED, math.inf)
    for _ in range(20):
        for dtype, (left, right) in pairs.items():
            start = time.perf_counter()
            left @ right
            fastest[dtype] = min(fastest[dtype], time.perf_counter() - start)
    torch.set_num_threads(threads)
    ratio = fastest[torch.float32] / fastest[torch.bfloat16]
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_durable(kept, json.dumps({"key": key, "ratio": round(ratio, 2)}).encode())
    except OSError:
        pass  # a home that cannot be written costs a measurement at each start
    return ratio


def choose_precision(wanted: str, device: torch.device) -> tuple[str, str]:
    """The precision for a `precision` setting on this device."""
    if wanted != "auto":
        return wanted, f"precision {wanted}: as set"
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return "bf16", "precision bf16: this GPU computes it at full rate"
        if torch.cuda.get_device_capability(device) >= (7, 0):
            return "fp16", "precision fp16: this GPU is older than bf16, and computes fp16 at full rate"
        return "fp32", "precision fp32: this GPU computes nothing narrower faster"
    if device.type == "mps":
        return "fp32", "precision fp32: the safe choice on mps"
    ratio = cpu_bf16_speed()
    if ratio >= BF16_WORTH_IT:
        return "bf16", f"precision bf16: its products run {ratio:.1f} times as fast as fp32's here"
    return "fp32", f"precision fp32: bf16 products run only {ratio:.1f} times as fast here"


def choose_arithmetic(device: str, precision: str) -> Arithmetic:
    """Decide both settings."""
    chosen, device_reason = choose_device(device)
    name, precision_reason = choose_precision(precision, chosen)
    return Arithmetic(chosen, name, [device_reason, precision_reason])
