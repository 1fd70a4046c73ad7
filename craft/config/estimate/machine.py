"""The memory of this machine, asked without torch."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

TORCH_ITSELF = 250_000_000
"""Bytes of main memory that a process takes which has imported torch and trained nothing yet: 240 MB with torch 2.14 on
Linux, CPU only."""


@dataclass(frozen=True)
class MachineMemory:
    """Bytes of memory where a model would lie."""

    where: str
    total: int
    free: int


def machine_memory(device: str) -> MachineMemory | None:
    """The memory of a `device` (cpu, cuda, cuda:1 or mps), now; None when it cannot be found out."""
    if device.startswith("cuda"):
        return _gpu(int(device.partition(":")[2] or 0))
    import psutil

    memory = psutil.virtual_memory()
    return MachineMemory("this machine", memory.total, memory.available)


def _gpu(index: int) -> MachineMemory | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, f"--id={index}", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        name, total, free = answer.strip().split(", ")
        return MachineMemory(name, int(total) << 20, int(free) << 20)  # it counts in MiB
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
