"""Slots: how many runs this machine trains at once. One a GPU, and one or more for the CPU.

They belong to the machine and the user, not to a folder, so two projects never share a GPU unawares. A slot is a
lock that the worker holds for its life: a crash frees it. From the moment a worker is started until it holds the
lock, the note beside the lock keeps the slot for it.

    ~/.local/state/craft/slots/HOST/cpu-0.lock     held by the worker
    ~/.local/state/craft/slots/HOST/cpu-0.json     whom it was given to: the run's folder, the process, "at_once"

On the CPU each run says how many may train at once while it does (`--slots N`), and computes on its share of the
cores. Of several folders with several N the smallest holds: a run begins only when it is within its own number and
those of all that train. So no number is ever exceeded, and the shares are never more than the cores.
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
from craft.runs.folder import RunFolder
from craft.runs.status import read_status

VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")
_CONTROL = Path("/dev/nvidiactl")


@dataclass(frozen=True)
class Holder:
    """The run that a slot was given to."""

    folder: Path
    process: platform.ProcessIdentity
    at_once: int | None = None
    """On the CPU: how many may train at once while it does."""

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.process.pid

    def __str__(self) -> str:
        return f"{self.folder.name} in {self.folder.parent}"


@dataclass(frozen=True)
class Slot:
    """A place for one run, free or not."""

    path: Path
    """The lock file."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the worker must be told so that it computes on this slot's device."""
    at_once: int | None = None
    """For the CPU: how many runs may hold such a slot while the one that takes it trains."""

    @property
    def name(self) -> str:
        """`cpu-0`, or `gpu-` and its UUID."""
        return self.path.stem

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".json")

    def is_free(self) -> bool:
        """Whether no run holds it and none was given it that lives."""
        return not platform.is_locked(self.path) and self._given_to() is None

    def holder(self) -> Holder | None:
        """Who has it; None when it is free, or when its note cannot be read."""
        return self._given_to()

    def give(self, folder: Path, process: platform.ProcessIdentity) -> None:
        """Keep the slot for a worker that has just been started. Call with `handing_out` held."""
        # Resolved: a folder that is reached through a link is the same one.
        note = {"run": str(folder.resolve()), "process": process.as_json(), "at_once": self.at_once}
        platform.write_file_atomic(self._note, json.dumps(note).encode())

    def _given_to(self) -> Holder | None:
        try:
            note = json.loads(self._note.read_bytes())
            process = platform.ProcessIdentity.from_json(note["process"])
            at_once = note.get("at_once")
            if not process.is_alive():
                return None
            return Holder(Path(note["run"]), process, at_once if isinstance(at_once, int) else None)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def handing_out() -> platform.FileLock:
    """The lock under which a free slot is looked for and given away. A short step: hold it no longer."""
    return platform.FileLock(platform.slots_dir() / "handing-out.lock")


def slots_for(device: str, cpu_slots: int = 1, visible: str | None = None) -> list[Slot]:
    """The slots that a run on `device` (as a definition says it) may take, the first to be tried first.

    "auto" takes any GPU where there is one, else the CPU; "cuda:1" that GPU, counted as nvidia-smi counts. `visible`:
    the CUDA_VISIBLE_DEVICES that the run was queued with; None: there was none, so all GPUs.
    """
    gpus = gpus_left(visible) if device.startswith("cuda") or device == "auto" else []
    if device.startswith("cuda:") and gpus:
        index = int(device.partition(":")[2])
        uuid = gpus[index] if index < len(gpus) else device.replace(":", "-")
        # torch counts the fastest GPU first unless it is told to count like everyone else.
        told = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        if visible is None and VISIBLE in os.environ:  # the worker would inherit what is left to this process
            told[VISIBLE] = ",".join(gpus)
        return [Slot(_lock_file(f"gpu-{uuid}"), told)]
    if gpus:
        return [Slot(_lock_file(f"gpu-{uuid}"), {VISIBLE: uuid}) for uuid in gpus]
    if device == "mps":
        return [Slot(_lock_file("mps-0"))]
    share = {"CRAFT_SLOTS": str(cpu_slots)}
    return [Slot(_lock_file(f"cpu-{number}"), share, cpu_slots) for number in range(cpu_slots)]


