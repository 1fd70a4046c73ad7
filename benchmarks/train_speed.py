"""Training tokens a second: Craft's loop against nanoGPT's own, and both against the machine's matrix products.

    python -m benchmarks.train_speed --nanogpt PATH [--model small|baby] [--rounds 10]

PATH is a checkout of nanoGPT whose data/shakespeare_char is prepared; its train.py runs as it is, held at its own log
lines. Every contender is a process of its own that is kept alive, and they step in turn, a round each, the order
turned round from one round to the next: a machine whose speed drifts drifts for all. The figure is the median of the
ratios within a round, with the smallest and the largest.

`small` is nanoGPT's recipe for a CPU (0.8M parameters), `baby` its 10.7M "baby GPT"; no dropout, AdamW at a constant
rate of 1e-3. "gpt2" is the same arithmetic as nanoGPT's: learned positions, layer norm, GELU, tied embeddings. All
are measured on the whole validation split in the same windows after the same number of steps.

MFU is against the rate at which this machine multiplies the same matrices, measured between the rounds.

Threads that wait for each other suffer much from any other work on the machine; `--threads 1` counts processor time
instead of time, and is little disturbed.
"""

from __future__ import annotations

import argparse
import os
import runpy
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.turns import CLOCK, SEED, SIZES, Child, Size, in_turn, say, spread, told_to_go

GPT2 = {
    "position": "learned",
    "norm": "layernorm",
    "mlp": "gelu",
    "qk_norm": False,
    "bias": False,
    "tie_embeddings": True,
}
CONTENDERS: dict[str, dict[str, Any]] = {
    "gpt2, fp32": {"precision": "fp32", "model": GPT2},
    "gpt2, bf16": {"precision": "bf16", "model": GPT2},
    "modern, fp32": {"precision": "fp32", "model": {}},
    "modern, bf16": {"precision": "bf16", "model": {}},
}


# What runs in the children: each says a line when it is ready, and one after each round ---------------------------


class HeldOutput:
    """nanoGPT's standard output: a round ends with each line of its log, and the next begins when told."""

    def __init__(self, context: int) -> None:
        self.context, self.started = context, 0.0

    def flush(self) -> None:
        pass

    def write(self, text: str) -> None:
        if not text.startswith("iter "):
            return
        say(seconds=CLOCK() - self.started if self.started else 0.0)
        if not told_to_go():
            train = sys._getframe(1).f_globals  # train.py's own names, for the loss of its model
            say(loss=whole_split_loss(train["model"], train["data_dir"], self.context))
            os._exit(0)
        self.started = CLOCK()


def whole_split_loss(model: Any, data_dir: str, context: int) -> float:
    """The mean loss of nanoGPT's model over every whole window of its validation split."""
    import numpy as np
    import torch

    tokens = torch.from_numpy(np.fromfile(Path(data_dir) / "val.bin", dtype=np.uint16).astype(np.int64))
    windows = (len(tokens) - 1) // context
    inputs = tokens[: windows * context].view(windows, context)
    targets = tokens[1 : windows * context + 1].view(windows, context)
    model.eval()
    nats = 0.0
    with torch.no_grad():
        for i, t in zip(inputs.split(32), targets.split(32), strict=True):
            nats += model(i, t)[1].item() * i.numel()
    return nats / inputs.numel()


def run_nanogpt(checkout: Path, size: Size) -> None:
    os.chdir(checkout)
    sys.path.insert(0, str(checkout))
    settings = {
        "device": "cpu",
        "compile": False,
        "eval_iters": 1,
        "eval_interval": 10**9,
        "log_interval": size.steps,
        "block_size": size.context,
        "batch_size": size.batch,
        "n_layer": size.layers,
        "n_head": size.heads,
        "n_embd": size.width,
        "dropout": 0.0,
        "decay_lr": False,
        "learning_rate": 1e-3,
        "beta2": 0.95,
        "max_iters": 10**9,
    }
    sys.argv = ["train.py", "config/train_shakespeare_char.py", *(f"--{k}={v}" for k, v in settings.items())]
    sys.stdout = HeldOutput(size.context)  # type: ignore[assignment]
    runpy.run_path("train.py", run_name="__main__")


def definition(text: Path, size: Size, settings: dict[str, Any]) -> Any:
    """What Craft trains: an `ExperimentConfig`."""
    from craft.config.schema import ExperimentConfig

    shape = {"num_layers": size.layers, "num_heads": size.heads, "hidden_size": size.width}
    return ExperimentConfig.model_validate(
        {
            "seed": SEED,
            "device": "cpu",
            "precision": settings["precision"],
            "data": {"type": "text", "path": str(text), "context_length": size.context, "val_fraction": 0.1},
            "tokenizer": {"type": "char"},
            "model": {"type": "transformer", **shape, **settings["model"]},
            "optimizer": {"type": "adamw", "lr": 1e-3, "betas": [0.9, 0.95], "weight_decay": 0.1},
            "scheduler": {"type": "constant"},
            "training": {"max_steps": 10**6, "batch_size": size.batch, "eval_every": 0, **settings.get("training", {})},
            "checkpoint": {"every": 0},
        }
    )


