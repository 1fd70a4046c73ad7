"""`craft runs`: all runs of a project, a line each."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from craft.cli.common import json_option, look_after_queue, print_json, runs_dir_of, runs_dir_option, shown_path


@click.command()
@click.option("--disk", is_flag=True, help="What each takes of the disk, the largest last.")
@runs_dir_option
@json_option
def runs(disk: bool, runs_dir: Path | None, as_json: bool) -> None:
    """List the runs, the newest last, with what each is doing."""
    from craft.analysis.numbers import format_bytes
    from craft.cli.runs_table import run_columns
    from craft.cli.table import Column, render_table
    from craft.launch.dispatch import why_queued
    from craft.launch.follow import look_at
    from craft.runs.disk import DiskUse, disk_use, free_space, together
    from craft.runs.store import RunStore
    from craft.text import shows_unicode

    place = runs_dir_of(runs_dir)
    look_after_queue(place)
    found = RunStore(place).list()
    uses: dict[str, DiskUse] = {}
    if disk:
        uses = {one.name: disk_use(one.path) for one in found}
        found.sort(key=lambda one: uses[one.name].bytes)
    # What a queued run waits for, the folder alone does not say.
    reasons = why_queued(place)
    looks = [look_at(one.folder, reasons=reasons) if one.phase == "queued" else one.observed for one in found]
    if as_json:
        for one, look in zip(found, looks, strict=True):
            print_json(
                {
                    "run": one.name,
                    "path": str(one.folder.path),
                    "experiment": one.experiment,
                    "group": one.group,
                    "created": one.created,
                    "phase": look.phase,
                    "reason": one.fault or look.reason,
                    "step": look.status.step,
                    "max_steps": look.status.max_steps,
                    "tokens": look.status.tokens,
                    "tokens_per_second": look.status.tokens_per_second,
                    "eta_seconds": look.status.eta_seconds if look.is_live else None,
                    "train/loss": look.status.train_loss,
                    "val/loss": look.status.val_loss,
                    "best": look.status.best,
                    "best_step": look.status.best_step,
                    **({"bytes": uses[one.name].bytes} if disk else {}),
                }
            )
        return
    if not found:
        sys.stderr.write(f"no runs in {shown_path(place)} yet; 'craft run experiments.toml' makes one\n")
        return
    columns = run_columns([(one.name, look, one.created) for one, look in zip(found, looks, strict=True)])
    if disk:
        columns.insert(1, Column("DISK", [format_bytes(uses[one.name].bytes) for one in found]))
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None
    for line in render_table(columns, width, ascii_only=not shows_unicode(sys.stdout)):
        sys.stdout.write(f"{line}\n")
    if disk:
        taken, free = format_bytes(together(uses.values()).bytes), free_space(place)
        left = f"; {format_bytes(free)} are free" if free is not None else ""
        sys.stderr.write(f"{taken} in all{left}\n")
