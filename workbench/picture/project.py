"""A project in a folder of its own whose runs really trained, and one that still does."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CRAFT = "from craft.cli import main; main()"
_TEXT = """# Small models that learn to write Python, each in seconds on a CPU.
craft = 1

[defaults.data]
type = "python_stdlib"            # the sources of Python's own library: real text on every machine
context_length = 64
val_fraction = 0.0125
[defaults.tokenizer]
type = "char"
[defaults.optimizer]
type = "muon"
lr = 0.06
momentum = 0.85
embedding_lr = 0.1
[defaults.training]
max_steps = 300
batch_size = 24
eval_every = 25
log_every = 2
[defaults.checkpoint]
every = 50
monitor = "val/loss"
[defaults.generation]
prompts = ["def "]
max_new_tokens = 200
temperature = 0.8

[template.two-layers.model]
type = "transformer"
num_layers = 2
num_heads = 2
hidden_size = 128

[experiment.small]
extends = "two-layers"
why = "the recipe that learns most in a few seconds; all else is compared with it"

[experiment.deep]
extends = "small"
why = "does depth pay for the time it costs, at equal steps?"
model.num_layers = 4

[experiment.adamw]
extends = "small"
why = "what Muon is worth: the same without it"
optimizer = { type = "adamw", lr = 1e-2 }

[experiment.long]
extends = "small"
why = "how far does this size go?"
training = { max_steps = 4000, eval_every = 50 }

[experiment.lr]
extends = "small"
description = "three learning rates, two seeds each"
[experiment.lr.sweep]
axes.optimizer.lr = [0.03, 0.06, 0.12]
seeds = [1, 2]
"""


@dataclass(frozen=True)
class Trained:
    """An experiments file with runs."""

    file: Path
    run: str
    """The one that is looked at closely; empty: the newest."""
    compared: tuple[str, ...]
    """Those that are compared; empty: the two newest."""
    live: str
    """One that trains while pictures are taken."""


@contextlib.contextmanager
def has_trained(place: Path) -> Iterator[Trained]:
    """The project in `place`, as long as the `with` lasts. Raises RuntimeError when a run fails."""
    file = place / "experiments.toml"
    file.write_text(_TEXT)
    for name in ("adamw", "deep", "small"):
        _craft(place, "run", file.name, name)
    _craft(place, "run", file.name, "long", "--detach")
    try:
        yield Trained(file, "small-001", ("small-001", "deep-001", "adamw-001"), "long-001")
    finally:
        _craft(place, "stop", "long")


def _craft(place: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CRAFT, *words], cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"craft {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()[-500:]}")
