"""The question before something is destroyed."""

from __future__ import annotations

import sys

import click

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, *, yes: bool) -> None:
    """Return when it may be done: `--yes` was given, or a person says so. Raises Abort when they do not.

    Raises UsageError where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        from craft.errors import UsageError

        raise UsageError("nothing was deleted: there is no terminal to ask in; --yes does it without asking")
    if not click.confirm(question, err=True):
        sys.stderr.write("nothing was deleted\n")
        raise click.Abort
