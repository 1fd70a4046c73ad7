"""Going on with a run: which changes it can take, what a longer run does to its schedule, and the restart."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craft import platform
from craft.config.definition import definition_hash, dump_definition
from craft.config.experiments import load_experiments
from craft.config.fields import NOT_INHERITED
from craft.config.schema import ExperimentConfig
from craft.errors import CraftError, RunBusyError, RunError
from craft.launch.going_on.edited import Edited, edit
from craft.launch.going_on.length import bounded_by_epochs, schedule_remarks, total_steps
from craft.launch.going_on.meaning import BITS, CHOSEN, advised_run, changes_between, effects, shown
from craft.launch.going_on.other_text import compare_text
from craft.launch.queue.dispatch import Started, claim_queued, hold_queue, start_next, was_taken_over
from craft.launch.queue.entries import MOST_SLOTS, Entry, Queue
from craft.launch.workers import has_outcome
from craft.platform.files import put_back_on_error
from craft.runs import control
from craft.runs.changes import write_changes
from craft.runs.checkpoints import CheckpointInfo, newest_valid
from craft.runs.events import append_event
from craft.runs.folder import RunFolder, definition_fault, digest_of, read_identity, update_identity
from craft.runs.liveness import host_elsewhere, observe
from craft.runs.lock import end_left_behind, read_owner
from craft.runs.status import Status, read_status


@dataclass(frozen=True)
class Resumption:
    """What a resume will do, checked and not yet done."""

    folder: RunFolder
    name: str
    edited: Edited
    changes: dict[str, tuple[Any, Any]]
    """Dotted path -> (before, after)."""
    step: int | None
    """The newest checkpoint's; None: there is none, and the run begins again."""
    max_steps: int
    claim: Status
    """What the run said of itself when this was planned."""
    remarks: list[str] = field(default_factory=list)
    """What a person should know about it, a line each."""

    @property
    def config(self) -> ExperimentConfig:
        """The definition that it goes on with."""
        return self.edited.planned.config


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
    damaged: list[str] = []
    found = newest_valid(
        folder, lambda info, faults: damaged.append(f"step {info.step} is damaged: {'; '.join(faults)}")
    )
    if damaged and found is None:
        raise RunError(f"{folder.name}: every checkpoint is damaged, so it cannot go on: {'. '.join(damaged)}")
    step = found.step if found else None
    edited = edit(folder, step or 0, overrides)
    before, after, changes = edited.before, edited.after, changes_between(edited.before, edited.after)
    _refuse_other_run(folder, step, before, after, overrides)
    if found is not None:
        _refuse_other_text(folder, before, after, found)
    data_begins = int(read_identity(folder).fork.get("data_begins", 0))
    max_steps = total_steps(after, before, status.max_steps, data_begins)
    _refuse_nothing_to_do(folder, observed.phase, status, step, max_steps, changes, before)
    remarks = [*damaged, *_source_remarks(folder, edited.planned.experiment, edited.own)]
    if fault := definition_fault(folder, read_identity(folder)):
        remarks.append(fault)
    if edited.forgotten:
        remarks.append(f"what was changed while it trained is given anew: {', '.join(edited.forgotten)}")
    if step is not None and step < status.step and not has_outcome(folder):
        remarks.append(f"it had reached step {status.step}; what came after step {step} is trained again")
    if step is not None and status.max_steps:
        remarks += schedule_remarks(before, after, step, status.max_steps, max_steps)
    if rechosen := [path for path in CHOSEN if path in changes]:
        remarks.append(f"with another {' and '.join(rechosen)} {BITS}")
    return Resumption(folder, edited.planned.experiment, edited, changes, step, max_steps, status, remarks)


def resume(plan: Resumption, *, cpu_slots: int | None = None) -> Started | None:
    """Rewrite the definition where it changes, queue the run, and start its worker when a slot is free.

    `cpu_slots`: how many may train on the CPU at once while it does; None: as many as when it was queued last.
    Raises RunBusyError when another command was quicker, RunError when it was deleted meanwhile.
    """
    folder = plan.folder
    queue = Queue(folder.path.parent)
    lock = platform.FileLock(folder.lock)
    with hold_queue(queue):
        folder.require()
        if any(entry.run == folder.name for entry in queue.entries()) and not was_taken_over(folder):
            raise RunBusyError(f"{folder.name} is already queued or being started by another command")
        if not lock.acquire(2.0 if end_left_behind(folder) else 0.0):
            raise _busy(folder)
        nobody_waits = queue.is_empty()
        try:
            _refuse_stale(plan)
            with put_back_on_error(folder.definition, folder.changes, folder.run_json, folder.status):
                _queue_again(plan, queue, cpu_slots or _slots_before(plan.claim))
        except OSError as error:
            queue.drop([folder.name])
            raise RunError(f"{folder.path}: it is as it was, nothing can be written: {error.strerror}") from error
        finally:
            lock.release()
        try:
            return start_next(queue, only=folder.name) if nobody_waits else None
        except OSError:
            return None  # it is queued all the same, and a runner tries again


