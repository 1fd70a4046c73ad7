"""Whether `torch.compile` pays for itself, and its cache.

Compiling costs most of a minute, the first time, and gains little on a CPU, where the products are the time. So
"auto" compiles where the run is long enough to earn it back, by this machine's kept rate and never by the noise of
one start: two runs of one definition decide alike.
"""

from __future__ import annotations

import os
import shutil

import torch
from torch import Tensor, nn

from craft.config.token_cache import cache_dir
from craft.models.loss import keep_out_of_graphs

# Seconds to compile forward and backward, and how many times faster a step is then (docs/measurements.md for a CPU;
# for a GPU what nanoGPT's and torch's own published figures agree on).
COST_SECONDS = {"cpu": 40.0, "cuda": 60.0}
GAIN = {"cpu": 1.05, "cuda": 1.3}
# The part of the matrix products' rate that an eager step reaches.
EAGER_SHARE = 0.3


def choose_compile(
    wanted: bool | str, device: torch.device, total_flops: float | None, rate: float | None
) -> tuple[bool, str]:
    """Whether to compile, and the reason. `total_flops` are the run's, `rate` is the machine's FLOP a second."""
    if wanted is not True and wanted is not False:
        return _decide(device, total_flops, rate)
    if wanted and (missing := _missing(device)):
        return False, f"compile off, though set: {missing}"
    return wanted, f"compile {'on' if wanted else 'off'}: as set"


def _decide(device: torch.device, total_flops: float | None, rate: float | None) -> tuple[bool, str]:
    if device.type not in GAIN:
        return False, f"compile off: it gains nothing on {device.type}"
    if missing := _missing(device):
        return False, f"compile off: {missing}"
    if total_flops is None or rate is None:
        return False, "compile off: how long this run takes is not known here yet"
    seconds = total_flops / (EAGER_SHARE * rate)
    saved = seconds * (1 - 1 / GAIN[device.type])
    cost = COST_SECONDS[device.type]
    words = f"of some {seconds:,.0f} s of training it saves {saved:,.0f}, and costs {cost:.0f}"
    if saved > cost:
        return True, f"compile on: {words}"
    return False, f"compile off: {words}"


def _missing(device: torch.device) -> str | None:
    """What compiling needs and this machine has not."""
    if device.type == "cpu" and not any(map(shutil.which, ("g++", "c++", "clang++"))):
        return "there is no C++ compiler (g++ or clang++)"
    return None


def compile_model(model: nn.Module, inputs: Tensor, targets: Tensor) -> str | None:
    """Compile a model in place, trying it once on a micro-batch; None, or why it goes on uncompiled.

    The trial leaves no gradient and no random number behind. What was compiled is kept in the user's cache.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_dir() / "inductor"))
    random = torch.get_rng_state()
    on_device = torch.cuda.get_rng_state(inputs.device) if inputs.device.type == "cuda" else None
    keep_out_of_graphs()
    try:
        model.compile()
        model(inputs, targets).loss.backward()
    except Exception as error:  # the compiler has many ways to fail, and training can do without it
        model._compiled_call_impl = None
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    finally:
        for parameter in model.parameters():
            parameter.grad = None
        torch.set_rng_state(random)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, inputs.device)
    return None
