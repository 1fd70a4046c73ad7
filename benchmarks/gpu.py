"""What Craft does with one GPU, in one run of less than eight minutes; without a GPU it says so, and that is all.

    python -m benchmarks.gpu [--text shakespeare.txt] [--nanogpt PATH] [--json]
    python -m benchmarks.gpu --dry-run      every part on the CPU, in sizes that mean nothing

    craft       benchmarks/recipes/shakespeare_gpu.toml, from the start of the process to a validation loss of 1.4697,
                measured on the whole split
    nanogpt     nanoGPT's own command, which arrives there (5,000 steps, its estimate of 200 batches); where its time
                does not suffice, the whole is extrapolated from the steps that it did. PATH is a checkout whose
                data/shakespeare_char is prepared; its text is used then
    training    a GPT-2 of 124M parameters (12 layers, 12 heads, 768 wide, context 1024, a vocabulary of 50,304) in
                bf16, compiled, in ever larger micro-batches: tokens a second, and the share of the rate at which the
                same GPU multiplies bf16 matrices before and after. FLOPs are those of all products of forward and
                backward pass, the scores of attention counted whole, as is usual
    generation  the same model in Craft and in the transformers library, one prompt, 256 new tokens, greedily, against
                its `generate` with a static cache

A part that outlasts its time is ended, and what it has said until then counts. --json prints one object.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.gpu_parts import TARGET

Figures = dict[str, Any]

# Seconds for each part: less than eight minutes in all.
LIMITS = {"craft": 100, "nanogpt": 120, "training": 150, "generation": 100}
NO_GPU = "no GPU was at hand: nothing was measured"
# Sequences in memory at once, to begin with and then to try: on 60 GiB or more, and on less.
MICRO_BATCHES, SMALLER_ONES = (32, 64), (8, 16, 32)

GPT2 = {"num_layers": 12, "num_heads": 12, "hidden_size": 768}
TINY = {"num_layers": 1, "num_heads": 2, "hidden_size": 16}


def part_settings(arguments: argparse.Namespace, text: str) -> dict[str, Figures]:
    """What each part is told."""
    device, dry = "cpu" if arguments.dry_run else "cuda", arguments.dry_run
    small = [f"model.{name}={value}" for name, value in TINY.items()]
    small += ["training.max_steps=4", "training.batch_size=2", "training.eval_every=2", "data.context_length=16"]
    tiny_nanogpt = ["--device=cpu", "--compile=False", "--max_iters=20", "--eval_interval=10", "--eval_iters=1"]
    tiny_nanogpt += ["--n_layer=1", "--n_head=2", "--n_embd=16", "--block_size=16", "--batch_size=2"]
    target = 100.0 if dry else TARGET
    return {
        "craft": {
            "device": device,
            "text": text,
            "target": target,
            "overrides": small if dry else [],
            "limit": LIMITS["craft"] - 10,
        },
        "nanogpt": {"checkout": str(arguments.nanogpt or ""), "arguments": tiny_nanogpt if dry else []},
        "training": {
            "device": device,
            "model": TINY if dry else GPT2,
            "vocab_size": 64 if dry else 50_304,
            "context": 16 if dry else 1024,
            "batch": 4 if dry else 64,
            "compile": not dry,
            "products": [64] if dry else [4096, 8192, 16384],
            "seconds": 0.1 if dry else 6.0,
        },
        "generation": {
            "device": device,
            "model": TINY if dry else GPT2,
            "vocab_size": 64 if dry else 50_257,
            "context": 32 if dry else 1024,
            "prompt": 4 if dry else 64,
            "new": 8 if dry else 256,
            "rounds": 1 if dry else 5,
        },
    }


def run_part(name: str, settings: Figures, limit: float) -> tuple[list[Figures], str | None]:
    """What a part said, and why there is not more of it."""
    outlasted = threading.Event()
    with (
        tempfile.TemporaryDirectory() as folder,  # what it leaves when it is ended goes with this
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu_parts", name, json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=sys.stderr if "--loud" in sys.argv else subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TMPDIR": folder},
            start_new_session=True,
        ) as process,
    ):

        def end_it() -> None:
            outlasted.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, end_it)
        timer.start()
        assert process.stdout is not None
        try:
            said = [json.loads(line) for line in process.stdout if line.endswith("\n")]
            status = process.wait()
        finally:
            timer.cancel()
    if outlasted.is_set():
        return said, f"ended after {limit:.0f} s"
    return said, f"failed with status {status}; --loud shows why" if status else None


def micro_batches(dry_run: bool) -> tuple[int, ...]:
    """What is tried on this GPU."""
    import torch

    if dry_run:
        return (2, 4)
    return MICRO_BATCHES if torch.cuda.get_device_properties(0).total_memory >= 60 << 30 else SMALLER_ONES


def measure_training(settings: Figures, sizes: tuple[int, ...], limit: float) -> Figures:
    """The fastest micro-batch. A larger one is tried while there is time and it gains."""
    problem: str | None = None
    ends = time.monotonic() + limit
    found: list[Figures] = []
    tried: Figures = {}
    for micro in sizes:
        said, problem = run_part("training", {**settings, "micro": micro}, max(1.0, ends - time.monotonic()))
        figures = {name: value for one in said for name, value in one.items()}
        tried[str(micro)] = problem or round(figures["tokens_per_second"])
        if problem or (found and figures["tokens_per_second"] <= found[-1]["tokens_per_second"]):
            break
        found.append({"micro_batch_size": micro, **figures})
    best = found[-1] if found else {"problem": problem}
    return {**best, "tokens_per_second_by_micro_batch": tried}


def nanogpt_figures(said: list[Figures], problem: str | None, steps: int) -> Figures:
    """When it first said a loss at the target, and its whole time; extrapolated where it was ended before."""
    whole = next((one["whole"] for one in said if "whole" in one), None)
    told = [one for one in said if "step" in one]
    losses = [one for one in told if "loss" in one]
    reached = next((one["seconds"] for one in losses if one["loss"] <= TARGET), None)
    figures: Figures = {
        "seconds": reached,
        "whole": whole,
        "extrapolated": False,
        "steps": told[-1]["step"] if told else 0,
    }
    if losses:
        figures["best"] = min(one["loss"] for one in losses)
    if whole is None and len(told) > 2:
        # From one evaluation to the next, where there are some, so that their time counts; the first steps compile.
        pairs = pairwise((losses if len(losses) > 2 else told)[1:])
        by_step = statistics.median((b["seconds"] - a["seconds"]) / max(1, b["step"] - a["step"]) for a, b in pairs)
        last = told[-1]
        figures |= {"whole": last["seconds"] + by_step * (steps - last["step"]), "extrapolated": True}
    return figures if not problem or told else {**figures, "problem": problem}


def describe_gpu() -> str | None:
    """Which GPU this is, or None."""
    import torch

    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    return (
        f"{found.name}, {found.total_memory / 2**30:.0f} GiB, {found.multi_processor_count} multiprocessors, "
        f"compute capability {found.major}.{found.minor}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    )


def measure(arguments: argparse.Namespace, text: str | None) -> Figures:
    """All parts that can be done here."""
    settings = part_settings(arguments, text or "")
    missing = {
        "craft": None if text else "needs --text or --nanogpt",
        "nanogpt": None if arguments.nanogpt else "needs --nanogpt",
        "training": None,
        "generation": None if importlib.util.find_spec("transformers") else "needs the transformers library",
    }
    found: Figures = {}
    for part in arguments.parts:
        if missing[part]:
            found[part] = {"problem": missing[part]}
            continue
        if part == "training":
            found[part] = measure_training(settings[part], micro_batches(arguments.dry_run), LIMITS[part])
        else:
            said, problem = run_part(part, settings[part], LIMITS[part])
            if part == "nanogpt":
                found[part] = nanogpt_figures(said, problem, steps=20 if arguments.dry_run else 5000)
            else:
                found[part] = {name: value for one in said for name, value in one.items()}
                found[part] |= {"problem": problem} if problem else {}
        print(f"{part}: {json.dumps(found[part])}", file=sys.stderr, flush=True)
    return found


def table(gpu: str, found: Figures) -> list[str]:
    """What docs/measurements.md states."""
    craft, nanogpt = found.get("craft", {}), found.get("nanogpt", {})
    lines = [f"On {gpu}:", "", "| what | measured | to reach |", "|---|---|---|"]

    def row(what: str, measured: str, wanted: str = "") -> None:
        lines.append(f"| {what} | {measured} | {wanted} |")

    for part in LIMITS:
        if problem := found.get(part, {}).get("problem"):
            row(part, problem)
    if "whole" in craft:
        reached = f"{craft['seconds']:.1f} s" if craft["seconds"] else f"not reached: {craft['best']:.4f} at best"
        row(f"Craft to a validation loss of {TARGET}", f"{reached}; {craft['whole']:.1f} s in all")
    if nanogpt.get("whole"):
        how = f", extrapolated from {nanogpt['steps']} steps" if nanogpt["extrapolated"] else ""
        row("nanoGPT's command", f"{nanogpt['whole']:.1f} s{how}; {nanogpt.get('best', float('nan')):.4f} at best")
        if craft.get("seconds"):
            row("the two", f"1/{nanogpt['whole'] / craft['seconds']:.1f} of its time", "1/5")
    if "share" in (training := found.get("training", {})):
        row(
            f"training a GPT-2 of {training['parameters'] / 1e6:.0f}M",
            f"{training['tokens_per_second']:,.0f} tokens/s, {training['share']:.0%} of the "
            f"{training['products'] / 1e12:.3g} TFLOP/s at which it multiplies bf16; micro-batches of "
            f"{training['micro_batch_size']}",
            "55 %",
        )
    for dtype in ("float32", "bfloat16"):
        if one := found.get("generation", {}).get(dtype):
            row(
                f"generation, {dtype}, against transformers with a static cache",
                f"{one['craft']:.0f} and {one['transformers']:.0f} tokens/s: {one['ratio']:.2f} times as fast; "
                f"{one['equal_tokens']} of {one['new_tokens']} tokens equal",
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--nanogpt", type=Path)
    parser.add_argument("--parts", nargs="+", choices=list(LIMITS), default=list(LIMITS))
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--loud", action="store_true", help="show what the parts print")
    arguments = parser.parse_args()
    gpu = describe_gpu()
    if gpu is None and not arguments.dry_run:
        print(json.dumps({"gpu": None, "said": NO_GPU}) if arguments.json else NO_GPU)
        return
    name = "the CPU, in sizes that mean nothing" if arguments.dry_run else str(gpu)
    text = arguments.text
    if arguments.nanogpt:
        arguments.nanogpt = arguments.nanogpt.resolve()
        text = text or arguments.nanogpt / "data" / "shakespeare_char" / "input.txt"
    started = time.monotonic()
    found = measure(arguments, str(text.resolve()) if text else None)
    seconds = time.monotonic() - started
    if arguments.json:
        print(json.dumps({"gpu": gpu, "dry_run": arguments.dry_run, "seconds": round(seconds, 1), **found}))
    else:
        print("\n".join([*table(name, found), "", f"{seconds:.0f} s in all"]))


if __name__ == "__main__":
    main()
