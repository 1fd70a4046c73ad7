"""What a waiting run waits for besides a slot: other runs that have to end first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from craft.errors import RunError, UsageError
from craft.launch.queue.entries import Entry, Wait
from craft.runs.folder import RunFolder, load_identity
from craft.runs.liveness import observe
from craft.runs.status import OUTCOMES

_NOWHERE = "not in the queue"
_ENDED = {"stopped": "was stopped", "failed": "failed", "interrupted": "was interrupted", "gone": "is gone"}


@dataclass(frozen=True)
class Hold:
    """Why a run may not begin yet."""

    reason: str
    ends: bool
    """Whether it ends by itself: else a person has to do something."""


class Holds:
    """What holds up the waiting runs of one folder, at one look: no run is looked at twice."""

    def __init__(self, runs_dir: Path, entries: Sequence[Entry]) -> None:
        self._runs_dir = runs_dir
        self._entries = {entry.run: entry for entry in entries}
        self._phases: dict[str, str] = {}
        self._known: dict[str, Hold | None] = {}

    def of(self, entry: Entry) -> Hold | None:
        """What holds a run up; None when it only needs a slot."""
        if not entry.after:
            return None
        if entry.run not in self._known:
            # Until it is known: files that were written by hand may lead in a circle.
            self._known[entry.run] = Hold(f"waits for {entry.after[0].run}, which waits for it", ends=False)
            found = [hold for wait in entry.after if (hold := self._one(entry.run, wait)) is not None]
            # What a person must know comes first.
            self._known[entry.run] = min(found, key=lambda hold: hold.ends, default=None)
        return self._known[entry.run]

    def phase_of(self, wait: Wait) -> str:
        """What the other run is doing; "gone" when it is not there any more."""
        if wait.run not in self._phases:
            self._phases[wait.run] = self._look(wait)
        return self._phases[wait.run]

    def _look(self, wait: Wait) -> str:
        folder = RunFolder(self._runs_dir / wait.run)
        identity, _ = load_identity(folder)
        if not folder.run_json.exists() or (identity is not None and wait.id and identity.id != wait.id):
            return "gone"
        observed = observe(folder)
        if observed.phase == "queued" and wait.run not in self._entries:
            # Without any claim it is only being made; else it lost its place, as a full disk can bring about.
            return "interrupted" if folder.status.exists() else _NOWHERE
        return "ending" if observed.phase in OUTCOMES and observed.held else observed.phase

    def _one(self, run: str, wait: Wait) -> Hold | None:
        phase = self.phase_of(wait)
        if phase == "finished" or (wait.whatever and phase in _ENDED):
            return None
        if phase == "queued":
            inner = self.of(self._entries[wait.run])
            return Hold(f"waits for {wait.run}, which is queued", ends=inner is None or inner.ends)
        if phase not in _ENDED and phase != _NOWHERE:
            return Hold(f"waits for {wait.run}, which is {phase}", ends=True)
        goes_on = "" if phase == "gone" else f"'craft queue retry {wait.run}' goes on with it, "
        what = _ENDED.get(phase, "is in no queue")
        return Hold(
            f"waits for {wait.run}, which {what}: {goes_on}'craft queue after {run} none' starts this one anyway",
            ends=False,
        )


def waits_for(
    runs_dir: Path, run: str | None, others: Sequence[RunFolder], entries: Sequence[Entry], *, whatever: bool
) -> tuple[Wait, ...]:
    """What a run waits for when it is to begin after `others`; `run` None: one that is not made yet.

    Raises UsageError for a run of another folder, for itself, and where they would wait for each other for ever.
    """
    found: dict[str, Wait] = {}
    waiting = {entry.run: entry for entry in entries}
    for folder in others:
        if folder.path.parent.resolve() != runs_dir.resolve():
            raise UsageError(f"{folder.path} is not in {runs_dir}: a run can wait only for one of the same folder")
        if folder.name == run:
            raise UsageError(f"{run} cannot wait for itself")
        if run is not None and (circle := _way(folder.name, run, waiting)):
            way = ", which waits for ".join(circle)
            raise UsageError(f"{run} cannot wait for {way}: neither would ever begin")
        identity, fault = load_identity(folder)
        if identity is None:
            raise RunError(f"{folder.path}: {fault}")
        found[folder.name] = Wait(folder.name, identity.id, whatever)
    return tuple(found.values())


def _way(start: str, goal: str, waiting: dict[str, Entry]) -> list[str]:
    """The runs from `start` to `goal` that wait for each other; empty when there is no such way."""
    before: dict[str, str | None] = {start: None}
    queue = [start]
    while queue:
        here = queue.pop()
        if here == goal:
            way = [here]
            while (previous := before[way[0]]) is not None:
                way.insert(0, previous)
            return way
        entry = waiting.get(here)
        for wait in entry.after if entry else ():
            if wait.run not in before:
                before[wait.run] = here
                queue.append(wait.run)
    return []
