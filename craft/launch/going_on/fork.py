"""A new run from a checkpoint of another, with an edited definition: what of it goes on, and what does not.

edited.py    the definition                 meaning.py   what each changed setting does
child.py     the folder                     craft/training/inherited.py   the first start
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from craft.config.corpus import require_text
from craft.config.definition import load_definition
from craft.config.estimate import estimate
from craft.config.plugins import code_dir
from craft.config.schema import ExperimentConfig
from craft.config.token_cache import require_tokenizer
from craft.errors import CheckpointError, CraftError, RunError, UsageError
from craft.launch.going_on.child import Birth, make_child
from craft.launch.going_on.edited import Edited, edit
from craft.launch.going_on.length import schedule_remarks, total_steps
from craft.launch.going_on.meaning import PARTS, Effect, advised_run, changes_between, effects, parts_anew, shown
from craft.launch.going_on.other_text import compare_text
from craft.launch.queue.dispatch import Started, submit
from craft.launch.queue.entries import Wait
from craft.runs import checkpoints, manifest
from craft.runs.checkpoints import CheckpointInfo
from craft.runs.folder import RunFolder, read_identity


@dataclass(frozen=True)
class Fork:
    """What a fork will be, checked and not yet made."""

    parent: RunFolder
    checkpoint: CheckpointInfo
    experiment: str
    edited: Edited
    effects: list[Effect]
    anew: dict[str, list[Effect]]
    """Parts of the checkpoint that start anew, with the changes that make it so: none where its parent did so."""
    state: dict[str, Any]
    """The values of the checkpoint's training state."""
    max_steps: int
    """0 while that is not known."""
    words: list[str] = field(default_factory=list)
    """The edits, as they were given."""
    remarks: list[str] = field(default_factory=list)

    @property
    def step(self) -> int:
        """The step that it goes on from."""
        return self.checkpoint.step

    @property
    def config(self) -> ExperimentConfig:
        """The child's definition."""
        return self.edited.planned.config

    @property
    def cannot(self) -> list[Effect]:
        """Changes that the checkpoint cannot follow."""
        return [effect for effect in self.effects if effect.kind == "cannot"]

    def rows(self) -> list[tuple[Literal["continues", "anew", "cannot"], str, str]]:
        """All of it field by field: what becomes of it, what, and how or why."""
        rows: list[tuple[Literal["continues", "anew", "cannot"], str, str]] = []
        if not self.cannot:
            rows += [("continues", what, how) for what, how in _parts_that_continue(self)]
        rows += [("continues", one.path, _why(one)) for one in self.effects if one.kind == "continues"]
        for part, causes in self.anew.items():
            what = PARTS.get(part, part)
            how = "; ".join(f"{one.path}: {_why(one)}" for one in causes) or "as for its parent"
            rows.append(("anew", what, how))
        rows += [("cannot", one.path, _why(one)) for one in self.cannot]
        return rows

    def require(self) -> None:
        """Raise RunError, with the command that does what was meant, where a change cannot be."""
        if not self.cannot:
            return
        named = "; ".join(f"{one.path} {one.change}: {one.why}" for one in self.cannot)
        configs = self.edited.before, self.edited.after
        how = advised_run(self.parent, self.step, self.edited.planned.source, self.words, configs)
        raise RunError(f"{self.parent.name} cannot be forked with that: {named}; {how}")


