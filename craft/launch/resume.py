"""Going on with a run: which changes it can take, what a longer run does to its schedule, and the restart."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craft import platform
from craft.analysis.numbers import format_number
from craft.config.definition import definition_hash, dump_definition, load_definition
from craft.config.experiments import load_experiments
from craft.config.fields import NOT_INHERITED
from craft.config.schedule import decay_start, lr_factor
from craft.config.schema import ExperimentConfig
from craft.config.schema.scheduler import PlateauSchedule, WarmedUp
from craft.errors import CraftError, RunBusyError, RunError
from craft.launch.dispatch import Started, hold_queue, start_next, was_taken_over
from craft.launch.queue import Entry, Queue
from craft.launch.workers import has_outcome
from craft.runs import control
from craft.runs.checkpoints import list_checkpoints
from craft.runs.events import append_event
from craft.runs.folder import RunFolder, read_identity, update_identity
from craft.runs.liveness import host_elsewhere, observe
from craft.runs.lock import read_owner
from craft.runs.status import Status, StatusWriter

# What a run can change on its way. The rest decides what its checkpoints hold or which text each step sees.
_CHANGEABLE = (
    "description",
    "why",
    "device",
    "precision",
    "data.path",  # the text may have moved; the worker compares its hash
    "tokenizer.path",  # and so may this file
    "optimizer.",
    "scheduler.",
    "training.",
    "checkpoint.",
    "callbacks.",
    "metrics.",
    "generation.",
)
_FIXED = ("optimizer.type", "training.batch_size")
# What the first start chose and later starts keep; changed by hand, it is chosen anew.
_CHOSEN = ("device", "precision", "training.threads", "training.micro_batch_size", "training.compile")


@dataclass(frozen=True)
class Resumption:
    """What a resume will do, checked and not yet done."""

    folder: RunFolder
    name: str
    config: ExperimentConfig
    changes: dict[str, tuple[Any, Any]]
    """Dotted path -> (before, after)."""
    step: int | None
    """The newest checkpoint's; None: there is none, and the run begins again."""
    max_steps: int
    remarks: list[str] = field(default_factory=list)
    """What a person should know about it, a line each."""


def plan_resume(folder: RunFolder, overrides: Sequence[str], *, force: bool = False) -> Resumption:
    """Check that a run can go on, with these `path=value` changes, and say what that means. Changes nothing.

    Raises RunError when it is live, elsewhere, finished, or asked to become another run; ConfigError for a bad
    override.
    """
    folder.require()
    observed = observe(folder)
    status = observed.status
    elsewhere = host_elsewhere(folder, status)
    if observed.held or (observed.is_live and elsewhere is None):
        raise _busy(folder)
    if elsewhere is not None and not force:
        raise RunError(
            f"the machine {elsewhere} says that it trains {folder.name}, and its lock may not reach this one. If it is "
            f"certain that it does not train there any more, 'craft resume {folder.name} --force' goes on here"
        )
    name, before = load_definition(folder.definition)
    after = load_experiments(folder.definition).plan([name], overrides)[0].config if overrides else before
    changes = _changes(before, after)
    _refuse_other_run(folder, changes)
    present = list_checkpoints(folder)
    step = present[-1].step if present else None
    max_steps = _total_steps(after, before, status)
    _refuse_nothing_to_do(folder, observed.phase, status, step, max_steps, changes, before)
    remarks = _source_remarks(folder, name, before)
    if present and step is not None and step < status.step and not has_outcome(folder):
        remarks.append(f"it had reached step {status.step}; what came after step {step} is trained again")
    if step is not None and status.max_steps:
        remarks += _schedule_remarks(before, after, step, status.max_steps, max_steps)
    if rechosen := [path for path in _CHOSEN if path in changes]:
        remarks.append(f"with another {' and '.join(rechosen)} the same bits are no longer promised")
    return Resumption(folder, name, after, changes, step, max_steps, remarks)


