"""Architectures that only their code describes: models of the transformers library, and those of a person's own.

A process of its own builds the model of tensors without numbers and plays one step through it (craft/models/measure.py,
which needs torch; this file does not). The answer is kept in the user's cache, so that one model is measured once.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import craft
from craft import platform
from craft.config.estimate.parts import ModelParts, Stage, Weights, Workload
from craft.config.plugins import code_hash
from craft.config.schema.base import OwnCode
from craft.config.schema.model import HFConfig, OwnModel
from craft.config.token_cache import cache_dir
from craft.errors import ConfigError, NotMeasuredError, OwnCodeError

FORMAT = 1
"""Part of every key: raise it when the same model would be measured otherwise."""
LIMIT = 300
"""Seconds that a measurement may take; GPT-2's takes ten."""

MeasuredModel = HFConfig | OwnModel


def is_measured(model: object) -> TypeGuard[MeasuredModel]:
    """Whether a `[model]` table is of a kind that is measured, and not described by a module here."""
    return isinstance(model, HFConfig | OwnModel)


def measure(
    model: MeasuredModel,
    works: Sequence[Workload],
    *,
    source_dir: Path | None = None,
    run: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> dict[Workload, ModelParts]:
    """The parts of a model at each workload, from the cache or by measuring it now.

    `source_dir` is where a person's own modules are looked for first. `say` is told before it takes long. Raises
    NotMeasuredError where the cache has no answer and `run` is false; ConfigError or OwnCodeError, with the model's own
    words, when it cannot be built or measured.
    """
    code = code_hash(model.type.partition(":")[0], source_dir) if isinstance(model, OwnCode) else ""
    files = {work: cache_dir() / "measured" / f"{_key(model, work, code)}.json" for work in works}
    known = {work: parts for work, file in files.items() if (parts := _read(file)) is not None}
    missing = [work for work in files if work not in known]
    if missing and not run:
        raise NotMeasuredError(f"a model of type {model.type} has to be measured first: 'craft estimate' does it")
    if missing:
        say(f"measuring the model of type {model.type} in a process of its own; that takes some seconds, once")
        for work, entry in zip(missing, _ask(model, missing, source_dir), strict=True):
            known[work] = _parts(entry)
            _keep(files[work], entry)
    return known


def _key(model: MeasuredModel, work: Workload, code: str) -> str:
    versions = [craft.__version__, *map(_version, ("torch", "transformers"))]
    asked = [FORMAT, model.model_dump(mode="json"), list(work), code, versions]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _ask(model: MeasuredModel, works: list[Workload], source_dir: Path | None) -> list[dict[str, Any]]:
    error_type = OwnCodeError if isinstance(model, OwnModel) else ConfigError
    asked = {
        "model": model.model_dump(mode="json"),
        "works": [list(work) for work in works],
        "search": str(source_dir) if source_dir else "",
    }
    command = [sys.executable, "-m", "craft.models.measure"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asked),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT,
            check=False,
        )
        reply = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired as error:
        raise error_type(f'model.type = "{model.type}": it was not measured within {LIMIT} s') from error
    except (ValueError, IndexError) as error:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise error_type(f'model.type = "{model.type}": the process that measures it ended: {last}') from error
    if "error" in reply:
        words = str(reply["error"])
        raise error_type(words if words.startswith("model") else f'model.type = "{model.type}": {words}')
    parts: list[dict[str, Any]] = reply["parts"]
    return parts


def _parts(entry: dict[str, Any]) -> ModelParts:
    weights = [
        Weights(w["part"], tuple(w["shape"]), w["role"], w["copies"], tuple(w["stacked"])) for w in entry["weights"]
    ]
    flops = {str(name): float(value) for name, value in entry["forward_flops"].items()}
    return ModelParts(weights, flops, [Stage(**stage) for stage in entry["stages"]])


def _read(file: Path) -> ModelParts | None:
    try:
        return _parts(json.loads(file.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not measured yet, or unreadable: measure


def _keep(file: Path, entry: dict[str, Any]) -> None:
    """Where the cache cannot be written, that costs time only."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_durable(file, json.dumps(entry).encode())
    except OSError:
        return
