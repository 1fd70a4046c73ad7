"""Contenders that step in turn: each a process of its own that is kept alive, and told when its round begins.

A machine whose speed drifts then drifts for all. What a contender says is one JSON object a line: once when it is
ready, and after each round; everything else that it prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

SEED = 1
# Processor time says nothing of several threads, most of which may be waiting.
CLOCK = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter


class Size(NamedTuple):
    """A model's shape, its batch, and the steps of a round."""

    layers: int
    heads: int
    width: int
    context: int
    batch: int
    steps: int


# nanoGPT's recipe for a CPU (0.8M parameters), and its "baby GPT" (10.7M).
SIZES = {"small": Size(4, 4, 128, 64, 12, 40), "baby": Size(6, 6, 384, 256, 16, 2)}


def say(**figures: float) -> None:
    """In a contender: tell what was measured."""
    sys.__stdout__.write(json.dumps(figures) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def told_to_go() -> bool:
    """In a contender: wait for the next round; False when there is none."""
    return sys.stdin.readline() == "go\n"


class Child:
    """A contender's process."""

    def __init__(self, module: str, name: str, arguments: list[str], threads: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--child", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if "--loud" not in arguments else None,
            text=True,
            env={**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})},
        )
        self._answer()

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with status {self.process.wait()}; --loud shows what it says")
        answer: dict[str, float] = json.loads(line)
        return answer

    def _tell(self, word: str) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self._answer()

    def round(self) -> float:
        """The seconds of one round."""
        return self._tell("go")["seconds"]

    def loss(self) -> float:
        """The last words: the loss after all rounds."""
        found = self._tell("end")["loss"]
        self.process.wait()
        return found


def in_turn(children: list[Child], rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """The seconds of each round and the loss at the end, by contender; the order turns round every round."""
    for child in children:
        child.round()  # not counted: the first is slow
    seconds: dict[str, list[float]] = {child.name: [] for child in children}
    for number in range(rounds):
        for child in children if number % 2 else reversed(children):
            seconds[child.name].append(child.round())
    return seconds, {child.name: child.loss() for child in children}


def spread(ratios: list[float]) -> str:
    """A median, the smallest and the largest."""
    return f"{statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
