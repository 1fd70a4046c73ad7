"""`craft data prepare` and `craft data inspect`: a definition's text as training will see it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import complete_experiment, json_option, print_json
from craft.errors import UsageError
from craft.text import clean_line, fit, shorten, shows_unicode, width_of

if TYPE_CHECKING:
    from craft.cli.terminal import Screen
    from craft.config.experiments import PlannedRun
    from craft.data import PreparedData, Tokenizer, TrainBatches

_WIDTH = 80  # columns of what is printed; a pipe and a wide screen get the same
_LABEL = 12  # of these, for the words on the left


@click.group()
def data() -> None:
    """Prepare the text of an experiment, and look at what a batch of it holds."""


_file = click.argument("file", type=click.Path(path_type=Path))


@data.command()
@_file
@click.argument("words", nargs=-1, metavar="[NAME or GLOB ...] [path=value ...]", shell_complete=complete_experiment)
@json_option
def prepare(file: Path, words: tuple[str, ...], as_json: bool) -> None:
    """Read and tokenize texts, and keep the tokens.

    The texts are those of the experiments of FILE: of all, or of those named. What is made serves every later run of
    the same text and tokenizer. Runs do this by themselves; here it is done beforehand.
    """
    import craft.data  # noqa: F401 - seconds of torch, which are not the text's
    from craft.cli.terminal import Screen

    screen = Screen(sys.stderr)
    names = [word for word in words if "=" not in word]
    done: set[str] = set()
    for run in _plan(file, names, [word for word in words if "=" in word]):
        # Experiments that differ in their models only share their tokens.
        what = f"{run.config.data!r} {run.config.tokenizer!r}"
        if what not in done:
            done.add(what)
            started = time.perf_counter()
            prepared = _prepare(run, screen)
            seconds = time.perf_counter() - started
            if as_json:
                print_json({"kind": "prepared", "seconds": round(seconds, 3), **_facts(run, prepared)})
            else:
                click.echo(_made(run, prepared, seconds))


@data.command()
@_file
@click.argument("name", shell_complete=complete_experiment)
@click.argument("overrides", nargs=-1, metavar="[path=value ...]")
@click.option("--step", default=1, show_default=True, type=click.IntRange(1), help="The optimizer step.")
@click.option(
    "--sequence", default=1, show_default=True, type=click.IntRange(1), help="Which one is shown token by token."
)
@json_option
def inspect(file: Path, name: str, overrides: tuple[str, ...], step: int, sequence: int, as_json: bool) -> None:
    """Show what a batch holds, token by token.

    Before it stands what the text of the experiment NAME amounts to. Under each token stand its id and its target,
    the id of the token that the model has to predict there. With --json one object tells of the text and then one of
    each sequence.
    """
    from craft.cli.terminal import Screen
    from craft.data import TrainBatches

    run, *others = _plan(file, [name], overrides)
    if others:
        click.echo(f"craft: {clean_line(name)} means {1 + len(others)} runs; this is the first", err=True)
    config = run.config
    prepared = _prepare(run, Screen(sys.stderr))
    batches = TrainBatches(
        prepared.splits["train"],
        batch_size=config.training.batch_size,
        shuffle=config.data.shuffle,
        seed=config.seed,
        max_epochs=config.training.max_epochs,
    )
    steps = batches.total_steps(config.training)
    if step > steps:
        raise UsageError(f"--step {step}: the run ends with step {steps}")
    places = [(epoch, int(window)) for epoch, windows in batches.windows(step) for window in windows]
    if sequence > len(places):
        raise UsageError(f"--sequence {sequence}: the batch of step {step} holds {len(places)} sequences")
    inputs, targets = (tensor.tolist() for tensor in batches.batch(step))
    if as_json:
        print_json({"kind": "text", "steps": steps, **_facts(run, prepared, batches)})
        for number, (epoch, window) in enumerate(places, 1):
            tokens = inputs[number - 1]
            print_json(
                {
                    "kind": "sequence",
                    "step": step,
                    "sequence": number,
                    "epoch": epoch + 1,
                    "window": window,
                    "inputs": tokens,
                    "targets": targets[number - 1],
                    "pieces": [prepared.tokenizer.piece(token) for token in tokens],
                }
            )
        return
    lines = list(_describe(_facts(run, prepared, batches)))
    epoch, window = places[sequence - 1]
    lines += [
        "",
        f"step {step:,} of {steps:,}: {len(places)} sequences of {config.data.context_length} tokens",
        "",
        f"sequence {sequence}: window {window:,} of epoch {epoch + 1}",
        *_token_lines(prepared.tokenizer, inputs[sequence - 1], targets[sequence - 1]),
    ]
    rest = [number for number in range(1, len(places) + 1) if number != sequence]
    if rest:
        lines += ["", "the others begin:"]
        for number in rest:
            start = prepared.tokenizer.decode(inputs[number - 1][:_WIDTH])
            lines.append(f"{number:>{_LABEL - 2}}  {_shown(start, _WIDTH - _LABEL)}")
    click.echo("\n".join(lines))


def _plan(file: Path, names: list[str], overrides: tuple[str, ...] | list[str]) -> list[PlannedRun]:
    from craft.config.experiments import load_experiments

    return load_experiments(file).plan(names, overrides)


def _prepare(run: PlannedRun, screen: Screen) -> PreparedData:
    from craft.config.plugins import code_dir
    from craft.data import prepare

    try:
        return prepare(
            run.config,
            progress=lambda line: screen.redraw(f"{run.experiment}: {line}"),
            warn=lambda line: screen.line(f"craft: {clean_line(line)}", "yellow"),
            search=code_dir(run.source.absolute()),
        )
    finally:
        screen.erase()


# What the text amounts to -----------------------------------------------------------------------------------------


def _facts(run: PlannedRun, prepared: PreparedData, batches: TrainBatches | None = None) -> dict[str, Any]:
    """What is known of a prepared text, as plain values."""
    meta = prepared.meta
    facts: dict[str, Any] = {
        "experiment": run.experiment,
        "data": run.config.data.type,
        "tokenizer": run.config.tokenizer.type,
        "vocab_size": prepared.tokenizer.vocab_size,
        "content": prepared.corpus_hash,
        "made": prepared.made,
        "path": str(meta.path) if meta and prepared.kept else None,
    }
    if meta:
        facts |= {
            "source": meta.source,
            "documents": meta.num_documents,
            "left_out": meta.num_left_out,
            "bytes": meta.num_bytes,
            "tokens": meta.num_tokens,
        }
    facts["splits"] = {
        name: {"targets": split.num_target_tokens, "windows": split.num_eval_windows}
        for name, split in prepared.splits.items()
    }
    if batches:
        facts["splits"]["train"]["windows"] = batches.num_windows
        facts["steps_per_epoch"] = batches.steps_per_epoch()
    facts["context_length"] = run.config.data.context_length
    return facts


def _describe(facts: dict[str, Any]) -> Iterator[str]:
    """The same in lines."""
    yield _shown(f"{facts['experiment']}: data {facts['data']}, tokenizer {facts['tokenizer']}", _WIDTH)
    if "source" in facts:
        yield _labelled("source", facts["source"])
        left_out = f", {facts['left_out']:,} left out that hold more than ASCII" if facts["left_out"] else ""
        yield _labelled("documents", f"{facts['documents']:,}{left_out}")
        yield _labelled("text", f"{facts['bytes']:,} bytes, {facts['tokens']:,} tokens")
    yield _labelled("vocabulary", f"{facts['vocab_size']:,} tokens")
    for name, split in facts["splits"].items():
        epoch = f", {facts['steps_per_epoch']:,} steps an epoch" if name == "train" else ""
        targets = "" if split["targets"] is None else f"{split['targets']:,} targets in "
        yield _labelled(name, f"{targets}{split['windows']:,} windows{epoch}")
    yield _labelled("content", f"sha256 {facts['content'][:16]}")
    if facts["path"]:
        yield _labelled("kept in", facts["path"])


def _shown(text: str, width: int) -> str:
    """Text that is not ours, on one line of at most `width` columns, as this terminal can show it."""
    return shorten(text, width, ascii_only=not shows_unicode(sys.stdout))


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}{_shown(text, _WIDTH - _LABEL - 2)}"


def _made(run: PlannedRun, prepared: PreparedData, seconds: float) -> str:
    """What was prepared, in how long, and where it is."""
    from craft.analysis.numbers import format_bytes, format_rate

    name, meta = clean_line(run.experiment), prepared.meta
    if meta is None:
        return f"{name}: a dataset of one's own is not kept; it was made in {seconds:.1f} s"
    documents = f"{meta.num_documents:,} document{'' if meta.num_documents == 1 else 's'}"
    what = f"{format_bytes(meta.num_bytes)}, {documents}, {meta.num_tokens:,} tokens"
    if not prepared.made:
        return f"{name}: {what}: prepared before\n  {clean_line(str(meta.path))}"
    rate = format_rate(meta.num_bytes / 1e6 / seconds, "MB/s")
    kept = clean_line(str(meta.path)) if prepared.kept else "not kept"
    return f"{name}: {what}: prepared in {seconds:.2f} s, {rate}\n  {kept}"


# Token by token ---------------------------------------------------------------------------------------------------


class _Marks:
    """Pieces of text as they can be seen: blanks and controls as marks."""

    def __init__(self) -> None:
        self.ascii_only = not shows_unicode(sys.stdout)
        self.blank = "SP" if self.ascii_only else "\N{OPEN BOX}"

    def of(self, piece: str) -> str:
        """One line, nothing invisible; cleaned."""
        return clean_line(piece, ascii_only=self.ascii_only).replace(" ", self.blank)


def _token_lines(tokenizer: Tokenizer, inputs: list[int], targets: list[int]) -> Iterator[str]:
    """Three lines for as many tokens as fit side by side: piece, id, target."""
    from craft.data.datasets import IGNORED

    marks = _Marks()
    rows = {
        "piece": [marks.of(tokenizer.piece(token)) for token in inputs],
        "id": [str(token) for token in inputs],
        "target": ["-" if token == IGNORED else str(token) for token in targets],
    }
    cell = 1 + max(3, *(width_of(text) for texts in rows.values() for text in texts))
    across = max(1, (_WIDTH - _LABEL) // cell)
    across -= across % 8 if across > 8 else 0
    for start in range(0, len(inputs), across):
        if start:
            yield ""
        for label, texts in rows.items():
            place = f"{start:>4} " if label == "piece" else " " * 5
            cells = "".join(fit(text, cell, align="right") for text in texts[start : start + across])
            yield f"{place}{label:>6}{cells}"
