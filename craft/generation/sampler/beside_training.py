"""Where a sampler computes while runs train on the same machine, so that it slows none of them more than it must.

A run that trains on a GPU has it to itself: the sampler takes another one, or the CPU. While one trains on the CPU the
sampler takes a single thread at low priority. Which runs train say the locks of the machine's slots, and the run that
is asked about.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from craft import platform
from craft.models.device import choose_device
from craft.runs.folder import RunFolder, load_identity

_NICE = 10  # a tenth of the share of a process that asks for none: sched(7), weights of 110 and 1024


@dataclass(frozen=True)
class Training:
    """A run that is being trained on this machine."""

    name: str
    device: str
    """As run.json says; before the worker has chosen, what its slot is for."""
    slot: str = ""
    """The name of its slot: gpu-UUID, cpu-0 or mps-0."""


@dataclass(frozen=True)
class Placement:
    """Where to compute, and why there."""

    device: str
    why: str
    threads: int | None = None
    """None: as many as there are."""
    beside: bool = False
    """Whether a run that trains decided it, so that it should be said."""


def trainings(asked: RunFolder | None = None) -> list[Training]:
    """Runs that are being trained here, `asked` among them if it is."""
    found: dict[Path, Training] = {}
    try:
        notes = sorted(platform.slots_dir().glob("*.json"))
    except OSError:
        notes = []
    for note in notes:
        try:
            folder = RunFolder(Path(json.loads(note.read_bytes())["run"]))
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if platform.is_locked(folder.lock):
            found[folder.path] = _training(folder, note.stem)
    if asked is not None and asked.path not in found and platform.is_locked(asked.lock):
        found[asked.path] = _training(asked, "")
    return list(found.values())


def _training(folder: RunFolder, slot: str) -> Training:
    identity, _ = load_identity(folder)
    chosen = str(identity.chosen.get("device", "")) if identity is not None else ""
    expected = {"gpu": "cuda", "mps": "mps"}.get(slot.partition("-")[0], "cpu")
    return Training(folder.name, chosen or expected, slot)


def place(wanted: str, asked: RunFolder | None = None) -> Placement:
    """The device for what was asked: "auto", or one by name. Raises UsageError or TrainingError as `choose_device`."""
    running = trainings(asked)
    found = _free_device(running) if wanted == "auto" else Placement(str(choose_device(wanted)[0]), "as asked")
    beside = next((one for one in running if one.device.startswith("cpu")), None)
    if found.device != "cpu" or beside is None:
        return found
    return Placement("cpu", f"{found.why}; one thread at low priority: {beside.name} trains on the CPU", 1, beside=True)


def _free_device(running: list[Training]) -> Placement:
    best = choose_device("auto")[0].type
    holders = [one for one in running if one.device.startswith(best)]
    if best == "cpu":
        return Placement("cpu", "there is no GPU that this torch can use")
    if not holders:
        return Placement(best, "no run trains on it")
    if best == "cuda":
        free = [number for number, uuid in enumerate(_gpus()) if f"gpu-GPU-{uuid}" not in {one.slot for one in holders}]
        if free and all(one.slot for one in holders):
            return Placement(f"cuda:{free[0]}", f"{holders[0].name} trains on another GPU", beside=True)
    return Placement("cpu", f"{holders[0].name} trains on the GPU ({holders[0].device})", beside=True)


@cache
def _gpus() -> list[str]:
    import torch

    return [str(torch.cuda.get_device_properties(number).uuid) for number in range(torch.cuda.device_count())]


class Threads:
    """How many threads this process computes on. Set in the thread that computes: torch keeps it for each."""

    def __init__(self) -> None:
        import torch

        self._all = torch.get_num_threads()
        self._nice = False

    def set(self, wanted: int | None) -> int:
        """Take some threads, or all there are; one or a few also mean low priority. Returns how many it is now.

        Priority cannot be taken back (setpriority(2): only with privileges), so it stays low once it was lowered: that
        costs nothing where nobody else computes.
        """
        import torch

        count = self._all if wanted is None else min(wanted, self._all)
        if torch.get_num_threads() != count:
            torch.set_num_threads(count)
        if wanted is not None and not self._nice:
            self._nice = True
            with contextlib.suppress(OSError):
                os.nice(_NICE)
            if os.getsid(0) == os.getpid():
                # sched(7), autogroup: between sessions it is the group's nice value that counts.
                with contextlib.suppress(OSError):
                    Path("/proc/self/autogroup").write_text(str(_NICE))
        return count
