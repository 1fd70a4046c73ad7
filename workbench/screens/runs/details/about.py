"""What is known of a run beside its curves: how it stands, who it is, its notes, and its checkpoints on disk."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from craft.analysis.facts import setting
from craft.analysis.numbers import (
    format_age,
    format_bytes,
    format_count,
    format_duration,
    format_loss,
    format_number,
    format_rate,
)
from craft.runs.checkpoints import best_step, half_made, list_checkpoints
from craft.runs.disk import disk_use
from craft.runs.folder import RunFolder, load_identity
from craft.runs.manifest import read_manifest
from craft.runs.notes import read_notes
from workbench.screens.runs.details.text_pane import TextTab
from workbench.screens.runs.rows import TONES, number, phase_text, phase_word
from workbench.widgets.text_lines import Lines, Part, plain

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

Row = list[Part]
_NAME_WIDTH = 13
_PAUSE = 1.0  # seconds between two looks


@dataclass
class _Kept:
    """What was read of the checkpoints, and of which moment it is."""

    stamp: tuple[Path, int] | None = None
    rows: list[Row] = field(default_factory=list)


class AboutTab(TextTab):
    """Facts; the heartbeat moves while the tab is seen."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self._kept = _Kept()
        self._shown: list[Row] = []
        self._told = 0.0

    @property
    def is_due(self) -> bool:
        """How long ago something was goes on when the run is over."""
        return time.monotonic() >= self._told + _PAUSE

    def begin(self) -> None:
        super().begin()
        self._kept, self._shown = _Kept(), []
        self.view.show(Lines(), keep=False)

    def read(self, run: RunSummary, wanted: Any) -> Any:
        return _identity_rows(run, self.ascii_only), self._checkpoints(run)

    def take(self, found: Any) -> None:
        assert self.run is not None
        identity, checkpoints = found
        self._told = time.monotonic()
        rows = [*state_rows(self.run, time.time(), self.ascii_only), *identity, *checkpoints]
        if rows != self._shown:
            first, self._shown = not self._shown, rows
            self.view.show(Lines(rows), keep=not first)

    def _checkpoints(self, run: RunSummary) -> list[Row]:
        """Read again only when something came or went."""
        try:
            stamp = run.folder.path, run.folder.checkpoints.stat().st_mtime_ns
        except OSError:
            return [*_heading("checkpoints"), [("none: the folder is gone", "quiet")]]
        if stamp != self._kept.stamp:
            self._kept = _Kept(stamp, _checkpoint_rows(run.folder, self.ascii_only))
        return self._kept.rows


def state_rows(run: RunSummary, now: float, ascii_only: bool) -> list[Row]:
    """How the run stands now."""
    status, word = run.status, phase_word(run)
    step, most = number(status.step) or 0.0, number(status.max_steps) or 0.0
    reason = f"  {run.reason}" if run.reason and run.reason != word else ""
    speed = format_rate(number(status.tokens_per_second), "tok/s")
    rows = [
        [_name("phase"), (phase_text(run, ascii_only), TONES.get(word, "warn")), plain(reason, ascii_only=ascii_only)],
        _fact("steps", f"{step:,.0f}" + (f" of {most:,.0f}, {100 * step / most:.0f}%" if most else "")),
        _fact("tokens", f"{format_count(number(status.tokens))}, {speed}"),
        _fact("train loss", format_loss(number(status.train_loss))),
        _fact("val loss", format_loss(number(status.val_loss))),
        _best(run),
    ]
    if run.observed.is_live:
        rows.append(_fact("time left", format_duration(number(status.eta_seconds))))
    rows += _heartbeat(run, now)
    return rows


def _best(run: RunSummary) -> Row:
    best, at = number(run.status.best), number(run.status.best_step)
    monitor = setting(run.folder, "checkpoint.monitor")
    if best is None:
        return _fact("best", "not measured yet")
    where = "" if at is None else f" at step {at:,.0f}"
    last = number(run.status.step)
    since = f", {last - at:,.0f} steps ago" if at is not None and last is not None and last > at else ""
    return _fact("best", f"{monitor or 'val/loss'} {format_loss(best)}{where}{since}")


def _heartbeat(run: RunSummary, now: float) -> list[Row]:
    status = run.status
    updated, progressed = number(status.updated), number(status.progressed)
    if not updated:
        return [_fact("heartbeat", "its worker never wrote")]
    said = f"its worker wrote {_ago(now - updated)}"
    if progressed:
        said += f", and came forward {_ago(now - progressed)}"
    tone = "plain"
    if run.observed.is_live:
        tone = "warn" if now - updated > 30 or (progressed and now - progressed > 30) else "live"
    held = "its lock is held" if run.observed.held else "no worker has its lock"
    return [[_name("heartbeat"), (said, tone), (f"; {held}", "quiet")]]


