"""`craft init [TEXT FILE]`: a commented experiments file for one's own text, ready to run."""

from __future__ import annotations

from pathlib import Path

import click

from craft.cli.common import EXPERIMENTS, shown_path
from craft.errors import UsageError


@click.command()
@click.argument("text", required=False, metavar="[TEXT FILE]")
@click.option(
    "--output", type=click.Path(path_type=Path), default=EXPERIMENTS, show_default=True, help="What to write."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(text: str | None, output: Path, force: bool) -> None:
    """Write an experiments file over a text of one's own: a file, a folder (its .txt files), or a quoted glob.

    Its sizes fit the text, and it runs as it is. Without a TEXT FILE it takes the sources of Python's own standard
    library.
    """
    from craft.config.scaffold import write_scaffold

    if output.is_dir():
        raise UsageError(f"{output} is a folder; name a file, such as --output {output / EXPERIMENTS}")
    if output.exists() and not force:
        raise UsageError(f"{output} is there already; --output NAME writes another file, --force writes over it")
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder; make it first")
    source = write_scaffold(output, text, shown_path(output.absolute()))
    click.echo(f"wrote {output}: experiment 'small' over {source.about}", err=True)
    click.echo(f"next: craft run {output} small", err=True)
