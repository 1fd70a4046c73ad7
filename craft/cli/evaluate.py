"""`craft evaluate`: measure a checkpoint anew, and how fast it writes."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import find_run, json_option, print_json, run_and_which, run_argument, runs_dir_option
from craft.errors import CraftError
from craft.text import clean_line, shorten

if TYPE_CHECKING:
    from craft.cli.terminal import Screen
    from craft.training.evaluate_checkpoint import CheckpointEvaluation, Measured
    from craft.training.inference_speed import InferenceSpeed

# Seconds between two looks at a long split: of a line that moves, and where standard error is no terminal.
_MOVES_EVERY, _SAID_EVERY = 0.1, 10.0


@click.command()
@run_argument(required=False)
@click.argument("overrides", nargs=-1, metavar="[path=value ...]")
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, path_type=Path),
    help="A checkpoint instead of a run: a folder or a file.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    type=click.Choice(["train", "val", "test"]),
    help="What is measured; may be given several times.  [default: val]",
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Any text, instead of the run's data; may be given several times.",
)
@click.option("--device", help="cpu, cuda, cuda:1, mps or auto, instead of the one that the run chose.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
    help="The arithmetic, instead of the one that the run chose; int8 is of the weights, on a CPU.",
)
@click.option("--speed/--no-speed", default=True, show_default=True, help="Whether reading and writing are timed too.")
@click.option("--now", is_flag=True, help="Let a run that trains measure itself as it stands, at the end of its step.")
@runs_dir_option
@json_option
def evaluate(
    name: str | None,
    overrides: tuple[str, ...],
    checkpoint: Path | None,
    splits: tuple[str, ...],
    texts: tuple[Path, ...],
    device: str | None,
    precision: str | None,
    speed: bool,
    now: bool,
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Measure a checkpoint: loss, perplexity, accuracy of the next token, bits a byte, and figures of your own.

    They are the figures of training's own evaluation, to the last digit; where they cannot be, it is said why. Then
    how fast the model reads and writes, with 1, 4 and 16 texts at once.

    RUN is a run's name, an experiment's (its newest run), or a path; `RUN@best`, `RUN@latest` or `RUN@STEP` chooses
    the checkpoint. path=value says where the data is by now, as data.path=FILE for a run that was copied.

    With --now the run's own worker measures the validation split at the end of its step, and trains on. That changes
    nothing of its course.

    \b
    craft evaluate small-001
    craft evaluate small@best --split val --split test --no-speed
    craft evaluate small-001 --text other.txt
    """
    if name is not None and "=" in name and checkpoint is not None:
        overrides = (name, *overrides)
        name = None
    if (name is None) == (checkpoint is None):
        raise click.UsageError("name either a RUN or a --checkpoint")
    if splits and texts:
        raise click.UsageError("--split measures the run's data, and --text something else; give one of them")
    if now:
        if checkpoint or overrides or splits or texts or device or precision:
            raise click.UsageError("--now asks the run as it trains, and takes nothing but --json and --runs-dir")
        from craft.cli.evaluate_now import evaluate_now

        assert name is not None
        return evaluate_now(find_run(name, runs_dir), as_json=as_json)
    # A name that leads nowhere is answered before torch is imported.
    path = checkpoint or _find(name, runs_dir)

    from craft import platform
    from craft.cli.terminal import Screen
    from craft.training.evaluate_checkpoint import CheckpointEvaluation

    platform.keep_freed_memory()
    screen = Screen(sys.stderr)
    for tries_left in reversed(range(10)):
        try:
            evaluation = CheckpointEvaluation(
                path,
                overrides=overrides,
                device=device,
                precision=precision,
                progress=lambda line: screen.redraw(shorten(line, screen.width, ascii_only=not screen.unicode)),
                warn=lambda line: screen.line(f"craft: {clean_line(line)}", "yellow"),
            )
            break
        except CraftError:
            # A run that trains on saves and tidies up meanwhile: then @latest is another checkpoint by now.
            if path.exists() or not tries_left or checkpoint is not None:
                raise
            path = _find(name, runs_dir)
    said = _Said(evaluation, screen, as_json)
    try:
        wanted = [] if texts else list(dict.fromkeys(splits or ("val",)))
        for split in wanted:
            evaluation.require(split)  # all of them, before any is measured
        said.conditions()
        for split in wanted:
            said.measured(evaluation.measure(split, _Progress(screen, split).advance))
        for file in texts:
            said.measured(evaluation.measure_text(file, _Progress(screen, str(file)).advance))
        if speed:
            _time(evaluation, said)
    finally:
        screen.erase()
    return 0


