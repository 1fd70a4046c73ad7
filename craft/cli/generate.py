"""`craft generate`: let a checkpoint write."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import find_run, json_option, print_json, run_argument, runs_dir_option
from craft.errors import CraftError

if TYPE_CHECKING:
    from craft.config.schema import ExperimentConfig


@click.command()
@run_argument(required=False)
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkpoint's folder instead of a run.",
)
@click.option("--prompt", "prompts", multiple=True, help="Text to go on from; may be given several times.")
@click.option("--max-new-tokens", type=int, help="Tokens to write.")
@click.option("--temperature", type=float, help="1 is the model's own distribution, 0 the likeliest token always.")
@click.option("--top-k", type=int, help="Only this many of the likeliest tokens; 0 is all.")
@click.option("--top-p", type=float, help="Only the likeliest tokens that hold this much probability; 1 is all.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Same seed, same text.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps or auto.")
@runs_dir_option
@json_option
def generate(
    name: str | None,
    checkpoint: Path | None,
    prompts: tuple[str, ...],
    max_new_tokens: int | None,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int | None,
    device: str,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Let a checkpoint write, token by token.

    RUN is a run's name, an experiment's (its newest run), or a path; `RUN@best`, `RUN@latest` or `RUN@STEP` chooses
    the checkpoint. What is not given is as the definition's [generation] says.

    \b
    craft generate small-001 --prompt 'def '
    craft generate small@best --temperature 0 --max-new-tokens 50
    """
    # Settings are checked before torch is imported: a slip of the pen is answered at once.
    path, run_name, config = _find(name, checkpoint, runs_dir)
    defaults = config.generation
    from craft.generation.settings import SamplingSettings

    given: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
    }
    settings = SamplingSettings(
        max_new_tokens=defaults.max_new_tokens,
        temperature=defaults.temperature,
        top_k=defaults.top_k,
        top_p=defaults.top_p,
        seed=config.seed,
    )
    settings = dataclasses.replace(settings, **{key: value for key, value in given.items() if value is not None})

    from craft.generation.checkpoint import load_checkpoint
    from craft.text import clean

    for tries_left in reversed(range(10)):
        try:
            loaded = load_checkpoint(path, device)
            break
        except CraftError:
            # A run that trains on saves and tidies up meanwhile: then @latest is another checkpoint by now.
            if path.is_dir() or not tries_left or checkpoint is not None:
                raise
            path, run_name, config = _find(name, checkpoint, runs_dir)
    for prompt in prompts or tuple(defaults.prompts):
        stream = loaded.stream(prompt, settings)
        if not as_json:
            first = next(stream, "")  # a prompt that cannot be encoded is refused before anything is printed
            sys.stdout.write(clean(prompt + first))
            for piece in stream:
                sys.stdout.write(clean(piece))
                sys.stdout.flush()
            sys.stdout.write("\n")
            continue
        print_json(
            {
                "run": run_name,
                "step": int(path.name.removeprefix("step-")) if path.name.startswith("step-") else None,
                "prompt": prompt,
                "text": "".join(stream),
                **dataclasses.asdict(settings),
            }
        )


def _find(
    name: str | None, checkpoint: Path | None, runs_dir: Path | None
) -> tuple[Path, str | None, ExperimentConfig]:
    """The checkpoint folder that the arguments mean, the run's name, and the definition.

    A run that trains on may tidy the checkpoint up at any moment; then there is a newer one.
    """
    from craft.config.definition import load_definition

    while True:
        path, run_name = _checkpoint_of(name, checkpoint, runs_dir)
        try:
            return path, run_name, load_definition(path / "experiment.toml")[1]
        except CraftError:
            if path.is_dir() or checkpoint is not None:
                raise


def _checkpoint_of(name: str | None, checkpoint: Path | None, runs_dir: Path | None) -> tuple[Path, str | None]:
    """The checkpoint folder that the arguments mean, and the run's name."""
    from craft.runs.checkpoints import resolve

    if (name is None) == (checkpoint is None):
        raise click.UsageError("name either a RUN or a --checkpoint")
    if checkpoint is not None:
        return checkpoint.resolve(), None
    assert name is not None
    run_part, at, which = name.rpartition("@")
    if not at:
        run_part, which = name, "latest"
    folder = find_run(run_part, runs_dir)
    return resolve(folder, which).path, folder.name
