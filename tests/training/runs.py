"""Small real runs for the tests of training: a definition over a text of a few kilobytes, and workers to train it."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from craft.config.definition import dump_definition
from craft.config.schema import ExperimentConfig
from craft.runs import checkpoints
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.status import read_status
from tests.training.forked import Forked, fork_worker


def write_text(path: Path, words: int = 3000) -> Path:
    """A text that can be learnt: words over a few letters, drawn from a fixed seed."""
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("abcdefgh", k=rng.randint(2, 5))) for _ in range(50)]
    path.write_text(" ".join(rng.choices(vocabulary, k=words)) + "\n")
    return path


def definition(text: Path, **sections: Any) -> ExperimentConfig:
    """A definition that trains in a second; sections are merged over it."""
    settings: dict[str, Any] = {
        "seed": 7,
        "device": "cpu",
        "precision": "fp32",
        "data": {"type": "text", "path": str(text), "context_length": 16, "val_fraction": 0.1},
        "tokenizer": {"type": "char"},
        "model": {"type": "transformer", "num_layers": 1, "num_heads": 2, "hidden_size": 16, "dropout": 0.1},
        "optimizer": {"type": "muon"},
        "scheduler": {"type": "warmup_stable_decay"},
        "training": {"max_steps": 40, "batch_size": 4, "eval_every": 10, "log_every": 3, "micro_batch_size": 2},
        "checkpoint": {"every": 5, "keep": 3},
    }
    for name, section in sections.items():
        whole = not isinstance(section, dict) or "type" in section or name == "callbacks"
        settings[name] = section if whole else {**settings.get(name, {}), **section}
    return ExperimentConfig.model_validate(settings)


def make_run(runs_dir: Path, config: ExperimentConfig, name: str = "tiny") -> RunFolder:
    """A run's folder, ready for a worker."""
    text = dump_definition(name, config, runs_dir=runs_dir)
    return create_run(
        runs_dir, experiment=name, definition_toml=text, identity=RunIdentity(experiment=name, created=time.time())
    )


Process = subprocess.Popen[bytes] | Forked


def start(folder: RunFolder, *, anew: bool = False, **environment: str) -> Process:
    """A real worker process. `anew`: from the very start of Python on; else forked where torch is imported already."""
    if not anew:
        return fork_worker(folder, **environment)
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "craft.training.worker", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,
        )


def train(folder: RunFolder) -> int:
    """Train to the end in a process of its own; its exit status."""
    return start(folder).wait(timeout=120)


def kill(process: Process) -> None:
    """SIGKILL, and wait until the kernel has taken it away."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def wait_for_step(folder: RunFolder, step: int, process: Process) -> None:
    """Return once the claim has reached a step."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        status = read_status(folder)
        if status is not None and status.step >= step:
            return
        time.sleep(0.005)
    raise AssertionError(f"step {step} was not reached: {folder.log.read_text()}")


def final_weights(folder: RunFolder) -> str:
    """The sha256 of the newest checkpoint's weights."""
    found = checkpoints.newest_valid(folder, lambda info, problems: None)
    assert found is not None
    return hashlib.sha256((found.path / "model.safetensors").read_bytes()).hexdigest()
