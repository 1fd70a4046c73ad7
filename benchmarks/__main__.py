"""Runs the benchmarks that need nothing but this machine, one after the other: `make bench`."""

from __future__ import annotations

import contextlib
import runpy
import sys

HERE = ("startup", "metrics_log", "run_store", "batches", "kernels", "loop_overhead", "workbench")


def main() -> None:
    for name in HERE:
        print(f"\n== benchmarks.{name}", flush=True)
        sys.argv = [name]
        with contextlib.suppress(SystemExit):  # its status says whether what was asked is held; so does its output
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    print("\nbenchmarks.time_to_loss needs a text, and nanoGPT to compare with: see its --help")


if __name__ == "__main__":
    main()
