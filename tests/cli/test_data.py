"""`craft data prepare` and `craft data inspect`."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from craft import data, platform
from craft.cli import craft
from craft.config.schema import ExperimentConfig
from craft.data import ByteTokenizer, PreparedData, TextDataset
from craft.errors import ConfigError, CraftError, DataError, UsageError
from craft.text import width_of
from tests.data.helpers import TEXT, definition, write_text

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


# Files of tokens --------------------------------------------------------------------------------------------------


def read_back(written: dict[str, Any]) -> PreparedData:
    sections = written["definition"] | {"model": {"type": "transformer"}}
    sections["data"] = {**sections["data"], "context_length": 16}
    return data.prepare(ExperimentConfig.model_validate(sections))


def text_of(prepared: PreparedData) -> str:
    tokens = [prepared.splits[name].tokens for name in ("train", "val")]  # type: ignore[attr-defined]
    return prepared.tokenizer.decode(np.concatenate(tokens))


@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe", "sentencepiece"])
def test_a_text_becomes_files_of_tokens_and_comes_back(tokenizer: str, tmp_path: Path) -> None:
    text = TEXT + "Zoë\t東京\n"
    size = ["--vocab-size", 300] if tokenizer in ("bpe", "sentencepiece") else []
    arguments = ["prepare", "--input", write_text(tmp_path, text), "--tokenizer", tokenizer, *size]
    (told,) = objects(run(*arguments, "--output", tmp_path / "made" / "tokens", "--json"))
    written = told["written"]
    assert told["experiment"] is None
    assert sum(file["tokens"] for file in written["files"].values()) == told["tokens"]
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["tokens"], "nothing half made is left"
    prepared = read_back(written)
    assert text_of(prepared) == text
    assert prepared.tokenizer.vocab_size == written["vocab_size"]
    if size:  # once more, by the vocabulary that was written
        vocabulary = Path(written["path"]) / written["vocabulary"]
        arguments = ["prepare", "--input", tmp_path / "text.txt", "--tokenizer", vocabulary]
        (again,) = objects(run(*arguments, "--output", tmp_path / "again", "--json"))
        assert (tmp_path / "again" / "train.bin").read_bytes() == (tmp_path / "made/tokens/train.bin").read_bytes()
        assert again["written"]["definition"]["tokenizer"]["type"] == tokenizer


def test_characters_are_written_as_nanogpt_reads_them(tmp_path: Path) -> None:
    """In its own way: numbers by `np.memmap`, and `meta.pkl` by the pickle module."""
    result = run("prepare", "--input", write_text(tmp_path), "--output", tmp_path / "chars")
    meta = pickle.loads((tmp_path / "chars" / "meta.pkl").read_bytes())
    ids = np.memmap(tmp_path / "chars" / "train.bin", dtype=np.uint16, mode="r")
    assert "".join(meta["itos"][i] for i in ids) == TEXT[: int(len(TEXT) * 0.9)]
    assert [meta["stoi"][c] for c in TEXT[:50]] == ids[:50].tolist()
    assert meta["vocab_size"] == len(set(TEXT))
    assert "train.bin" in result.stdout
    assert 'data = { type = "tokens", path = ' in result.stdout
    assert "MB/s" in result.stdout


def test_a_vocabulary_beyond_sixteen_bits_says_its_width_itself(tmp_path: Path) -> None:
    class Many(ByteTokenizer):
        vocab_size = 70_000

    tokens = np.arange(69_000, 70_000, dtype=np.int32)
    written = data.write_tokens({"train": TextDataset(tokens, 8)}, Many(), tmp_path / "many")
    assert written.tokens == {"train": ("train.npy", 1000)}
    assert np.load(tmp_path / "many" / "train.npy").tolist() == tokens.tolist()
    config = definition(tmp_path / "many", "ids", type="tokens", context_length=8)
    assert data.prepare(config).splits["train"].num_target_tokens == 999


def test_records_and_tables_become_tokens(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"m": {"t": TEXT[i : i + 50]}}) + "\n" for i in range(9)))
    (tmp_path / "a.tsv").write_text(f'id\ttext\n1\t"{TEXT[:400]}"\n')
    for name, extra in (("a.jsonl", ["--text-field", "m.t"]), ("a.tsv", [])):
        made = run("prepare", "--input", tmp_path / name, "--output", tmp_path / f"{name}.made", *extra, "--json")
        assert objects(made)[0]["data"] == ("jsonl" if "jsonl" in name else "csv")
    assert text_of(read_back(objects(made)[0]["written"])).startswith("line 0 says")


def test_an_experiments_tokens_are_written_too(file: Path, tmp_path: Path) -> None:
    run("prepare", file, "bytes", "data.val_fraction=0.5", "--output", tmp_path / "out")
    halves = [(tmp_path / "out" / name).read_bytes() for name in ("train.bin", "val.bin")]
    assert np.frombuffer(b"".join(halves), dtype=np.uint16).astype(np.uint8).tobytes() == TEXT.encode()
    shown = run("inspect", write_definition(tmp_path, "out"), "read").stdout
    assert "13,842 targets" not in shown
    assert f"{len(halves[0]) // 2 - 1:,} targets" in run("prepare", tmp_path / "read.toml").stdout


def write_definition(folder: Path, tokens: str) -> Path:
    path = folder / "read.toml"
    path.write_text(
        f'craft = 1\n[experiment.read]\nmodel = {{ type = "transformer" }}\ntokenizer = {{ type = "byte" }}\n'
        f'data = {{ type = "tokens", path = "{tokens}", context_length = 16 }}\n'
        "training = { max_steps = 5, batch_size = 2 }\n"
    )
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--input", "text.txt"], "--input needs --output"),
        ([], "name either a FILE of experiments or texts with --input"),
        (["experiments.toml", "small", "--tokenizer", "byte"], "--tokenizer goes with --input"),
        (["experiments.toml", "--output", "out"], "2 different texts or tokenizers are meant; name one experiment"),
        (["--input", "text.txt", "--output", "."], ". is there already"),
        (["--input", "text.txt", "--output", "out", "--tokenizer", "word"], "'word' is none of char, byte"),
        (["--input", "text.txt", "--output", "out", "--vocab-size", "9"], "--vocab-size goes with --tokenizer"),
        (["--input", "text.txt", "--output", "out", "--text-field", "a"], "--text-field goes with .jsonl"),
        (["--input", "text.txt", "--input", "a.csv", "--output", "out"], "files of different kinds, .csv, .txt"),
        (["--input", "rows.pkl", "--output", "out"], 'reads it with data.type = "pickled"'),
        (["--input", "gone.txt", "--output", "out"], "no such file or folder"),
        (
            ["--input", "text.txt", "--output", "out", "--tokenizer", "bpe", "--vocab-size", "9"],
            "vocab_size = 9 is too",
        ),
        (["--input", "text.txt", "--output", "text.txt/out"], "cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_written_is_said(
    arguments: list[str], said: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    with pytest.raises((CraftError, click.UsageError)) as raised:
        craft(["data", "prepare", *arguments], standalone_mode=False)
    assert said in str(raised.value)
    assert not Path("out").exists()


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(platform, "fsync_file", full)
    with pytest.raises(DataError, match="No space left on device"):
        data.write_tokens({"train": TextDataset(np.arange(50), 8)}, ByteTokenizer(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
