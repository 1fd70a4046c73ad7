"""What a run will cost on this machine, from all that is known here: figures, memory, past runs, dry runs."""

from __future__ import annotations

import os
import platform as python_platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from craft.analysis.dry_runs import DryRunResult, kept_result
from craft.analysis.past_speed import ExpectedTime, PastSpeed, expected_time
from craft.config.definition import definition_hash
from craft.config.estimate import Estimate, MachineMemory, Range, estimate, machine_memory
from craft.config.estimate.figures import Device
from craft.config.estimate.fits import Fit, fit_of, what_to_change
from craft.config.estimate.machine import gpu_memory
from craft.config.experiments import PlannedRun
from craft.config.plugins import code_dir
from craft.launch.dry_run import code_hash_of
from craft.launch.queue import slots

_MEMORY_SERVES = 2.0  # seconds: nvidia-smi takes a tenth of one to answer


@dataclass(frozen=True)
class Costs:
    """Everything that can be said of one run before it starts."""

    run: PlannedRun
    definition_hash: str
    figures: Estimate
    fit: Fit
    advice: str
    """What to change so that it fits; empty where it does."""
    expected: ExpectedTime | None
    """None where nothing like it ran here."""
    dry_run: DryRunResult | None
    """What a dry run of this very definition measured."""


@dataclass(frozen=True)
class Totals:
    """Several runs together."""

    runs: int
    largest: Costs
    """Of the one that needs most memory."""
    seconds: Range | None
    """Of training all of them one after another; None where some are unknown."""
    unknown: int
    """Runs whose time is not known."""
    disk: Range
    """Bytes of checkpoints that stay, at most and at least."""


def device_here(wanted: str) -> Device:
    """What a `device` setting means here, as far as that can be told without torch."""
    if wanted == "auto":
        if slots.nvidia_gpus():
            return "cuda"
        return "mps" if sys.platform == "darwin" and python_platform.machine() == "arm64" else "cpu"
    return "cuda" if wanted.startswith("cuda") else "mps" if wanted == "mps" else "cpu"


_memory: dict[str, tuple[float, list[MachineMemory]]] = {}


def memory_here(wanted: str) -> list[MachineMemory]:
    """The memory where a run of this `device` setting may lie, asked at most every two seconds."""
    known = _memory.get(wanted)
    if known is None or time.monotonic() - known[0] > _MEMORY_SERVES:
        known = _memory[wanted] = time.monotonic(), _ask_memory(wanted)
    return known[1]


def _ask_memory(wanted: str) -> list[MachineMemory]:
    if device_here(wanted) != "cuda":
        found = machine_memory("cpu")
        return [found] if found else []
    gpus = slots.gpus_left(os.environ.get(slots.VISIBLE))
    if wanted.startswith("cuda:"):
        index = int(wanted.partition(":")[2])
        gpus = gpus[index : index + 1]
    return gpu_memory(*gpus) if gpus else []


def costs_of(
    run: PlannedRun,
    past: Sequence[PastSpeed] = (),
    *,
    measure: bool = False,
    advise: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Costs:
    """The costs of one run. `measure`: a model that only its code describes may be measured, which takes seconds;
    else NotMeasuredError is raised for it. `advise`: look for what would fit."""
    config, folder = run.config, code_dir(run.source.absolute())
    figures = estimate(config, device=device_here(config.device), source_dir=folder, measure=measure, say=say)
    fit = fit_of(figures, memory_here(config.device))
    advice = what_to_change(config, figures, fit, source_dir=folder) if advise else ""
    hashed, code = definition_hash(config), code_hash_of(run)
    expected = expected_time(config, hashed, figures, past, code_hash=code)
    return Costs(run, hashed, figures, fit, advice, expected, kept_result(hashed, code))


def costs_of_all(runs: Sequence[PlannedRun], past: Sequence[PastSpeed] = (), *, measure: bool = False) -> Totals:
    """The costs of several runs together; those that differ in nothing that costs are counted once."""
    known: dict[str, Costs] = {}
    each: list[Costs] = []
    for run in runs:
        kind = run.config.model_copy(update={"seed": 0, "description": "", "why": ""}).model_dump_json(
            exclude={"optimizer": {"lr", "weight_decay", "betas", "momentum", "embedding_lr"}, "generation": True}
        )
        if kind not in known:
            known[kind] = costs_of(run, past, measure=measure, advise=False)
        each.append(known[kind])
    largest = max(each, key=lambda costs: costs.fit.needs.high)
    times = [costs.expected.seconds for costs in each if costs.expected is not None]
    unknown = len(each) - len(times)
    seconds = None if unknown else Range(sum(one.low for one in times), sum(one.high for one in times))
    disk = [_disk(costs) for costs in each]
    return Totals(
        len(each),
        costs_of(largest.run, past, measure=measure),
        seconds,
        unknown,
        Range(sum(one.low for one in disk), sum(one.high for one in disk)),
    )


def _disk(costs: Costs) -> Range:
    """Bytes of a run's checkpoints: the newest that it keeps, and perhaps the best one besides."""
    keep, every = costs.run.config.checkpoint.keep, costs.run.config.checkpoint.every
    one = costs.figures.memory["weights"].high + costs.figures.memory["optimizer"].high
    steps = costs.figures.steps.high if costs.figures.steps else 0
    made = 2 + (steps // every if every else 0)
    stay = min(keep, made)
    return Range(stay * one, min(keep + 1, made) * one)
