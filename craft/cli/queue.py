"""`craft queue`: what waits and why, and every change of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from craft.cli.common import (
    complete_run,
    find_run,
    find_runs,
    group_option,
    json_option,
    look_after_queue,
    print_json,
    runs_argument,
    runs_dir_of,
    runs_dir_option,
    say_what_a_logout_ends,
    shown_path,
)

if TYPE_CHECKING:
    from craft.errors import CraftError
    from craft.launch.going_on.resume import Resumption
    from craft.runs.folder import RunFolder


@click.group(invoke_without_command=True)
@runs_dir_option
@json_option
@click.pass_context
def queue(ctx: click.Context, runs_dir: Path | None, as_json: bool) -> None:
    """Show what waits, why, and what trains on this machine; or change it.

    \b
    craft queue                     what trains on this machine, and who waits
    craft queue move wide first     also: last, before RUN, after RUN, a number
    craft queue after wide small    wide begins when small has finished
    craft queue retry               what failed or was interrupted goes on
    """
    if ctx.invoked_subcommand is not None:
        return
    from craft.cli.queue_show import show_queue

    place = runs_dir_of(runs_dir)
    look_after_queue(place)
    show_queue(place, as_json)


def complete_waiting(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the runs that wait, for the shell, in their order."""
    from craft.launch.queue.dispatch import waiting_runs

    waiting = waiting_runs(_place(ctx, ctx.params.get("runs_dir")))
    return [CompletionItem(one.entry.run) for one in waiting if one.entry.run.startswith(incomplete)]


