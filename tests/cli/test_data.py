"""`craft data prepare` and `craft data inspect`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from craft.cli import craft
from craft.errors import ConfigError, DataError, UsageError
from craft.text import width_of
from tests.data.helpers import TEXT, write_text

FILE = """
craft = 1
[defaults.data]
type = "text"
path = "text.txt"
context_length = 32
[defaults.training]
max_steps = 20
batch_size = 4
[experiment.small.model]
type = "transformer"
[experiment.same]
model = { type = "transformer", num_layers = 1 }
[experiment.bytes]
model = { type = "transformer" }
tokenizer = { type = "byte" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_text(tmp_path)
    path = tmp_path / "experiments.toml"
    path.write_text(FILE)
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(craft, ["data", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_prepare_as_a_command(file: Path) -> None:
    """As a person types it, from elsewhere; what is data goes to standard output, and nothing else does."""
    command = [sys.executable, "-c", "from craft.cli import main; main()", "data", "prepare", str(file)]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    assert first.stderr == second.stderr == ""
    lines = first.stdout.splitlines()
    assert lines[0].startswith("small: 13.8 kB, 1 document, 13,843 tokens: prepared in "), lines[0]
    assert lines[2].startswith("bytes: ")
    assert len(lines) == 4, "what two experiments share is told once"
    assert [Path(line.strip()).is_dir() for line in lines[1::2]] == [True, True]
    assert second.stdout.splitlines()[0].endswith(": prepared before")


def test_prepare_in_json(file: Path) -> None:
    first = objects(run("prepare", file, "--json"))
    assert [(one["experiment"], one["made"]) for one in first] == [("small", True), ("bytes", True)]
    assert (first[0]["tokens"], first[0]["documents"], first[0]["vocab_size"]) == (len(TEXT), 1, len(set(TEXT)))
    assert Path(first[0]["path"], "tokens.bin").stat().st_size == len(TEXT)
    (again,) = objects(run("prepare", file, "small", "data.context_length=16", "--json"))
    assert (again["made"], again["context_length"]) == (False, 16)


def test_inspect_shows_a_sequence_token_by_token(file: Path) -> None:
    lines = run("inspect", file, "small").stdout.splitlines()
    assert lines[0] == "small: data text, tokenizer char"
    assert any(line.split() == ["text", "13,843", "bytes,", "13,843", "tokens"] for line in lines)
    assert any("steps an epoch" in line for line in lines)
    assert "step 1 of 20: 4 sequences of 32 tokens" in lines
    pieces, ids, targets = (
        "".join(line.split(label, 1)[1] for line in lines if line[5:].strip().startswith(label)).split()
        for label in ("piece", "id", "target")
    )
    assert len(pieces) == len(ids) == len(targets) == 32
    text = "".join(pieces).replace("\N{OPEN BOX}", " ").replace("\N{SYMBOL FOR LINE FEED}", "\n")
    assert text in TEXT
    vocabulary = sorted(set(TEXT))
    assert [vocabulary[int(token)] for token in ids] == list(text)
    assert targets[:-1] == ids[1:]
    assert all(width_of(line) <= 80 for line in lines)
    assert sum(line.startswith(f"{number:>10}  ") for line in lines for number in (2, 3, 4)) == 3


def test_inspect_in_json_is_what_training_sees(file: Path) -> None:
    text, *sequences = objects(run("inspect", file, "bytes", "--step", 7, "--json"))
    assert (text["kind"], text["steps"], text["splits"]["train"]["targets"]) == ("text", 20, len(TEXT) * 9 // 10 - 1)
    assert [one["sequence"] for one in sequences] == [1, 2, 3, 4]

    from craft.config.experiments import load_experiments
    from craft.data import TrainBatches, prepare

    config = load_experiments(file).plan(["bytes"])[0].config
    batches = TrainBatches(prepare(config).splits["train"], batch_size=4, shuffle=True, seed=config.seed)
    inputs, targets = batches.batch(7)
    assert [one["inputs"] for one in sequences] == inputs.tolist()
    assert [one["targets"] for one in sequences] == targets.tolist()
    assert "".join(sequences[0]["pieces"]).encode() == bytes(sequences[0]["inputs"])


def test_what_would_move_the_terminal_is_shown_as_a_mark(file: Path) -> None:
    write_text(file.parent, "a\x1b[2J\x07\u202e\té\r\n東" * 200)
    for name in ("small", "bytes"):
        shown = run("inspect", file, name).stdout
        assert not set(shown) & {"\x1b", "\x07", "\u202e", "\t", "\r"}
        assert "\N{SYMBOL FOR ESCAPE}" in shown
        assert all(width_of(line) <= 80 for line in shown.splitlines())
    assert "\\xe6" in shown


def test_a_terminal_of_ascii_gets_ascii(file: Path) -> None:
    write_text(file.parent, "é a\x1b\n東" * 400)
    command = [sys.executable, "-c", "from craft.cli import main; main()", "data", "inspect", str(file), "small"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True)
    shown = done.stdout.decode("ascii")
    assert "SP" in shown
    assert "\\xe9" in shown
    assert "^[" in shown


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["inspect", "FILE", "small", "--step", "21"], UsageError, "--step 21: the run ends with step 20"),
        (["inspect", "FILE", "small", "--sequence", "5"], UsageError, "the batch of step 1 holds 4 sequences"),
        (["inspect", "FILE", "smal"], ConfigError, "did you mean 'small'"),
        (["prepare", "FILE", "small", "data.path=gone.txt"], DataError, "no such file or folder"),
        (["prepare", "FILE", "small", "training.batch_size=0"], ConfigError, "batch_size"),
        (["inspect", "FILE", "small", "training.batch_size=900"], DataError, "too short for one batch"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], error: type[Exception], said: str, file: Path) -> None:
    with pytest.raises(error) as raised:
        run(*(str(file) if argument == "FILE" else argument for argument in arguments))
    assert said in str(raised.value)


def test_a_damaged_cache_is_told_on_standard_error(file: Path) -> None:
    (made,) = objects(run("prepare", file, "small", "--json"))
    Path(made["path"], "tokens.bin").write_bytes(b"")
    result = run("prepare", file, "small", "--json")
    assert json.loads(result.stdout)["made"] is True
    assert "are damaged and made again: tokens.bin has 0 bytes instead of 13,843" in result.stderr


def test_ones_own_code_is_found_beside_the_file(file: Path) -> None:
    (file.parent / "shouting_for_cli.py").write_text("def shout(text):\n    return text.upper()\n")
    result = run("inspect", file, "small", 'data.processors=["shouting_for_cli:shout"]', "--json")
    assert "".join(objects(result)[1]["pieces"]) in TEXT.upper()


def test_inspecting_a_dataset_of_ones_own_asks_for_no_more_than_a_batch(file: Path) -> None:
    (file.parent / "lazy_for_cli.py").write_text(
        """
class Lazy:
    asked = set()
    def __init__(self, **settings): pass
    def __len__(self): return 10**9
    def __getitem__(self, index):
        self.asked.add(index)
        assert len(self.asked) < 10
        return [104, 105] * 16 + [10]
"""
    )
    file.write_text(FILE.replace('path = "text.txt"', "").replace('"text"', '"lazy_for_cli:Lazy"'))
    lines = run("inspect", file, "bytes").stdout.splitlines()
    assert lines[0] == "bytes: data lazy_for_cli:Lazy, tokenizer byte"
    assert any(line.split()[:3] == ["train", "1,000,000,000", "windows,"] for line in lines)
    assert any(line.split()[1:4] == ["piece", "h", "i"] for line in lines)
