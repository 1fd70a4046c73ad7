"""What dry runs measured on this machine, kept by the hash of the definition for whoever asks later.

~/.local/state/craft/dry-runs/HOST/HASH.json
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from craft import platform

_KEPT = 500  # a file is half a kilobyte


@dataclass(frozen=True)
class DryRunResult:
    """The figures of a few real steps."""

    experiment: str
    definition_hash: str
    code_hash: str
    """Of the person's own modules that take part; empty where there are none."""
    model_type: str
    shape: str
    """See `past_speed.shape_of`."""
    flops_per_token: float | None
    tokens_per_step: int
    device: str
    precision: str
    threads: int
    compile: bool
    micro_batch_size: int
    reasons: list[str]
    """What `auto` chose, and why."""
    parameters: int
    steps: int
    """Steps that were made."""
    seconds_per_step: float
    """The median, after the first ones."""
    fastest: float
    slowest: float
    tokens_per_second: float
    peak_memory: int | None
    evaluation_seconds: float | None
    """Of one evaluation; None where it took too long, or there is nothing to measure."""
    losses: list[list[float]]
    """Step and loss, from the first step on."""
    val_loss: float | None
    steps_of_run: int
    first_step_seconds: float
    """From the start of the process to the end of the first step."""
    disturbed_by: list[str]
    """Runs that trained beside it on the same processor, and whatever else kept it busy, in words."""
    notes: list[str]
    """Warnings on the way."""
    measured: float
    """When, in seconds since 1970."""


def results_dir() -> Path:
    """Where the results of this machine lie; several may share one home."""
    return platform.state_dir() / "dry-runs" / re.sub(r"[^A-Za-z0-9._-]", "_", platform.hostname())


def keep_result(result: DryRunResult) -> None:
    """Keep a result, in the place of an older one of the same definition. A full disk costs the memory of it only."""
    place = results_dir()
    try:
        place.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(place / f"{result.definition_hash}.json", json.dumps(asdict(result)).encode())
        files = sorted(place.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in files[:-_KEPT]:
            file.unlink(missing_ok=True)
    except OSError:
        return


def kept_result(definition_hash: str, code_hash: str = "") -> DryRunResult | None:
    """What a dry run of this very definition and code measured; None where there was none."""
    result = _read(results_dir() / f"{definition_hash}.json")
    return result if result is not None and result.code_hash == code_hash else None


def kept_results() -> Iterator[DryRunResult]:
    """All results of this machine."""
    for file in results_dir().glob("*.json"):
        if (result := _read(file)) is not None:
            yield result


def result_of(found: dict[str, Any], **known: Any) -> DryRunResult:
    """A result from what the process said and what its starter knows."""
    names = {field.name for field in fields(DryRunResult)}
    return DryRunResult(
        **{name: value for name, value in found.items() if name in names}, **known, measured=time.time()
    )


def _read(file: Path) -> DryRunResult | None:
    try:
        return DryRunResult(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None  # none, damaged, or of another version
