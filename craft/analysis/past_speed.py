"""How long a run will take here, from what ran here: other runs, and dry runs.

A run of the very same definition tells its own time, and so does a dry run of it: what was measured last counts. One
of the same shape (model, batch, context) tells the speed; one of another size tells what this machine makes of such a
model, scaled by its FLOPs: "about".
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

from craft import platform
from craft.analysis.dry_runs import DryRunResult, kept_result, kept_results
from craft.analysis.facts import last_value, last_values
from craft.analysis.numbers import format_duration
from craft.config.estimate.figures import Estimate, Range
from craft.config.schema import ExperimentConfig
from craft.runs.folder import RunFolder, load_identity
from craft.runs.store import RunSummary

_LOOKED_AT = 300  # the newest runs; older ones say nothing that these do not
_FEWEST_STEPS, _FEWEST_SECONDS = 10, 0.25
_RECORDS = 200  # the newest, whose speeds a median is taken of
_FARTHEST = math.log(8)  # how many times larger or smaller a model may be that is taken for alike
_MOST_SOURCES = 5


@dataclass(frozen=True)
class PastSpeed:
    """What a run, or a dry run, says about speed."""

    name: str
    definition_hash: str
    shape: str
    model_type: str
    device: str
    precision: str
    flops_per_token: float | None
    tokens_per_second: float
    """Of training steps alone: the median of the newest records, of which a single one may be twice as fast."""
    seconds_per_step: float | None
    """With the run's own evaluations and saves; None where that is not known."""
    whole_seconds: float | None = None
    """Of a run that was trained to its end."""
    whole_tokens_per_second: float | None = None
    """With the run's own evaluations and saves."""
    told_tokens_per_second: float | None = None
    """As it is told wherever the run is shown: of its last seconds."""
    updated: float = 0.0
    """When its worker last wrote, in seconds since 1970."""

    @property
    def rates(self) -> tuple[float, ...]:
        """Tokens a second, at least and at most, of a run that may evaluate and save more or less often."""
        return tuple(rate for rate in (self.tokens_per_second, self.whole_tokens_per_second) if rate)


@dataclass(frozen=True)
class ExpectedTime:
    """Seconds of a whole run, and where that comes from."""

    seconds: Range
    tokens_per_second: Range
    basis: Literal["measured", "same", "shape", "alike"]
    """A dry run of it; runs of the same definition; of the same shape; of other sizes, scaled."""
    sources: tuple[str, ...]
    before: ExpectedTime | None = None
    """Where a dry run measured it: what runs of the same definition, all of them older, took."""

    @property
    def is_about(self) -> bool:
        """Whether it is scaled from runs of another size."""
        return self.basis == "alike"


def duration_words(seconds: Range) -> str:
    """A time or both its bounds; bounds that are written alike are one."""
    low, high = format_duration(seconds.low), format_duration(seconds.high)
    return low if low == high else f"{low} to {high}"


def basis_words(expected: ExpectedTime) -> str:
    """Where an expected time comes from."""
    names = ", ".join(expected.sources[:3]) + (" ..." if len(expected.sources) > 3 else "")
    before = expected.before
    older = f"; {duration_words(before.seconds)}, {basis_words(before)}" if before else ""
    return {
        "measured": f"measured by a dry run{older}",
        "same": f"as {names} took here",
        "shape": f"by the speed of {names}, of the same shape",
        "alike": f"scaled by FLOPs from {names}",
    }[expected.basis]


