"""Which verbs make sense for which runs: what the menu lists, and which keys do something now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from craft.runs.store import RunSummary


def _is_live(run: RunSummary) -> bool:
    return run.observed.is_live


def _is_any(run: RunSummary) -> bool:
    return True


def _waits(run: RunSummary) -> bool:
    return run.phase == "queued"


def is_elsewhere(run: RunSummary) -> bool:
    """Whether another machine says that it trains it: it is asked through its folder, and never signalled."""
    return _is_live(run) and not run.observed.held


def _can_end(run: RunSummary) -> bool:
    return _is_live(run) or _waits(run)


def _can_kill(run: RunSummary) -> bool:
    return _is_live(run) and not is_elsewhere(run)


def _has_ended(run: RunSummary) -> bool:
    return not _is_live(run) and not _waits(run)


def _can_go_on(run: RunSummary) -> bool:
    return _has_ended(run) or is_elsewhere(run)


def _is_of_sweep(run: RunSummary) -> bool:
    return bool(run.group)


def _has_begun(run: RunSummary) -> bool:
    return not _waits(run)


@dataclass(frozen=True)
class Verb:
    """`action` is its name among the actions of the runs; `alone`: it is done to one run only."""

    action: str
    name: str
    about: str
    fits: Callable[[RunSummary], bool]
    alone: bool = False


VERBS = (
    Verb("stop", "stop", "it finishes its step and saves; what waits leaves the queue", _can_end),
    Verb("resume", "resume", "from its newest checkpoint", _can_go_on),
    Verb("resume_with", "resume with changes, or longer", "other settings, more steps", _has_ended),
    Verb("pause", "pause, or continue", "it keeps its slot", _is_live),
    Verb("fork", "fork", "a new run from a checkpoint", _has_begun, alone=True),
    Verb("compare", "compare", "side by side", _has_begun),
    Verb("play", "let it write in the playground", "ask its checkpoints", _has_begun),
    Verb("save_now", "save a checkpoint now", "and it goes on", _is_live),
    Verb("evaluate_now", "evaluate now", "as it stands", _is_live),
    Verb("sample_now", "write samples now", "from its prompts", _is_live),
    Verb("change", "change settings while it trains", "from the next step on", _is_live),
    Verb("star", "star", "or no star", _is_any),
    Verb("tags", "tags", "words to filter by", _is_any),
    Verb("note", "note", "a line of your own", _is_any),
    Verb("queue_up", "earlier in the queue", "", _waits),
    Verb("queue_down", "later in the queue", "", _waits),
    Verb("queue_first", "first in the queue", "", _waits),
    Verb("queue_after", "begin after another run", "", _waits, alone=True),
    Verb("kill", "kill", "what is not saved is lost", _can_kill),
    Verb("discard", "stop without saving", "what is not saved is lost", _is_live),
    Verb("measure", "measure a checkpoint", "loss, speed, the test split, any text", _has_begun, alone=True),
    Verb("batch", "what a batch of it holds", "token by token", _is_any, alone=True),
    Verb("pieces", "what its tokenizer makes of a text", "", _has_begun, alone=True),
    Verb("sum_up", "sum up its sweep", "each point over its seeds", _is_of_sweep, alone=True),
    Verb("copy_path", "copy the path of its folder", "", _is_any),
    Verb("copy_command", "copy the command that resumes it", "", _has_ended, alone=True),
    Verb("prune", "delete older checkpoints", "best and newest stay", _has_ended),
    Verb("remove", "delete", "for good", _has_ended),
)
BY_ACTION = {verb.action: verb for verb in VERBS}


def fitting(action: str, runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Those of some runs that a verb makes sense for."""
    verb = BY_ACTION[action]
    found = [run for run in runs if verb.fits(run)]
    return found[:1] if verb.alone else found
