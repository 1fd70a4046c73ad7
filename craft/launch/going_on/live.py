"""What a run that trains may be asked to change, checked before it is asked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from craft.config.check import Problems, dotted
from craft.config.live import live_settings
from craft.config.overrides import read_overrides
from craft.errors import RunError
from craft.launch.going_on.meaning import effects
from craft.launch.queue.dispatch import wait_while_starting
from craft.runs.changed_definition import config_with, plan_change
from craft.runs.changes import Values, read_changes, values_at
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe


def plan_live_change(folder: RunFolder, overrides: Sequence[str]) -> Values:
    """What these `path=value` texts ask of a run that trains, checked: the values by path. Some may hold already.

    Raises ConfigError for a value that is none, and RunError, with what can be done instead, for a setting that cannot
    change while it trains, or a run that no worker is at.
    """
    folder.require()
    wait_while_starting(folder)
    _require_live(folder, overrides)
    held = values_at(read_changes(folder), observe(folder).status.step)
    known = live_settings(config_with(folder, held))
    problems = Problems()
    _, paths = read_overrides(overrides, problems)
    problems.raise_if_any()
    given = [dotted(path) for path in paths]
    if odd := [path for path in given if path not in known]:
        raise RunError(
            f"{folder.name}: {' and '.join(odd)} cannot change while it trains; these can: {', '.join(known)}. "
            f"{_instead(folder, overrides, held)}"
        )
    changed, _ = plan_change(folder, held, overrides)
    return {path: changed.get(path, known[path]) for path in given}


def _require_live(folder: RunFolder, overrides: Sequence[str]) -> None:
    observed = observe(folder)
    if observed.is_live:
        return
    resume = _command("resume", folder, overrides)
    if observed.phase == "queued":
        raise RunError(
            f"{folder.name} is queued and does not train yet; 'craft stop {folder.name}' takes it out, and {resume} "
            "queues it with that"
        )
    if observed.phase == "finished":
        longer = [*overrides, f"training.max_steps={2 * max(observed.status.step, 1)}"]
        resume = _command("resume", folder, longer)
    raise RunError(f"{folder.name} is {observed.phase}, and so does not train; {resume} goes on with that")


def _instead(folder: RunFolder, overrides: Sequence[str], held: Values) -> str:
    """The command that does what cannot be done live. Raises ConfigError for what cannot be done at all."""
    from craft.config.experiments import load_experiments

    file = load_experiments(folder.definition)
    changed = effects(config_with(folder, held), file.plan((), overrides)[0].config, source_dir=folder.code)
    given = [one for one in changed if one.path not in held]
    if all(one.resumable for one in given):
        return f"'craft stop {folder.name}' and then {_command('resume', folder, overrides)} does it"
    if any(one.kind == "cannot" for one in given):
        return f"{_command('run', folder, overrides)} begins a new run with it"
    return f"{_command('fork', folder, overrides)} makes a run of its own with it"


def _command(verb: str, folder: RunFolder, overrides: Sequence[str]) -> str:
    what = str(folder.definition) if verb == "run" else folder.name
    return f"'craft {verb} {shlex.quote(what)} {' '.join(map(shlex.quote, overrides))}'"
