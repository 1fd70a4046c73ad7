"""`craft data prepare` and `craft data inspect`: a definition's text as training will see it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from craft.cli.common import complete_experiment, json_option, print_json
from craft.errors import UsageError
from craft.text import clean_line


@click.group()
def data() -> None:
    """Prepare the text of an experiment, turn texts into files of tokens, and look at what a batch holds."""


@data.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.argument("words", nargs=-1, metavar="[NAME or GLOB ...] [path=value ...]", shell_complete=complete_experiment)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Instead of an experiments file: a text, a folder of *.txt, .jsonl, .csv, .tsv or .parquet; repeatable.",
)
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="A new folder to write the tokens into."
)
@click.option(
    "--tokenizer",
    help="With --input: char, byte, bpe, sentencepiece, or a .model or tokenizer.json.  [default: char]",
)
@click.option("--vocab-size", type=click.IntRange(1), help="With --input: how many pieces bpe or sentencepiece learns.")
@click.option("--text-field", help="With --input: the key or column of the text.  [default: text]")
@click.option(
    "--val-fraction", type=click.FloatRange(0, 1, max_open=True), help="With --input: held out.  [default: 0.1]"
)
@json_option
def prepare(
    file: Path | None,
    words: tuple[str, ...],
    inputs: tuple[Path, ...],
    output: Path | None,
    tokenizer: str | None,
    vocab_size: int | None,
    text_field: str | None,
    val_fraction: float | None,
    as_json: bool,
) -> None:
    """Read and tokenize texts, and keep the tokens.

    The texts are those of the experiments of FILE: of all, or of those named. What is made serves every later run of
    the same text and tokenizer. Runs do this by themselves; here it is done beforehand.

    With --output the tokens are written as files: train.bin and val.bin, and the vocabulary, which data.type =
    "tokens" and nanoGPT read.

    \b
    craft data prepare experiments.toml small
    craft data prepare --input my.txt --output data/my
    craft data prepare --input chats.jsonl --text-field message.content --tokenizer bpe --output data/chats
    """
    import craft.data  # seconds of torch, which are not the text's
    from craft.cli import data_report as report
    from craft.cli import tokenizer_sources as sources
    from craft.cli.data_sources import of_inputs
    from craft.data.export import require_new

    if (file is None) == (not inputs):
        raise click.UsageError("name either a FILE of experiments or texts with --input")
    if file is not None:
        names = ("--tokenizer", "--vocab-size", "--text-field", "--val-fraction")
        given = (tokenizer, vocab_size, text_field, val_fraction)
        if wrong := [name for name, value in zip(names, given, strict=True) if value is not None]:
            raise click.UsageError(f"{wrong[0]} goes with --input; an experiments file says it itself, or path=value")
        jobs = sources.of_file(file, words)
    elif output is None:
        raise click.UsageError("--input needs --output, the folder to write the tokens into")
    else:
        jobs = [of_inputs(inputs, tokenizer or "char", vocab_size, text_field, val_fraction)]
    if output and len(jobs) > 1:
        raise UsageError(f"--output: {len(jobs)} different texts or tokenizers are meant; name one experiment")
    if output:
        require_new(output)
    for job in jobs:
        started = time.perf_counter()
        prepared = sources.prepare(job)
        seconds = time.perf_counter() - started
        facts = report.facts_of(job, prepared)
        lines = [report.told(job, prepared, seconds, place=not output)]
        if output:
            written = craft.data.write_tokens(prepared.splits, prepared.tokenizer, output)
            facts["written"] = report.written_facts(written, prepared, job.config.tokenizer.type)
            lines += report.written_lines(facts["written"])
        if as_json:
            print_json({"kind": "prepared", "seconds": round(seconds, 3), **facts})
        else:
            click.echo("\n".join(lines))


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
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
    from craft.cli import data_report as report
    from craft.cli import tokenizer_sources as sources
    from craft.config.experiments import load_experiments
    from craft.data import TrainBatches

    run, *others = load_experiments(file).plan([name], overrides)
    if others:
        click.echo(f"craft: {clean_line(name)} means {1 + len(others)} runs; this is the first", err=True)
    job = sources.of_run(run)
    config = job.config
    prepared = sources.prepare(job)
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
        print_json({"kind": "text", "steps": steps, **report.facts_of(job, prepared, batches)})
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
    lines = list(report.described(report.facts_of(job, prepared, batches)))
    epoch, window = places[sequence - 1]
    lines += [
        "",
        f"step {step:,} of {steps:,}: {len(places)} sequences of {config.data.context_length} tokens",
        "",
        f"sequence {sequence}: window {window:,} of epoch {epoch + 1}",
        *report.token_lines(prepared.tokenizer, inputs[sequence - 1], targets[sequence - 1]),
    ]
    rest = [number for number in range(1, len(places) + 1) if number != sequence]
    if rest:
        lines += ["", "the others begin:"]
        for number in rest:
            start = prepared.tokenizer.decode(inputs[number - 1][: report.WIDTH])
            lines.append(f"{number:>{report.LABEL - 2}}  {report.shown(start, report.WIDTH - report.LABEL)}")
    click.echo("\n".join(lines))
