"""`craft tokenizer train` and `craft tokenizer inspect`."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from craft.cli import craft
from craft.config.experiments import load_experiments
from craft.data import prepare
from craft.errors import CraftError, TokenizerError, UnknownRunError, UsageError
from craft.text import width_of
from tests.data.helpers import TEXT, write_text
from tests.training import runs

FILE = """
craft = 1
[defaults]
model = { type = "transformer", num_layers = 1, num_heads = 2, hidden_size = 16 }
[defaults.data]
type = "text"
path = "text.txt"
context_length = 32
[experiment.chars]
[experiment.pieces]
tokenizer = { type = "sentencepiece", vocab_size = 300 }
[experiment.same]
extends = "pieces"
model.num_layers = 2
[experiment.pairs]
tokenizer = { type = "bpe", vocab_size = 300 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_text(tmp_path)
    path = tmp_path / "experiments.toml"
    path.write_text(FILE)
    return path


def run(*arguments: object, **settings: Any) -> Result:
    result = CliRunner().invoke(craft, ["tokenizer", *map(str, arguments)], catch_exceptions=False, **settings)
    assert result.exit_code == 0, result.output
    return result


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


# train ------------------------------------------------------------------------------------------------------------


def test_train_learns_each_vocabulary_once_and_keeps_it(file: Path) -> None:
    first, second = (objects(run("train", file, "--json")) for _ in range(2))
    assert [one["experiment"] for one in first] == ["chars", "pieces", "pairs"], "what two share is made once"
    assert [one["vocab_size"] for one in first] == [len(set(TEXT)), 300, 300]
    assert [one["made"] for one in first] == [True] * 3
    assert [one["made"] for one in second] == [False] * 3
    assert all(one["bytes"] == len(TEXT) for one in first)
    (planned,) = load_experiments(file).plan(["same"])
    assert not prepare(planned.config).made, "a run finds it"


def test_what_train_writes_another_definition_reads(file: Path, tmp_path: Path) -> None:
    said = run("train", file, "pieces", "--output", tmp_path / "out").stdout
    line = next(line.strip() for line in said.splitlines() if line.strip().startswith("tokenizer ="))
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "experiments.toml"
    text = FILE.replace("text.txt", "../text.txt").replace(str(tmp_path), "..")
    other.write_text(text + f"[experiment.read]\n{line.replace(str(tmp_path), '..')}\n")
    (read,) = load_experiments(other).plan(["read"])
    assert read.config.tokenizer.path == str(tmp_path / "out" / "tokenizer.model")  # type: ignore[union-attr]
    (made,) = load_experiments(file).plan(["pieces"])
    tokens = [prepare(planned.config).meta for planned in (read, made)]
    assert tokens[0] and tokens[1] and tokens[0].tokens_hash == tokens[1].tokens_hash


def test_train_on_a_text_of_its_own(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    (told,) = objects(
        run("train", "--input", text, "--type", "bpe", "--vocab-size", 280, "--output", tmp_path / "out", "--json")
    )
    assert (told["tokenizer"], told["vocab_size"], told["tokens"]) == ("bpe", 280, told["tokens"])
    assert Path(told["path"]) == tmp_path / "out" / "tokenizer.json"
    assert json.loads(Path(told["path"]).read_text())["model"]["type"] == "BPE"
    plain = run("train", "--input", text, "--vocab-size", 300).stdout
    assert plain.startswith("sentencepiece, 300 tokens, made in ")


def test_a_long_text_is_sampled_and_that_is_said(file: Path) -> None:
    said = run("train", file, "pieces", "tokenizer.train_chars=5000", "tokenizer.vocab_size=290").stdout
    assert "learnt from 5,000 characters of it, spread evenly; tokenizer.train_chars takes more" in said


def test_wrong_use_of_train(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3 different tokenizers are meant"):
        run("train", file, "--output", tmp_path / "out")
    with pytest.raises(UsageError, match="a char vocabulary has no file of its own"):
        run("train", file, "chars", "--output", tmp_path / "out")
    run("train", file, "pairs", "--output", tmp_path / "out")
    with pytest.raises(UsageError, match=r"tokenizer\.json is there already"):
        run("train", file, "pairs", "--output", tmp_path / "out")
    with pytest.raises(TokenizerError, match=r"vocab_size = 90,000 is more than this text allows"):
        run("train", file, "pieces", "tokenizer.vocab_size=90000")
    for arguments in ([], [file, "--input", "text.txt"]):
        result = CliRunner().invoke(craft, ["tokenizer", "train", *map(str, arguments)])
        assert result.exit_code == 2
        assert "either a FILE of experiments or a text with --input" in result.output


# inspect ----------------------------------------------------------------------------------------------------------


def test_inspect_an_experiment_in_json(file: Path) -> None:
    about, tokens = objects(run("inspect", file, "pieces", "--text", "line 12\n\u6771 x", "--json"))
    assert (about["tokenizer"], about["vocab_size"], about["lossy"]) == ("sentencepiece", 300, None)
    assert about["corpus"]["bytes"] == len(TEXT)
    assert 0 < about["corpus"]["tokens_used"] <= 300
    assert about["corpus"]["bytes_per_token"] == pytest.approx(len(TEXT) / about["corpus"]["tokens"])
    assert (about["text"]["tokens"], about["text"]["bytes"]) == (len(tokens["ids"]), 13)
    assert about["text"]["words"] == 4
    assert about["text"]["unknown"] == []
    assert "".join(tokens["pieces"]) == "line 12\n\\xe6\\x9d\\xb1 x"
    lengths = [one["bytes"] for one in about["longest"]]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 3


def test_inspect_names_what_a_tokenizer_does_not_know(file: Path) -> None:
    about, tokens = objects(run("inspect", file, "chars", "--text", "l\u00e9in\u6771e", "--json"))
    assert about["text"]["unknown"] == ["\u00e9", "\u6771"]
    assert tokens["pieces"] == ["l", "i", "n", "e"]
    lines = run("inspect", file, "chars", "--text", "l\u00e9in\u6771e").stdout.splitlines()
    assert "  unknown     2 different: '\u00e9' '\u6771'" in lines


def test_inspect_shows_the_text_it_was_made_for_where_none_is_given(file: Path) -> None:
    lines = run("inspect", file, "pairs").stdout.splitlines()
    assert lines[0] == "pairs: bpe, 300 tokens"
    assert all(width_of(line) <= 80 for line in lines)
    shown = "".join(lines[lines.index("") + 1 :])
    assert "says that" in shown.replace("\u2502", "")


def test_pieces_are_told_apart_without_colour_and_with(file: Path, tmp_path: Path) -> None:
    text = "line \x1b[31m7\n"
    out = run("inspect", file, "chars", "--text", "line 7\n").stdout
    assert out.splitlines()[-1] == "l\u2502i\u2502n\u2502e\u2502 \u25027\u2502\u240a\u2502"
    run("train", file, "pairs", "--output", tmp_path / "out")
    command = [
        sys.executable,
        "-c",
        "from craft.cli import main; main()",
        "tokenizer",
        "inspect",
        str(tmp_path / "out"),
    ]
    colored = in_terminal([*command, "--text", text], TERM="xterm-256color", PYTHONUTF8="1")
    plain = in_terminal([*command, "--text", text], TERM="xterm-256color", NO_COLOR="1", PYTHONUTF8="1")
    assert "\x1b[30;46mline\x1b[0m\x1b[30;43m" in colored
    assert "\x1b[31m" not in colored + plain, "an escape in the text is shown, not obeyed"
    assert "\x1b" not in plain
    assert "line\u2502" in plain


def in_terminal(command: list[str], **environment: str) -> str:
    """What a command writes to a terminal."""
    mine, its = pty.openpty()
    environment = {**{key: value for key, value in os.environ.items() if key != "NO_COLOR"}, **environment}
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    shown = b""
    with os.fdopen(mine, "rb", buffering=0) as terminal:
        while True:
            try:
                piece = terminal.read(1 << 16)
            except OSError:  # Linux's way of saying that nobody writes any more
                break
            if not piece:
                break
            shown += piece
    assert process.wait() == 0, shown
    return shown.decode()


def test_inspect_a_file_and_a_run(file: Path, tmp_path: Path) -> None:
    run("train", file, "pieces", "--output", tmp_path / "out")
    (made,) = load_experiments(file).plan(["pieces"])
    folder = runs.make_run(tmp_path / "runs", made.config.model_copy(update=runs_settings(made.config)), "pieces")
    assert runs.train(folder) == 0
    asked = ("--text", TEXT[:50], "--json")
    from_model = objects(run("inspect", tmp_path / "out" / "tokenizer.model", *asked))
    from_run = objects(run("inspect", "pieces", "--runs-dir", tmp_path / "runs", *asked))
    from_step = objects(run("inspect", f"{folder.name}@0", "--runs-dir", tmp_path / "runs", *asked))
    from_checkpoint = objects(run("inspect", folder.path / "checkpoints" / "step-00000000", *asked))
    assert from_model[1] == from_run[1] == from_step[1] == from_checkpoint[1]
    assert from_model[0]["corpus"] is None
    assert from_run[0]["corpus"]["bytes"] == len(TEXT)
    assert from_run[0]["tokenizer"] == "sentencepiece"


def runs_settings(config: Any) -> dict[str, Any]:
    """A training of two steps."""
    return {"training": config.training.model_copy(update={"max_steps": 2, "batch_size": 2}), "device": "cpu"}


def test_wrong_use_of_inspect(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3 different tokenizers are meant: chars, pieces, pairs"):
        run("inspect", file)
    with pytest.raises(UnknownRunError):
        run("inspect", "nobody", "--runs-dir", tmp_path / "runs")
    with pytest.raises(TokenizerError, match="not a SentencePiece model"):
        run("inspect", tmp_path / "text.txt")
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    with pytest.raises(CraftError, match="not UTF-8"):
        run("inspect", file, "chars", "--file", tmp_path / "latin")
    for arguments, said in (
        ([file, "chars", "--text", "a", "--file", file], "either --text or --file"),
        (["small", "chars"], "belong to an experiments file"),
    ):
        result = CliRunner().invoke(craft, ["tokenizer", "inspect", *map(str, arguments)])
        assert result.exit_code == 2
        assert said in result.output


def test_a_file_that_is_not_there_costs_no_run(file: Path) -> None:
    for setting in ("type=hf", "type=sentencepiece"):
        words = [str(file), "chars", f"tokenizer.{setting}", "tokenizer.path=nowhere.json"]
        with pytest.raises(TokenizerError, match=r"tokenizer\.path: .*nowhere\.json: no such file"):
            CliRunner().invoke(craft, ["run", *words], catch_exceptions=False)
    assert not (file.parent / "runs").exists() or not list((file.parent / "runs").glob("chars*"))