def _find(name: str | None, runs_dir: Path | None) -> Path:
    """The checkpoint's folder that RUN means."""
    from craft.runs.checkpoints import passed_over, resolve

    assert name is not None
    run, which = run_and_which(name)
    folder = find_run(run, runs_dir)
    found = resolve(folder, which)
    if which == "latest" and (words := passed_over(folder, found)):
        sys.stderr.write(f"craft: {clean_line(words)}\n")
    return found.path


def _time(evaluation: CheckpointEvaluation, said: _Said) -> None:
    from craft.training.inference_speed import BATCH_SIZES

    found = []
    for batch_size in BATCH_SIZES:
        said.screen.redraw(f"timing {batch_size} text{'s' if batch_size > 1 else ''} at once")
        found.append(evaluation.measure_speed(batch_size))
        said.timed(found[-1])
    said.speeds(found)


class _Progress:
    """How far a split is, on standard error: a moving line, or one now and then where nothing can move."""

    def __init__(self, screen: Screen, what: str) -> None:
        self.screen, self.what = screen, clean_line(what)
        self.started = self.said = time.monotonic()

    def advance(self, done: int, of: int) -> None:
        """So many batches are done."""
        now = time.monotonic()
        if now - self.said < (_MOVES_EVERY if self.screen.live else _SAID_EVERY) or done == of:
            return
        self.said = now
        from craft.analysis.numbers import format_duration, format_percent

        left = format_duration((now - self.started) / done * (of - done))
        line = f"{self.what}: {format_percent(done / of)}, {done:,} of {of:,} batches, {left} left"
        if self.screen.live:
            self.screen.redraw(shorten(line, self.screen.width, ascii_only=not self.screen.unicode))
        else:
            self.screen.line(line)