def resume(plan: Resumption, *, cpu_slots: int = 1) -> Started | None:
    """Rewrite the definition where it changes, queue the run, and start its worker when a slot is free.

    Raises RunBusyError when another command was quicker.
    """
    folder = plan.folder
    queue = Queue(folder.path.parent)
    lock = platform.FileLock(folder.lock)
    with hold_queue(queue):
        if any(entry.run == folder.name for entry in queue.entries()) and not was_taken_over(folder):
            raise RunBusyError(f"{folder.name} is already queued or being started by another command")
        if not lock.acquire(0.0):
            raise _busy(folder)
        try:
            if plan.changes:
                _rewrite(plan)
            control.take(folder)  # a stop that nobody took would end the new start at once
            StatusWriter(folder).write(
                phase="queued", message=None, error=None, max_steps=plan.max_steps, eta_seconds=None
            )
        finally:
            lock.release()
        nobody_waits = queue.is_empty()
        queue.drop([folder.name])
        queue.add([Entry(folder.name, plan.config.device, cpu_slots, time.time())])
        return start_next(queue, only=folder.name) if nobody_waits else None


def _rewrite(plan: Resumption) -> None:
    """Put the changed definition on disk, and then say so."""
    folder = plan.folder
    text = dump_definition(plan.name, plan.config, runs_dir=folder.path.parent)
    platform.write_file_durable(folder.definition, text.encode())
    given = read_identity(folder).overrides | {path: value for path, (_, value) in plan.changes.items()}
    update: dict[str, Any] = {"definition_hash": definition_hash(plan.config), "overrides": given}
    if any(path in plan.changes for path in _CHOSEN):
        update_identity(folder, **update, chosen={})
    else:
        update_identity(folder, **update)
    append_event(folder, "changed", changes={path: list(pair) for path, pair in plan.changes.items()})


def _busy(folder: RunFolder) -> RunBusyError:
    owner = read_owner(folder)
    who = f"process {owner.pid} on {owner.host}" if owner else "a process"
    return RunBusyError(
        f"{folder.name} is being trained by {who} right now; 'craft watch {folder.name}' shows it, "
        f"'craft stop {folder.name}' stops it"
    )


def _changes(before: ExperimentConfig, after: ExperimentConfig) -> dict[str, tuple[Any, Any]]:
    old, new = _flat(before.model_dump(mode="json")), _flat(after.model_dump(mode="json"))
    return {path: (old.get(path), new.get(path)) for path in [*old, *new] if old.get(path) != new.get(path)}


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _source_remarks(folder: RunFolder, name: str, own: ExperimentConfig) -> list[str]:
    """Whether the file that a run came from defines its experiment otherwise by now, and what to do with that."""
    identity = read_identity(folder)
    source = Path(identity.source) if identity.source else None
    if source is None or identity.axes or not source.is_file() or source == folder.definition:
        return []  # a point of a sweep is defined by more than its table
    try:
        (now,) = load_experiments(source).plan([identity.experiment])
    except (CraftError, OSError, ValueError):
        return []  # gone, swept, or at fault: not this run's business
    changed = {
        path: pair
        for path, pair in _changes(own, now.config).items()
        if path.partition(".")[0] not in NOT_INHERITED and path not in identity.overrides
    }
    if not changed:
        return []
    shown = [f"{path} is {_shown(there)} there and {_shown(here)} here" for path, (here, there) in changed.items()]
    more = f", and {len(shown) - 4} more" if len(shown) > 4 else ""
    return [
        f"{source.name} defines {identity.experiment} otherwise by now: {'; '.join(shown[:4])}{more}. This run goes on "
        f"with its own definition; for a new run with the other: "
        f"craft run {shlex.quote(str(source))} {shlex.quote(identity.experiment)}"
    ]


def _refuse_other_run(folder: RunFolder, changes: dict[str, tuple[Any, Any]]) -> None:
    """A change that the checkpoints cannot follow makes another run, and is named with both values."""
    refused = [path for path in changes if not path.startswith(_CHANGEABLE) or path in _FIXED]
    if not refused:
        return
    named = "; ".join(f"{path} is {_shown(changes[path][0])}, not {_shown(changes[path][1])}" for path in refused)
    settings = " ".join(
        shlex.quote(f"{path}={_shown(changes[path][1])}") for path in refused if changes[path][1] is not None
    )
    raise RunError(
        f"{folder.name} cannot go on with that: {named}. Its checkpoints fit only what they were trained with. "
        f"For a new run with it: craft run {shlex.quote(str(folder.definition))} {settings}"
    )


def _shown(value: Any) -> str:
    """As a person would write it after `path=`; TOML's values of these kinds are JSON's."""
    return "unset" if value is None else value if isinstance(value, str) else json.dumps(value)


