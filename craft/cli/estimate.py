"""`craft estimate FILE NAME`: what an experiment costs, and whether it fits this machine, before it runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import complete_experiment, json_option, print_json, say

if TYPE_CHECKING:
    from craft.analysis.dry_runs import DryRunResult
    from craft.config.estimate import Range
    from craft.config.experiments import PlannedRun
    from craft.launch.costs import Costs
    from craft.launch.dry_run import Progress

_LABEL = 32  # columns of the words on the left
_MEMORY = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "activations": "activations",
    "logits": "logits and loss",
}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name", shell_complete=complete_experiment)
@click.argument("overrides", nargs=-1, metavar="[PATH=VALUE]...")
@click.option("--measure", is_flag=True, help="Train a few real steps and show what they really take; nothing stays.")
@click.option("--runs-dir", type=click.Path(file_okay=False, path_type=Path), help="Past runs; else as FILE says.")
@json_option
def estimate(
    file: Path, name: str, overrides: tuple[str, ...], measure: bool, runs_dir: Path | None, as_json: bool
) -> None:
    """Show the parameters, FLOPs, memory and time of the experiment NAME in FILE, and whether it fits this machine.

    What depends on a text that was not prepared yet is a range. FLOPs count products of matrices, two for each
    multiplication and addition, the backward pass included. The time comes from runs that were trained here. With
    --json every run of a sweep has its line, else the one that needs most memory is shown.
    """
    from craft.analysis.past_speed import past_speeds
    from craft.config.experiments import load_experiments
    from craft.launch.costs import costs_of
    from craft.runs.store import RunStore

    experiments = load_experiments(file)
    runs = experiments.plan([name], overrides)
    place = (runs_dir or experiments.runs_dir).absolute()
    past = past_speeds(RunStore(place).list())
    costs = [costs_of(run, past, measure=True, advise=not as_json, say=say) for run in runs]
    largest = max(costs, key=lambda found: found.figures.peak.high)
    measured = _measure(largest.run, place) if measure else None
    if measured is not None:  # its time is now that which was measured
        now = costs_of(largest.run, past, measure=True, advise=not as_json, say=say)
        costs = [now if found is largest else found for found in costs]
        largest = now
    if as_json:
        for found in costs:
            print_json(_record(found, measured if found is largest else None))
        return
    command = shlex.join(["craft", "data", "prepare", str(file), largest.run.experiment])
    for line in _lines(len(runs), largest, command):
        click.echo(line)
    if measured is not None:
        for line in _measured_lines(largest, measured):
            click.echo(line)


def _measure(run: PlannedRun, runs_dir: Path) -> DryRunResult:
    """A dry run, which Ctrl-C ends without leaving anything behind."""
    from craft.launch.dry_run import DryRun

    said = ""

    def tell(progress: Progress) -> None:
        nonlocal said
        if progress.message != said:
            said = progress.message
            say(f"dry run: {said}")

    return DryRun(run, runs_dir).go(tell)


def _record(costs: Costs, measured: DryRunResult | None) -> dict[str, Any]:
    machine, expected, known = costs.fit.machine, costs.expected, measured or costs.dry_run
    return {
        "experiment": costs.run.experiment,
        "group": costs.run.group,
        "axes": costs.run.axes,
        **costs.figures.as_json(),
        "memory_total": machine.total if machine else None,
        "memory_free": machine.free if machine else None,
        "fits": costs.fit.fits,
        "seconds": expected.seconds if expected else None,
        "seconds_from": {"basis": expected.basis, "sources": expected.sources} if expected else None,
        "measured": asdict(known) if known else None,
    }


# Words -----------------------------------------------------------------------------------------------------------


def _lines(runs: int, costs: Costs, prepare: str) -> Iterator[str]:
    from craft.analysis.numbers import format_bytes, format_count
    from craft.analysis.past_speed import basis_words, duration_words

    run, figures = costs.run, costs.figures
    training, length = run.config.training, run.config.data.context_length
    micro = figures.micro_batch_size
    accumulated = "" if micro == figures.batch_size else f", {micro:,} in memory at once"
    precision = " or ".join(figures.precisions)
    measured = ", as a measurement at the first start decides" if len(figures.precisions) > 1 else ""
    what = f"{run.config.model.type} on {run.config.data.type}"
    yield f"{run.experiment}: {what}, {figures.device}, {precision}{measured}"
    yield f"a step sees {training.batch_size:,} sequences of {length:,} tokens{accumulated}"
    if runs > 1:
        changes = ", ".join(f"{path} = {value}" for path, value in run.axes.items())
        yield f"of {runs:,} runs the one that needs most memory: {changes}"
    yield ""
    count = _number(format_count)
    yield _line("parameters", _whole(figures.total_parameters))
    for part, numbers in figures.parameters.items():
        yield _line(f"  {part}", count(numbers))
    yield _line("training FLOPs a token", count(figures.flops_per_token))
    for part, flops in figures.forward_flops.items():
        yield _line(f"  forward, {part}", count(flops))
    size = _number(format_bytes)
    yield _line("memory of a step, at most", size(figures.memory["peak"]), "(the parts are not there all at once)")
    for name, words in _MEMORY.items():
        yield _line(f"  {words}", size(figures.memory[name]))
    yield _line("memory of an evaluation", size(figures.memory["evaluation"]))
    yield ""
    not_counted = "not counted yet" if figures.vocab_size.is_exact else "a guess, not counted yet"
    yield _line(
        "vocabulary", _whole(figures.vocab_size), f"({not_counted}; {prepare})" if not figures.is_prepared else ""
    )
    if figures.corpus_tokens:
        yield _line("tokens of the text", count(figures.corpus_tokens), figures.source and f"({figures.source})")
    if figures.steps:
        yield _line("steps of the run", _whole(figures.steps))
    if figures.tokens_seen:
        epochs = f"({count(figures.epochs)} epochs)" if figures.epochs else ""
        yield _line("tokens seen", count(figures.tokens_seen), epochs)
    if figures.tokens_per_parameter:
        yield _line("tokens seen a parameter", count(figures.tokens_per_parameter))
    if figures.total_flops:
        yield _line("training FLOPs of the run", count(figures.total_flops))
    if costs.expected is None:
        yield _line("time", "unknown until measured here", "(--measure does; craft run shows it after its first steps)")
    else:
        about = "about " if costs.expected.is_about else ""
        yield _line("time", about + duration_words(costs.expected.seconds), f"({basis_words(costs.expected)})")
    yield ""
    yield _verdict(costs)


def _verdict(costs: Costs) -> str:
    from craft.analysis.numbers import format_bytes

    fit, device = costs.fit, costs.figures.device
    needs = _number(format_bytes)(fit.needs)
    torch = "" if device == "cuda" else ", torch itself included"
    if fit.machine is None:
        return f"needs {needs}{torch}; the memory of {device} cannot be found out here"
    free = f"{format_bytes(fit.machine.free)} of {format_bytes(fit.machine.total)} are free on {fit.machine.where}"
    mend = f"; {costs.advice}" if costs.advice else ""
    return f"{fit.word}: needs {needs}{torch}, and {free}{mend}"


def _measured_lines(costs: Costs, measured: DryRunResult) -> Iterator[str]:
    """What a dry run found."""
    from craft.analysis.numbers import format_bytes, format_duration, format_loss, format_rate
    from craft.analysis.past_speed import duration_words, measured_time

    yield ""
    yield f"measured in {measured.steps:,} steps, of which the first few do not count"
    for reason in measured.reasons:
        yield f"  {reason}"
    yield _line(
        "seconds a step", f"{measured.seconds_per_step:.4g}", f"({measured.fastest:.4g} to {measured.slowest:.4g})"
    )
    yield _line("tokens a second", format_rate(measured.tokens_per_second))
    yield _line(
        "memory of the process, at most" if measured.device != "cuda" else "memory, at most",
        format_bytes(measured.peak_memory),
    )
    yield _line("until the first step is done", format_duration(measured.first_step_seconds))
    if measured.evaluation_seconds is not None:
        yield _line("an evaluation", format_duration(measured.evaluation_seconds))
    (first, before), (last, after) = measured.losses[0], measured.losses[-1]
    yield _line("loss", format_loss(after), f"(step {last:,.0f}; {format_loss(before)} at step {first:,.0f})")
    expected = measured_time(costs.run.config, costs.figures, measured)
    yield _line("time of the run", duration_words(expected.seconds))
    for note in measured.notes:
        yield f"warning: {note}"
    if measured.disturbed_by:
        yield f"disturbed by {', '.join(measured.disturbed_by)}: alone it is faster"


def _line(label: str, value: str, note: str = "") -> str:
    return f"{label:<{_LABEL}}{value:>18}  {note}".rstrip()


def _number(write: Callable[[float], str]) -> Callable[[Range], str]:
    """A figure or both its bounds; bounds that are written alike are one."""

    def written(figure: Range) -> str:
        low, high = write(figure.low), write(figure.high)
        return low if low == high else f"{low} to {high}"

    return written


def _whole(figure: Any) -> str:
    """A count that is worth all its digits."""
    return _number("{:,.0f}".format)(figure)
