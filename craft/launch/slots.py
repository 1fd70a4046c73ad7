"""Slots: how many runs this machine trains at once. One a GPU, and one or more for the CPU.

They belong to the machine and the user, not to a folder, so two projects never share a GPU unawares. A slot is a
lock that the worker holds for its life: a crash frees it. From the moment a worker is started until it holds the
lock, the note beside the lock keeps the slot for it.

    ~/.local/state/craft/slots/HOST/cpu-0.lock     held by the worker
    ~/.local/state/craft/slots/HOST/cpu-0.json     whom it was given to: the run's folder and the process
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from craft import platform

_DRIVER = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Holder:
    """The run that a slot was given to."""

    folder: Path
    pid: int

    def __str__(self) -> str:
        return f"{self.folder.name} in {self.folder.parent}"


@dataclass(frozen=True)
class Slot:
    """A place for one run, free or not."""

    path: Path
    """The lock file."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the worker must be told so that it computes on this slot's device."""

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".json")

    def is_free(self) -> bool:
        """Whether no run holds it and none was given it that lives."""
        return not platform.is_locked(self.path) and self._given_to() is None

    def holder(self) -> Holder | None:
        """Who has it; None when it is free, or when its note cannot be read."""
        given = self._given_to()
        return Holder(*given) if given else None

    def give(self, folder: Path, process: platform.ProcessIdentity) -> None:
        """Keep the slot for a worker that has just been started. Call with `handing_out` held."""
        note = {"run": str(folder), "process": process.as_json()}
        platform.write_file_atomic(self._note, json.dumps(note).encode())

    def _given_to(self) -> tuple[Path, int] | None:
        try:
            note = json.loads(self._note.read_bytes())
            process = platform.ProcessIdentity.from_json(note["process"])
            return (Path(note["run"]), process.pid) if process.is_alive() else None
        except (OSError, ValueError, TypeError, KeyError):
            return None


def handing_out() -> platform.FileLock:
    """The lock under which a free slot is looked for and given away. A short step: hold it no longer."""
    return platform.FileLock(platform.slots_dir() / "handing-out.lock")


def slots_for(device: str, cpu_slots: int = 1) -> list[Slot]:
    """The slots that a run on `device` (as a definition says it) may take, the first to be tried first.

    "auto" takes any GPU where there is one, else the CPU; "cuda:1" that GPU, counted as nvidia-smi counts.
    """
    gpus = nvidia_gpus() if device.startswith("cuda") or device == "auto" else []
    if device.startswith("cuda:") and gpus:
        index = int(device.partition(":")[2])
        uuid = gpus[index] if index < len(gpus) else device.replace(":", "-")
        # torch counts the fastest GPU first unless it is told to count like everyone else.
        return [Slot(_lock_file(f"gpu-{uuid}"), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})]
    if gpus:
        return [Slot(_lock_file(f"gpu-{uuid}"), {"CUDA_VISIBLE_DEVICES": uuid}) for uuid in gpus]
    if device == "mps":
        return [Slot(_lock_file("mps-0"))]
    share = {"CRAFT_SLOTS": str(cpu_slots)}
    return [Slot(_lock_file(f"cpu-{number}"), share) for number in range(cpu_slots)]


def first_free(slots: list[Slot]) -> Slot | None:
    """The first slot that nobody has; call with `handing_out` held to be sure of it."""
    return next((slot for slot in slots if slot.is_free()), None)


def why_none_is_free(slots: list[Slot]) -> str:
    """What a waiting run is told: which run holds the slot it waits for."""
    holders = [holder for slot in slots if (holder := slot.holder())]
    if not holders:
        return "waiting for a slot"
    if len(slots) == 1:
        return f"waiting for a slot: {holders[0]} holds it"
    others = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
    return f"waiting for one of {len(slots)} slots: {holders[0]}{others} hold them"


@cache
def nvidia_gpus() -> list[str]:
    """UUIDs of the NVIDIA GPUs that this process may use, in the order of their bus; found without torch."""
    uuids = _from_driver() or _from_nvidia_smi()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not uuids:
        return uuids
    chosen = []
    for word in filter(None, (part.strip() for part in visible.split(","))):
        if word.isdecimal():
            chosen += uuids[int(word) : int(word) + 1]
        elif word != "-1":
            # A UUID may be shortened; a part of a GPU (MIG) is not in the list and is its own slot.
            chosen.append(next((uuid for uuid in uuids if uuid.startswith(word)), word))
    return chosen


def _from_driver() -> list[str]:
    """What the kernel module says, in a millisecond."""
    found = []
    try:
        for folder in sorted(_DRIVER.iterdir()):
            text = (folder / "information").read_text()
            if match := re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)\s*$", text, re.MULTILINE):
                found.append(match[1])
    except OSError:
        return []
    return found


def _from_nvidia_smi() -> list[str]:
    """For containers that hide the kernel module's folder; asked only where there is a device."""
    program = shutil.which("nvidia-smi")
    if program is None or not Path("/dev/nvidiactl").exists():
        return []
    try:
        answer = subprocess.run(
            [program, "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.startswith("GPU-")]


def _lock_file(name: str) -> Path:
    return platform.slots_dir() / f"{name}.lock"
