"""Definitions and texts for the tests of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from craft.config.schema import ExperimentConfig

TEXT = "".join(f"line {number} says that {number * 7919 % 1000} is a number\n" for number in range(400))


def definition(path: Path | list[Path] | None = None, tokenizer: str = "char", **data: Any) -> ExperimentConfig:
    """An experiment on a text file (or several), or on what `data` says."""
    if path is not None:
        data = {"type": "text", "path": [str(p) for p in path] if isinstance(path, list) else str(path), **data}
    return ExperimentConfig.model_validate(
        {"data": data, "tokenizer": {"type": tokenizer}, "model": {"type": "transformer"}}
    )


def write_text(folder: Path, text: str = TEXT, name: str = "text.txt") -> Path:
    """A text file as it is, line ends and all."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file
