"""`craft fork`: a new run from a checkpoint of another, with an edited definition."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from craft.cli.common import (
    complete_run,
    find_run,
    json_option,
    print_json,
    run_and_which,
    runs_dir_option,
    say_what_a_logout_ends,
)

if TYPE_CHECKING:
    from craft.launch.going_on.fork import Fork
    from craft.launch.queue.dispatch import Started
    from craft.runs.folder import RunFolder


@click.command()
@click.argument("name", metavar="RUN[@STEP|@best|@latest]", shell_complete=complete_run)
@click.argument("overrides", nargs=-1, metavar="[path=value ...]")
@click.option(
    "--with", "edited", metavar="FILE[:NAME]", help="The definition of an experiment of FILE, instead of the run's own."
)
@click.option("--name", "experiment", metavar="NAME", help="Another name for its experiment: it is then NAME-NNN.")
@click.option("--detach", is_flag=True, help="Return as soon as it is made and queued, and print its name.")
@click.option("--dry-run", is_flag=True, help="Say what goes on and what does not; make nothing.")
@click.option(
    "--slots", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="As for craft run."
)
@click.option("--after", "others", metavar="RUN", multiple=True, help="Begin only when RUN has finished; repeatable.")
@runs_dir_option
@json_option
def fork(
    name: str,
    overrides: tuple[str, ...],
    edited: str | None,
    experiment: str | None,
    detach: bool,
    dry_run: bool,
    slots: int,
    others: tuple[str, ...],
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Go on from any checkpoint of a run, as a new run, with settings changed by path=value.

    It says field by field what continues, what starts anew, and what cannot be. The curve of the new run begins with
    its parent's. A run that trains is left alone; @latest lets it save first.

    \b
    craft fork small-001@500 optimizer.lr=1e-4       as it was at step 500, with another learning rate
    craft fork small@best seed=7 --name other-order  from the best checkpoint, with the data in another order
    craft fork small-001 --with experiments.toml     with the definition as the file has it by now
    """
    from craft.cli.run import follow_to_end
    from craft.launch.going_on.fork import fork as make
    from craft.launch.going_on.fork import plan_fork, start_fork
    from craft.launch.queue.waits import waits_for

    parent, which = _parent(name, runs_dir)
    place = parent.path.parent
    after = waits_for(place, None, [find_run(other, place) for other in others], (), whatever=False) if others else ()
    if which == "latest" and not dry_run:
        which = _saved_now(parent)
    file, chosen = _file_and_name(edited)
    plan = plan_fork(
        parent, which, overrides, file=file, experiment=chosen, name=experiment, say=lambda line: _say(line)
    )
    if dry_run:
        _tell(plan, None, as_json, words=sys.stdout)
        plan.require()
        return 0
    if plan.cannot:
        _tell(plan, None, as_json=False, words=sys.stderr)
    child = make(plan)

    def start() -> Started | None:
        _tell(plan, child, as_json, words=sys.stderr)
        return start_fork(child, plan.config.device, cpu_slots=slots, after=after)

    if not detach:
        return follow_to_end([child], start, as_json, only_new=True)
    start()
    say_what_a_logout_ends()
    if not as_json:
        sys.stdout.write(f"{child.name}\n")
    return 0


def _parent(name: str, runs_dir: Path | None) -> tuple[RunFolder, str]:
    """The run and the checkpoint that RUN[@WHICH] names; a checkpoint's own folder is fine too.

    Raises RunError for weights from elsewhere, saying what takes those.
    """
    from craft.config.initial_weights import SUFFIXES
    from craft.errors import RunError
    from craft.runs.folder import RunFolder, is_dir
    from craft.runs.manifest import STEP_FOLDER

    run, which = run_and_which(name)
    place = Path(run)
    if (step := STEP_FOLDER.fullmatch(place.resolve().name)) and is_dir(place):
        owner = RunFolder(place.resolve().parent.parent)
        if owner.run_json.is_file():
            return owner, str(int(step[1]))
    is_weights = run.endswith(SUFFIXES) and place.is_file()
    if run.startswith("hf:") or is_weights or (is_dir(place) and "/" in run and not (place / "run.json").exists()):
        raise RunError(
            f"{run} is no run of Craft, so there is no optimizer's state and no place in the data to go on from. A new "
            f"run takes its weights: craft run FILE init_from={run}"
        )
    return find_run(run, runs_dir), which


def _saved_now(parent: RunFolder) -> str:
    """Which checkpoint is the latest, once a run that trains has saved."""
    from craft.runs.liveness import observe
    from craft.runs.saving import save_now

    if not observe(parent).is_live:
        return "latest"
    _say(f"{parent.name} trains, and saves now")
    step = save_now(parent)
    return "latest" if step is None else str(step)


def _file_and_name(edited: str | None) -> tuple[Path | None, str | None]:
    """FILE and NAME of `--with`; a file's own name may hold a colon."""
    if edited is None:
        return None, None
    file, colon, name = edited.rpartition(":")
    if not colon or Path(edited).is_file():
        return Path(edited), None
    return Path(file), name


_TITLES = {"continues": "continues", "anew": "starts anew", "cannot": "cannot be"}


def _tell(plan: Fork, child: RunFolder | None, as_json: bool, *, words: TextIO) -> None:
    """What becomes of it, field by field."""
    from craft.text import clean

    rows = plan.rows()
    if as_json:
        print_json(
            {
                "kind": "fork",
                "run": child.name if child else None,
                "path": str(child.path) if child else None,
                "experiment": plan.experiment,
                "parent_run": plan.parent.name,
                "parent_step": plan.step,
                "max_steps": plan.max_steps or None,
                "changes": {one.path: [one.before, one.after] for one in plan.effects},
                **{kind: {what: how for k, what, how in rows if k == kind} for kind in _TITLES},
                "parts_anew": sorted(plan.anew),
                "remarks": plan.remarks,
            }
        )
        words = sys.stderr
    new = child.name if child else f"{plan.experiment}-NNN"
    width = max((len(what) for _, what, _ in rows), default=0)
    lines = [f"{new} goes on from step {plan.step} of {plan.parent.name}"]
    for kind, title in _TITLES.items():
        said = [f"    {what:<{width}}  {how}" for k, what, how in rows if k == kind]
        lines += [f"  {title}", *said] if said else []
    lines += [f"  {remark}" for remark in plan.remarks]
    words.write(clean("\n".join(lines)) + "\n")


def _say(line: str) -> None:
    from craft.text import clean_line

    sys.stderr.write(clean_line(line) + "\n")
