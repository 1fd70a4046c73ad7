"""The memory of this machine, asked without torch."""

from __future__ import annotations

import json
import platform as python_platform
import shutil
import subprocess
from dataclasses import dataclass

from craft import platform

TORCH_ITSELF = 250_000_000
"""Bytes of main memory that a process takes which has imported torch and trained nothing yet: 240 MB with torch 2.14 on
Linux, CPU only."""


BF16_FILE = "bf16-speed.json"
BF16_WORTH_IT = 1.5
"""bf16 must win by this factor to be chosen: element-wise work is no faster in it, and digits are lost."""


@dataclass(frozen=True)
class MachineMemory:
    """Bytes of memory where a model would lie."""

    where: str
    total: int
    free: int


def machine_memory(device: str) -> MachineMemory | None:
    """The memory of a `device` (cpu, cuda, cuda:1 or mps), now; None when it cannot be found out."""
    if device.startswith("cuda"):
        return next(iter(gpu_memory(device.partition(":")[2] or "0")), None)
    import psutil

    memory = psutil.virtual_memory()
    within = platform.free_memory()  # a container may have less
    return MachineMemory("this machine", memory.total, min(memory.available, within or memory.available))


def gpu_memory(*which: str) -> list[MachineMemory]:
    """The memory of NVIDIA GPUs, by number or UUID; none where it cannot be found out."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = "--query-gpu=name,memory.total,memory.free"
    command = [program, f"--id={','.join(which)}", asked, "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        rows = [line.rsplit(", ", 2) for line in answer.strip().splitlines()]
        return [MachineMemory(name, int(total) << 20, int(free) << 20) for name, total, free in rows]  # in MiB
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def measured_precision() -> str | None:
    """What "auto" means on this machine's CPU, once a run has measured it (craft/training/precision.py keeps it)."""
    try:
        kept = json.loads((platform.state_dir() / BF16_FILE).read_bytes())
        if str(kept["key"]).startswith(f"{python_platform.node()} "):
            return "bf16" if float(kept["ratio"]) >= BF16_WORTH_IT else "fp32"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not measured yet
    return None
