"""`craft sample`: let a run that trains write now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.asking import asking_for, exit_status, is_picked
from craft.cli.common import find_runs, group_option, json_option, print_json, runs_argument, runs_dir_option

if TYPE_CHECKING:
    from craft.runs.asking import Answer
    from craft.runs.folder import RunFolder


@click.command()
@runs_argument()
@group_option
@runs_dir_option
@json_option
def sample(names: tuple[str, ...], group: str | None, runs_dir: Path | None, as_json: bool) -> int:
    """Let runs that train write from their prompts at the end of their step, and print the texts.

    The prompts and settings are those of its sample_text callbacks, or else of [generation]. The texts stay in the
    run's folder too. 'craft generate' writes from a checkpoint, with any prompt.
    """

    def tell(folder: RunFolder, answer: Answer) -> str:
        texts = _texts_of(folder, answer.step)
        if as_json:
            for text in texts:
                print_json({"kind": "sample", "run": folder.name, **text})
        else:
            _print(texts)
        return f"wrote {len(texts)} text{'' if len(texts) == 1 else 's'} at step {answer.step}"

    asking = asking_for("sample", "write", tell)
    asking.ask(find_runs(names, group, runs_dir))
    return exit_status(asking, picked=is_picked(names, group))


def _texts_of(folder: RunFolder, step: int) -> list[dict[str, object]]:
    from craft.runs.events import read_samples

    return [text for text in read_samples(folder) if text["step"] == step]


def _print(texts: list[dict[str, object]]) -> None:
    from craft.text import clean

    for number, text in enumerate(texts):
        if number:
            click.echo("--")
        click.echo(clean(f"{text.get('prompt', '')}{text.get('text', '')}"))