def _refuse_stale(plan: Resumption) -> None:
    """A plan holds for the run that it saw, not for one that somebody has trained since."""
    now = read_status(plan.folder) or Status()
    if now != plan.claim:
        raise RunBusyError(f"{plan.folder.name} has gone on meanwhile: it is {now.phase}, at step {now.step}")


def _slots_before(claim: Status) -> int:
    return claim.slots if 1 <= claim.slots <= MOST_SLOTS else 1


def _queue_again(plan: Resumption, queue: Queue, cpu_slots: int) -> None:
    """All that a resume writes. Raises OSError."""
    folder = plan.folder
    queue.drop([folder.name])
    rewrites = bool(plan.edited.definition_changes or plan.edited.forgotten)
    if rewrites:
        _rewrite(plan)
    claim_queued(folder, cpu_slots, max_steps=plan.max_steps, eta_seconds=None)
    queue.add([Entry(folder.name, plan.config.device, cpu_slots, time.time())])
    if rewrites:
        _say_what_changed(plan)
    control.take(folder)  # a stop that nobody took would end the new start at once


def _rewrite(plan: Resumption) -> None:
    """Put the changed definition on disk, without the live changes that it does away with."""
    folder, edited = plan.folder, plan.edited
    text = dump_definition(plan.name, plan.config, runs_dir=folder.path.parent).encode()
    platform.write_file_durable(folder.definition, text)
    if edited.forgotten:
        write_changes(folder, edited.live)
    written = changes_between(edited.own, plan.config)
    given = read_identity(folder).overrides | {path: value for path, (_, value) in written.items()}
    update: dict[str, Any] = {
        "definition_hash": definition_hash(plan.config),
        "definition_sha256": digest_of(text),
        "overrides": given,
    }
    if any(path in plan.changes for path in CHOSEN):
        update_identity(folder, **update, chosen={})
    else:
        update_identity(folder, **update)


def _say_what_changed(plan: Resumption) -> None:
    folder, edited = plan.folder, plan.edited
    dropped = {"dropped": edited.forgotten} if edited.forgotten else {}
    append_event(folder, "changed", changes={path: list(pair) for path, pair in plan.changes.items()}, **dropped)


def _busy(folder: RunFolder) -> RunBusyError:
    owner = read_owner(folder)
    who = f"process {owner.pid} on {owner.host}" if owner else "a process"
    if (status := read_status(folder)) is not None and status.phase == "paused":
        return RunBusyError(
            f"{folder.name} is paused, by {who}: 'craft continue {folder.name}' lets it go on, "
            f"'craft stop {folder.name}' stops it"
        )
    return RunBusyError(
        f"{folder.name} is being trained by {who} right now; 'craft watch {folder.name}' shows it, "
        f"'craft stop {folder.name}' stops it"
    )


def _refuse_other_text(
    folder: RunFolder, before: ExperimentConfig, after: ExperimentConfig, found: CheckpointInfo
) -> None:
    """A text that was edited since is another order of the data and perhaps other tokens: the worker would refuse it,
    and the run be failed then."""
    text = compare_text(before, after, read_identity(folder).data_hash, found.path)
    if text.same is False:
        why = f" ({text.why_not})" if text.why_not else ""
        raise RunError(
            f"{folder.name} cannot go on: its text is not the one that it was trained on any more{why}. Put that back, "
            f"or train on this one in a run of its own: craft fork {folder.name}"
        )


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
        for path, pair in changes_between(own, now.config).items()
        if path.partition(".")[0] not in NOT_INHERITED and path not in identity.overrides
    }
    if not changed:
        return []
    words = [f"{path} is {shown(there)} there and {shown(here)} here" for path, (here, there) in changed.items()]
    more = f", and {len(words) - 4} more" if len(words) > 4 else ""
    return [
        f"{source.name} defines {identity.experiment} otherwise by now: {'; '.join(words[:4])}{more}. This run goes on "
        f"with its own definition; for a new run with the other: "
        f"craft run {shlex.quote(str(source))} {shlex.quote(identity.experiment)}"
    ]


def _refuse_other_run(
    folder: RunFolder,
    step: int | None,
    before: ExperimentConfig,
    after: ExperimentConfig,
    overrides: Sequence[str],
) -> None:
    """A change with which it would be another run is named with both values, and so is the command for that run."""
    refused = [effect for effect in effects(before, after, source_dir=folder.code) if not effect.resumable]
    if not refused:
        return
    named = "; ".join(f"{one.path} is {shown(one.before)}, not {shown(one.after)}" for one in refused)
    if any(one.kind == "cannot" for one in refused) or step is None:
        how = advised_run(folder, step, folder.definition, overrides, (before, after))
    else:
        how = f"for a new run with it: {shlex.join(['craft', 'fork', f'{folder.name}@{step}', *overrides])}"
    raise RunError(f"{folder.name} cannot go on as the run that it is with that: {named}; {how}")


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
    if bounded_by_epochs(before, status.max_steps):
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
