"""Ends: with a save, without one, at once."""

from __future__ import annotations

from collections.abc import Sequence

from craft.launch.groups.asking import Asking
from craft.launch.groups.ending import ELSEWHERE, HUNG, WITHDRAWN, discard_all, kill_all, wait_for_ends
from craft.launch.groups.several import stop_all
from craft.runs.folder import RunFolder
from workbench.verbs.telling import Telling


def stop(folders: Sequence[RunFolder], told: Telling) -> None:
    """Let runs finish their step, save and leave; what waits leaves the queue. Says how each ended."""
    asked = []
    for one in stop_all(folders):
        if one.what in ("withdrawn", "hung"):
            told.say(f"{one.folder.name} {WITHDRAWN if one.what == 'withdrawn' else HUNG}")
        elif one.what == "refused":
            told.refuse(one.reason)
        else:
            asked.append(one.folder)
            if one.host:  # nothing else would be seen until that other machine answers
                told.say(f"{one.folder.name} {ELSEWHERE.format(host=one.host)}")
    wait_for_ends(asked, told.say, told.cancelled)


def kill(folders: Sequence[RunFolder], told: Telling) -> None:
    """End runs at once: what came after the last checkpoint is lost."""
    killed, _ = kill_all(folders, say=told.say, refuse=told.refuse)
    wait_for_ends(killed, told.say, told.cancelled)


def discard(folders: Sequence[RunFolder], told: Telling) -> None:
    """Let runs leave at the end of their step without saving."""
    asking = Asking(
        "stop",
        "stop",
        lambda _, answer: str(answer.event.get("text")),
        say=told.say,
        refuse=told.refuse,
        cancelled=told.cancelled,
    )
    discard_all(folders, asking, told.say)
