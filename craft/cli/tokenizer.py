"""`craft tokenizer train` and `craft tokenizer inspect`: pieces learnt from a text, and what they make of one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import complete_experiment, json_option, print_json, runs_dir_option, shown_path
from craft.errors import UsageError
from craft.text import clean_line

if TYPE_CHECKING:
    from craft.cli.tokenizer_sources import Job
    from craft.data import PreparedData

_SIZED = ("sentencepiece", "bpe")


@click.group()
def tokenizer() -> None:
    """Learn a vocabulary from a text, and look at what it makes of one."""


@tokenizer.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.argument("words", nargs=-1, metavar="[NAME or GLOB ...] [path=value ...]", shell_complete=complete_experiment)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A text, a folder of *.txt or a glob, instead of an experiments file; may be given several times.",
)
@click.option(
    "--type", "kind", type=click.Choice(_SIZED), default="sentencepiece", show_default=True, help="With --input."
)
@click.option("--vocab-size", type=click.IntRange(1), help="With --input: how many pieces.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="The folder to write the pieces into.")
@json_option
def train(
    file: Path | None,
    words: tuple[str, ...],
    inputs: tuple[Path, ...],
    kind: str,
    vocab_size: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Learn the vocabularies of experiments, or of a text, and keep them.

    A run does this by itself when it starts; here it is done beforehand, and with --output into a file that other
    definitions can name as tokenizer.path.

    \b
    craft tokenizer train experiments.toml small tokenizer.vocab_size=4096
    craft tokenizer train --input my.txt --type bpe --vocab-size 4096 --output pieces
    """
    from craft.cli import tokenizer_sources as sources

    if (file is None) == (not inputs):
        raise click.UsageError("name either a FILE of experiments or a text with --input")
    if inputs:
        jobs = [sources.of_text(inputs, kind, vocab_size)]
    else:
        assert file is not None
        jobs = sources.of_file(file, words)
    if output and len(jobs) > 1:
        raise UsageError(f"--output: {len(jobs)} different tokenizers are meant; name one experiment")
    for job in jobs:
        started = time.perf_counter()
        prepared = sources.prepare(job)
        seconds = time.perf_counter() - started
        written = _export(prepared, output) if output else None
        facts = _trained(job, prepared, written)
        if as_json:
            print_json({"kind": "trained", "seconds": round(seconds, 3), **facts})
        else:
            click.echo(_told(facts, seconds, prepared.made))


def _export(prepared: PreparedData, folder: Path) -> Path:
    """Write the pieces where nothing is overwritten."""
    made = prepared.tokenizer
    for name in ("tokenizer.model", "tokenizer.json"):
        if (folder / name).exists():
            raise UsageError(f"{folder / name} is there already; take it away, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = made.export(folder)
    if written is None:
        raise UsageError(
            f"--output: a {made.type} vocabulary has no file of its own: each run takes it from its text, and keeps it "
            "with every checkpoint"
        )
    return written


def _trained(job: Job, prepared: PreparedData, written: Path | None) -> dict[str, Any]:
    meta = prepared.meta
    limit = None if getattr(job.config.tokenizer, "path", "") else getattr(job.config.tokenizer, "train_chars", None)
    return {
        "experiment": job.name or None,
        "tokenizer": job.config.tokenizer.type,
        "vocab_size": prepared.tokenizer.vocab_size,
        "lossy": prepared.tokenizer.lossy or None,
        "bytes": meta.num_bytes if meta else None,
        "tokens": meta.num_tokens if meta else None,
        "bytes_per_token": meta.num_bytes / meta.num_tokens if meta else None,
        "learnt_from": min(meta.num_bytes, limit) if meta and limit else None,
        "made": prepared.made,
        "kept": str(meta.path) if meta and prepared.kept else None,
        "path": str(written.absolute()) if written else None,
    }


def _told(facts: dict[str, Any], seconds: float, made: bool) -> str:
    """The same in lines."""
    from craft.analysis.numbers import format_bytes

    name = f"{facts['experiment']}: " if facts["experiment"] else ""
    when = f"in {seconds:.2f} s" if made else "before"
    lines = [f"{name}{facts['tokenizer']}, {facts['vocab_size']:,} tokens, made {when}"]
    if facts["tokens"]:
        per_token = f"{facts['bytes_per_token']:.2f} bytes a token"
        lines.append(f"  {format_bytes(facts['bytes'])} of text are {facts['tokens']:,} tokens, {per_token}")
    if facts["learnt_from"] and facts["learnt_from"] < facts["bytes"]:
        lines.append(
            f"  learnt from {facts['learnt_from']:,} characters of it, spread evenly; tokenizer.train_chars takes more"
        )
    if facts["path"]:
        path = Path(facts["path"])
        lines.append(f"  wrote {shown_path(path)}; a definition reads it with")
        lines.append(f'  tokenizer = {{ type = "{facts["tokenizer"]}", path = "{shown_path(path)}" }}')
    return "\n".join(map(clean_line, lines))


@tokenizer.command()
@click.argument("what", metavar="RUN or FILE")
@click.argument("words", nargs=-1, metavar="[NAME] [path=value ...]")
@click.option("--text", help="A text to take apart; else some of the text it was made for.")
@click.option(
    "--file", "text_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The same from a file."
)
@runs_dir_option
@json_option
def inspect(
    what: str,
    words: tuple[str, ...],
    text: str | None,
    text_file: Path | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Show what a tokenizer makes of a text: its pieces, bytes a token, how much of the vocabulary is used.

    The tokenizer is that of a run (RUN@STEP is one of its checkpoints), of the experiment NAME of an experiments file,
    or a tokenizer.json, a .model, or a folder that holds one.

    \b
    craft tokenizer inspect small-001 --text 'def hello():'
    craft tokenizer inspect experiments.toml small
    craft tokenizer inspect pieces/tokenizer.model --file my.txt
    """
    from craft.cli.tokenizer_report import Report
    from craft.cli.tokenizer_sources import find

    if text is not None and text_file is not None:
        raise click.UsageError("give either --text or --file")
    if text_file is not None:
        try:
            text = text_file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"{text_file}: not UTF-8: {error.reason} at byte {error.start:,}") from error
    told = Report(find(what, words, runs_dir), text)
    if as_json:
        for record in told.records():
            print_json(record)
    else:
        sys.stdout.write("\n".join(told.lines(sys.stdout)) + "\n")
