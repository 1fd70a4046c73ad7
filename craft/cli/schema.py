"""`craft schema`: the JSON Schema of experiments files, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from craft.cli.common import shown_path
from craft.errors import UsageError


@click.command()
@click.option(
    "--write",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Put the schema where the experiments file FILE finds it: into .craft beside it.",
)
def schema(file: Path | None) -> None:
    """Print a JSON Schema of experiments files, for an editor's completion and help.

    An editor with TOML support reads it when the file's first line is

        #:schema ./.craft/experiments.schema.json
    """
    from craft.config.editor_schema import FIRST_LINE, editor_schema, write_editor_schema

    if file is None:
        click.echo(json.dumps(editor_schema(), indent=2))
        return
    if not file.is_file():
        raise UsageError(f"{file}: no such file; --write takes an experiments file ('craft init' writes one)")
    written = write_editor_schema(file)
    click.echo(f"wrote {shown_path(written.absolute())}", err=True)
    with file.open(encoding="utf-8", errors="replace") as lines:
        named = any(line.strip() == FIRST_LINE for line in lines)
    if not named:
        click.echo(f"make this the first line of {file}, so that editors find it:\n\n    {FIRST_LINE}", err=True)
