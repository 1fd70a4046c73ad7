"""What commands share: where the runs are, which run a name means, JSON lines, completion."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder

EXPERIMENTS = Path("experiments.toml")
# What a hint may cost: no file of a person's own comes near it, and none larger is read for a folder's name.
_LARGEST_FILE = 1 << 20

runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the runs are: else the runs_dir of ./experiments.toml, else ./runs.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of runs for the shell, the newest first."""
    from craft.runs.store import RunStore

    try:
        runs = RunStore(runs_dir_of(ctx.params.get("runs_dir"))).folders()
    except OSError:
        return []
    names = sorted((run for run in runs if run.name.startswith(incomplete)), key=_made, reverse=True)
    return [CompletionItem(run.name) for run in names]


def _made(run: RunFolder) -> float:
    try:
        return run.run_json.stat().st_mtime
    except OSError:
        return 0.0


def complete_experiment(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the experiments of the file that was typed before, for the shell."""
    if "=" in incomplete:
        return []
    file = ctx.params.get("file")
    experiments = read_loosely(Path(file) if file else EXPERIMENTS).get("experiment")
    if not isinstance(experiments, dict):
        return []
    return [CompletionItem(name) for name in experiments if name.startswith(incomplete)]


Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


def run_argument(**settings: Any) -> Callable[[Decorated], Decorated]:
    """The RUN argument of a command, completed by the shell."""
    return click.argument("name", metavar="RUN", shell_complete=complete_run, **settings)


def runs_dir_of(option: Path | None) -> Path:
    """The folder that holds the runs, absolute. Nothing needs to exist."""
    if option is not None:
        return option.absolute()
    project = read_loosely(EXPERIMENTS).get("project")
    named = project.get("runs_dir") if isinstance(project, dict) else None
    return (Path.cwd() / named) if isinstance(named, str) and named else Path.cwd() / "runs"


def read_loosely(path: Path) -> dict[str, Any]:
    """A TOML file's content; empty when it cannot be read. For hints: a reading command must not fail over it."""
    import tomllib

    try:
        if path.stat().st_size > _LARGEST_FILE:
            return {}
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def find_run(name: str, runs_dir: Path | None) -> RunFolder:
    """The run that a name or a path means; `runs_dir` is the option. Starts a runner if the queue lacks one.

    Raises UnknownRunError with the nearest names, or RunError for a folder that is no run.
    """
    from craft.runs.store import RunStore

    folder = RunStore(runs_dir_of(runs_dir)).find(name)
    if folder.name != name and "/" not in name and name not in (".", ".."):
        _say_which(name, folder)
    look_after_queue(folder.path.parent)
    return folder


def _say_which(name: str, folder: RunFolder) -> None:
    """An experiment's name means its newest run; where that is one of a sweep, it is said that there are others."""
    from craft.runs.folder import load_identity
    from craft.text import clean_line

    identity, _ = load_identity(folder)
    if identity is not None and identity.group:
        words = f"'{name}' is {folder.name} here, the newest run of it, one of the group '{identity.group}'"
        sys.stderr.write(clean_line(f"{words}; 'craft group {identity.group}' shows all") + "\n")


def runs_argument() -> Callable[[Decorated], Decorated]:
    """One RUN or several, each perhaps a pattern such as 'lr-*'; together with `group_option`."""
    return click.argument("names", nargs=-1, metavar="RUN ...", shell_complete=complete_run)


def complete_group(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of groups for the shell."""
    from craft.runs.groups import group_names

    known = group_names(runs_dir_of(ctx.params.get("runs_dir")))
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


group_option = click.option(
    "--group", metavar="NAME", shell_complete=complete_group, help="All runs of a sweep, besides those that are named."
)


def find_runs(names: Sequence[str], group: str | None, runs_dir: Path | None) -> list[RunFolder]:
    """The runs that names, patterns and a group mean, each once, in the order given.

    Raises UsageError when nothing is named, UnknownRunError for a name or a pattern that means no run.
    """
    from fnmatch import fnmatchcase

    from craft.errors import UnknownRunError, UsageError
    from craft.runs.groups import read_group
    from craft.runs.store import RunStore

    place = runs_dir_of(runs_dir)
    if not names and group is None:
        raise UsageError("name a run, several, a pattern such as 'lr-*', or a sweep with --group NAME")
    found: dict[Path, RunFolder] = {}
    for name in names:
        if any(sign in name for sign in "*?[") and "/" not in name:
            matching = [folder for folder in RunStore(place).folders() if fnmatchcase(folder.name, name)]
            if not matching:
                raise UnknownRunError(f"no run matches '{name}' in {place}; 'craft runs' lists them")
            found |= {folder.path: folder for folder in matching}
        else:
            folder = find_run(name, runs_dir)
            found.setdefault(folder.path, folder)
    if group is not None:
        found |= {folder.path: folder for folder in read_group(place, group).folders()}
    look_after_queue(place)
    return list(found.values())


def run_and_which(name: str) -> tuple[str, str]:
    """The run and which of its checkpoints RUN[@WHICH] names; the latest where it says nothing."""
    run, at, which = name.rpartition("@")
    if not at or "/" in which:  # an @ of a folder's name
        return name, "latest"
    return run, which


def look_after_queue(runs_dir: Path) -> None:
    """Whoever finds runs waiting and nobody to start them starts a runner, or says that the queue is paused."""
    if (runs_dir / ".craft" / "queue").is_dir():
        from craft.launch.queue.dispatch import ensure_runner

        ensure_runner(runs_dir)
        say_if_paused(runs_dir)


def say_what_a_logout_ends() -> None:
    """Tell whoever starts a run that logging out would end it, and what mends that; silent where it would not."""
    from craft import platform

    if warning := platform.at_logout().warning:
        sys.stderr.write(f"{warning}\n")


_said_paused: set[Path] = set()


def say_if_paused(runs_dir: Path) -> None:
    """Say, once a command, that what waits will not begin."""
    from craft.launch.queue.entries import Queue

    queue = Queue(runs_dir)
    if runs_dir not in _said_paused and queue.is_paused() and (waiting := len(queue.entries())):
        _said_paused.add(runs_dir)
        runs = "1 run waits" if waiting == 1 else f"{waiting} runs wait"
        sys.stderr.write(f"the queue of {shown_path(runs_dir)} is paused, and {runs}: 'craft queue go' goes on\n")


def json_line(record: dict[str, Any]) -> str:
    """One object as a line that any reader takes: ASCII, no NaN or infinity."""
    return json.dumps(_finite(record), allow_nan=False, default=str)


def print_json(record: dict[str, Any]) -> None:
    """Write one object to standard output, now."""
    sys.stdout.write(json_line(record) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def say(words: str) -> None:
    """Tell a person something, on standard error."""
    from craft.text import clean

    sys.stderr.write(f"{clean(words)}\n")


def shown_path(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
