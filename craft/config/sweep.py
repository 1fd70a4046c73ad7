"""`[experiment.NAME.sweep]`: one experiment, run at several points.

    strategy = "grid"      every combination of `axes`, the last axis first to change
               "list"      `runs`, one table of settings each
               "random"    `trials` draws from `axes`, each a list, { choices = [...] } or { low, high, log }
    seeds = [1, 2, 3]      every point once with each of these seeds

A draw depends on the sweep's own `seed`, its number and its axis, and on nothing else: more trials or another
axis leave the draws that were there as they are.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass
from typing import Any

from craft.config import fields
from craft.config.check import Problems, dotted
from craft.config.faults import found
from craft.config.tree import Source, Tree, branch, merge

MAX_RUNS = 10_000
_STRATEGIES = ("grid", "list", "random")
_KEYS = ("strategy", "axes", "runs", "trials", "seeds", "seed")
_RANGE = ("low", "high", "log")
Path = tuple[str, ...]
Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep."""

    axes: dict[str, Any]
    """What distinguishes it from the others, by dotted path."""
    settings: Tree


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that a sweep gives to one path."""

    path: Path
    value: Any
    source: Source


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones when both are."""

    low: float
    high: float
    log: bool

    def at(self, fraction: float) -> float:
        """The number at `fraction` (0 up to, not including, 1) of the range."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        # Each whole number takes the room from itself to the next, also on the logarithmic scale.
        end = self.high + 1 if whole else self.high
        if self.log:
            value = math.exp((1 - fraction) * math.log(self.low) + fraction * math.log(end))
        else:
            value = (1 - fraction) * self.low + fraction * end
        # Six digits are read more easily than seventeen, and no machine's logarithm shows in them.
        drawn = math.floor(value) if whole else float(f"{value:.6g}")
        return max(self.low, min(drawn, self.high))


def read_sweep(raw: Any, source: Source, problems: Problems) -> list[Point] | None:
    """The points of a sweep table that stands at `source`; None, and problems added, when it is wrong."""
    reader = _Reader(source, problems)
    if not isinstance(raw, dict):
        reader.wrong((), f"must be a table, found {found(raw)}")
    else:
        points = reader.points(raw)
        if not reader.failed:
            return points
    return None


class _Reader:
    def __init__(self, source: Source, problems: Problems) -> None:
        self.source, self.problems, self.failed = source, problems, False

    def wrong(self, path: Where, message: str, hint: str = "", *, key: bool = False) -> None:
        self.failed = True
        self.problems.at(self.inside(path), message, path=dotted(("sweep", *path)), hint=hint, key=key)

    def inside(self, path: Where) -> Source:
        return self.source._replace(kind="sweep", path=self.source.path + path)

    def points(self, raw: dict[str, Any]) -> list[Point]:
        for key in raw.keys() - set(_KEYS):
            self.wrong((key,), "unknown key", fields.suggestion(key, _KEYS), key=True)
        strategy = raw.get("strategy", "grid")
        if strategy not in _STRATEGIES:
            hint = fields.suggestion(str(strategy), _STRATEGIES, list_them=True)
            self.wrong(("strategy",), f"must be one of Craft's strategies, found {found(strategy)}", hint)
            return []
        belongs = {"axes": ("grid", "random"), "runs": ("list",), "trials": ("random",), "seed": ("random",)}
        for key, strategies in belongs.items():
            if key in raw and strategy not in strategies:
                needed = " or ".join(f'strategy = "{name}"' for name in strategies)
                self.wrong((key,), f'means nothing with strategy = "{strategy}"', f"it needs {needed}", key=True)
        rows: list[list[Setting]] = {"grid": self._grid, "list": self._list, "random": self._random}[strategy](raw)
        seeds = self._seeds(raw)
        if "seeds" in raw and any(setting.path == ("seed",) for row in rows for setting in row):
            self.wrong(("seeds",), "seed is swept twice", "leave it out of the axes, or leave out seeds", key=True)
        if self.failed:
            return []
        return [self._point([*row, *seed]) for row in rows for seed in seeds]

    def _point(self, settings: list[Setting]) -> Point:
        tree: Tree = {}
        for setting in settings:
            tree = merge(tree, branch(setting.path, setting.value, setting.source))
        return Point({dotted(setting.path): setting.value for setting in settings}, tree)

    def _grid(self, raw: dict[str, Any]) -> list[list[Setting]]:
        axes: list[list[Setting]] = []
        for path, where, values in self._flatten(raw.get("axes", {}), ("axes",)):
            if isinstance(values, list) and values:
                axes.append([Setting(path, v, self.inside((*where, i))) for i, v in enumerate(values)])
            elif isinstance(values, dict):
                self.wrong(where, 'a range needs strategy = "random"', "a grid takes a list of values")
            else:
                self.wrong(where, f"must be a list of values, found {found(values)}")
        if not axes and not raw.get("seeds") and not self.failed:
            self.wrong((), "has nothing to sweep", "give it axes, or seeds")
        self._limit(math.prod(map(len, axes)), raw)
        return [] if self.failed else [list(row) for row in itertools.product(*axes)]

    def _list(self, raw: dict[str, Any]) -> list[list[Setting]]:
        runs = raw.get("runs")
        if not isinstance(runs, list) or not runs:
            where: Where = ("runs",) if "runs" in raw else ()
            self.wrong(where, "needs runs, a list of tables", 'such as runs = [{ "optimizer.lr" = 0.01 }]')
            return []
        self._limit(len(runs), raw)
        rows = []
        for i, run in enumerate(runs):
            if not isinstance(run, dict):
                self.wrong(("runs", i), f"must be a table of settings, found {found(run)}")
                continue
            leaves = self._flatten(run, ("runs", i), values_are_lists=False)
            rows.append([Setting(path, value, self.inside(where)) for path, where, value in leaves])
        return rows

    def _random(self, raw: dict[str, Any]) -> list[list[Setting]]:
        trials, seed = raw.get("trials"), raw.get("seed", 0)
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
            where: Where = ("trials",) if "trials" in raw else ()
            self.wrong(where, "a random sweep needs trials, the number of draws", "such as trials = 20")
        if not isinstance(seed, int) or isinstance(seed, bool):
            self.wrong(("seed",), f"must be an integer, found {found(seed)}")
        axes: list[tuple[Path, Where, list[Any] | Range]] = []
        for path, where, values in self._flatten(raw.get("axes", {}), ("axes",)):
            if (choices := self._choices(where, values)) is not None:
                axes.append((path, where, choices))
        if not axes and not self.failed:
            self.wrong((), "a random sweep needs axes to draw from")
        self._limit(trials if isinstance(trials, int) else 0, raw)
        if self.failed:
            return []
        assert isinstance(trials, int)
        rows: dict[str, list[Setting]] = {}
        # Enough numbers to meet every point of small axes: 10,000 points need about ten draws each.
        for number in range(1_000 + 20 * trials):
            row = [self._draw(path, where, choices, seed, number) for path, where, choices in axes]
            rows.setdefault(repr([setting.value for setting in row]), row)
            if len(rows) == trials:
                return list(rows.values())
        message = f"there are only {len(rows):,} different points to draw, fewer than {trials:,}"
        self.wrong(("trials",), message, 'strategy = "grid" takes each once')
        return []

    def _draw(self, path: Path, where: Where, choices: list[Any] | Range, seed: int, number: int) -> Setting:
        digest = hashlib.sha256(f"{seed} {number} {dotted(path)}".encode()).digest()
        fraction = (int.from_bytes(digest[:8], "big") >> 11) / 2**53
        if isinstance(choices, Range):
            return Setting(path, choices.at(fraction), self.inside(where))
        return Setting(path, choices[int(fraction * len(choices))], self.inside(where))

    def _choices(self, where: Where, values: Any) -> list[Any] | Range | None:
        """What a random axis draws from; None, and problems added, when it is wrong."""
        if isinstance(values, dict) and "choices" in values:
            for key in values.keys() - {"choices"}:
                self.wrong((*where, key), "unknown key", "beside choices there is nothing to say", key=True)
            where, values = (*where, "choices"), values["choices"]
        if isinstance(values, list) and values:
            return values
        if not isinstance(values, dict):
            example = "such as { low = 1e-4, high = 1e-2, log = true }"
            self.wrong(where, f"must be a list of values or a range, found {found(values)}", example)
            return None
        for key in values.keys() - set(_RANGE):
            self.wrong((*where, key), "unknown key", fields.suggestion(key, _RANGE), key=True)
        low, high, log = values.get("low"), values.get("high"), values.get("log", False)
        for key, bound in (("low", low), ("high", high)):
            if not isinstance(bound, int | float) or isinstance(bound, bool) or not math.isfinite(bound):
                message = f"must be a number, found {found(bound)}" if key in values else "missing"
                self.wrong((*where, key), message)
                return None
        assert isinstance(low, int | float)
        assert isinstance(high, int | float)
        if not isinstance(log, bool):
            self.wrong((*where, "log"), f"must be true or false, found {found(log)}")
        elif low > high:
            self.wrong((*where, "low"), f"must be at most high, {high:g}, found {low:g}")
        elif log and low <= 0:
            self.wrong((*where, "low"), f"must be more than 0 on a logarithmic scale, found {low:g}")
        else:
            return Range(low, high, log)
        return None

    def _seeds(self, raw: dict[str, Any]) -> list[list[Setting]]:
        seeds = raw.get("seeds", [])
        if not isinstance(seeds, list) or ("seeds" in raw and not seeds):
            self.wrong(("seeds",), f"must be a list of integers, found {found(seeds)}")
            return []
        return [[Setting(("seed",), seed, self.inside(("seeds", i)))] for i, seed in enumerate(seeds)] or [[]]

    def _limit(self, count: int, raw: dict[str, Any]) -> None:
        seeds = raw.get("seeds")
        count *= max(1, len(seeds)) if isinstance(seeds, list) else 1
        if count > MAX_RUNS:
            self.wrong((), f"makes {count:,} runs; the most is {MAX_RUNS:,}")

    def _flatten(self, raw: Any, where: Where, *, values_are_lists: bool = True) -> list[tuple[Path, Where, Any]]:
        """Each setting that a table gives something to, with its place; tables inside are paths, too."""
        if not isinstance(raw, dict):
            self.wrong(where, f"must be a table, found {found(raw)}")
            return []
        flat: list[tuple[Path, Where, Any]] = []
        swept: set[Path] = set()
        around: set[Path] = set()  # the tables that swept settings lie in

        def walk(path: Path, place: Where, value: Any) -> None:
            is_range = values_are_lists and isinstance(value, dict) and value.keys() & {*_RANGE, "choices"}
            if isinstance(value, dict) and not is_range:
                for key, inner in value.items():
                    walk((*path, *key.split(".")), (*place, key), inner)
            elif not fields.exists(path):
                self.wrong(place, f"unknown setting '{dotted(path)[:80]}'", fields.hint_for(path), key=True)
            elif path in around or any(path[:n] in swept for n in range(1, len(path) + 1)):
                self.wrong(place, f"'{dotted(path)[:80]}' is swept twice", key=True)
            else:
                swept.add(path)
                around.update(path[:n] for n in range(1, len(path)))
                flat.append((path, place, value))

        walk((), where, raw)
        return flat