def _ago(seconds: float) -> str:
    age = format_age(seconds)
    return "just now" if age == "now" else f"{age} ago"


def _identity_rows(run: RunSummary, ascii_only: bool) -> list[Row]:
    rows: list[Row] = []
    notes = read_notes(run.folder)
    if notes.star or notes.tags or notes.note or notes.fault:
        rows += _heading("notes")
        if notes.fault:
            rows.append([plain(notes.fault, "bad", ascii_only=ascii_only)])
        said = "  ".join([*(["starred"] if notes.star else []), *notes.tags])
        if said:
            rows.append([plain(said, "name", ascii_only=ascii_only)])
        rows += [[plain(line, ascii_only=ascii_only)] for line in notes.note.splitlines()]
    identity, fault = load_identity(run.folder)
    rows += _heading("identity")
    if fault:
        rows.append([plain(fault, "bad", ascii_only=ascii_only)])
    if identity is None:
        return [*rows, _fact("folder", str(run.path), ascii_only)]
    chosen = dict(_items(identity.chosen))
    reasons = chosen.pop("reasons", None)
    facts: list[tuple[str, Any]] = [
        ("experiment", identity.experiment),
        ("group", identity.group),
        ("axes", _assignments(identity.axes)),
        ("seed", identity.seed),
        ("created", _moment(number(identity.created))),
        ("from", identity.source),
        ("overrides", _assignments(identity.overrides)),
        ("parent", f"{identity.parent_run} at step {identity.parent_step}" if identity.parent_run else None),
        ("weights", _assignments(identity.initial)),
        ("chosen", _assignments(chosen)),
        *(("", reason) for reason in (reasons if isinstance(reasons, list) else [])),
        ("FLOPs/token", format_number(number(identity.flops_per_token)) if identity.flops_per_token else None),
        ("versions", ", ".join(f"{name} {value}" for name, value in _items(identity.versions))),
        ("commit", identity.git_commit),
        ("data", identity.data_hash),
        ("definition", identity.definition_hash),
        ("id", identity.id),
        ("folder", run.path),
    ]
    return rows + [_fact(name, str(value), ascii_only) for name, value in facts if value not in (None, "")]


def _checkpoint_rows(folder: RunFolder, ascii_only: bool) -> list[Row]:
    present = list_checkpoints(folder)
    keep, every = setting(folder, "checkpoint.keep"), setting(folder, "checkpoint.every")
    rows = _heading("checkpoints")
    if isinstance(keep, float) and isinstance(every, float):
        rows.append([(f"saved every {every:,.0f} steps; the best and the newest {keep:,.0f} are kept", "quiet")])
    if not present:
        return [*rows, [("none on disk", "quiet")]]
    best, total = best_step(folder), 0
    for info in reversed(present):
        size = disk_use(info.path).bytes
        total += size
        words, tone = "", "plain"
        try:
            manifest = read_manifest(info.path)
            if manifest.monitor_value is not None:
                words = f"{manifest.monitor or 'measured'} {format_loss(number(manifest.monitor_value))}"
        except ValueError as error:
            words, tone = f"damaged: {error}", "bad"
        marks = ["best"] * (info.step == best) + ["latest"] * (info.step == present[-1].step)
        step = f"step {info.step:,}".ljust(_NAME_WIDTH + 6)
        row = [(step, "plain"), (format_bytes(size).rjust(9) + "  ", "number"), plain(words, tone)]
        rows.append([*row, ("  " + ", ".join(marks), "good")] if marks else row)
    count = len(present)
    rows.append([(f"{count} checkpoint{'s' * (count != 1)}, {format_bytes(total)} on disk", "quiet")])
    left = half_made(folder)
    if left:
        rows.append([(f"{len(left)} half made, by a save that is under way or was cut short", "warn")])
    return rows


def _heading(text: str) -> list[Row]:
    return [[], [(text, "bold")]]


def _name(name: str) -> Part:
    return name.ljust(_NAME_WIDTH), "quiet"


def _fact(name: str, value: str, ascii_only: bool = False) -> Row:
    return [_name(name), plain(value, ascii_only=ascii_only)]


def _moment(created: float | None) -> str:
    if not created or not 0 < created < 4e9:
        return ""
    when = datetime.fromtimestamp(created).strftime("%Y-%m-%d %H:%M:%S")
    return f"{when}, {_ago(time.time() - created)}"


def _assignments(value: Any) -> str:
    return ", ".join(f"{name} = {plain_value(inner)}" for name, inner in _items(value))


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def plain_value(value: Any) -> str:
    """A value of a foreign record, in words."""
    if isinstance(value, str):
        return value
    return format_number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
