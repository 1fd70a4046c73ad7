"""A new run from a checkpoint of another: what would become of it, field by field, and its making."""

from __future__ import annotations

from craft.analysis.numbers import format_loss
from craft.errors import CraftError
from craft.launch.going_on.fork import fork as make_fork
from craft.launch.going_on.fork import plan_fork, start_fork
from craft.launch.queue.dispatch import ensure_runner
from craft.runs.checkpoints import best_steps, list_checkpoints
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.runs.manifest import read_manifest
from craft.runs.saving import save_now
from workbench.verbs.telling import Telling
from workbench.verbs.wish import Sketch, Wish


def sketch(parent: RunFolder, wish: Wish) -> Sketch:
    """Plan a fork. Changes nothing."""
    try:
        plan = plan_fork(parent, wish.which, wish.edits, file=wish.file, experiment=wish.experiment, name=wish.name)
    except CraftError as error:
        return Sketch(fault=str(error))
    fault = ""
    try:
        plan.require()
    except CraftError as error:
        fault = str(error)
    return Sketch(plan.step, plan.rows(), plan.remarks, fault)


def fork(parent: RunFolder, wish: Wish, told: Telling) -> str:
    """Make the new run and queue it; its name, or "" where it cannot be. The newest state of one that trains is saved
    first."""
    try:
        which = wish.which
        if which == "latest" and observe(parent).is_live:
            step = save_now(parent, cancelled=told.cancelled)
            which = which if step is None else str(step)
        plan = plan_fork(parent, which, wish.edits, file=wish.file, experiment=wish.experiment, name=wish.name)
        child = make_fork(plan)
        start_fork(child, plan.config.device)
        ensure_runner(child.path.parent)
    except CraftError as error:
        told.refuse(str(error))
        return ""
    told.say(f"{child.name} goes on from step {plan.step} of {parent.name}")
    return child.name


def checkpoints_of(parent: RunFolder) -> list[tuple[str, str]]:
    """What can be forked from: its name and a few words on it, the newest first."""
    found = list_checkpoints(parent)
    if not found:
        return []
    best = best_steps(parent)[:1]
    live = observe(parent).is_live
    choices = [("latest", f"step {found[-1].step}" + ("; saved first" if live else ""))]
    if best:
        choices.append(("best", f"step {best[0]}"))
    for info in reversed(found):
        try:
            manifest = read_manifest(info.path)
            figure = f"{manifest.monitor} {format_loss(manifest.monitor_value)}" if manifest.monitor_value else ""
        except (OSError, ValueError):
            figure = "damaged"
        choices.append((str(info.step), figure))
    return choices
