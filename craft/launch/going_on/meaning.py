"""What an edited definition means for a run that goes on from a checkpoint: field by field, and pure.

    continues    the setting changes, and everything that the checkpoint holds goes on
    anew         a part of what it holds does not fit the setting, and starts anew
    cannot       the weights, or the tokens that they know, are of another model

A fork takes the first two. A resume takes those changes with which the run stays the run that it is (`resumable`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from craft.config.estimate.figures import ARCHITECTURES
from craft.config.estimate.measured import is_measured, measure
from craft.config.estimate.parts import Weights, Workload
from craft.config.schema import ExperimentConfig
from craft.config.schema.base import OwnCode
from craft.config.schema.scheduler import PlateauSchedule
from craft.config.toml_values import dotted, leaves
from craft.launch.going_on.other_text import UNKNOWN, Text
from craft.runs.folder import RunFolder

Kind = Literal["continues", "anew", "cannot"]

# Parts of a checkpoint that can start anew, and what each is in words. "text" starts the data anew if the text turns
# out to be another one, which only reading it tells; "callbacks.NAME" is one callback.
PARTS = {
    "optimizer": "optimizer state",
    "random": "random states",
    "ema": "averaged weights",
    "scheduler": "state of the schedule",
    "loss_scale": "loss scale",
    "data": "order of the data",
    "text": "order of the data",
    "figures": "best so far",
}
BITS = "the same bits are no longer promised"
# What the first start chose and later starts keep; changed by hand, it is chosen anew.
CHOSEN = ("device", "precision", "training.threads", "training.micro_batch_size", "training.compile")
# Of `[data]`, what does not say which text it is. The rest does, and only reading tells whether it is another one.
_ORDER = ("data.shuffle", "data.context_length")
_HELD_OUT = ("data.val_fraction", "data.test_fraction")
_STATEFUL = ("early_stopping", "spike_guard", "lr_finder")


@dataclass(frozen=True)
class Effect:
    """What one changed setting does."""

    path: str
    before: Any
    after: Any
    kind: Kind = "continues"
    why: str = ""
    parts: tuple[str, ...] = ()
    """What starts anew with it, of PARTS."""
    resumable: bool = True
    """Whether the run is still itself with it."""

    @property
    def change(self) -> str:
        """Both values, as a person would write them after `path=`."""
        return f"{shown(self.before)} -> {shown(self.after)}"


def changes_between(before: ExperimentConfig, after: ExperimentConfig) -> dict[str, tuple[Any, Any]]:
    """Every setting that differs, by dotted path; None where one side has no such setting."""
    old, new = _flat(before), _flat(after)
    return {path: (old.get(path), new.get(path)) for path in [*old, *new] if old.get(path) != new.get(path)}


def _flat(config: ExperimentConfig) -> dict[str, Any]:
    """Settings by dotted path, keys quoted where TOML quotes them. A table without keys is none."""
    return {dotted(path): value for path, value in leaves(config.model_dump(mode="json")).items() if value != {}}


def shown(value: Any) -> str:
    """A value as a person would write it after `path=`; TOML's values of these kinds are JSON's."""
    return "unset" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def effects(
    before: ExperimentConfig,
    after: ExperimentConfig,
    *,
    text: Text = UNKNOWN,
    source_dir: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Effect]:
    """What each changed setting does, in the order of the definition.

    A section that has become one of another type is one change, of its type. `text` is what is known of the second
    one's text, `source_dir` where code of a person's own lies. Raises OwnCodeError or ConfigError when a model that has
    to be built to know its weights cannot be.
    """
    changes = changes_between(before, after)
    retyped = {path.removesuffix("type") for path in changes if path.endswith(".type")}
    folded = {path: pair for path, pair in changes.items() if not _is_inside(path, retyped)}
    fits = _Fit(before, after, source_dir, say)
    found = [_effect(path, *pair, before, after, fits, text) for path, pair in folded.items()]
    if text.same is False and not any(one.path in ("data.path", "data.pattern") for one in found):
        found.append(_effect("data", "as it was", "other content by now", before, after, fits, text))
    return found


def _is_inside(path: str, retyped: set[str]) -> bool:
    return any(path.startswith(section) and path != f"{section}type" for section in retyped)


def parts_anew(found: list[Effect]) -> dict[str, list[Effect]]:
    """The parts that start anew, each with the changes that make it so."""
    parts: dict[str, list[Effect]] = {}
    for effect in found:
        for part in effect.parts:
            parts.setdefault(part, []).append(effect)
    if "data" in parts and "text" in parts:  # it begins anew whatever the text is, which then may be another
        text = parts.pop("text")
        parts["data"] += text
        parts.setdefault("figures", []).extend(text)
    return parts


def _effect(
    path: str, old: Any, new: Any, before: ExperimentConfig, after: ExperimentConfig, fits: _Fit, text: Text
) -> Effect:
    section = path.partition(".")[0]
    plain = Effect(path, old, new)

    def become(kind: Kind, why: str = "", *parts: str, resumable: bool = False) -> Effect:
        return Effect(path, old, new, kind, why, parts, resumable)

    match section:
        case "model":
            return _of_model(path, plain, become, fits)
        case "tokenizer":
            if path == "tokenizer.path":
                return become("continues", "its pieces must be the same ones", resumable=True)
            return become("cannot", "other tokens are nothing that the weights know")
        case "data":
            return _of_data(path, plain, become, fits, text)
        case "seed":
            return become("anew", "", *(("data",) if after.data.shuffle else ()), "random")
        case "init_from":
            return become("cannot", "the first weights are those of the checkpoint")
        case "device":
            return become("continues", BITS, resumable=True)
        case "precision":
            scaled = "fp16" in (old, new)
            return become("anew" if scaled else "continues", BITS, *(["loss_scale"] if scaled else []), resumable=True)
        case "optimizer" if path == "optimizer.type":
            return become("anew", "", "optimizer")
        case "scheduler" if path == "scheduler.type" and _follows_figures(before, after):
            return become("anew", "", "scheduler", resumable=True)
        case "callbacks" if path.endswith(".type") and old in _STATEFUL and new is not None:
            return become("anew", "", path.removesuffix(".type"))
        case "training":
            return _of_training(path, plain, become)
        case "task":
            return become("cannot", "the weights are of another task")
    return plain


def _follows_figures(*configs: ExperimentConfig) -> bool:
    return any(isinstance(config.scheduler, PlateauSchedule | OwnCode) for config in configs)


def _of_model(path: str, plain: Effect, become: Callable[..., Effect], fits: _Fit) -> Effect:
    if path in ("model.dropout", "model.preset"):  # the first changes no weight, the second is a name for others
        return plain
    if path == "model.type" or not fits.with_setting(path):
        return become("cannot", "the weights do not fit")
    return become("continues", "the weights fit, but the model computes otherwise: expect the loss to leap")


def _of_data(path: str, plain: Effect, become: Callable[..., Effect], fits: _Fit, text: Text) -> Effect:
    if path == "data.allow_pickle":
        return plain
    if path in _ORDER:
        if path == "data.context_length" and not fits.with_setting(path):
            return become("cannot", "the weights do not fit: there is a position each for them")
        return become("anew", "", "data", *(("figures",) if path == "data.context_length" else ()))
    if path in _HELD_OUT:
        return become("anew", "another part of the text is trained on, and measured", "data", "figures")
    if text.why_not:
        return become("cannot", text.why_not)
    if text.same:
        return become("continues", "the same text", resumable=path == "data.path")
    if text.same is False:
        return become("anew", "another text", "data", "figures")
    return become("anew", "if it is another text", "text", resumable=path == "data.path")


def _of_training(path: str, plain: Effect, become: Callable[..., Effect]) -> Effect:
    if path == "training.batch_size":
        return become("anew", "", "data")
    if path in CHOSEN:
        return become("continues", BITS, resumable=True)
    if path == "training.ema_decay" and not plain.before:
        return become("anew", "they begin as the weights are", "ema", resumable=True)
    if path == "training.ema_decay" and not plain.after:
        return become("continues", "it goes on from the weights themselves, not their average", resumable=True)
    return plain


class _Fit:
    """Whether the weights of one definition have their places in another: the same shapes, by the same parts."""

    def __init__(
        self, before: ExperimentConfig, after: ExperimentConfig, source_dir: Path | None, say: Callable[[str], None]
    ) -> None:
        self.before, self.after, self.source_dir, self.say = before, after, source_dir, say
        self._whole: bool | None = None

    def with_setting(self, path: str) -> bool:
        """Whether they still fit with this one setting changed, where all together they do not."""
        if self.whole():
            return True
        if is_measured(self.before.model) or self.before.model.type != self.after.model.type:
            return False  # which of several settings it is, is not worth building a model for each
        if path == "data.context_length":
            return self._fit(self.before.model, self.after.data.context_length)
        key = path.removeprefix("model.")
        changed = self.before.model.model_copy(update={key: getattr(self.after.model, key)})
        try:
            return self._fit(changed, self.before.data.context_length)
        except (ArithmeticError, ValueError):  # sizes that only together make sense
            return False

    def whole(self) -> bool:
        """Whether they fit with all that changes."""
        if self._whole is None:
            same_type = self.before.model.type == self.after.model.type
            self._whole = same_type and self._fit(self.after.model, self.after.data.context_length)
        return self._whole

    def _fit(self, model: Any, context_length: int) -> bool:
        here = self._weights(self.before.model, self.before.data.context_length)
        return sorted(here) == sorted(self._weights(model, context_length))

    def _weights(self, model: Any, context_length: int) -> list[Weights]:
        # The vocabulary is the same on both sides; any size that no other one equals by chance will do.
        work = Workload(50_021, context_length, 1, "fp32", "cpu")
        if is_measured(model):
            return measure(model, [work], source_dir=self.source_dir, say=self.say)[work].weights
        return ARCHITECTURES[model.type].describe(model, work).weights


def advised_run(
    folder: RunFolder, step: int | None, file: Path, words: Sequence[str], configs: tuple[ExperimentConfig, ...]
) -> str:
    """How to get a new run with settings that a run's own weights cannot follow, which takes what fits of them.

    `configs` are the definitions before and after.
    """
    command = ["craft", "run", str(file), *words]
    if step is None or any(word.startswith("init_from=") for word in words):
        return f"for a new run with it: {shlex.join(command)}"
    source = f"init_from={folder.name}@{step}"
    if not _share_some(*configs):
        return f"for a new run with it, whose weights begin fresh as {source} has none that fits: {shlex.join(command)}"
    return f"for a new run with it, which takes what fits of the weights: {shlex.join([*command, source])}"


def _share_some(before: ExperimentConfig, after: ExperimentConfig) -> bool:
    """Whether any weight fits in both; where that would have to be measured, it may."""
    if is_measured(before.model) or is_measured(after.model):
        return True
    one, other = (
        {(w.part, w.shape) for w in ARCHITECTURES[config.model.type].describe(config.model, work).weights}
        for config in (before, after)
        for work in [Workload(50_021, config.data.context_length, 1, "fp32", "cpu")]
    )
    return before.model.type == after.model.type and bool(one & other)
