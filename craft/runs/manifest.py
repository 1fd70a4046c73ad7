"""A checkpoint's `manifest.json`: each file with its size and sha256, and a sha256 over all that.

safetensors reads a file with a flipped bit or a tail of zeros without a word; with the manifest it is seen.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from craft.runs.json_files import MAX_BYTES, decode_object, why

FORMAT, LAYOUT = 1, "single"
NAME = "manifest.json"
STEP_FOLDER = re.compile(r"step-(\d{8,18})")


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself."""

    step: int
    monitor_value: float | None
    mode: str
    """"min" or "max": which of two monitored values is better."""
    files: Mapping[str, tuple[int, str]]
    """Size in bytes and sha256 of each file, by name."""
    monitor: str = ""
    """The figure whose value `monitor_value` is; checkpoints are compared with those of the same one."""

    def encode(self) -> bytes:
        """The text of `manifest.json`."""
        body = {
            "format": FORMAT,
            "layout": LAYOUT,
            "step": self.step,
            "monitor_value": self.monitor_value,
            "mode": self.mode,
            **({"monitor": self.monitor} if self.monitor else {}),
            "files": {name: {"size": size, "sha256": digest} for name, (size, digest) in self.files.items()},
        }
        return _text({**body, "sha256": hashlib.sha256(_text(body)).hexdigest()})


def _text(body: Mapping[str, Any]) -> bytes:
    return (json.dumps(body, indent=1) + "\n").encode()


def file_digest(path: Path) -> str:
    """The sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a checkpoint folder. Raises ValueError, in words that name the file, when it does not hold."""
    try:
        path = folder / NAME
        if not stat.S_ISREG(path.stat().st_mode) or path.stat().st_size > MAX_BYTES:
            raise ValueError("not a manifest")
        raw = path.read_bytes()
        body = decode_object(raw)
    except (OSError, ValueError) as error:
        raise ValueError(f"{NAME}: {why(error)}") from error
    digest = body.pop("sha256", None)
    # Written again and compared byte by byte: some flipped bits, as in 1e-05 and 1E-05, change no value.
    if hashlib.sha256(_text(body)).hexdigest() != digest or _text({**body, "sha256": digest}) != raw:
        raise ValueError(f"{NAME}: its content is not what was written")
    if (body.get("format"), body.get("layout")) != (FORMAT, LAYOUT):
        found = f"format {body.get('format')}, layout {body.get('layout')}"
        raise ValueError(f"{NAME}: {found}, and this Craft reads format {FORMAT}, layout {LAYOUT}")
    files = {name: (entry["size"], entry["sha256"]) for name, entry in body["files"].items()}
    return Manifest(body["step"], body["monitor_value"], body["mode"], files, body.get("monitor", ""))


def verify(path: Path) -> list[str]:
    """What is wrong with a checkpoint folder, each file against size and sha256. Empty when it holds.

    Files that the manifest does not name are nobody's business.
    """
    try:
        manifest = read_manifest(path)
    except ValueError as error:
        return [str(error)]
    if (named := STEP_FOLDER.fullmatch(path.name)) and int(named[1]) != manifest.step:
        return [f"{NAME}: is of step {manifest.step}"]
    problems = []
    for name, (size, digest) in manifest.files.items():
        try:
            found = (path / name).stat()
            if not stat.S_ISREG(found.st_mode):
                problems.append(f"{name}: not a file")
            elif found.st_size != size:
                problems.append(f"{name}: {found.st_size:,} bytes where {size:,} were written")
            elif file_digest(path / name) != digest:
                problems.append(f"{name}: its content is not what was written")
        except OSError as error:
            problems.append(f"{name}: {error.strerror}")
    return problems
