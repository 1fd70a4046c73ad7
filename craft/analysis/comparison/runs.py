"""A run as it is compared: its figures, the curve of one metric, and its definition, each read once."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any, Literal

from craft.config.definition import load_definition
from craft.config.toml_values import dotted, leaves
from craft.errors import CraftError, RunError
from craft.runs.changes import held_now
from craft.runs.curves import CurvesReader
from craft.runs.folder import RunFolder, RunIdentity, load_identity
from craft.runs.json_files import read_object
from craft.runs.liveness import observe

Axis = Literal["step", "time", "tokens"]
AXES: tuple[Axis, ...] = ("step", "time", "tokens")
Mode = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a metric, and where it was measured."""

    step: float
    time: float
    """Seconds of training."""
    tokens: float
    value: float

    def at(self, axis: Axis) -> float:
        """Its place on an axis."""
        return float(getattr(self, axis))


@dataclass(frozen=True)
class ComparedRun:
    """What is compared of one run. `fault` says what of its folder could not be read."""

    folder: RunFolder
    identity: RunIdentity
    phase: str
    definition: dict[str, Any]
    """Every setting by its dotted path."""
    points: list[Point]
    """The metric's values that are numbers, in order of step."""
    figures: dict[str, float | None]
    """"steps", "tokens", "seconds", "tokens_per_second", "parameters", "train/loss", "val/loss"."""
    mode: Mode = "min"
    fault: str | None = None
    nonfinite: int = 0
    """Values of the metric that are no numbers."""

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def best(self) -> Point | None:
        """The first of the best points; None when the metric was never measured."""
        sign = 1.0 if self.mode == "min" else -1.0
        return min(self.points, key=lambda point: sign * point.value, default=None)

    def curve(self, axis: Axis) -> tuple[list[float], list[float]]:
        """The metric over an axis."""
        known = [point for point in self.points if not math.isnan(point.at(axis))]
        return [point.at(axis) for point in known], [point.value for point in known]


def mode_of(metric: str) -> Mode:
    """Whether a metric should be large, as accuracies and speeds should, or small, as all else that Craft records."""
    return "max" if any(word in metric for word in ("accuracy", "per_second", "mfu")) else "min"


def read_compared(folder: RunFolder, metric: str, mode: Mode | None = None) -> ComparedRun:
    """Read a run to be compared by `metric`. Raises RunError when nothing can be said of it."""
    identity, fault = load_identity(folder)
    if identity is None:
        raise RunError(f"{folder.path}: {fault}")
    faults = [fault] if fault else []
    settings: dict[str, Any] = {}
    try:
        tree = load_definition(folder.definition)[1].model_dump(mode="json")
        settings = {dotted(path): value for path, value in leaves(tree).items()} | held_now(folder)
    except (CraftError, OSError) as error:
        faults.append(f"its definition cannot be read: {str(error).splitlines()[0]}")
    names = list(dict.fromkeys((metric, "train/loss", "val/loss")))
    reader = CurvesReader(folder.metrics, names, AXES, whole=True)
    reader.poll()
    if reader.damaged:
        faults.append(f"{reader.damaged} lines of its metrics cannot be read")
    steps, values = reader.curve(metric)
    times, tokens = reader.curve(metric, "time")[0], reader.curve(metric, "tokens")[0]
    points = [Point(*found) for found in zip(steps, times, tokens, values, strict=True) if not math.isnan(found[3])]
    status = observe(folder)
    return ComparedRun(
        folder,
        identity,
        status.phase,
        settings,
        points,
        _figures(folder, reader, status.status.step, status.status.tokens),
        mode or mode_of(metric),
        "; ".join(faults) or None,
        len(values) - len(points),
    )


def _figures(folder: RunFolder, reader: CurvesReader, step: int, tokens: int) -> dict[str, float | None]:
    results: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):  # a run that goes on has none
        results = read_object(folder.results)
    places = [reader.curve(name, "time")[0] for name in ("train/loss", "val/loss")]
    seconds = max((place[-1] for place in places if place), default=None)
    return {
        "steps": float(step),
        "tokens": float(tokens),
        "seconds": seconds,
        "tokens_per_second": tokens / seconds if seconds and tokens else None,
        "parameters": _number(results.get("parameters")),
        "train/loss": _last(reader, "train/loss"),
        "val/loss": _last(reader, "val/loss"),
    }


def _last(reader: CurvesReader, name: str) -> float | None:
    values = reader.curve(name)[1]
    return values[-1] if values else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
