"""Runs the benchmarks that need nothing but this machine, one after the other, and names the others: `make bench`."""

from __future__ import annotations

import contextlib
import runpy
import sys

HERE = (
    "startup",
    "metrics_log",
    "run_store",
    "long_curve",
    "batches",
    "kernels",
    "optimizers",
    "loop_overhead",
    "callbacks",
    "workbench",
    "gpu",
)
ELSEWHERE = {
    "time_to_loss": "--text FILE [--nanogpt PATH]",
    "train_speed": "--nanogpt PATH [--model baby]",
    "trainers": "--text FILE",
    "encode": "[--nanogpt PATH]",
    "generate": "[--nanogpt PATH] [--checkpoint FOLDER]",
}
"""What each needs: a text, a checkout of nanoGPT, libraries that its --help names."""


def main() -> None:
    for name in HERE:
        print(f"\n== benchmarks.{name}", flush=True)
        sys.argv = [name]
        with contextlib.suppress(SystemExit):  # its status says whether what was asked is held; so does its output
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    print("\nOthers, by what they need (--help says more):")
    for name, needs in ELSEWHERE.items():
        print(f"  python -m benchmarks.{name} {needs}")


if __name__ == "__main__":
    main()
