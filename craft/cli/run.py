"""`craft run`: start experiments and follow them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import (
    complete_experiment,
    complete_run,
    find_run,
    json_option,
    print_json,
    say_if_paused,
    say_what_a_logout_ends,
    shown_path,
)

if TYPE_CHECKING:
    from craft.cli.following import Followed
    from craft.config.experiments import PlannedRun
    from craft.launch.queue.dispatch import Started
    from craft.launch.queue.entries import Wait
    from craft.launch.standby import Standby
    from craft.runs.folder import RunFolder

_NAMED_AT_THE_START = 10


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, metavar="[NAME or GLOB ...] [path=value ...]", shell_complete=complete_experiment)
@click.option("--detach", is_flag=True, help="Return as soon as the runs are made and queued, and print their names.")
@click.option("--dry-run", is_flag=True, help="Show what would run; make nothing.")
@click.option(
    "--slots",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs that train on this machine's CPU at once. On GPUs it is one a GPU.",
)
@click.option(
    "--after",
    "others",
    multiple=True,
    metavar="RUN",
    shell_complete=complete_run,
    help="Begin only when RUN has finished; may be given several times.",
)
@click.option("--whatever", is_flag=True, help="With --after: also when RUN fails or is stopped.")
@click.option(
    "--runs-dir", type=click.Path(file_okay=False, path_type=Path), help="Where the runs go; else as FILE says."
)
@json_option
def run(
    file: Path,
    words: tuple[str, ...],
    detach: bool,
    dry_run: bool,
    slots: int,
    others: tuple[str, ...],
    whatever: bool,
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Train the experiments of FILE: all of them, or those named, with settings changed by path=value.

    Each run is a process of its own that goes on when this command or its terminal ends. Ctrl-C stops and saves,
    pressed again it kills; p draws a plot.

    \b
    craft run experiments.toml                              every experiment, one after another
    craft run experiments.toml small training.max_steps=60  one of them, shortened
    craft run experiments.toml 'lr*' --detach               in the background
    craft run runs/small-001/experiment.toml                the same definition once more
    """
    standby = None if dry_run else _standby()  # before anything else is imported: it is the longest way
    try:
        import craft.cli.following  # noqa: F401 - now, so that nothing lies between a run's start and its following
        from craft.config.experiments import load_experiments
        from craft.launch.create import create_runs
        from craft.launch.start import queue_runs, require_inputs

        experiments = load_experiments(file)
        planned = experiments.plan([word for word in words if "=" not in word], [word for word in words if "=" in word])
        place = (runs_dir or experiments.runs_dir).absolute()
        require_inputs(planned, place)
        if dry_run:
            _show_plan(planned, place, as_json)
            return 0
        after = _waits(place, others, whatever)
        folders = create_runs(place, planned)

        def start() -> Started | None:
            started = queue_runs(place, folders, planned, cpu_slots=slots, standby=standby, after=after)
            if as_json:
                _print_runs(folders, planned)
            return started

        if not detach:
            return follow_to_end(folders, start, as_json)
        start()
        say_what_a_logout_ends()
        if not as_json:
            sys.stdout.writelines(f"{folder.name}\n" for folder in folders)
        say_if_paused(place)
        return 0
    finally:
        if standby is not None:
            standby.dismiss()


def _standby() -> Standby | None:
    """A worker that stands by; None where no process can be started just now: queued, the runs begin later."""
    from craft.launch.standby import Standby

    try:
        return Standby()
    except OSError:
        return None


def _waits(place: Path, others: tuple[str, ...], whatever: bool) -> tuple[Wait, ...]:
    """What has to end before these runs begin."""
    if not others:
        if whatever:
            raise click.UsageError("--whatever says how the runs of --after may end")
        return ()
    from craft.launch.queue.waits import waits_for

    return waits_for(place, None, [find_run(other, place) for other in others], (), whatever=whatever)


def _print_runs(folders: list[RunFolder], planned: list[PlannedRun]) -> None:
    for folder, one in zip(folders, planned, strict=True):
        names = {"run": folder.name, "path": str(folder.path), "experiment": one.experiment}
        print_json({"kind": "run", **names, "group": one.group, "axes": one.axes})


