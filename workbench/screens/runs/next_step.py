"""How a run is, in one line that is true, and what a person can do next. Read in a thread: it looks for checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from craft.analysis.numbers import format_age, format_duration
from workbench.screens.runs.columns import number, phase_word
from workbench.screens.runs.rows import TONES

if TYPE_CHECKING:
    from craft.runs.store import RunSummary


@dataclass(frozen=True)
class State:
    """What is said of the selected run."""

    word: str
    """Its phase, and since when where it ended."""
    why: str
    """Why it is believed; the text is not clean."""
    tone: str
    next: str = ""
    """What to press; empty where there is nothing to do."""


def state_of(run: RunSummary, now: float) -> State:
    """The state of a run at a moment, in seconds since 1970, and what is wrong with what a person said of it."""
    state = _state_of(run, now)
    notes = getattr(run, "notes", None)
    if notes is None or not notes.fault:
        return state
    return replace(state, why="; ".join(filter(None, (state.why, notes.fault))))


def _state_of(run: RunSummary, now: float) -> State:
    from craft.runs.liveness import host_elsewhere

    word = phase_word(run)
    tone = TONES.get(word, "warn")
    reason = run.reason if run.reason != word else ""
    elsewhere = host_elsewhere(run.folder, run.status)
    if elsewhere is not None and run.observed.is_live:
        return State(word, reason, tone, "s asks it through its folder, r takes it over; kill it there")
    if word == "damaged":
        # One without its run.json is listed, and nothing acts on it.
        deletes = "" if run.is_robbed else "; x deletes it"
        return State(word, reason, tone, f"! says what can be mended{deletes}")
    if word == "finished":
        return State(_since(run, now), reason, tone, "r trains it longer, f forks it, c compares it")
    if word == "stopped":
        return State(_since(run, now), reason, tone, f"r {_from(run)}, f forks it")
    if word in ("failed", "interrupted"):
        return State(_since(run, now), reason, tone, f"r {_from(run)}, enter shows its log")
    if word == "queued" and reason.startswith("the queue is paused"):
        return State(word, "the queue is on hold", tone, "Q and then p lets it go on, s takes this run out of it")
    if word == "queued":
        return State(word, reason, tone, "< and > move it, s takes it out of the queue")
    if word == "silent":
        return State(word, reason, tone, "K kills it; what it saved stays, and r goes on from there")
    if word == "paused":
        return State(word, _going(run, reason), tone, "P lets it go on, s frees its slot too")
    return State(word, _going(run, reason), tone)


def _from(run: RunSummary) -> str:
    """Where it would go on, by the newest checkpoint that lies there."""
    from craft.runs.checkpoints import list_checkpoints

    saved = list_checkpoints(run.folder)
    return f"resumes it from step {saved[-1].step}" if saved else "starts it again from the beginning"


def _since(run: RunSummary, now: float) -> str:
    """The phase of a run that ended, and since when."""
    updated = number(run.updated)
    if not updated:
        return run.phase
    age = format_age(now - updated)
    return f"{run.phase} just now" if age == "now" else f"{run.phase} {age} ago"


def _going(run: RunSummary, reason: str) -> str:
    """How far it is; a reason that says more than the worker's word comes first."""
    left = number(run.eta_seconds)
    parts = [reason if reason != "its worker says so" else ""]
    if run.max_steps:
        parts.append(f"step {run.step} of {run.max_steps}")
    if left is not None:
        parts.append(f"{format_duration(left)} left")
    return ", ".join(filter(None, parts))
