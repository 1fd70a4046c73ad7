"""One update of each optimizer against torch's own, in turn in this process.

    python -m benchmarks.optimizers [--threads N] [--size small|baby] [--only NAME]

`fused` and `foreach` are torch's two ways to update many parameters at once, `plain` is its loop over them. torch has
no Lion, and its Muon computes in bf16 always, so ours stands beside it in a model of bf16 and in one of fp32. A ratio
is the median over rounds of a contender's time divided by Craft's in the same round, so that a machine whose speed
drifts does so for both: 1.20 says that Craft takes the shorter time by that factor. Quartiles are in brackets.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.turns import SIZES, Size
from craft.config.schema import ExperimentConfig
from craft.models import create_model_from_config
from craft.models.base import BaseModel
from craft.training.optimizers import create_optimizer

ROUNDS = 40
# Craft's type and its model's precision, torch's class, and the arguments that make it the same arithmetic.
PAIRS: list[tuple[str, str, dict[str, Any]]] = [
    ("adamw", "AdamW", {"betas": (0.9, 0.95)}),
    ("adam", "Adam", {}),
    ("sgd", "SGD", {"momentum": 0.9}),
    ("adafactor", "Adafactor", {}),
    ("lion", "", {}),
    ("muon bf16", "", {}),
    ("muon fp32", "", {}),
]


def model_of(size: Size) -> tuple[BaseModel, ExperimentConfig]:
    """A model with a gradient for each parameter."""
    model = {"type": "transformer", "num_layers": size.layers, "num_heads": size.heads, "hidden_size": size.width}
    config = ExperimentConfig.model_validate({"model": model})
    torch.manual_seed(0)
    made = create_model_from_config(config.model, 65, size.context)
    for parameter in made.parameters():
        parameter.grad = torch.randn_like(parameter) * 1e-3
    return made, config


def muon_and_adamw(model: BaseModel) -> Callable[[], object]:
    """What torch has of Muon, for the hidden matrices, and its AdamW, for the rest; stacked matrices stay stacked."""
    roles, named = model.parameter_roles(), dict(model.named_parameters())
    matrices = [p for name, p in named.items() if roles[name] == "matrix"]
    rest = [p for name, p in named.items() if roles[name] != "matrix"]
    muon, adamw = torch.optim.Muon(matrices, lr=0.02), torch.optim.AdamW(rest, lr=0.02, fused=True)

    def step() -> None:
        muon.step()  # type: ignore[no-untyped-call]
        adamw.step()

    return step


def contenders(kind: str, torchs: str, arguments: dict[str, Any], size: Size) -> dict[str, Callable[[], object]]:
    """A step each, on models of their own."""
    model, config = model_of(size)
    kind, _, precision = kind.partition(" ")
    model.compute_dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    settings = ExperimentConfig.model_validate({**config.model_dump(), "optimizer": {"type": kind, "lr": 1e-4}})
    steps: dict[str, Callable[[], object]] = {"craft": create_optimizer(settings.optimizer, model).step}
    ways = {"fused": {"fused": True}, "foreach": {"foreach": True}, "plain": {"foreach": False}}
    if torchs == "Adafactor":
        del ways["fused"]
    for way, switch in ways.items() if torchs else ():
        made = getattr(torch.optim, torchs)(model_of(size)[0].parameters(), lr=1e-4, **switch, **arguments)
        steps[way] = made.step
    if kind == "muon":
        steps["torch.optim.Muon"] = muon_and_adamw(model_of(size)[0])
    return steps


def race(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender, by round; each round has all of them, in turning order."""
    names = list(steps)
    for name in names:
        for _ in range(3):
            steps[name]()
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            started = time.perf_counter()
            steps[name]()
            times[name].append(time.perf_counter() - started)
    return times


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default="", help="the optimizers whose names begin so")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.size}, {options.threads} thread(s), {options.rounds} rounds; ratios are contender / Craft")
    for kind, torchs, arguments in PAIRS:
        if not kind.startswith(options.only):
            continue
        times = race(contenders(kind, torchs, arguments, SIZES[options.size]), options.rounds)
        own = times.pop("craft")
        line = f"{kind:10s} {statistics.median(own) * 1e3:8.2f} ms"
        for name, others in times.items():
            ratios = sorted(theirs / mine for theirs, mine in zip(others, own, strict=True))
            low, high = ratios[len(ratios) // 4], ratios[-(len(ratios) // 4) - 1]
            line += f"   {name} {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
