"""What filters and sorting ask of a run: its claim's figures, its settings, its metrics' last values.

Read when it is first asked for: ten thousand runs filtered by phase open no definition.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from craft.analysis.filters import Value, canonical
from craft.config.toml_values import leaves
from craft.runs.changes import held_now
from craft.runs.folder import RunFolder, RunIdentity, load_identity
from craft.runs.json_files import decode_object
from craft.runs.notes import Notes, read_notes
from craft.runs.store import RunSummary

# Bytes of a metrics log: read at a time, and all in which a last value is looked for, some 40,000 records.
_PIECE, _LOOKED_BACK = 1 << 16, 4 << 20
_RESUMED = b'"resumed_from"'


class RunFacts:
    """A run, asked by name; an instance is what `Filter.holds` calls. None where the run has no such thing."""

    def __init__(self, run: RunSummary, *, phase: str | None = None) -> None:
        self.run, self.phase = run, phase or run.shown_phase
        self._identity: RunIdentity | None = None

    def __call__(self, name: str) -> Value:
        """The value of a figure, a setting (also by the end of its path), or a metric."""
        name = canonical(name)
        if name in _CLAIMED:
            return _CLAIMED[name](self)
        if "/" in name:
            return last_value(self.run.folder.metrics, name)
        return setting(self.run.folder, name)

    @property
    def text(self) -> str:
        """All that words are looked for in."""
        run = self.run
        words = (run.name, run.experiment, run.group, self.phase, self.notes.text)
        return " ".join(filter(None, words))

    @property
    def notes(self) -> Notes:
        """What a person said of it."""
        return read_notes(self.run.folder)

    @property
    def parent(self) -> str | None:
        """The run that it was forked from."""
        if self._identity is None:
            self._identity = load_identity(self.run.folder)[0] or RunIdentity(experiment=self.run.experiment)
        return self._identity.parent_run

    @property
    def progress(self) -> float | None:
        """The part of its steps that is done."""
        most = self.run.max_steps
        return min(max(self.run.step / most, 0.0), 1.0) if most else None

    @property
    def age(self) -> float | None:
        """Seconds since it was made."""
        return max(0.0, time.time() - self.run.created) if self.run.created else None


_CLAIMED: dict[str, Callable[[RunFacts], Value]] = {
    "text": lambda facts: facts.text,
    "run": lambda facts: facts.run.name,
    "phase": lambda facts: facts.phase,
    "group": lambda facts: facts.run.group,
    "experiment": lambda facts: facts.run.experiment,
    "step": lambda facts: facts.run.step,
    "progress": lambda facts: facts.progress,
    "tokens": lambda facts: facts.run.status.tokens,
    "speed": lambda facts: facts.run.tokens_per_second,
    "train/loss": lambda facts: facts.run.train_loss,
    "val/loss": lambda facts: facts.run.val_loss,
    "best": lambda facts: facts.run.best,
    "best_step": lambda facts: facts.run.status.best_step,
    "eta": lambda facts: facts.run.eta_seconds if facts.run.observed.is_live else None,
    "age": lambda facts: facts.age,
    "parent": lambda facts: facts.parent,
    "star": lambda facts: facts.notes.star,
    "tag": lambda facts: " ".join(facts.notes.tags) or None,
    "note": lambda facts: facts.notes.note or None,
}


def setting_names(folder: RunFolder) -> list[str]:
    """The paths of the settings of a run."""
    try:
        stat = folder.definition.stat()
    except OSError:
        return []
    return list(_settings(folder.definition, stat.st_mtime_ns, stat.st_size))


def metric_names(folder: RunFolder) -> list[str]:
    """The metrics that the first records of a run have."""
    try:
        with folder.metrics.open("rb") as file:
            lines = file.read(_PIECE).split(b"\n")[:-1]
    except OSError:
        return []
    names: set[str] = set()
    for line in lines:
        with contextlib.suppress(ValueError):
            names |= {name for name in decode_object(line) if "/" in name}
    return sorted(names)


def setting(folder: RunFolder, name: str) -> Value:
    """A setting of a run by its path, or by the end of it where only one path ends so; else None.

    What was changed while it trained counts as it is now.
    """
    try:
        stat = folder.definition.stat()
    except OSError:
        return None
    settings = _settings(folder.definition, stat.st_mtime_ns, stat.st_size)
    if folder.changes.exists():
        settings = {**settings, **held_now(folder)}
    if name in settings:
        return settings[name]
    ending = [path for path in settings if path.endswith(f".{name}")]
    # lr is the optimizer's, whatever else has an lr of its own further down.
    ending.sort(key=lambda path: path.count("."))
    if len(ending) > 1 and ending[0].count(".") == ending[1].count("."):
        return None
    return settings[ending[0]] if ending else None


def best_of(runs: Iterable[RunSummary]) -> RunSummary | None:
    """The run whose best figure is the best, by what the newest of them is to reach: the least, or the most.

    Its definition is read only where the figures differ.
    """
    known = [(best, run) for run in runs if (best := _number(run.best)) is not None]
    if len({best for best, _ in known}) < 2:
        return known[0][1] if known else None
    newest = max((run for _, run in known), key=lambda run: (run.created, run.name))
    sign = -1 if setting(newest.folder, "checkpoint.mode") == "max" else 1
    return min(known, key=lambda pair: sign * pair[0])[1]


@lru_cache(maxsize=20_000)
def _settings(definition: Path, modified: int, size: int) -> Mapping[str, Value]:
    """Every setting of a resolved definition by its path; empty when it cannot be read. Nothing is checked."""
    try:
        document = tomllib.loads(definition.read_text(encoding="utf-8"))
        (table,) = document["experiment"].values()
        return {".".join(path): _value(value) for path, value in leaves(table).items() if value != {}}
    except (OSError, ValueError, KeyError, AttributeError, RecursionError, OverflowError):
        return {}


def _value(value: Any) -> Value:
    if isinstance(value, str | bool):
        return value
    return float(value) if isinstance(value, int | float) else str(value)


def last_value(log: Path, name: str) -> float | None:
    """The newest value of a metric that counts, looked for in the last megabytes of the log; None where none is."""
    return next(last_values(log, name), None)


def last_values(log: Path, name: str) -> Iterator[float | None]:
    """The values of a metric that count, the newest first, in the last megabytes of the log; None: was not finite."""
    wanted = json.dumps(name).encode()  # as the log has it: whatever is not ASCII is escaped
    until = math.inf  # a resume takes back what was measured after its step
    for line in _from_the_end(log, (wanted, _RESUMED)):
        try:
            record = decode_object(line)
        except ValueError:
            continue
        resumed_from, step = _number(record.get("resumed_from")), _number(record.get("step"))
        if resumed_from is not None:
            until = min(until, resumed_from)
        elif name in record and (step is None or step <= until):
            yield _number(record[name])


def _from_the_end(log: Path, wanted: Sequence[bytes]) -> Iterator[bytes]:
    """The lines that hold one of some texts, the newest first, as far as is looked back."""
    rest = b""
    try:
        with log.open("rb") as file:
            at = file.seek(0, 2)
            first = max(0, at - _LOOKED_BACK)
            while at > first:
                size = min(_PIECE, at - first)
                at = file.seek(at - size)
                rest, _, lines = (file.read(size) + rest).partition(b"\n")
                if any(text in lines for text in wanted):
                    yield from (line for line in reversed(lines.split(b"\n")) if any(text in line for text in wanted))
    except OSError:
        return
    if at == 0:
        yield rest


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        return None
    return float(value)