class _Said:
    """What is printed: lines for a person, or an object a line."""

    def __init__(self, evaluation: CheckpointEvaluation, screen: Screen, as_json: bool) -> None:
        self.evaluation, self.screen, self.as_json = evaluation, screen, as_json
        conditions = evaluation.conditions
        self._unsaid = conditions.differs
        self.common: dict[str, Any] = {
            "run": evaluation.run.name if evaluation.run is not None else None,
            "step": evaluation.step,
            "checkpoint": str(evaluation.loaded.path.absolute()),
            "device": str(conditions.device),
            "precision": conditions.precision,
            "threads": conditions.threads,
        }

    def conditions(self) -> None:
        """What is measured, and how."""
        conditions = self.evaluation.conditions
        for remark in self.evaluation.loaded.remarks:
            self.screen.line(f"craft: {clean_line(remark)}", "yellow")
        if not self.as_json:
            threads = f", {conditions.threads} thread{'s' if conditions.threads > 1 else ''}"
            on = f"{conditions.device}{threads if conditions.device.type == 'cpu' else ''}"
            self._print(f"{clean_line(self.evaluation.title)}: {conditions.precision} on {on}")

    def measured(self, found: Measured) -> None:
        """The figures of a split or a text; on standard error, why they may be others than training's."""
        if found.is_split and not found.repeated:  # where they are the same, nothing has kept them from it
            for reason in self._unsaid:
                line = f"craft: these may not be training's own figures to the last digit: {clean_line(reason)}"
                self.screen.line(line, "yellow")
            self._unsaid = ()
        if self.as_json:
            self._print_json(
                {
                    "kind": (kind := "split" if found.is_split else "text"),
                    **self.common,
                    kind: found.name,
                    **found.figures,
                    "tokens": found.tokens,
                    "bytes": found.bytes or None,
                    "window": found.window,
                    "seconds": round(found.seconds, 3),
                    "recorded": found.recorded or None,
                    "same_as_recorded": found.repeated,
                    "differs": list(self.evaluation.conditions.differs),
                }
            )
            return
        for line in _lines(found):
            self._print(line)
        if found.repeated is False:
            recorded = ", ".join(f"{clean_line(name)} {value!r}" for name, value in found.recorded.items())
            self._print(f"{'':<6}training itself recorded {recorded}")
        elif found.repeated:
            self._print(f"{'':<6}as training recorded them, to the last digit")

    def timed(self, one: InferenceSpeed) -> None:
        """The figures of one batch size, as an object."""
        if self.as_json:
            import dataclasses

            self._print_json({"kind": "speed", **self.common, **dataclasses.asdict(one)})

    def speeds(self, found: list[InferenceSpeed]) -> None:
        """The figures of all, as a table."""
        if self.as_json:
            return
        from craft.analysis.numbers import format_bytes, format_count
        from craft.cli.table import Column, render_table

        first = found[0]
        self._print("")
        lengths = f"{first.prompt_tokens} tokens of prompt and {first.new_tokens} to write"
        self._print(f"speed in {self.common['precision']}, with {lengths}")
        columns = [
            Column("TEXTS", [str(one.batch_size) for one in found]),
            Column("READS TOK/S", [format_count(one.prompt_tokens_per_second) for one in found]),
            Column("FIRST TOKEN", [_milliseconds(one.first_token_ms) for one in found]),
            Column("A TOKEN", [_milliseconds(one.token_ms) for one in found]),
            Column("95 %", [_milliseconds(one.token_ms_p95) for one in found]),
            Column("WRITES TOK/S", [format_count(one.new_tokens_per_second) for one in found]),
            Column("PEAK MEMORY", [format_bytes(one.peak_memory_bytes) for one in found], rank=1),
        ]
        for line in render_table(columns, None):
            self._print(line)

    def _print(self, line: str) -> None:
        self.screen.erase()
        click.echo(line)

    def _print_json(self, record: dict[str, Any]) -> None:
        self.screen.erase()
        print_json(record)


# The figures that every evaluation has, with their words; what is more is a person's own.
_WORDS = ("loss", "perplexity", "accuracy", "bits_per_byte")


def _lines(found: Measured) -> list[str]:
    from craft.analysis.numbers import format_duration, format_loss, format_number

    figures = found.figures
    words = [
        f"loss {format_loss(figures['loss'])}",
        f"perplexity {format_loss(figures['perplexity'])}",
        f"accuracy {100 * figures['accuracy']:.2f}%",
    ]
    if "bits_per_byte" in figures:
        words.append(f"{format_number(figures['bits_per_byte'])} bits/byte")
    own = [f"{clean_line(name)} {format_number(value)}" for name, value in figures.items() if name not in _WORDS]
    of_bytes = f" of {found.bytes:,} bytes" if found.bytes else ""
    where = f"{found.tokens:,} tokens{of_bytes}, in windows of {found.window}"
    if (took := format_duration(found.seconds)) != "0s":
        where += f", in {took}"
    # A path may be long: it stands on a line of its own.
    lines = (
        [f"{found.name:<5} {'  '.join(words)}"]
        if found.is_split
        else [clean_line(found.name), f"{'':<6}{'  '.join(words)}"]
    )
    if own:
        lines.append(f"{'':<6}{'  '.join(own)}")
    return [*lines, f"{'':<6}{where}"]


def _milliseconds(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"
