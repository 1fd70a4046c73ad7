"""What a run that trains is asked for; each answer is told as the worker gave it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from craft.analysis.numbers import format_duration, format_loss
from craft.errors import CraftError
from craft.launch.going_on.live import plan_live_change
from craft.launch.groups.asking import Asking
from craft.runs.asking import Answer
from craft.runs.events import read_samples
from craft.runs.folder import RunFolder
from craft.runs.liveness import Observed
from workbench.verbs.telling import Telling


def pause(folders: Sequence[RunFolder], told: Telling) -> None:
    """Let runs stand still at the end of their step, saved."""

    def tell(folder: RunFolder, answer: Answer) -> str:
        saved = "saved" if answer.event.get("saved") else f"not saved: {answer.event.get('fault')}"
        return f"paused at step {answer.step}, {saved}"

    def is_paused(look: Observed) -> str:
        return f"is paused already, at step {look.status.step}" if look.phase == "paused" else ""

    _asking("pause", "pause", tell, told, is_paused).ask(folders)


def go_on(folders: Sequence[RunFolder], told: Telling) -> None:
    """Let paused runs go on."""

    def tell(folder: RunFolder, answer: Answer) -> str:
        seconds = answer.event.get("paused_seconds")
        after = f" after {format_duration(seconds)}" if isinstance(seconds, int | float) else ""
        return f"goes on from step {answer.step}{after}"

    _asking("continue", "go on", tell, told).ask(folders)


def checkpoint(folders: Sequence[RunFolder], told: Telling) -> None:
    """Let runs save at the end of their step, and go on."""
    _asking("checkpoint", "save", lambda _, answer: f"saved at step {answer.step}", told).ask(folders)


def sample(folders: Sequence[RunFolder], told: Telling) -> None:
    """Let runs write from their prompts; the texts are in their folders."""

    def tell(folder: RunFolder, answer: Answer) -> str:
        count = sum(text["step"] == answer.step for text in read_samples(folder))
        return f"wrote {count} text{'s' * (count != 1)} at step {answer.step}"

    _asking("sample", "write", tell, told).ask(folders)


def evaluate(folders: Sequence[RunFolder], told: Telling) -> None:
    """Let runs measure themselves as they stand."""

    def tell(folder: RunFolder, answer: Answer) -> str:
        loss = answer.event.get("val/loss")
        figure = f": val/loss {format_loss(loss)}" if isinstance(loss, int | float) else ""
        return f"was measured at step {answer.step}{figure}"

    _asking("evaluate", "measure itself", tell, told).ask(folders)


def change(folders: Sequence[RunFolder], settings: Sequence[str], told: Telling) -> None:
    """Change settings, given as `path=value`, of runs that train."""

    def tell(folder: RunFolder, answer: Answer) -> str:
        saved = "" if answer.event.get("kind") == "answered" else f"saved at step {answer.step}; "
        return f"{saved}{answer.event.get('text')}"

    asking = _asking("set", "change", tell, told)
    wanted: dict[RunFolder, dict[str, Any]] = {}
    for folder in folders:
        try:
            wanted[folder] = {"values": plan_live_change(folder, settings)}
        except CraftError as error:
            asking.refuse(str(error))
    asking.ask_each(wanted)


def _asking(
    kind: str,
    verb: str,
    tell: Callable[[RunFolder, Answer], str],
    told: Telling,
    why_not: Callable[[Observed], str] = lambda _: "",
) -> Asking:
    return Asking(kind, verb, tell, say=told.say, refuse=told.refuse, why_not=why_not, cancelled=told.cancelled)
