"""`craft status`: everything that is known about one run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import find_run, json_option, print_json, run_argument, runs_dir_option, shown_path

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder


@click.command()
@run_argument()
@runs_dir_option
@json_option
def status(name: str, runs_dir: Path | None, as_json: bool) -> None:
    """Show what a run is doing and why, its figures, its checkpoints and the disk it takes."""
    from craft.launch.follow import look_at
    from craft.runs.checkpoints import best_step, list_checkpoints
    from craft.runs.disk import disk_use, free_space
    from craft.runs.folder import RunIdentity, definition_fault, load_identity
    from craft.runs.lock import read_owner

    folder = find_run(name, runs_dir)
    identity, fault = load_identity(folder)
    identity = identity or RunIdentity(experiment=folder.name.rpartition("-")[0], id="")
    look = look_at(folder)
    faults = [one for one in (fault, look.fault, definition_fault(folder, identity)) if one]
    claim, best, owner = look.status, best_step(folder), read_owner(folder)
    saved = [(info.step, disk_use(info.path).bytes) for info in list_checkpoints(folder)]
    facts: dict[str, Any] = {
        "run": folder.name,
        "path": str(folder.path),
        "phase": look.phase,
        "reason": look.reason,
        "worker": {"pid": owner.pid, "host": owner.host} if owner is not None and look.held else None,
        "faults": faults,
        "experiment": identity.experiment,
        "group": identity.group,
        "axes": identity.axes,
        "seed": identity.seed,
        "parent_run": identity.parent_run,
        "parent_step": identity.parent_step,
        "created": identity.created,
        "updated": claim.updated or None,
        "source": identity.source,
        "git_commit": identity.git_commit,
        "definition_hash": identity.definition_hash,
        "data_hash": identity.data_hash,
        "versions": identity.versions,
        "chosen": identity.chosen,
        "step": claim.step,
        "max_steps": claim.max_steps,
        "tokens": claim.tokens,
        "tokens_per_second": claim.tokens_per_second,
        "eta_seconds": claim.eta_seconds if look.is_live else None,
        "train/loss": claim.train_loss,
        "val/loss": claim.val_loss,
        "best": claim.best,
        "best_step": claim.best_step,
        "error": claim.error,
        "changes": live_changes(folder),
        "checkpoints": [{"step": step, "bytes": size, "best": step == best} for step, size in saved],
        "bytes": disk_use(folder.path).bytes,
        "free_bytes": free_space(folder.path),
    }
    if as_json:
        print_json(facts)
    else:
        _tell(facts)


def live_changes(folder: RunFolder) -> list[dict[str, Any]]:
    """What was changed while it trained, the earliest first; nothing where the file is damaged, which a resume says."""
    from dataclasses import asdict

    from craft.errors import RunError
    from craft.runs.changes import read_changes

    try:
        return [asdict(change) for change in read_changes(folder)]
    except RunError:
        return []


def _tell(facts: dict[str, Any]) -> None:
    from craft.analysis import numbers
    from craft.text import clean, clean_line

    step = f"{facts['step']} of {facts['max_steps']}" if facts["max_steps"] else numbers.NOTHING
    best = numbers.format_loss(facts["best"])
    if facts["best_step"] is not None:
        best += f" at step {facts['best_step']}"
    now, created, updated = time.time(), facts["created"], facts["updated"]
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created)) if created else numbers.NOTHING
    rows: list[tuple[str, str]] = [
        ("run", facts["run"]),
        ("folder", shown_path(Path(facts["path"]))),
        *(("fault" if n == 0 else "", fault) for n, fault in enumerate(facts["faults"])),
        ("phase", facts["phase"]),
        ("why", facts["reason"] if facts["reason"] not in (facts["phase"], facts["error"]) else ""),
        ("error", facts["error"] or ""),
        ("worker", "process {pid} on {host}".format(**facts["worker"]) if facts["worker"] else ""),
        ("experiment", facts["experiment"]),
        ("group", facts["group"] or ""),
        *((f"  {path}", str(value)) for path, value in facts["axes"].items()),
        ("seed", str(facts["seed"])),
        ("parent", f"{facts['parent_run']}, step {facts['parent_step']}" if facts["parent_run"] else ""),
        ("created", f"{when}, {_ago(now, created)}"),
        ("last sign", _ago(now, updated) if updated else ""),
        ("source", facts["source"] or ""),
        ("commit", (facts["git_commit"] or "")[:12]),
        ("step", step),
        ("tokens", numbers.format_count(facts["tokens"])),
        ("speed", numbers.format_rate(facts["tokens_per_second"], "tok/s") if facts["tokens_per_second"] else ""),
        ("ETA", numbers.format_duration(facts["eta_seconds"]) if facts["eta_seconds"] is not None else ""),
        ("train loss", numbers.format_loss(facts["train/loss"])),
        ("val loss", numbers.format_loss(facts["val/loss"])),
        ("best", best),
        *(("chosen" if n == 0 else "", line) for n, line in enumerate(facts["chosen"].get("reasons", []))),
        *_change_rows(facts["changes"]),
        *_checkpoint_rows(facts["checkpoints"]),
        ("disk", f"{numbers.format_bytes(facts['bytes'])}; {numbers.format_bytes(facts['free_bytes'])} are free"),
    ]
    for label, text in rows:
        if text:
            lines = clean(text).splitlines() or [""]
            sys.stdout.write(f"{clean_line(label):<11} {lines[0]}\n")
            sys.stdout.writelines(f"{'':<12}{line}\n" for line in lines[1:])


def _ago(now: float, then: float) -> str:
    from craft.analysis.numbers import format_age

    age = format_age(now - then)
    return age if age == "now" else f"{age} ago"


def _change_rows(changes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    lines = [
        f"{path} {change['before'].get(path, '?')} -> {value} from step {change['step'] + 1} on"
        for change in changes
        for path, value in change["values"].items()
    ]
    return [("changed" if n == 0 else "", line) for n, line in enumerate(lines)]


def _checkpoint_rows(saved: list[dict[str, Any]]) -> list[tuple[str, str]]:
    from craft.analysis.numbers import format_bytes

    rows = []
    for n, one in enumerate(saved):
        text = f"step {one['step']}, {format_bytes(one['bytes'])}{', best' if one['best'] else ''}"
        rows.append(("saved" if n == 0 else "", text))
    return rows or [("saved", "no checkpoint yet")]
