"""What torch can do on this machine, for `craft doctor`: `python -m craft.training.examine [--measure]`.

A process of its own, so that the command itself never waits for torch. Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from typing import Any

import torch

from craft import platform
from craft.config.estimate.machine import BF16_FILE
from craft.models.device import choose_device
from craft.training.machine import RATES_FILE, matmul_rate
from craft.training.precision import DTYPES, choose_precision


def main(arguments: list[str]) -> int:
    """Look, and print."""
    if "--measure" in arguments:  # forgotten, so that it is measured anew, by this and by later runs
        for name in (BF16_FILE, RATES_FILE):
            with contextlib.suppress(OSError):
                (platform.state_dir() / name).unlink()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gpus = _gpus()
    device, why_device = choose_device("auto")
    precision, why_precision = choose_precision("auto", device)
    # What is measured is kept, and runs decide by it: not while other work slows this machine down, unless asked to.
    now = device.type != "cpu" or "--measure" in arguments or os.getloadavg()[0] < (os.cpu_count() or 1)
    found = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "rocm": torch.version.hip,
        "metal": torch.backends.mps.is_available(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "said": [" ".join(str(one.message).split()) for one in said],
        "device": device.type,
        "precision": precision,
        "reasons": [why_device, why_precision],
        "rates": {name: matmul_rate(device, DTYPES[name], measure=now) for name in dict.fromkeys(("fp32", precision))},
    }
    print(json.dumps(found))  # noqa: T201
    return 0


def _gpus() -> list[dict[str, Any]]:
    """NVIDIA's and AMD's, each tried with one addition."""
    if not torch.cuda.is_available():
        return []
    found = []
    for number in range(torch.cuda.device_count()):
        one: dict[str, Any] = {"name": torch.cuda.get_device_name(number), "fault": None}
        try:
            properties = torch.cuda.get_device_properties(number)
            one["capability"] = f"{properties.major}.{properties.minor}"
            one["free"], one["total"] = torch.cuda.mem_get_info(number)
            if (torch.ones(2, device=f"cuda:{number}") + 1).sum().item() != 4.0:
                one["fault"] = "it adds wrongly"
        except RuntimeError as error:
            one["fault"] = str(error).splitlines()[0]
        found.append(one)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
