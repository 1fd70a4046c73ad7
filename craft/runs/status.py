"""`status.json`: the worker's claim about its run. What is shown is derived from it and the lock (`liveness`)."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace

from craft import platform
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, known_fields, read_object, why

WORKING = ("starting", "preparing", "running", "evaluating", "paused", "stopping")
OUTCOMES = ("finished", "stopped", "failed")
KILLED = "killed"
"""What the message of a claim begins with whose worker a person killed."""
PHASES = ("queued", *WORKING, *OUTCOMES)


@dataclass(frozen=True)
class Status:
    """What the worker says of itself; `phase` is one of PHASES."""

    phase: str = "queued"
    step: int = 0
    max_steps: int = 0
    tokens: int = 0
    seconds: float | None = None
    """Of training when it was at `step` and `tokens`; None of a run whose worker did not claim it yet."""
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    best: float | None = None
    best_step: int | None = None
    message: str | None = None
    error: str | None = None
    slots: int = 0
    """How many may train on the CPU at once while it does, as whoever queued it last said; 0 where nobody did."""
    host: str | None = None
    updated: float = 0.0
    """Seconds since 1970 when the claim was written."""
    progressed: float = 0.0
    """The same, when training last came forward, by the clock of `updated`: set meanwhile, it moves both."""
    clock: float = 0.0
    """The writer's monotonic clock at `updated`: setting the time does not move it."""


class StatusWriter:
    """Replaces `status.json` at once for every reader. A disk that does not take it is no reason to stop."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.status = replace(read_status(folder) or Status(), host=platform.hostname())
        self._progressed_at: float | None = None  # by the monotonic clock
        self.failed_writes = 0
        self.fault: OSError | None = None
        """Why the last write failed; None when it did not."""

    def write(self, *, progressed: bool = False, durable: bool = False, **changes: object) -> None:
        """Change some fields and write. `progressed`: training came forward. `durable`: on disk, for outcomes."""
        now, clock = time.time(), time.monotonic()
        self.status = replace(self.status, **changes, updated=now, clock=clock)  # type: ignore[arg-type]
        assert self.status.phase in PHASES, self.status.phase
        if progressed:
            self._progressed_at = clock
        if self._progressed_at is not None:
            self.status = replace(self.status, progressed=now - (clock - self._progressed_at))
        write_file = platform.write_file_durable if durable else platform.write_file_atomic
        try:
            write_file(self.folder.status, encode_file(asdict(self.status)))
            self.fault = None
        except OSError as fault:
            self.failed_writes += 1
            self.fault = fault


def load_status(folder: RunFolder) -> tuple[Status | None, str | None]:
    """The claim, and what is wrong with its file. None without a fault: there is no claim yet."""
    try:
        data = read_object(folder.at("status.json"))
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as error:
        return None, f"status.json is damaged: {why(error)}"
    values, faults = known_fields(data, Status)
    phase = values.get("phase")
    if phase is None:
        return None, "status.json is damaged: it names no phase"
    if phase not in PHASES:
        return None, f"status.json is damaged: '{phase[:40]}' is no phase"
    return Status(**values), f"status.json is damaged: {faults[0]}" if faults else None


def read_status(folder: RunFolder) -> Status | None:
    """The claim; None when there is none or it is damaged."""
    return load_status(folder)[0]
