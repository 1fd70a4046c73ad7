"""`craft evaluate RUN --now`: let a run that trains measure itself, as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from craft.cli.asking import asking_for, exit_status
from craft.cli.common import print_json

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder


def evaluate_now(folder: RunFolder, *, as_json: bool) -> int:
    """Ask, wait, and print the figures of each split. Raises RunError when the folder does not take the request."""
    asking = asking_for("evaluate", "measure itself", lambda _, answer: f"was measured at step {answer.step}")
    for answer in asking.ask([folder]):
        for split, figures in _by_split(answer.event).items():
            if as_json:
                print_json({"kind": "split", "run": folder.name, "step": answer.step, "split": split, **figures})
            else:
                click.echo(_line(split, figures))
    return exit_status(asking, picked=False)


def _by_split(event: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures by their names, of each split: an event has them as "val/loss"."""
    splits: dict[str, dict[str, Any]] = {}
    for name, value in event.items():
        split, is_figure, figure = name.partition("/")
        if is_figure:
            splits.setdefault(split, {})[figure] = value
    return splits


def _line(split: str, figures: dict[str, Any]) -> str:
    from craft.analysis.numbers import format_loss, format_number
    from craft.text import clean_line

    words = []
    for name, value in figures.items():
        if not isinstance(value, int | float):
            words.append(f"{name} is no number")
        elif name in ("loss", "perplexity"):
            words.append(f"{name} {format_loss(value)}")
        elif name == "accuracy":
            words.append(f"accuracy {100 * value:.2f}%")
        elif name == "bits_per_byte":
            words.append(f"{format_number(value)} bits/byte")
        else:
            words.append(f"{name} {format_number(value)}")
    return clean_line(f"{split:<5} {'  '.join(words)}")
