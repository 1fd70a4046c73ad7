"""Plans to queued runs: what `craft run` and the workbench do alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from craft.config.corpus import require_text
from craft.config.experiments import PlannedRun
from craft.config.token_cache import require_tokenizer
from craft.errors import CraftError
from craft.launch.create import create_runs, discard_runs
from craft.launch.queue.dispatch import Started, submit
from craft.launch.queue.entries import Wait
from craft.launch.standby import Standby
from craft.runs.folder import RunFolder
from craft.runs.initial import require_weights


def require_inputs(planned: Sequence[PlannedRun], runs_dir: Path) -> None:
    """Raise a CraftError where a text, a tokenizer or first weights are not there: that should not cost a run."""
    for one in planned:
        require_text(one.config.data)
        require_tokenizer(one.config.tokenizer)
    for one in planned:
        if one.config.init_from:
            require_weights(one.config.init_from, runs_dir, {other.experiment for other in planned})


def queue_runs(
    runs_dir: Path,
    folders: Sequence[RunFolder],
    planned: Sequence[PlannedRun],
    *,
    cpu_slots: int = 1,
    standby: Standby | None = None,
    after: Sequence[Wait] = (),
) -> Started | None:
    """Queue runs that were just made for these plans; where that fails, none of them is left.

    Returns what was started by this process, if anything.
    """
    waiting = [(folder, one.config.device) for folder, one in zip(folders, planned, strict=True)]
    try:
        started = submit(runs_dir, waiting, cpu_slots=cpu_slots, standby=standby, after=after)
    except (CraftError, OSError):
        discard_runs(folders)  # none of them is in the queue
        raise
    if standby is not None:
        standby.dismiss()  # unused, it would wait beside the runs for hours
    return started


def launch(
    runs_dir: Path,
    planned: Sequence[PlannedRun],
    *,
    cpu_slots: int = 1,
    standby: Callable[[], Standby | None] = lambda: None,
) -> list[RunFolder]:
    """Make and queue these runs; they go on when whoever started them is gone. Raises CraftError or OSError."""
    require_inputs(planned, runs_dir)
    process = standby()
    try:
        folders = create_runs(runs_dir, planned)
        queue_runs(runs_dir, folders, planned, cpu_slots=cpu_slots, standby=process)
        return folders
    finally:
        if process is not None:
            process.dismiss()
