"""`craft estimate FILE NAME`: what an experiment costs, and whether it fits this machine, before it runs."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import complete_experiment, json_option, print_json

if TYPE_CHECKING:
    from craft.config.estimate import Estimate, MachineMemory, Range
    from craft.config.estimate.figures import Device
    from craft.config.experiments import PlannedRun

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
@json_option
def estimate(file: Path, name: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show the parameters, FLOPs and memory of the experiment NAME in FILE, and whether it fits this machine.

    What depends on a text that was not prepared yet is a range. FLOPs count products of matrices, two for each
    multiplication and addition, the backward pass included. With --json every run of a sweep has its line, else the
    one that needs most memory is shown.
    """
    from craft.config import estimate as costs
    from craft.config.experiments import load_experiments
    from craft.config.plugins import code_dir

    runs = load_experiments(file).plan([name], overrides)

    def say(line: str) -> None:
        click.echo(line, err=True)

    figures = [
        costs.estimate(
            run.config, device=_device(run.config.device), source_dir=code_dir(run.source.absolute()), say=say
        )
        for run in runs
    ]
    memory = [_memory(run, found.device) for run, found in zip(runs, figures, strict=True)]
    if as_json:
        for run, found, machine in zip(runs, figures, memory, strict=True):
            print_json(
                {
                    "experiment": run.experiment,
                    "group": run.group,
                    "axes": run.axes,
                    **found.as_json(),
                    "memory_total": machine.total if machine else None,
                    "memory_free": machine.free if machine else None,
                    "fits": _fits(found, machine),
                }
            )
        return
    largest = max(range(len(runs)), key=lambda i: figures[i].peak.high)
    command = shlex.join(["craft", "data", "prepare", str(file), runs[largest].experiment])
    for line in _lines(runs, largest, figures[largest], memory[largest], command):
        click.echo(line)


def _device(wanted: str) -> Device:
    """What a `device` setting means here, as far as that can be told without torch."""
    if wanted == "auto":
        from craft.launch.queue.slots import nvidia_gpus

        if nvidia_gpus():
            return "cuda"
        return "mps" if sys.platform == "darwin" and platform.machine() == "arm64" else "cpu"
    return "cuda" if wanted.startswith("cuda") else "mps" if wanted == "mps" else "cpu"


def _memory(run: PlannedRun, device: str) -> MachineMemory | None:
    from craft.config.estimate import machine_memory

    return machine_memory(device if run.config.device == "auto" else run.config.device)


def _needs(figures: Estimate) -> Range:
    """Bytes that a worker takes, with what torch itself does where the model lies in main memory."""
    from craft.config.estimate.machine import TORCH_ITSELF

    itself = 0 if figures.device == "cuda" else TORCH_ITSELF
    return figures.peak._replace(low=figures.peak.low + itself, high=figures.peak.high + itself)


def _fits(figures: Estimate, machine: MachineMemory | None) -> bool | None:
    """True or False where that is certain, else None."""
    if machine is None:
        return None
    needs = _needs(figures)
    return True if needs.high <= machine.free else False if needs.low > machine.free else None


# Words -----------------------------------------------------------------------------------------------------------


def _lines(
    runs: list[PlannedRun], which: int, figures: Estimate, machine: MachineMemory | None, prepare: str
) -> Iterator[str]:
    from craft.analysis.numbers import format_bytes, format_count

    run = runs[which]
    training, length = run.config.training, run.config.data.context_length
    micro = figures.micro_batch_size
    accumulated = "" if micro == figures.batch_size else f", {micro:,} in memory at once"
    precision = " or ".join(figures.precisions)
    measured = ", as a measurement at the first start decides" if len(figures.precisions) > 1 else ""
    what = f"{run.config.model.type} on {run.config.data.type}"
    yield f"{run.experiment}: {what}, {figures.device}, {precision}{measured}"
    yield f"a step sees {training.batch_size:,} sequences of {length:,} tokens{accumulated}"
    if len(runs) > 1:
        changes = ", ".join(f"{path} = {value}" for path, value in run.axes.items())
        yield f"of {len(runs):,} runs the one that needs most memory: {changes}"
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
    yield _line(
        "vocabulary", _whole(figures.vocab_size), f"(not counted yet; {prepare})" if not figures.is_prepared else ""
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
    yield _line("time", "unknown until measured here", "(craft run shows it after its first steps)")
    yield ""
    yield _verdict(figures, machine)


def _verdict(figures: Estimate, machine: MachineMemory | None) -> str:
    from craft.analysis.numbers import format_bytes

    needs = _number(format_bytes)(_needs(figures))
    torch = "" if figures.device == "cuda" else ", torch itself included"
    if machine is None:
        return f"needs {needs}{torch}; the memory of {figures.device} cannot be found out here"
    word = {True: "fits", False: "does not fit", None: "may not fit"}[_fits(figures, machine)]
    free = f"{format_bytes(machine.free)} of {format_bytes(machine.total)} are free on {machine.where}"
    mend = "" if word == "fits" else "; a smaller training.micro_batch_size or data.context_length needs less"
    return f"{word}: needs {needs}{torch}, and {free}{mend}"


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
