"""A run as it is compared: its figures, the points of one metric, and its definition, read on from where they were."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from craft.analysis.comparison.points import Axis, Mode, Point, Points
from craft.config.toml_values import dotted, leaves
from craft.errors import CraftError, RunError
from craft.runs.changes import held_now
from craft.runs.curves import CurvesReader
from craft.runs.folder import RunFolder, RunIdentity, load_identity
from craft.runs.json_files import is_number, read_object
from craft.runs.liveness import observe
from craft.runs.status import Status

_LOSSES = ("train/loss", "val/loss")
_PLACES = ("step", "time", "tokens")


@dataclass(frozen=True)
class ComparedRun:
    """What is compared of one run. `fault` says what of its folder could not be read."""

    folder: RunFolder
    identity: RunIdentity
    phase: str
    definition: dict[str, Any]
    """Every setting by its dotted path, as it holds now."""
    points: Points
    """The metric's values that are numbers."""
    figures: dict[str, float | None]
    """"steps", "tokens", "seconds", "tokens_per_second", "parameters", "train/loss", "val/loss"."""
    mode: Mode = "min"
    fault: str | None = None
    metrics: tuple[str, ...] = field(default=(), compare=False)
    """All that it recorded."""

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def called(self) -> str:
        """Its curve in words."""
        return self.name

    @property
    def best_called(self) -> str:
        """The best of its curve in words."""
        return f"{self.name}'s best"

    @property
    def nonfinite(self) -> int:
        """Values of the metric that are no numbers."""
        return self.points.nonfinite

    @cached_property
    def best(self) -> Point | None:
        """The first of the best points; None when the metric was never measured."""
        return self.points.best(self.mode)

    def curve(self, axis: Axis) -> tuple[Any, Any]:
        """The metric over an axis."""
        return self.points.curve(axis)


def mode_of(metric: str) -> Mode:
    """Whether a metric should be large, as accuracies and speeds should, or small, as all else that Craft records."""
    return "max" if any(word in metric for word in ("accuracy", "per_second", "mfu")) else "min"


class ComparedReader:
    """Reads one run again and again, as it grows; what did not change is not read again.

    `whole` reads every record of its log, however long it is; else a long one is thinned out by its index, and what is
    reckoned is looked up in the log itself.
    """

    def __init__(self, folder: RunFolder, *, whole: bool = False) -> None:
        self.folder = folder
        self._whole = whole
        self._curves: CurvesReader | None = None
        self._names: tuple[str, ...] = ()
        self._known_by: tuple[object, ...] = ()
        self._known: ComparedRun | None = None
        self._definition_stamp: object = None
        self._settings: dict[str, Any] = {}
        self._definition_fault = ""

    def read(self, metric: str, mode: Mode | None = None) -> ComparedRun:
        """The run as it is now: the very object of the last time where nothing changed.

        Raises RunError when nothing can be said of it.
        """
        folder = self.folder
        stamps = tuple(map(_stamp, (folder.run_json, folder.results)))
        definition_stamp = tuple(map(_stamp, (folder.definition, folder.changes)))
        observed = observe(folder)
        names = tuple(dict.fromkeys((metric, *_LOSSES)))
        if self._curves is None or names != self._names:
            self._curves, self._names = CurvesReader(folder.metrics, names, _PLACES, whole=self._whole), names
        changed = self._curves.poll()
        claim = observed.status
        reached = claim.step, claim.tokens, claim.seconds
        key = (stamps, definition_stamp, names, mode, observed.phase, reached, self._curves.damaged)
        if self._known is not None and not changed and key == self._known_by:
            return self._known
        identity, fault = load_identity(folder)
        if identity is None:
            raise RunError(f"{folder.path}: {fault}")
        if definition_stamp != self._definition_stamp:
            self._settings, self._definition_fault = _read_settings(folder)
            self._definition_stamp = definition_stamp
        damaged = self._curves.damaged
        faults = (fault, self._definition_fault, f"{damaged} lines of its metrics cannot be read" if damaged else "")
        self._known_by, self._known = (
            key,
            ComparedRun(
                folder,
                identity,
                observed.phase,
                self._settings,
                self._points(metric, identity),
                self._figures(identity, claim),
                mode or mode_of(metric),
                "; ".join(filter(None, faults)) or None,
                tuple(self._curves.seen),
            ),
        )
        return self._known

    def _points(self, metric: str, identity: RunIdentity) -> Points:
        assert self._curves is not None
        steps, values = self._curves.curve(metric)
        times, tokens = self._curves.curve(metric, "time")[0], self._curves.curve(metric, "tokens")[0]
        exact: Any = partial(self._curves.exact, metric) if self._curves.thinned else None
        return Points(steps, times, tokens, values, flops_per_token=identity.flops_per_token, exact=exact)

    def _figures(self, identity: RunIdentity, claim: Status) -> dict[str, float | None]:
        assert self._curves is not None
        results: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):  # a run that goes on has none
            results = read_object(self.folder.results)
        steps, tokens, seconds = self._reached(claim, results)
        parameters = identity.parameters or results.get("parameters")
        return {
            "steps": steps,
            "tokens": tokens,
            "seconds": seconds,
            "tokens_per_second": tokens / seconds if seconds and tokens else None,
            "parameters": float(parameters) if is_number(parameters) else None,
            **{name: point[-1] if (point := self._curves.last(name)) else None for name in _LOSSES},
        }

    def _reached(self, claim: Status, results: dict[str, Any]) -> tuple[float | None, float | None, float | None]:
        """Steps, tokens and seconds of training, all of one moment: else the speed would be a false one.

        As claimed; of a worker that did not claim its seconds as its results have them, or at its newest record.
        """
        assert self._curves is not None
        seconds = claim.seconds
        if seconds is None and results.get("step") == claim.step and is_number(results.get("seconds")):
            seconds = float(results["seconds"])
        points = [point for name in self._names if (point := self._curves.last(name))]
        if seconds is None and points:
            steps, seconds, tokens = (place if place == place else None for place in max(points)[:3])
            return steps, tokens, seconds
        return float(claim.step), float(claim.tokens), seconds


def read_compared(folder: RunFolder, metric: str, mode: Mode | None = None) -> ComparedRun:
    """Read a run to be compared by `metric`, every record. Raises RunError when nothing can be said of it."""
    return ComparedReader(folder, whole=True).read(metric, mode)


def _read_settings(folder: RunFolder) -> tuple[dict[str, Any], str]:
    """Every setting as it holds now, and what is wrong where there is none."""
    from craft.config.definition import load_definition  # 0.1 s, for the schema

    try:
        tree = load_definition(folder.definition)[1].model_dump(mode="json")
    except (CraftError, OSError) as error:
        return {}, f"its definition cannot be read: {str(error).splitlines()[0]}"
    return {dotted(path): value for path, value in leaves(tree).items()} | held_now(folder), ""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
