"""`craft note`: a star, tags and a note on runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from craft.cli.common import find_runs, group_option, json_option, print_json, runs_argument, runs_dir_option


@click.command()
@runs_argument()
@group_option
@click.option("--star/--no-star", default=None, help="Put a star on it, or take it away.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="Add a tag; several times for several.")
@click.option("--no-tag", "without", multiple=True, metavar="WORD", help="Take a tag away.")
@click.option("--text", help="The note; an empty one takes it away.")
@runs_dir_option
@json_option
def note(
    names: tuple[str, ...],
    group: str | None,
    star: bool | None,
    tags: tuple[str, ...],
    without: tuple[str, ...],
    text: str | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Say something of runs: a star, tags, a note. Without options, show what was said.

    \b
    craft note small-001 --star --tag baseline --text 'the one to beat'
    craft runs 'starred or tag ~ base'
    """
    from craft.runs.notes import change_notes, read_notes
    from craft.text import clean_line

    changes = star is not None or text is not None or bool(tags or without)
    for folder in find_runs(names, group, runs_dir):
        notes = change_notes(folder, star=star, note=text, add=tags, remove=without) if changes else read_notes(folder)
        if as_json:
            said = {"run": folder.name, "star": notes.star, "tags": list(notes.tags), "note": notes.note}
            print_json(said | ({"fault": notes.fault} if notes.fault else {}))
        else:
            words = (notes.fault, "*" if notes.star else "", ", ".join(notes.tags), notes.note)
            line = clean_line("  ".join(filter(None, words)))
            sys.stdout.write(f"{folder.name}  {line or 'nothing was said of it'}\n")
