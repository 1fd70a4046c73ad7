"""Going on with runs from their newest checkpoints, as they are or with changed settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from craft.errors import CraftError, RunBusyError
from craft.launch.going_on.resume import Resumption, plan_resume
from craft.launch.going_on.resume import resume as go_on
from craft.launch.groups import several
from craft.launch.queue.dispatch import ensure_runner
from craft.runs.folder import RunFolder
from workbench.verbs.telling import Telling


def resume(folders: Sequence[RunFolder], overrides: Sequence[str], told: Telling, *, force: bool = False) -> None:
    """Queue runs so that they go on, with `path=value` changes; says of each from where."""
    for folder in folders:
        try:
            plan = plan_resume(folder, overrides, force=force)
            go_on(plan)
            told.say(_line(plan))
        except RunBusyError as error:
            told.refuse(str(error))
        except CraftError as error:
            told.refuse(_named(folder, error))
    for runs_dir in dict.fromkeys(folder.path.parent for folder in folders):
        ensure_runner(runs_dir)


def resume_by_force(folders: Sequence[RunFolder], told: Telling) -> None:
    """The same with runs that other machines say they train."""
    resume(folders, (), told, force=True)


def retry(runs_dir: Path, told: Telling) -> None:
    """Let everything that failed or was interrupted go on; not what a person killed."""
    broken = several.all_broken_runs(runs_dir)
    if not broken:
        told.say("nothing failed and nothing was interrupted")
    plans, refused = several.plan_retry(broken)
    refused += several.retry(plans)
    failed = {folder.path for folder, _ in refused}
    for plan in plans:
        if plan.folder.path not in failed:
            told.say(_line(plan))
    for folder, error in refused:
        told.refuse(_named(folder, error))


def describe_resume(folders: Sequence[RunFolder], overrides: Sequence[str]) -> tuple[list[tuple[str, str]], bool]:
    """What a resume with these changes would do: lines with their tones, and whether any run can go on."""
    lines: list[tuple[str, str]] = []
    possible = False
    for folder in folders:
        try:
            plan = plan_resume(folder, overrides)
        except CraftError as error:
            lines.append((_named(folder, error), "bad"))
            continue
        possible = True
        lines.append((_line(plan), "good"))
        lines += [(f"  {path}: {before} -> {after}", "plain") for path, (before, after) in plan.changes.items()]
        lines += [(f"  {remark}", "quiet") for remark in plan.remarks]
    return lines, possible


def longer(folder: RunFolder) -> str:
    """The change that a finished run needs to go on, as its refusal says it; empty where it can go on as it is."""
    try:
        plan_resume(folder, ())
    except CraftError as error:
        _, _, advice = str(error).partition(f"craft resume {folder.name} ")
        words = [word for word in advice.split() if word.startswith("training.") and "=" in word]
        return " ".join(words)
    return ""


def _line(plan: Resumption) -> str:
    where = f"from step {plan.step}" if plan.step is not None else "from the beginning: it has no checkpoint"
    return f"{plan.folder.name} goes on {where}"


def _named(folder: RunFolder, error: CraftError) -> str:
    text = str(error)
    return text if folder.name in text else f"{folder.name}: {text}"