def kind_of(device: str, visible: str | None = None) -> str:
    """Runs of one kind wait for the same slots, and none of them passes another: "cpu", or a device."""
    if device.startswith("cuda") or device == "auto":
        return f"{device} {visible or ''}".rstrip() if gpus_left(visible) else "cpu"
    return device


def first_free(slots: list[Slot]) -> Slot | None:
    """The first slot that may be taken now; call with `handing_out` held to be sure of it."""
    if slots and slots[0].at_once is not None and not _may_join(taken("cpu-"), slots[0].at_once):
        return None
    return next((slot for slot in slots if slot.is_free()), None)


def _may_join(others: list[Slot], at_once: int) -> bool:
    """Whether one more may train on the CPU: none of the numbers that were said is passed.

    Whoever holds a slot and left no word of itself, as when its starter was killed before it wrote the note, may be
    one that computes on all cores: it is left alone.
    """
    holders = [slot.holder() for slot in others]
    limits = [holder.at_once if holder is not None and holder.at_once else 1 for holder in holders]
    return len(others) < min([at_once, *limits])


def taken(prefix: str = "") -> list[Slot]:
    """The slots of this machine that runs hold or were given, of whatever folder, by name."""
    try:
        names = sorted(os.listdir(platform.slots_dir()))  # noqa: PTH208 - looked at five times a second
    except OSError:
        return []
    stems = dict.fromkeys(
        name.rpartition(".")[0] for name in names if name.startswith(prefix or ("cpu-", "gpu-", "mps-"))
    )
    slots = [Slot(_lock_file(stem)) for stem in stems if stem]
    return [slot for slot in slots if not slot.is_free()]


def given() -> dict[Path, Holder]:
    """The runs that were given a slot and live, by their folders, links resolved."""
    return {holder.folder: holder for slot in taken() if (holder := slot.holder())}


def _if_paused(holder: Holder) -> str:
    """A run that is paused keeps its slot until somebody lets it go on."""
    status = read_status(RunFolder(holder.folder))
    paused = status is not None and status.phase == "paused"
    return f", paused: 'craft continue {holder.folder.name}' lets it go on" if paused else ""


def why_none_is_free(slots: list[Slot]) -> str:
    """What a waiting run is told: which run holds the slot it waits for."""
    on_cpu = slots[0].at_once is not None
    asked = taken("cpu-") if on_cpu else slots
    holders = [holder for slot in asked if (holder := slot.holder())]
    unknown = next((slot for slot in asked if slot.holder() is None and platform.is_locked(slot.path)), None)
    if unknown is not None and (on_cpu or not holders):
        return f"waiting for a slot: a process that left no word of itself holds {unknown.path}"
    if not holders:
        return "waiting for a slot"
    alone = min(holders, key=lambda holder: holder.at_once or len(slots))
    if on_cpu and alone.at_once is not None and len(holders) >= alone.at_once < len(slots):
        few = "alone" if alone.at_once == 1 else f"with {alone.at_once - 1} more at most"
        return f"waiting for a slot: {alone} trains {few} (--slots {alone.at_once})"
    if len(slots) == 1 and len(holders) == 1:
        return f"waiting for a slot: {holders[0]} holds it{_if_paused(holders[0])}"
    if len(slots) == 1:
        return f"waiting until it is the only one (--slots 1): {holders[0]} and {len(holders) - 1} more train"
    others = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
    return f"waiting for one of {len(slots)} slots: {holders[0]}{others} hold{'' if others else 's'} them"


def nvidia_gpus() -> list[str]:
    """UUIDs of the NVIDIA GPUs that this process may use, in the order of their bus; found without torch."""
    return gpus_left(os.environ.get(VISIBLE))


@cache
def gpus_left(visible: str | None) -> list[str]:
    """The same by a value of CUDA_VISIBLE_DEVICES; None: all, whatever is left to this process."""
    uuids = _from_driver() or _from_nvidia_smi()
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
    if program is None or not _CONTROL.exists():
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
