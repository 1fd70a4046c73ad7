"""`craft runs`: all runs of a project, a line each."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import json_option, look_after_queue, print_json, runs_dir_of, runs_dir_option, shown_path
from craft.errors import UsageError

if TYPE_CHECKING:
    from craft.analysis.filters import Value
    from craft.runs.store import RunSummary


@click.command()
@click.argument("words", nargs=-1, metavar="[FILTER ...]")
@click.option("--sort", metavar="NAME", help="Order by a figure or a setting, the smallest first; -NAME: turned round.")
@click.option("--disk", is_flag=True, help="What each takes of the disk, the largest last.")
@runs_dir_option
@json_option
def runs(words: tuple[str, ...], sort: str | None, disk: bool, runs_dir: Path | None, as_json: bool) -> None:
    """List the runs, the newest last, with what each is doing; those that a filter lets through.

    \b
    craft runs wide                                   a word of name, experiment, group or phase
    craft runs 'val/loss < 1.9 and lr > 1e-3'         figures, and settings by the end of their path
    craft runs 'not phase = finished' --sort -age     and, or, not, brackets; = != < <= > >=, ~ contains
    """
    from craft.analysis.numbers import format_bytes
    from craft.cli.runs_table import run_columns
    from craft.cli.table import Column, render_table
    from craft.launch.follow import look_at
    from craft.launch.queue.dispatch import why_queued
    from craft.runs.disk import DiskUse, disk_use, free_space, together
    from craft.runs.store import RunStore
    from craft.text import shows_unicode

    place = runs_dir_of(runs_dir)
    look_after_queue(place)
    # What a queued run waits for, and whether it is in the queue at all, the folder alone does not say.
    reasons = why_queued(place)
    every = [
        replace(one, observed=look_at(one.folder, reasons=reasons)) if one.phase == "queued" else one
        for one in RunStore(place).list()
    ]
    found = _let_through(every, " ".join(words)) if words else every
    uses: dict[str, DiskUse] = {}
    if disk:
        uses = {one.name: disk_use(one.path) for one in found}
        found.sort(key=lambda one: uses[one.name].bytes)
    if sort:
        found = _sorted(found, sort)
    looks = [one.observed for one in found]
    if as_json:
        for one, look in zip(found, looks, strict=True):
            print_json(
                {
                    "run": one.name,
                    "path": str(one.folder.path),
                    "experiment": one.experiment,
                    "group": one.group,
                    "parent_run": one.parent_run,
                    "parent_step": one.parent_step,
                    "created": one.created,
                    "phase": one.shown_phase,
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
    if every and not found:
        sys.stderr.write(f"none of {len(every):,} runs in {shown_path(place)} is let through\n")
        return
    if not found:
        sys.stderr.write(f"no runs in {shown_path(place)} yet; 'craft run experiments.toml' makes one\n")
        return
    columns = run_columns([(one.name, replace(one.observed, phase=one.shown_phase), one.created) for one in found])
    if disk:
        columns.insert(1, Column("DISK", [format_bytes(uses[one.name].bytes) for one in found]))
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None
    for line in render_table(columns, width, ascii_only=not shows_unicode(sys.stdout)):
        sys.stdout.write(f"{line}\n")
    if disk:
        taken, free = format_bytes(together(uses.values()).bytes), free_space(place)
        left = f"; {format_bytes(free)} are free" if free is not None else ""
        sys.stderr.write(f"{taken} in all{left}\n")


def _let_through(runs: list[RunSummary], words: str) -> list[RunSummary]:
    from craft.analysis.facts import RunFacts
    from craft.analysis.filters import parse_filter
    from craft.analysis.names import check_names

    wanted = parse_filter(words)
    check_names(words, wanted, runs, RunFacts)
    return [one for one in runs if wanted.holds(RunFacts(one))]


def _sorted(runs: list[RunSummary], name: str) -> list[RunSummary]:
    """The runs by a figure or a setting, numbers before texts; those that have none last, whichever way round."""
    from craft.analysis.facts import RunFacts

    turned, name = name.startswith("-"), name.removeprefix("-")
    values = {one.name: RunFacts(one)(name) for one in runs}
    if all(value is None for value in values.values()) and runs:
        raise UsageError(f"no run has '{name}' to sort by; a figure such as val/loss or step, or a setting such as lr")
    known = [one for one in runs if values[one.name] is not None]
    known.sort(key=lambda one: _order(values[one.name]), reverse=turned)
    return [*known, *(one for one in runs if values[one.name] is None)]


def _order(value: Value) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, str(value)