def shape_of(settings: dict[str, Any]) -> str:
    """What the speed of a step depends on, of a resolved definition: equal shapes, equal speed."""
    training, data = settings.get("training", {}), settings.get("data", {})
    parts = [
        settings.get("model"),
        settings.get("tokenizer"),
        settings.get("optimizer", {}).get("type"),
        data.get("context_length"),
        [training.get(key) for key in ("batch_size", "micro_batch_size", "gradient_checkpointing", "ema_decay")],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def past_speeds(runs: Iterable[RunSummary]) -> list[PastSpeed]:
    """What the newest of these runs say, those that were trained on this machine. Reads each run once."""
    here = platform.hostname()
    known = [run for run in runs if run.status.host == here and run.tokens_per_second and not run.fault]
    known.sort(key=lambda run: run.created, reverse=True)
    found = (_speed(run) for run in known[:_LOOKED_AT])
    return [speed for speed in found if speed is not None]


def expected_time(
    config: ExperimentConfig,
    definition_hash: str,
    figures: Estimate,
    past: Sequence[PastSpeed],
    *,
    code_hash: str = "",
) -> ExpectedTime | None:
    """The time of a run by what is known here; None where nothing like it ran yet."""
    if figures.steps is None or figures.tokens_seen is None:
        return None
    same = [one for one in past if one.definition_hash == definition_hash][:_MOST_SOURCES]
    took = _time_of_same(same, figures.steps) if same else None
    dry = kept_result(definition_hash, code_hash)
    if dry is not None and dry.measured > max((one.updated for one in same), default=0.0):
        return replace(measured_time(config, figures, dry), before=took)
    if took is not None:
        return took
    fitting = [one for one in [*past, *_dry_runs(disturbed=False)] if _computes_alike(one, config, figures)]
    # Better than nothing: a dry run on a machine that was busy.
    fitting = fitting or [one for one in _dry_runs(disturbed=True) if _computes_alike(one, config, figures)]
    shape = shape_of(config.model_dump(mode="json"))
    if alike := [one for one in fitting if one.shape == shape][:_MOST_SOURCES]:
        speed = Range.of(rate for one in alike for rate in one.rates)
        return ExpectedTime(_time(figures, speed), speed, "shape", _names(alike))
    near = sorted((distance, i) for i, one in enumerate(fitting) if (distance := _distance(one, figures)) <= _FARTHEST)
    if not near:
        return None
    # Of the sizes around, the nearest: what is much smaller uses a machine worse.
    chosen = [fitting[i] for distance, i in near if distance <= near[0][0] + math.log(1.5)][:_MOST_SOURCES]
    rates = [rate * one.flops_per_token for one in chosen if one.flops_per_token for rate in one.rates]
    speed = Range(min(rates) / figures.flops_per_token.high, max(rates) / figures.flops_per_token.low)
    return ExpectedTime(_time(figures, speed), speed, "alike", _names(chosen))


def _time_of_same(same: Sequence[PastSpeed], steps: Range) -> ExpectedTime:
    """What runs of one definition took, or would have taken to their end."""
    seconds = Range.of(
        one.whole_seconds or one.seconds_per_step * count  # type: ignore[operator]
        for one in same
        for count in steps
        if one.whole_seconds or one.seconds_per_step
    )
    speed = Range.of(one.told_tokens_per_second or one.tokens_per_second for one in same)
    return ExpectedTime(seconds, speed, "same", _names(same))


def measured_time(config: ExperimentConfig, figures: Estimate, dry: DryRunResult) -> ExpectedTime:
    """The time of a run whose steps were measured, its evaluations included where one was."""
    steps = dry.steps_of_run
    evaluations = 1 + (-(-steps // config.training.eval_every) if config.training.eval_every else 1)
    besides = (dry.evaluation_seconds or 0.0) * evaluations
    seconds = Range(dry.fastest * steps + besides, dry.slowest * steps + besides)
    middle = dry.seconds_per_step * steps + besides
    # The extremes of single pieces do not add up over a run: its time lies near the median's.
    seconds = Range(max(seconds.low, 0.95 * middle), min(seconds.high, 1.05 * middle))
    speed = Range(dry.tokens_per_second, dry.tokens_per_second)
    return ExpectedTime(seconds, speed, "measured", ("dry run",))


def _names(speeds: Sequence[PastSpeed]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for one in speeds))


def _time(figures: Estimate, speed: Range) -> Range:
    assert figures.tokens_seen is not None
    return Range(figures.tokens_seen.low / speed.high, figures.tokens_seen.high / speed.low)


def _computes_alike(one: PastSpeed, config: ExperimentConfig, figures: Estimate) -> bool:
    device = one.device.partition(":")[0]
    return one.model_type == config.model.type and device == figures.device and one.precision in figures.precisions


def _distance(one: PastSpeed, figures: Estimate) -> float:
    """How many times larger or smaller its model is, as a logarithm."""
    if not one.flops_per_token:
        return math.inf
    low, high = figures.flops_per_token
    return max(0.0, math.log(low / one.flops_per_token), math.log(one.flops_per_token / high))


def _dry_runs(*, disturbed: bool) -> list[PastSpeed]:
    return [
        PastSpeed(
            name=f"{'disturbed ' if disturbed else ''}dry run of {one.experiment}",
            definition_hash=one.definition_hash,
            shape=one.shape,
            model_type=one.model_type,
            device=one.device,
            precision=one.precision,
            flops_per_token=one.flops_per_token,
            tokens_per_second=one.tokens_per_second,
            seconds_per_step=None,
        )
        for one in kept_results()
        if bool(one.disturbed_by) == disturbed
    ]


def _speed(run: RunSummary) -> PastSpeed | None:
    if run.parent_run is not None:
        return None  # its clock began on its parent's machine
    try:
        stat, identity = run.folder.definition.stat(), run.folder.run_json.stat()
        seconds, speed = _pace(run.folder, run.phase, run.step, run.updated)
    except OSError:
        return None
    known = _settled(run.folder.path, stat.st_mtime_ns, identity.st_mtime_ns)
    speed = speed or run.tokens_per_second
    seconds = seconds if run.status.seconds is None else run.status.seconds  # those of its step and tokens
    if known is None or seconds is None or not speed or run.step < _FEWEST_STEPS or seconds < _FEWEST_SECONDS:
        return None
    definition_hash, shape, model_type, device, precision, flops = known
    return PastSpeed(
        name=run.name,
        definition_hash=definition_hash,
        shape=shape,
        model_type=model_type,
        device=device,
        precision=precision,
        flops_per_token=flops,
        tokens_per_second=speed,
        seconds_per_step=seconds / run.step,
        whole_seconds=seconds if run.phase == "finished" and run.step == run.max_steps else None,
        whole_tokens_per_second=run.status.tokens / seconds if run.status.tokens else None,
        told_tokens_per_second=run.tokens_per_second,
        updated=run.updated,
    )


@lru_cache(maxsize=2_000)
def _pace(folder: RunFolder, phase: str, step: int, updated: float) -> tuple[float | None, float | None]:
    """Seconds of training up to the newest record, and tokens a second of its steps lately.

    The arguments after the first say when to look again.
    """
    rates = [rate for rate in islice(last_values(folder.metrics, "train/tokens_per_second"), _RECORDS) if rate]
    return last_value(folder.metrics, "time"), median(rates) if rates else None


@lru_cache(maxsize=2_000)
def _settled(path: Path, defined: int, identified: int) -> tuple[str, str, str, str, str, float | None] | None:
    """Hash, shape, type of model, device, precision and FLOPs a token of a run; None where it never began.

    The arguments after the first change when the files do.
    """
    folder = RunFolder(path)
    identity, _ = load_identity(folder)
    if identity is None or not identity.chosen or identity.definition_hash is None:
        return None
    try:
        (settings,) = tomllib.loads(folder.definition.read_text(encoding="utf-8"))["experiment"].values()
        kind = settings["model"]["type"]
        chosen = identity.chosen
        return (
            identity.definition_hash,
            shape_of(settings),
            str(kind),
            str(chosen["device"]),
            str(chosen["precision"]),
            identity.flops_per_token,
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