def _complete_where(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from craft.launch.queue.changes import PLACES

    return [CompletionItem(word) for word in PLACES if word.startswith(incomplete)]


def _place(ctx: click.Context, runs_dir: Path | None) -> Path:
    """The runs folder: `--runs-dir` may stand before the word or after it."""
    above = ctx.parent.params.get("runs_dir") if ctx.parent is not None else None
    return runs_dir_of(runs_dir or above)


def _tell(ctx: click.Context, as_json: bool, record: dict[str, Any], words: str) -> None:
    """What was changed: an object, or words."""
    if as_json or (ctx.parent is not None and ctx.parent.params.get("as_json")):
        print_json(record)
    sys.stderr.write(f"{words}\n")


@queue.command()
@click.argument("name", metavar="RUN", shell_complete=complete_waiting)
@click.argument("where", metavar="first|last|before|after|N", shell_complete=_complete_where)
@click.argument("other", required=False, metavar="[RUN]", shell_complete=complete_waiting)
@runs_dir_option
@json_option
@click.pass_context
def move(ctx: click.Context, name: str, where: str, other: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Put a waiting run elsewhere in the order."""
    from craft.launch.queue import changes as queue_changes

    run, position, count = queue_changes.move(_place(ctx, runs_dir), name, where, other)
    record = {"kind": "moved", "run": run, "position": position, "waiting": count}
    _tell(ctx, as_json, record, f"{run} is number {position} of {count} that wait")


@queue.command()
@runs_dir_option
@json_option
@click.pass_context
def pause(ctx: click.Context, runs_dir: Path | None, as_json: bool) -> None:
    """Start nothing any more, until 'craft queue go'. What trains goes on."""
    from craft.launch.queue import changes as queue_changes

    place = _place(ctx, runs_dir)
    now = "is paused" if queue_changes.pause(place) else "was paused already"
    words = f"the queue of {shown_path(place)} {now}: nothing is started until 'craft queue go'; what trains goes on"
    _tell(ctx, as_json, {"kind": "paused", "runs_dir": str(place), "paused": True}, words)


@queue.command()
@runs_dir_option
@json_option
@click.pass_context
def go(ctx: click.Context, runs_dir: Path | None, as_json: bool) -> None:
    """Start what waits again, after 'craft queue pause'."""
    from craft.launch.queue import changes as queue_changes
    from craft.launch.queue.dispatch import waiting_runs

    place = _place(ctx, runs_dir)
    was_paused = queue_changes.go(place)
    waiting = len(waiting_runs(place))
    now = "goes on" if was_paused else "was not paused"
    words = f"the queue of {shown_path(place)} {now}; {_count(waiting, 'wait') if waiting else 'nothing waits'}"
    _tell(ctx, as_json, {"kind": "paused", "runs_dir": str(place), "paused": False}, words)
    if waiting:
        say_what_a_logout_ends()


@queue.command()
@click.argument("name", metavar="RUN", shell_complete=complete_waiting)
@click.argument("others", nargs=-1, required=True, metavar="OTHER ... | none", shell_complete=complete_run)
@click.option("--whatever", is_flag=True, help="Begin also when an OTHER fails or is stopped.")
@runs_dir_option
@json_option
@click.pass_context
def after(
    ctx: click.Context, name: str, others: tuple[str, ...], whatever: bool, runs_dir: Path | None, as_json: bool
) -> None:
    """Let a waiting RUN begin only after others.

    It begins when every OTHER has finished; with 'none', when a slot is free. What it waited for before is forgotten.
    """
    from craft.errors import UsageError
    from craft.launch.queue import changes as queue_changes

    place = _place(ctx, runs_dir)
    if "none" in others and len(others) > 1:
        raise UsageError("'none' stands alone: it takes away everything that a run waits for")
    folders = [] if others == ("none",) else [find_run(other, place) for other in others]
    run = queue_changes.wait_for(place, name, folders, whatever=whatever)
    names = [folder.name for folder in folders]
    ended = "ended, however that is" if whatever else "finished"
    words = f"{run} begins when {' and '.join(names)} {'has' if len(names) == 1 else 'have'} {ended}"
    _tell(
        ctx,
        as_json,
        {"kind": "after", "run": run, "after": names, "whatever": whatever},
        words if names else f"{run} begins when a slot is free",
    )


@queue.command()
@click.argument("number", type=click.IntRange(1, 1024), metavar="N")
@runs_dir_option
@json_option
@click.pass_context
def slots(ctx: click.Context, number: int, runs_dir: Path | None, as_json: bool) -> None:
    """Say how many may train on the CPU at once.

    It holds for those that wait now: none of them begins beside N others, or is joined by more.
    """
    from craft.launch.queue import changes as queue_changes

    told = queue_changes.set_slots(_place(ctx, runs_dir), number)
    words = f"{_count(told, 'wait')} for the CPU: at most {number} at once, each on its share of the cores"
    _tell(ctx, as_json, {"kind": "slots", "slots": number, "runs": told}, words)


@queue.command()
@click.argument("names", nargs=-1, metavar="RUN ...", shell_complete=complete_waiting)
@group_option
@click.option("--all", "everything", is_flag=True, help="Everything that waits.")
@runs_dir_option
@json_option
@click.pass_context
def rm(
    ctx: click.Context,
    names: tuple[str, ...],
    group: str | None,
    everything: bool,
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Take waiting runs out of the queue. Their folders stay, and 'craft resume RUN' queues one again."""
    from craft.launch.queue.dispatch import waiting_runs, withdraw_all
    from craft.runs.folder import RunFolder

    place = _place(ctx, runs_dir)
    waiting = [one.entry.run for one in waiting_runs(place)]
    if everything:
        chosen = [RunFolder(place / run) for run in waiting]
    else:
        chosen = find_runs(names, group, place)
        if group is not None or any(sign in name for name in names for sign in "*?["):
            chosen = [folder for folder in chosen if folder.name in waiting or folder.name in names]
    gone = withdraw_all(place, chosen)
    for folder in gone:
        _tell(ctx, as_json, {"kind": "withdrawn", "run": folder.name}, f"{folder.name} is out of the queue")
    left = [folder for folder in chosen if folder not in gone]
    for folder in left:
        sys.stderr.write(f"craft: {folder.name} does not wait\n")
    if not chosen:
        sys.stderr.write("none of these waits\n" if names or group else "nothing waits\n")
    return 2 if left else 0


@queue.command()
@runs_argument()
@group_option
@click.option(
    "--slots",
    "number",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="As for craft run; else as when each was queued last.",
)
@runs_dir_option
@json_option
@click.pass_context
def retry(
    ctx: click.Context,
    names: tuple[str, ...],
    group: str | None,
    number: int | None,
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Let what failed or was interrupted go on.

    From the newest checkpoints; without a name, all of them. Those that were stopped go on only where they are named.
    """
    from craft.launch.groups import several

    place = _place(ctx, runs_dir)
    look_after_queue(place)
    if not names and group is None:
        chosen = several.all_broken_runs(place)
    else:
        found = find_runs(names, group, place)
        broken = several.broken_runs(found, place)
        exact = {find_run(name, place).path for name in names if not any(sign in name for sign in "*?[")}
        chosen = [folder for folder in found if folder in broken or folder.path in exact]
    if not chosen:
        sys.stderr.write(f"nothing failed and nothing was interrupted in {group or shown_path(place)}\n")
        return 0
    plans, refused = several.plan_retry(chosen)
    _announce(plans)
    refused += several.retry(plans, cpu_slots=number)
    failed = [folder for folder, _ in refused]
    as_json = as_json or bool(ctx.parent and ctx.parent.params.get("as_json"))
    for plan in plans:
        if plan.folder in failed:
            continue
        if as_json:
            print_json({"kind": "retry", "run": plan.folder.name, "step": plan.step, "path": str(plan.folder.path)})
        else:
            sys.stdout.write(f"{plan.folder.name}\n")
    _tell_refused(refused, as_json)
    say_what_a_logout_ends()
    return 2 if refused else 0


def _announce(plans: list[Resumption]) -> None:
    if plans:
        goes = "goes" if len(plans) == 1 else "go"
        sys.stderr.write(f"{_count(len(plans))} {goes} on from the newest checkpoint:\n")
    for plan in plans:
        where = f"step {plan.step}" if plan.step is not None else "the beginning: it has none"
        sys.stderr.write(f"  {plan.folder.name}  from {where}\n")


def _tell_refused(refused: list[tuple[RunFolder, CraftError]], as_json: bool) -> None:
    from craft.text import clean

    for folder, error in refused:
        if as_json:
            print_json({"kind": "refused", "run": folder.name, "reason": str(error)})
        sys.stderr.write(f"craft: {clean(str(error))}\n")


def _count(number: int, verb: str = "") -> str:
    """`1 run waits`, `2 runs wait`."""
    return (
        f"{number} run{'' if number == 1 else 's'}{f' {verb}s' if verb and number == 1 else f' {verb}' if verb else ''}"
    )