def run_craft(text: Path, size: Size, settings: dict[str, Any]) -> None:
    from craft import platform

    platform.keep_freed_memory()
    from craft.training.experiment import Experiment

    config = definition(text, size, settings)
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout = sys.stderr
        trainer = Experiment(config, runs_dir=Path(folder)).setup()
        trainer.model.train()
        trainer.progress.start(0, 0, 0.0)
        trainer.train_step()
        say(seconds=0.0)
        while told_to_go():
            started, until = CLOCK(), trainer.step + size.steps
            while trainer.step < until:
                trainer.train_step()
            say(seconds=CLOCK() - started)
        trainer.evaluate()
        say(loss=trainer.evaluated["val/loss"])


def run_products(size: Size, vocab_size: int, dtype: str) -> None:
    """The products of one step, forward and backward, each with its own operands, and nothing else."""
    import torch

    work: list[Callable[[], object]] = []
    tokens, width = size.batch * size.context, size.width
    head_size = width // size.heads

    def both_ways(left: Any, right: Any, times: int) -> None:
        out = left @ right
        for _ in range(times):
            work.extend([lambda: left @ right, lambda: out @ right.mT, lambda: left.mT @ out])

    def made(*shape: int) -> Any:
        return torch.randn(*shape, dtype=getattr(torch, dtype))

    for rows, columns in ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)):
        both_ways(made(tokens, rows), made(columns, rows).mT, size.layers)
    both_ways(made(tokens, width), made(vocab_size, width).mT, 1)
    heads = size.batch * size.heads
    both_ways(made(heads, size.context, head_size), made(heads, head_size, size.context), size.layers)
    both_ways(made(heads, size.context, size.context), made(heads, size.context, head_size), size.layers)
    say(seconds=0.0)
    while told_to_go():
        started = CLOCK()
        for _ in range(size.steps):
            for product in work:
                product()
        say(seconds=CLOCK() - started)
    say(loss=0.0)


# The one that has them run in turn -------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, required=True)
    parser.add_argument("--model", choices=list(SIZES), default="small")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--only", nargs="*", help="some of: " + ", ".join(CONTENDERS))
    parser.add_argument("--loud", action="store_true", help="show what the contenders print")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size, checkout = SIZES[arguments.model], arguments.nanogpt.resolve()
    text = checkout / "data" / "shakespeare_char" / "input.txt"
    vocab_size = len(set(text.read_text()))
    if arguments.child == "nanoGPT":
        run_nanogpt(checkout, size)
    elif arguments.child in ("float32", "bfloat16"):
        run_products(size, vocab_size, arguments.child)
    elif arguments.child:
        run_craft(text, size, CONTENDERS[arguments.child])
    else:
        compare(arguments.rounds, arguments.only or list(CONTENDERS), sys.argv[1:], size, arguments.threads)


def compare(rounds: int, contenders: list[str], arguments: list[str], size: Size, threads: int) -> None:
    products = {"fp32": "float32", "bf16": "bfloat16"}
    names = ("nanoGPT", *products.values(), *contenders)
    children = [Child("benchmarks.train_speed", name, arguments, threads) for name in names]
    seconds, losses = in_turn(children, rounds)
    tokens = size.batch * size.context * size.steps
    print(f"{size}; {rounds} rounds; after {(rounds + 1) * size.steps} steps:")
    for name in ("nanoGPT", *contenders):
        fast = statistics.median(seconds[name])
        dtype = products["bf16" if "bf16" in name else "fp32"]
        ratios = [theirs / ours for theirs, ours in zip(seconds["nanoGPT"], seconds[name], strict=True)]
        mfu = [floor / ours for floor, ours in zip(seconds[dtype], seconds[name], strict=True)]
        print(
            f"{name:14s} {fast / size.steps * 1e3:7.2f} ms a step, {tokens / fast:7.0f} tokens/s, "
            f"{spread(ratios)} times nanoGPT, {statistics.median(mfu):.0%} of the products' rate, "
            f"validation loss {losses[name]:.4f}"
        )
    for dtype in products.values():
        print(f"{dtype:14s} {statistics.median(seconds[dtype]) / size.steps * 1e3:7.2f} ms a step in products alone")


if __name__ == "__main__":
    main()
