"""The queue as a page: the slots of this machine, whether anybody starts what waits, and who waits for what."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from craft.analysis.numbers import format_age, format_duration
from craft.cli.common import print_json, shown_path
from craft.cli.table import Column, render_table
from craft.launch.queue import slots
from craft.launch.queue.dispatch import PAUSED, Waiting, runner_lock, waiting_runs
from craft.launch.queue.entries import Queue
from craft.launch.queue.waits import Holds
from craft.platform import is_locked
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.text import clean_line, shows_unicode

_NAME_COLUMN = 24  # a longer name pushes its own reason aside, and not everybody's


def show_queue(runs_dir: Path, as_json: bool) -> None:
    """Print all of it: one object a line, or a page."""
    waiting = waiting_runs(runs_dir)
    facts = {
        "kind": "queue",
        "runs_dir": str(runs_dir),
        "paused": Queue(runs_dir).is_paused(),
        "runner": is_locked(runner_lock(runs_dir).path),
        "waiting": len(waiting),
    }
    taken = _taken_slots(runs_dir)
    for path in Queue(runs_dir).damaged():
        run = path.name[21:].removesuffix(".json")
        sys.stderr.write(clean_line(f"{shown_path(path)} is damaged; 'craft queue retry {run}' queues it anew") + "\n")
    if as_json:
        print_json(facts)
        for slot in taken:
            print_json(slot)
        holds = Holds(runs_dir, [one.entry for one in waiting])
        for one in waiting:
            print_json(_record(one, holds))
    else:
        _tell(runs_dir, facts, taken, waiting)


def _taken_slots(runs_dir: Path) -> list[dict[str, Any]]:
    """What trains on this machine, of whatever project."""
    found: list[dict[str, Any]] = []
    for slot in slots.taken():
        holder = slot.holder()
        if holder is None:  # its note is damaged; it is taken all the same
            found.append({"kind": "slot", "slot": slot.name, "run": None, "path": None, "phase": None, "here": False})
            continue
        look = observe(RunFolder(holder.folder))
        claim = look.status
        found.append(
            {
                "kind": "slot",
                "slot": slot.name,
                "run": holder.folder.name,
                "path": str(holder.folder),
                "here": holder.folder.parent == runs_dir.resolve(),
                "pid": holder.pid,
                "slots": holder.at_once,
                "phase": "starting" if look.phase == "queued" else look.phase,
                "step": claim.step,
                "max_steps": claim.max_steps,
                "eta_seconds": claim.eta_seconds if look.is_live else None,
            }
        )
    return found


def _record(one: Waiting, holds: Holds) -> dict[str, Any]:
    return {
        "kind": "waiting",
        "position": one.position,
        "run": one.entry.run,
        "reason": one.reason,
        "state": one.state,
        "needs_you": not one.ends and one.state != "paused",
        "device": one.entry.device,
        "slots": one.entry.cpu_slots,
        "queued": one.entry.queued,
        "after": [
            {"run": wait.run, "whatever": wait.whatever, "phase": holds.phase_of(wait)} for wait in one.entry.after
        ],
    }


def _tell(runs_dir: Path, facts: dict[str, Any], taken: list[dict[str, Any]], waiting: list[Waiting]) -> None:
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None
    for line in [
        *_slot_lines(taken, width),
        "",
        _standing(runs_dir, facts, waiting),
        *_waiting_lines(runs_dir, waiting, width),
    ]:
        sys.stdout.write(f"{line}\n")


def _slot_lines(taken: list[dict[str, Any]], width: int | None) -> list[str]:
    if not taken:
        return ["nothing trains on this machine"]
    rows = [slot for slot in taken if slot["run"] is not None]
    steps = [f"{slot['step']}/{slot['max_steps']}" if slot["max_steps"] else "-" for slot in rows]
    columns = [
        Column("TRAINS", [slot["run"] for slot in rows], align="left"),
        Column("PHASE", [slot["phase"] for slot in rows], align="left"),
        Column("STEP", steps, rank=1),
        Column("ETA", [format_duration(slot["eta_seconds"]) for slot in rows], rank=2),
        Column("SLOT", [slot["slot"][:12] for slot in rows], rank=3, align="left"),
        Column("IN", [shown_path(Path(slot["path"]).parent) for slot in rows], rank=4, align="left"),
    ]
    lines = render_table(columns, width, ascii_only=not shows_unicode(sys.stdout)) if rows else []
    return [
        *lines,
        *(f"slot {slot['slot']} is taken, and its note is damaged" for slot in taken if slot["run"] is None),
    ]


def _standing(runs_dir: Path, facts: dict[str, Any], waiting: list[Waiting]) -> str:
    place = shown_path(runs_dir)
    if facts["paused"]:
        return f"the queue of {place} is PAUSED: 'craft queue go' goes on"
    if not waiting:
        return f"nothing waits in {place}"
    if facts["runner"]:
        return f"waiting in {place}, and a runner starts them:"
    if any(one.ends for one in waiting):
        return f"waiting in {place}, and a runner comes in a moment:"
    return f"waiting in {place}, all for something that you have to do:"


def _waiting_lines(runs_dir: Path, waiting: list[Waiting], width: int | None) -> list[str]:
    """Number, run and reason; a long reason goes on in the lines under it."""
    if not waiting:
        return []
    number = len(str(len(waiting)))
    name = max(min(len(one.entry.run), _NAME_COLUMN) for one in waiting)
    now, lines = time.time(), []
    for one in waiting:
        head = f"{one.position:>{number}}  {one.entry.run:<{name}}  "
        several = f" [--slots {one.entry.cpu_slots}]" if one.entry.cpu_slots > 1 else ""
        # What stands above already is left out: that the queue is paused, and which folder this is.
        reason = one.reason.removeprefix(f"{PAUSED}; it ").removeprefix(PAUSED).replace(f" in {runs_dir}", "")
        text = clean_line(f"{reason or 'waits'}{several} ({format_age(now - one.entry.queued)})")
        if width is None:
            lines.append(head + text)
            continue
        indent = " " * (number + name + 4 if name <= width // 3 else number + 2)
        lines += textwrap.wrap(text, width, initial_indent=head, subsequent_indent=indent, break_long_words=False)
    return lines