def _total_steps(after: ExperimentConfig, before: ExperimentConfig, status: Status) -> int:
    """How many steps the run will have; with epochs, from the steps that the old number of them took."""
    limits = []
    if after.training.max_steps:
        limits.append(after.training.max_steps)
    if after.training.max_epochs and _bounded_by_epochs(before, status):
        limits.append(round(status.max_steps * after.training.max_epochs / before.training.max_epochs))
    return min(limits) if limits else status.max_steps


def _bounded_by_epochs(config: ExperimentConfig, status: Status) -> bool:
    """Whether it is the epochs that end a run; with both bounds, the shorter ends it."""
    steps = config.training.max_steps
    return bool(config.training.max_epochs) and (not steps or 0 < status.max_steps < steps)


def _refuse_nothing_to_do(
    folder: RunFolder,
    phase: str,
    status: Status,
    step: int | None,
    max_steps: int,
    changes: dict[str, tuple[Any, Any]],
    before: ExperimentConfig,
) -> None:
    done = step if step is not None else 0
    if max_steps and done > max_steps:
        raise RunError(f"{folder.name} has trained {done} steps already; training.max_steps={max_steps} is behind it")
    if phase != "finished":
        return
    settings = before.training
    if _bounded_by_epochs(before, status):
        more = [f"max_epochs={2 * settings.max_epochs}"]
        if settings.max_steps and settings.max_steps < 2 * status.max_steps:
            more.append(f"max_steps={2 * status.max_steps}")
    else:
        more = [f"max_steps={2 * max(status.step, 1)}"]
        if settings.max_epochs:  # how many steps one takes is not known here, so they are let go
            more.append("max_epochs=0")
    longer = f"to train longer: craft resume {folder.name} {' '.join(f'training.{setting}' for setting in more)}"
    if max_steps and done >= max_steps:
        raise RunError(f"{folder.name} is finished, with all its {done} steps; {longer}")
    if not changes:  # its own goal was reached before the last step, as early stopping does
        raise RunError(f"{folder.name} is finished: {status.message or 'it reached its goal'}; {longer}")


def _schedule_remarks(
    before: ExperimentConfig, after: ExperimentConfig, step: int, old_steps: int, new_steps: int
) -> list[str]:
    """What the change does to the learning rate, in the words and figures that matter."""
    if (before.scheduler, before.optimizer.lr, old_steps) == (after.scheduler, after.optimizer.lr, new_steps):
        return []
    if not (isinstance(before.scheduler, WarmedUp) and isinstance(after.scheduler, WarmedUp)):
        return ["learning rate: what becomes of it only the schedule's own class knows"]
    if isinstance(after.scheduler, PlateauSchedule):
        return _plateau_remarks(before, after)
    if isinstance(before.scheduler, PlateauSchedule):
        return _remarks_of_the_fall(after, step, new_steps)  # where the rate stands, the figures decided
    was = before.optimizer.lr * lr_factor(before.scheduler, max(step, 1), old_steps)
    becomes = after.optimizer.lr * lr_factor(after.scheduler, step + 1, new_steps)
    line = (
        f"learning rate: {format_number(was)} at step {step} of {old_steps}; "
        f"{format_number(becomes)} at step {step + 1} of {new_steps}"
    )
    if becomes > 1.05 * was:
        line += ", so it rises again: expect the loss to rise before it falls"
    return [line, *_remarks_of_the_fall(after, step, new_steps)]


def _plateau_remarks(before: ExperimentConfig, after: ExperimentConfig) -> list[str]:
    """What can be said of a rate that follows a figure."""
    assert isinstance(after.scheduler, PlateauSchedule)
    peak = ""
    if before.optimizer.lr != after.optimizer.lr:
        peak = f", now {format_number(after.optimizer.lr)}, not {format_number(before.optimizer.lr)},"
    stands = (
        "goes on from the part of its peak that it came to"
        if isinstance(before.scheduler, PlateauSchedule)
        else "begins at the peak"
    )
    return [f"learning rate: it {stands}{peak} and falls when {after.scheduler.monitor} stops improving"]


def _remarks_of_the_fall(after: ExperimentConfig, step: int, new_steps: int) -> list[str]:
    assert isinstance(after.scheduler, WarmedUp)
    start = decay_start(after.scheduler, new_steps)
    last = format_number(after.optimizer.lr * lr_factor(after.scheduler, new_steps, new_steps))
    if start is None:
        return ["learning rate: it never falls on this schedule"]
    if start > step:
        return [f"learning rate: it begins to fall after step {start}, to {last} at step {new_steps}"]
    return [f"learning rate: it falls from there on, to {last} at step {new_steps}"]
