"""torch and the devices that it can use, asked in a process of its own so that nobody here waits for its import."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from craft.analysis.numbers import format_bytes
from craft.launch.doctor.finding import Finding, Patient, plural
from craft.launch.queue import slots

MODULE = "craft.training.examine"
_PATIENCE = 120.0  # seconds: a first import from a cold disk, and a GPU that wakes up
_OLDEST = (2, 10)
_DRIVER = Path("/proc/driver/nvidia/version")


class Question:
    """The child, started as early as may be and asked for its answer as late."""

    def __init__(self, patient: Patient) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, *(["--measure"] if patient.measure else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def torch(self, patient: Patient) -> Iterable[Finding]:
        """torch, the devices, and what `auto` would choose."""
        try:
            said, complained = self._process.communicate(timeout=_PATIENCE)
            found = json.loads(said.splitlines()[-1]) if said.strip() else None
        except subprocess.TimeoutExpired:
            self.dismiss()
            yield Finding("torch", "fault", f"does not answer within {_PATIENCE:.0f} s", "run it again; then reboot")
            return
        except ValueError:
            found, complained = None, said
        if self._process.returncode or not isinstance(found, dict):
            last = (complained.strip().splitlines() or [f"ended with status {self._process.returncode}"])[-1]
            yield Finding("torch", "fault", f"does not work: {last}", "install it anew: pip install 'torch>=2.10'")
            return
        yield _torch(found)
        yield from _devices(found)
        yield _precision(found)

    def dismiss(self) -> None:
        """End it, answered or not."""
        self._process.kill()
        self._process.communicate()


def _torch(found: dict[str, Any]) -> Finding:
    version = str(found["torch"])
    built = f"built for CUDA {found['cuda']}" if found["cuda"] else "built for the CPU only"
    built = f"built for ROCm {found['rocm']}" if found["rocm"] else "with Metal" if found["metal"] else built
    text = f"{version}, {built}, {found['vectors']}, {plural(found['threads'], 'thread')}"
    details = {name: found[name] for name in ("torch", "cuda", "rocm", "metal", "vectors", "threads")}
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdecimal())
    if numbers < _OLDEST:
        return Finding("torch", "fault", text, "Craft needs torch 2.10 or newer", details)
    return Finding("torch", "ok", text, details=details)


def _devices(found: dict[str, Any]) -> Iterable[Finding]:
    present, driver = slots.nvidia_gpus(), _driver()
    for number, gpu in enumerate(found["gpus"]):
        if gpu["fault"]:
            advice = "is the driver new enough for this torch? nvidia-smi shows it"
            yield Finding("device", "fault", f"cuda:{number}, {gpu['name']}: {gpu['fault']}", advice, gpu)
            continue
        text = f"cuda:{number}, {gpu['name']}, {format_bytes(gpu['free'])} free of {format_bytes(gpu['total'])}"
        text += f", compute capability {gpu['capability']}" + (f", driver {driver}" if driver else "")
        yield Finding("device", "ok", text, details={**gpu, "driver": driver or None})
    if present and not found["gpus"]:
        text = plural(len(present), "NVIDIA GPU") + (f", driver {driver}" if driver else "")
        text += ", of which this torch can use none"
        why = found["said"][0] if found["said"] else ""
        advice = "install a torch that is built for CUDA" if not found["cuda"] else "look at the driver: nvidia-smi"
        yield Finding("device", "warning", f"{text}{f': {why}' if why else ''}", advice, {"gpus": present})
    elif found["metal"]:
        yield Finding("device", "ok", "mps, Apple's GPU", details={"gpus": ["mps"]})
    elif not found["gpus"]:
        yield Finding("device", "ok", "cpu: no GPU is here", details={"gpus": []})


def _driver() -> str:
    """The version of NVIDIA's kernel module; empty where it does not say."""
    try:
        found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d+(?:\.\d+)+)", _DRIVER.read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def _precision(found: dict[str, Any]) -> Finding:
    rates = ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in found["rates"].items() if rate)
    rates = rates or "not measured while this machine is busy; --measure does so all the same"
    chosen = f"auto means {found['device']} and {found['precision']} here"
    return Finding(
        "precision",
        "ok",
        f"{chosen}: {found['reasons'][1].partition(': ')[2]}; matrix products: {rates}",
        details={name: found[name] for name in ("device", "precision", "reasons", "rates")},
    )
