"""By what settings and weights a text was written, as it is recorded. Free of torch."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from craft.config.initial_weights import SUFFIXES
from craft.generation.places import WEIGHTS
from craft.runs import manifest
from craft.runs.sampling_settings import SamplingSettings, sample_seed


def settings_record(settings: SamplingSettings, sample: int = 0) -> dict[str, Any]:
    """All settings by name, with the seed that this sample has."""
    return {**asdict(settings), "stop": list(settings.stop), "seed": sample_seed(settings.seed, sample)}


def weights_digest(path: Path) -> str:
    """The sha256 of a checkpoint's weights: as the manifest has it, or of the file; of several files, one over their
    names and digests. It says whether two texts come from the same weights."""
    if not path.is_dir():
        return manifest.file_digest(path)
    try:
        files = manifest.read_manifest(path).files
        if WEIGHTS in files:
            return files[WEIGHTS][1]
    except ValueError:
        pass  # no checkpoint of Craft's
    found = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES) and file.is_file())
    if len(found) == 1:
        return manifest.file_digest(found[0])
    lines = "".join(f"{file.name} {manifest.file_digest(file)}\n" for file in found)
    return hashlib.sha256(lines.encode()).hexdigest()
