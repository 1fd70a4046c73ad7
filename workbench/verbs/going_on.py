"""Going on with runs from their newest checkpoints, as they are or with changed settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from craft.errors import CraftError, RunBusyError
from craft.launch.going_on.resume import Resumption, plan_resume
from craft.launch.going_on.resume import resume as go_on
from craft.launch.groups import several
from craft.launch.queue.dispatch import ensure_runner
from craft.runs.folder import RunFolder
from craft.runs.store import RunSummary
from workbench.verbs.telling import Telling

_SHOWN = 8


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


@dataclass(frozen=True)
class Retrying:
    """What of some runs failed or was interrupted, and how it would go on."""

    plans: list[Resumption]
    refused: list[str]
    """Why others cannot."""
    others: int
    """How many more failed, which are not meant."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it can go on."""
        return not self.plans

    @property
    def why_nothing(self) -> str:
        """What is said then."""
        if self.refused:
            return "\n".join(self.refused[:_SHOWN])
        return f"nothing of it failed and nothing was interrupted{f'; {self._others}' if self.others else ''}"

    @property
    def question(self) -> str:
        """What is asked."""
        what = "1 run" if len(self.plans) == 1 else f"{len(self.plans)} runs"
        return f"Let {what} go on that failed or ended without a word?"

    @property
    def detail(self) -> str:
        """Which, and from where."""
        lines = [_line(plan) for plan in self.plans[:_SHOWN]]
        if len(self.plans) > _SHOWN:
            lines.append(f"and {len(self.plans) - _SHOWN} more")
        lines += self.refused[:_SHOWN]
        return "\n".join([*lines, *([self._others] if self.others else [])])

    @property
    def _others(self) -> str:
        return f"{self.others} more, not marked or not shown, {'is' if self.others == 1 else 'are'} left alone"


def plan_retry(runs: Sequence[RunSummary], every: Sequence[RunSummary]) -> Retrying:
    """What of `runs` failed or was interrupted, and how many of `every` did beside them; not what a person killed, and
    not what has lost its `run.json`."""
    names = {run.name for run in runs}
    broken = [run.folder for run in every if run.phase in several.BROKEN and several.may_go_on(run)]
    meant = [folder for folder in broken if folder.name in names]
    others = len(broken) - len(meant)
    if meant:
        meant = several.broken_runs(meant, meant[0].path.parent)  # they may have gone on since they were listed
    plans, refused = several.plan_retry(meant)
    return Retrying(plans, [_named(folder, error) for folder, error in refused], others)


def retry(retrying: Retrying, told: Telling) -> None:
    """Let them go on."""
    refused = several.retry(retrying.plans)
    failed = {folder.path for folder, _ in refused}
    for plan in retrying.plans:
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