def plan_fork(
    parent: RunFolder,
    which: str,
    overrides: Sequence[str] = (),
    *,
    file: Path | None = None,
    experiment: str | None = None,
    name: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Fork:
    """Look at a checkpoint ("latest", "best" or a step) and at an edited definition. Changes nothing.

    `file` and `experiment` name a definition that takes the place of the run's own; `name` the experiment that the
    child is of. `say` is told before something takes long. Raises CheckpointError for a checkpoint that is damaged or
    not there, ConfigError for a wrong edit, RunError for a run that has reached its end at that step.
    """
    parent.require()
    identity = read_identity(parent)
    found = checkpoints.resolve(parent, which)
    state = _state(found)
    edited = edit(parent, found.step, overrides, file=file, name=experiment)
    planned = edited.planned
    require_text(planned.config.data)
    require_tokenizer(planned.config.tokenizer)
    then = _definition_then(found, edited.own)
    text = compare_text(edited.before, edited.after, identity.data_hash, found.path)
    source_dir = code_dir(planned.source.absolute())
    effected = effects(edited.before, edited.after, text=text, source_dir=source_dir, say=say)
    anew = parts_anew(effected)
    if identity.fork.get("checkpoint") == manifest.file_digest(found.path / manifest.NAME):
        anew = {**{part: [] for part in identity.fork.get("anew", [])}, **anew}
    max_steps = _max_steps(edited, then, found.step, state, anew, int(identity.fork.get("data_begins", 0)))
    plan = Fork(
        parent,
        found,
        _experiment(planned.experiment, name),
        edited,
        effected,
        anew,
        state,
        max_steps,
        [*([experiment or planned.experiment] if file else []), *overrides],
    )
    plan.remarks.extend(_remarks(plan, then, which))
    if not plan.cannot and max_steps and found.step >= max_steps:
        earlier = [f"@{info.step}" for info in checkpoints.list_checkpoints(parent) if info.step < max_steps]
        raise RunError(
            f"a run of {max_steps} steps is at its end at step {found.step}; let it be longer, as "
            f"training.max_steps={2 * found.step}{', or fork an earlier step: ' if earlier else ''}{', '.join(earlier)}"
        )
    return plan


def fork(plan: Fork) -> RunFolder:
    """Make the child's folder, whole and not queued yet. Raises as `Fork.require` and `make_child` do."""
    plan.require()
    return make_child(
        Birth(
            plan.parent,
            plan.checkpoint,
            plan.experiment,
            plan.edited,
            sorted(plan.anew),
            plan.state,
            plan.max_steps,
        )
    )


def start_fork(child: RunFolder, device: str, *, cpu_slots: int = 1, after: Sequence[Wait] = ()) -> Started | None:
    """Queue a child that was just made, and start it when a slot is free. Raises RunError; the child stays whole."""
    try:
        return submit(child.path.parent, [(child, device)], cpu_slots=cpu_slots, after=after)
    except RunError as error:
        raise RunError(
            f"{child.name} is made, but not queued: {error}. 'craft resume {child.name}' starts it"
        ) from error


def _state(found: CheckpointInfo) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((found.path / "training.json").read_text())
        state["trainer"]["fingerprint"], state["trainer"]["evaluated_step"], state["loop"]["tokens"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{found.path}: holds no training state that can go on, only weights. A new run takes those: "
            f"craft run FILE init_from={found.path}"
        ) from error
    return state


def _definition_then(found: CheckpointInfo, own: ExperimentConfig) -> ExperimentConfig:
    """What the run was when it saved; a resume may have changed it since."""
    try:
        return load_definition(found.path / "experiment.toml")[1]
    except (CraftError, OSError):
        return own


def _experiment(own: str, name: str | None) -> str:
    from craft.config.structure import is_name

    if name is None:
        return own
    if not is_name(name):
        raise UsageError(f"'{name[:80]}' cannot be a name; up to 64 letters, digits and . _ -, the first no . or -")
    return name


def _max_steps(
    edited: Edited,
    then: ExperimentConfig,
    step: int,
    state: dict[str, Any],
    anew: dict[str, list[Effect]],
    data_begins: int,
) -> int:
    """How many steps the child will have, those of its parent counted; 0 where only reading the text tells."""
    training = edited.after.training
    if "data" not in anew and "text" not in anew:
        return total_steps(edited.after, then, int(state["trainer"].get("max_steps", 0)), data_begins)
    if not training.max_epochs:
        return training.max_steps
    by_epochs = edited.after.model_copy(update={"training": training.model_copy(update={"max_steps": 0})})
    try:
        steps = estimate(by_epochs, source_dir=code_dir(edited.planned.source.absolute()), measure=False).steps
    except CraftError:
        steps = None
    if steps is None or not steps.is_exact or "text" in anew:
        return 0
    return min([step + int(steps.low), *([training.max_steps] if training.max_steps else [])])


def _why(effect: Effect) -> str:
    return f"{effect.change}{f': {effect.why}' if effect.why else ''}"


def _parts_that_continue(plan: Fork) -> list[tuple[str, str]]:
    """The parts of the checkpoint that go on, in words."""
    config, state, step = plan.edited.after, plan.state, plan.step
    rows = [("weights", f"of step {step}")]
    if "optimizer" not in plan.anew:
        rows.append(("optimizer state", config.optimizer.type))
    if "random" not in plan.anew:
        rows.append(("random states", "dropout and whatever else is drawn"))
    if config.training.ema_decay and "ema" not in plan.anew:
        rows.append(("averaged weights", "beside those that are trained"))
    if "data" not in plan.anew and "text" not in plan.anew:
        rows.append(("place in the data", f"{state['loop']['tokens']:,} tokens were seen"))
    end = f"{plan.max_steps}" if plan.max_steps else "as many as the text has"
    rows.append(("schedule", f"{config.scheduler.type}, at step {step + 1} of {end}"))
    if kept := [name for name in state.get("callbacks", {}) if name in config.callbacks]:
        kept = [name for name in kept if f"callbacks.{name}" not in plan.anew and config.callbacks[name].enabled]
        rows += [("callbacks", ", ".join(kept))] if kept else []
    return rows


def _remarks(plan: Fork, then: ExperimentConfig, which: str) -> list[str]:
    """What else a person should know."""
    edited, step, training = plan.edited, plan.step, plan.edited.after.training
    remarks = []
    if which == "latest" and (words := checkpoints.passed_over(plan.parent, plan.checkpoint)):
        remarks.append(words)
    since = changes_between(then, edited.own)
    for path, (old, new) in list(since.items())[:6]:
        remarks.append(f"{path} was {shown(old)} at step {step}; the run was resumed with {shown(new)} since")
    held = {path: value for change in edited.live if change.step <= step for path, value in change.values.items()}
    for path, value in held.items():
        remarks.append(f"{path} stays {shown(value)}, to which it was changed while {plan.parent.name} trained")
    if edited.forgotten:
        remarks.append(f"what was changed while it trained is given anew: {', '.join(edited.forgotten)}")
    if (scale := plan.state["loop"].get("lr_scale", 1.0)) != 1.0:
        remarks.append(f"the learning rate stays multiplied by {scale:g}, as it has been since the run went back")
    before = edited.before if then == edited.own else then
    old_steps = int(plan.state["trainer"].get("max_steps", 0))
    if old_steps and plan.max_steps and not plan.cannot:
        remarks += schedule_remarks(before, edited.after, step, old_steps, plan.max_steps)
    if training.max_epochs and ("data" in plan.anew or "text" in plan.anew):
        remarks.append(
            f"training.max_epochs={training.max_epochs} counts passes from step {step} on, where the data begins anew; "
            "training.max_steps counts all steps, those of the parent too"
        )
    return remarks
