"""`craft show FILE NAME`: an experiment as it would run, with the line each value comes from."""

from __future__ import annotations

from pathlib import Path

import click

from craft.cli.common import complete_experiment, json_option, print_json


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name", shell_complete=complete_experiment)
@click.argument("overrides", nargs=-1, metavar="[PATH=VALUE]...")
@json_option
def show(file: Path, name: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show the resolved definition of the experiment NAME (or of all that a glob names) in FILE.

    The output is an experiments file itself: nothing in it is left to defaults, and a comment beside each value
    says where it comes from. With --json all runs of a sweep are shown, else the first.
    """
    from craft.config.annotate import annotated
    from craft.config.definition import settings_of
    from craft.config.experiments import load_experiments

    runs = load_experiments(file).plan([name], overrides)
    if not as_json:
        click.echo(annotated(runs), nl=False)
        return
    for run in runs:
        origins = {
            path: {**origin._asdict(), "file": str(origin.file) if origin.file else None}
            for path, origin in run.origins.items()
        }
        shown = {
            "experiment": run.experiment,
            "group": run.group,
            "axes": run.axes,
            "definition": settings_of(run.config),
            "origins": origins,
        }
        print_json(shown)
