"""`craft validate FILE`: whether each experiment can run as it is written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import json_option, print_json
from craft.errors import ConfigError

if TYPE_CHECKING:
    from craft.config.experiments import PlannedRun


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def validate(context: click.Context, file: Path, as_json: bool) -> None:
    """Check an experiments file, and count the runs of each experiment.

    All that is wrong is shown at once, with its line and column; with --json, a problem a line on standard output.
    Exit status 0 when all is well, else 2.
    """
    from craft.config.experiments import load_experiments

    try:
        runs = load_experiments(file).plan()
        _check_own_code(runs)
    except ConfigError as error:
        if not as_json:
            raise
        for problem in error.problems:
            print_json(problem.as_json())
        context.exit(error.exit_status)
    for name, count in Counter(run.experiment for run in runs).items():
        if as_json:
            print_json({"experiment": name, "ok": True, "runs": count})
        else:
            click.echo(f"{name}: OK, {count:,} {'run' if count == 1 else 'runs'}")


def _check_own_code(runs: list[PlannedRun]) -> None:
    """Import the classes that the definitions name. Raises ConfigError with all that is wrong about them."""
    from craft.config.plugins import needs_import

    if not any(needs_import(run.config) for run in runs):
        return
    from craft.training.own_code import own_code_problems

    if problems := own_code_problems(runs):
        raise ConfigError(problems=problems)