def follow_to_end(
    folders: list[RunFolder], start: Callable[[], Started | None], as_json: bool, *, only_new: bool = False
) -> int:
    """Start runs, tell them until they end, and how they ended; returns the command's exit status.

    From before `start` is called, Ctrl-C means these runs. With `as_json`, standard output has the objects and
    standard error the words. `only_new`: not what the runs did before.
    """
    from craft.cli.following import Following, end_record
    from craft.cli.terminal import Screen

    screen = Screen(sys.stderr if as_json else sys.stdout)
    say_what_a_logout_ends()

    def begin() -> Started | None:
        started = start()
        for folder in folders[:_NAMED_AT_THE_START]:
            screen.line(f"{screen.paint(folder.name, 'bold')}  {shown_path(folder.path)}")
        if len(folders) > _NAMED_AT_THE_START:
            screen.line(f"... {folders[-1].name}: {len(folders)} runs")
        if screen.live and sys.stdin.isatty():
            screen.line("p: plot   Ctrl-C: stop and save", "dim")
        return started

    emit = print_json if as_json else None
    following = Following(folders, screen, begin=begin, emit=emit, only_new=only_new)
    ended = following.follow()
    if as_json:
        for one in ended:
            print_json(end_record(one))
    if len(ended) == 1:
        ended[0].narrator.tell_end()
    else:
        _tell_table(ended, screen.width if screen.live else None, screen.line, ascii_only=not screen.unicode)
    if following.interrupted:
        return 130
    return 1 if any(_went_wrong(one) for one in ended) else 0


def _went_wrong(run: Followed) -> bool:
    from craft.runs.liveness import was_killed

    news = run.narrator.news
    return run.phase in ("failed", "interrupted") or (news is not None and was_killed(news.observed.status))


def _tell_table(ended: list[Followed], width: int | None, line: Any, *, ascii_only: bool) -> None:
    """All runs with how they ended."""
    from craft.cli.runs_table import run_columns
    from craft.cli.table import render_table

    looked = [(one.folder.name, one.narrator.news.observed, None) for one in ended if one.narrator.news]
    for text in render_table(run_columns(looked), width, ascii_only=ascii_only):
        line(text)


def _show_plan(planned: list[PlannedRun], place: Path, as_json: bool) -> None:
    """What would run: names, counts, and the settings in which the definitions differ from each other."""
    from craft.config.definition import definition_hash
    from craft.runs.folder import slug
    from craft.text import clean

    differing = _differences(planned)
    if as_json:
        for one, settings in zip(planned, differing, strict=True):
            print_json(
                {
                    "kind": "plan",
                    "experiment": one.experiment,
                    "group": one.group,
                    "axes": one.axes,
                    "differs": settings,
                    "definition_hash": definition_hash(one.config),
                }
            )
        return
    experiments = len({one.experiment for one in planned})
    counted = f"{len(planned)} run{'s' if len(planned) != 1 else ''} of {experiments} experiment"
    lines = [f"{counted}{'s' if experiments != 1 else ''}, in {shown_path(place)}; nothing is made"]
    for one, settings in zip(planned, differing, strict=True):
        lines.append(f"{slug(one.experiment)}-NNN{f'  {one.config.description}' if one.config.description else ''}")
        lines += [f"    {path} = {_toml_value(value)}" for path, value in settings.items()]
    sys.stdout.write(clean("\n".join(lines)) + "\n")


def _differences(planned: list[PlannedRun]) -> list[dict[str, Any]]:
    """For each run, the settings that are not the same in all; for one alone, those of the command line."""
    flat = [_flat(one.config.model_dump(mode="json", exclude={"description", "why"})) for one in planned]
    if len(planned) == 1:
        changed = [path for path, origin in planned[0].origins.items() if origin.kind == "command line"]
        return [{path: flat[0].get(path) for path in changed}]
    paths = list(dict.fromkeys(path for settings in flat for path in settings))
    differing = [path for path in paths if any(one.get(path) != flat[0].get(path) for one in flat)]
    return [{path: settings[path] for path in differing if path in settings} for settings in flat]


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    from craft.config.toml_values import dotted, leaves

    return {dotted(path): value for path, value in leaves(tree).items() if value != {}}


def _toml_value(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
