"""Preparing holds little of a text, however long it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import ROOT

# What a process took at most, before and after. The system's own figure for this process: `getrusage` also counts the
# one that it was started from.
PREPARE = """
import json, resource, sys
from pathlib import Path
import craft.data
from craft.config.schema import ExperimentConfig

def peak():
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3

config = ExperimentConfig.model_validate(json.loads(sys.argv[1]))
craft.data.prepare(ExperimentConfig.model_validate(json.loads(sys.argv[2])))
before = peak()
meta = craft.data.prepare(config).meta
print(json.dumps([before, peak(), meta.num_bytes, meta.num_tokens]))
"""


def write_long(file: Path, megabytes: int) -> None:
    lines = "".join(f"line {number} says that {number * 7919 % 100_003} is a número\n" for number in range(20_000))
    content = lines.encode()
    with file.open("wb") as opened:
        for _ in range(-(-megabytes * 1_000_000 // len(content))):
            opened.write(content)


def prepared_in_a_child(
    folder: Path, megabytes: int, tokenizer: dict[str, object], **data: object
) -> tuple[float, float]:
    """Megabytes at most, before and after a text was prepared; a short one went before it, to load what is needed."""
    arguments = []
    for name, size in (("long.txt", megabytes), ("short.txt", 1)):
        write_long(folder / name, size)
        text = {"type": "text", "path": str(folder / name), "context_length": 8, **data}
        definition = {"data": text, "tokenizer": tokenizer, "model": {"type": "transformer"}}
        arguments.append(json.dumps(definition))
    command = [sys.executable, "-c", PREPARE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    before, after, num_bytes, _ = json.loads(done.stdout)
    assert num_bytes == (folder / "long.txt").stat().st_size
    return before, after


# A text of 24 MB held once is 48 MB, since it is not pure ASCII; what is read, decoded and encoded at once is bounded.
@pytest.mark.parametrize("processors", [[], ["normalise", "lowercase"]])
def test_a_text_is_never_held_as_a_whole(tmp_path: Path, processors: list[str]) -> None:
    before, after = prepared_in_a_child(tmp_path, 24, {"type": "byte"}, processors=processors)
    assert after - before < 60


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["char", "byte", "bpe", "sentencepiece"])
def test_a_hundred_megabytes_take_less_than_one_gigabyte(tmp_path: Path, kind: str) -> None:
    learnt = {"vocab_size": 500} if kind in ("bpe", "sentencepiece") else {}
    before, after = prepared_in_a_child(tmp_path, 100, {"type": kind, **learnt})
    assert after < 1000
    assert after - before < 250
