"""This machine, now: processor, memory, disk, GPUs. Asked in a thread: a driver may take its time."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from craft import platform
from craft.analysis.numbers import format_bytes
from craft.runs.disk import free_space

_ASKED = "name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw"
_PATIENCE = 5.0  # seconds for nvidia-smi, which needs one where no process keeps the driver awake


@dataclass(frozen=True)
class Gpu:
    """What the driver says of one GPU, as it says it: what a card does not measure is "[N/A]"."""

    name: str
    busy: str
    used: str
    total: str
    degrees: str
    watts: str

    @property
    def words(self) -> str:
        """On one line."""
        said = [
            f"{self.busy}% busy",
            f"{_gib(self.used)} of {_gib(self.total)} GiB",
            f"{self.degrees} C",
            f"{self.watts} W",
        ]
        return f"{self.name}: " + ", ".join(one for one in said if "N/A" not in one)


def _gib(mebibytes: str) -> str:
    try:
        return f"{float(mebibytes) / 1024:.1f}"
    except ValueError:
        return mebibytes


@dataclass(frozen=True)
class Machine:
    """One moment."""

    host: str
    cores: int
    load: tuple[float, ...]
    """Processes that ran or waited to, over 1, 5 and 15 minutes; empty where the system does not say."""
    memory: tuple[int, int]
    """Bytes that can still be taken, and all."""
    disk: int | None
    """Bytes free where the runs are."""
    gpus: list[Gpu] = field(default_factory=list)
    fault: str = ""
    """Why nothing is said of GPUs although there is a driver."""

    def lines(self) -> list[str]:
        """In words."""
        load = f", load {' '.join(f'{one:.1f}' for one in self.load)}" if self.load else ""
        free, total = self.memory
        disk = "" if self.disk is None else f", {format_bytes(self.disk)} free on the disk of the runs"
        room = f"{format_bytes(free)} of {format_bytes(total)} memory free{disk}"
        gpus = [gpu.words for gpu in self.gpus] or [self.fault or "no NVIDIA GPU here"]
        return [f"{self.host} now: {self.cores} cores{load}, {room}", *gpus]


def look_at_machine(runs_dir: Path) -> Machine:
    """Ask the system, and nvidia-smi where there is one."""
    import psutil

    memory = psutil.virtual_memory()
    load: tuple[float, ...] = ()
    with contextlib.suppress(OSError):
        load = os.getloadavg()
    gpus, fault = _gpus()
    return Machine(
        platform.hostname(),
        os.cpu_count() or 1,
        load,
        (int(memory.available), int(memory.total)),
        free_space(runs_dir),
        gpus,
        fault,
    )


def _gpus() -> tuple[list[Gpu], str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], ""
    command = [program, f"--query-gpu={_ASKED}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        return [], f"nvidia-smi gives no answer: {error}"
    if answer.returncode:
        return [], f"nvidia-smi gives no answer: {(answer.stdout or answer.stderr).strip()[:200]}"
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
    return [Gpu(*row) for row in rows if len(row) == len(_ASKED.split(","))], ""
