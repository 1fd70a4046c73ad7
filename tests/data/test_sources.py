"""Text in records, tokens that were made elsewhere, and pickles that are not run."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from craft.config.estimate import estimate
from craft.config.schema import ExperimentConfig
from craft.config.token_cache import find_tokens
from craft.data import EvalWindows, PreparedData, TrainBatches, prepare
from craft.data.datasets import IGNORED
from craft.errors import CraftError

WORDS = "the quick brown fox jumps over the lazy dog; 東京 \U0001f98a\n"


def config_of(tokenizer: dict[str, Any] | str = "char", **data: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate(
        {
            "data": {"context_length": 8, **data},
            "tokenizer": {"type": tokenizer} if isinstance(tokenizer, str) else tokenizer,
            "model": {"type": "transformer"},
        }
    )


def refused(config: ExperimentConfig) -> str:
    with pytest.raises(CraftError) as raised:
        prepare(config)
    return str(raised.value)


def text_of(prepared: PreparedData) -> str:
    parts = [prepared.splits[name].tokens for name in ("train", "val")]  # type: ignore[attr-defined]
    return prepared.tokenizer.decode(np.concatenate(parts))


# Records ----------------------------------------------------------------------------------------------------------


def test_a_line_of_json_is_a_document(tmp_path: Path) -> None:
    records = [{"id": 1, "text": WORDS}, {"text": "two\nlines"}, {"text": ""}, {"text": WORDS}]
    file = tmp_path / "a.jsonl"
    lines = [json.dumps(record, ensure_ascii=number % 2 == 0) for number, record in enumerate(records)]
    file.write_text("\n".join(lines))
    prepared = prepare(config_of(type="jsonl", path=str(file)))
    assert text_of(prepared) == f"{WORDS}\n\ntwo\nlines\n\n{WORDS}"
    assert prepared.meta is not None
    assert prepared.meta.num_documents == 3
    assert not prepare(config_of(type="jsonl", path=str(tmp_path))).made, "the folder's .jsonl files"


def test_the_field_decides_the_tokens(tmp_path: Path) -> None:
    record = {"text": "aaaa bbbb " * 9, "message": {"content": "cccc dddd " * 9}}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    first = prepare(config_of(type="jsonl", path=str(tmp_path)))
    second = prepare(config_of(type="jsonl", path=str(tmp_path), text_field="message.content"))
    assert "c" in text_of(second)
    assert "c" not in text_of(first)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a"', "line 2: no JSON"),
        ('{"body": "a"}', "line 2: no 'text' in it ('body'); set data.text_field"),
        ('["a"]', "line 2: no 'text' in it (a list)"),
        ('{"text": 5}', "line 2: 'text' is int, not a text"),
        ('{"text": "\\ud800"}', "line 2: 'text' holds half a character"),
        ('{"text": "\\u00e9"}\n\xff', "no JSON"),
    ],
)
def test_a_wrong_line_of_json_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine"}\n' + line.encode("latin1"))
    message = refused(config_of("byte", type="jsonl", path=str(tmp_path)))
    assert f"{tmp_path}/a.jsonl" in message
    assert said in message


def test_a_row_of_a_table_is_a_document(tmp_path: Path) -> None:
    plain = 3 * WORDS.strip().replace(";", ",")
    (tmp_path / "a.csv").write_text(f'id;body\n1;"one; with\n""two"" lines"\n\n2;{plain}\n')
    prepared = prepare(config_of(type="csv", path=str(tmp_path), text_field="body", delimiter=";"))
    assert text_of(prepared) == f'one; with\n"two" lines\n\n{plain}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,body\n1,a\n", "no column 'text'; there are 'id', 'body'; set data.text_field"),
        ("id,text\n1\n", "line 2: 1 columns where 2 are named"),
        ('id,text\n1,"a\n', "no table in CSV"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert said in refused(config_of("byte", type="csv", path=str(tmp_path)))


def test_a_saved_dataset_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"text": [2 * WORDS, "second"], "other": [1, 2]})
    made.save_to_disk(str(tmp_path / "saved"))
    prepared = prepare(config_of(type="hf", path=str(tmp_path / "saved")))
    assert text_of(prepared) == f"{2 * WORDS}\n\nsecond"
    assert not prepare(config_of(type="hf", path=str(tmp_path / "saved"))).made
    assert "no column 'body'" in refused(config_of(type="hf", path=str(tmp_path / "saved"), text_field="body"))


def test_a_dataset_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = refused(config_of(type="hf", path=str(tmp_path / "gone")))
    assert "no such file or folder" in message
    assert 'data.path = "hf:OWNER/NAME"' in message


def test_parquet_is_read_where_it_lies(tmp_path: Path) -> None:
    """A file, and a folder of files by splits; a row without a text is none, and a damaged file is named."""
    datasets = pytest.importorskip("datasets")
    (tmp_path / "set").mkdir()
    for split, text in (("train", 2 * WORDS), ("test", 3 * WORDS)):
        rows = datasets.Dataset.from_dict({"text": [text, None, split]})
        rows.to_parquet(str(tmp_path / "set" / f"{split}-0.parquet"))
    file = prepare(config_of(type="hf", path=str(tmp_path / "set" / "train-0.parquet")))
    assert text_of(file) == f"{2 * WORDS}\n\ntrain"
    folder = prepare(config_of(type="hf", path=str(tmp_path / "set"), split="test"))
    assert text_of(folder) == f"{3 * WORDS}\n\ntest"
    assert "gone" in refused(config_of(type="hf", path=str(tmp_path / "set"), split="gone"))
    (tmp_path / "bad.parquet").write_text("no parquet")
    assert "not loaded: ArrowInvalid" in refused(config_of(type="hf", path=str(tmp_path / "bad.parquet")))
    (tmp_path / "a.json").write_text("{}")
    assert "a file of .parquet or .arrow is expected" in refused(config_of(type="hf", path=str(tmp_path / "a.json")))


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = refused(config_of(type="hf", path="hf:craft-tests/there-is-none"))
    assert message.startswith('data.path = "hf:craft-tests/there-is-none": not loaded: ConnectionError')


def test_null_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": null}\n' + json.dumps({"text": 3 * WORDS}))
    assert text_of(prepare(config_of(type="jsonl", path=str(tmp_path)))) == 3 * WORDS
    (tmp_path / "a.jsonl").write_text('{"text": null}\n{"text": ""}')
    assert "there is no text to train on" in refused(config_of("byte", type="jsonl", path=str(tmp_path)))


# Tokens -----------------------------------------------------------------------------------------------------------


def nanogpts(folder: Path, text: str = WORDS * 20) -> str:
    """What nanoGPT's prepare.py leaves behind."""
    folder.mkdir(exist_ok=True)
    characters = sorted(set(text))
    stoi = {c: i for i, c in enumerate(characters)}
    ids = np.array([stoi[c] for c in text], dtype=np.uint16)
    cut = int(len(ids) * 0.9)
    ids[:cut].tofile(folder / "train.bin")
    ids[cut:].tofile(folder / "val.bin")
    meta = {"vocab_size": len(characters), "itos": dict(enumerate(characters)), "stoi": stoi}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))
    return text


def test_nanogpts_folder_is_read_as_it_is(tmp_path: Path) -> None:
    text = nanogpts(tmp_path / "chars")
    config = config_of(type="tokens", path=str(tmp_path / "chars"))
    prepared = prepare(config)
    assert text_of(prepared) == text
    assert isinstance(prepared.splits["train"].tokens.base, np.memmap)  # type: ignore[attr-defined]
    assert prepared.splits["val"].num_target_bytes == len(text[int(len(text) * 0.9) + 1 :].encode())
    known = find_tokens(config.data, config.tokenizer)
    assert known is not None
    assert (known.num_tokens, known.vocab_size) == (len(text), len(set(text)))
    assert estimate(config).vocab_size.low == len(set(text))


@pytest.mark.parametrize("end", [".bin", ".npy"])
def test_one_file_is_split_by_the_fractions(tmp_path: Path, end: str) -> None:
    ids = np.frombuffer((WORDS * 5).encode(), dtype=np.uint8)
    file = tmp_path / f"all{end}"
    ids.tofile(file) if end == ".bin" else np.save(file, ids)
    prepared = prepare(config_of("byte", type="tokens", path=str(file), dtype="uint8"))
    assert text_of(prepared) == WORDS * 5
    assert set(prepared.splits) == {"train", "val"}


def test_numbers_without_a_meaning_train(tmp_path: Path) -> None:
    np.arange(5000, dtype=np.int32).tofile(tmp_path / "all.bin")
    config = config_of("ids", type="tokens", path=str(tmp_path / "all.bin"), dtype="int32")
    prepared = prepare(config)
    assert prepared.tokenizer.vocab_size == 5000
    assert prepared.tokenizer.decode(prepared.tokenizer.encode("17 4 4999")) == "17 4 4999"
    assert prepared.splits["val"].num_target_bytes == 0


def test_rows_of_an_array_are_sequences(tmp_path: Path) -> None:
    rows = np.arange(60, dtype=np.int64).reshape(6, 10)
    np.save(tmp_path / "rows.npy", rows)
    prepared = prepare(config_of("ids", type="tokens", path=str(tmp_path / "rows.npy"), val_fraction=0.34))
    inputs, targets = prepared.splits["train"].gather(np.array([0, 1]), 0)
    assert inputs.tolist() == [list(range(8)), [8, *[0] * 7]]
    assert targets.tolist() == [list(range(1, 9)), [9, *[IGNORED] * 7]]
    assert prepared.splits["train"].num_target_tokens == 3 * 9
    (tmp_path / "set").mkdir()
    for split, part in (("train", rows), ("val", rows[:2])):
        np.save(tmp_path / "set" / f"{split}.npy", part)
    given = prepare(config_of("ids", type="tokens", path=str(tmp_path / "set"))).splits
    assert [len(given[name]) for name in ("train", "val")] == [12, 4]  # type: ignore[arg-type]
    assert given["train"].identity != given["val"].identity
    np.save(tmp_path / "thin.npy", rows[:, :1])
    assert "6 rows of tokens leave nothing to train on" in refused(
        config_of("ids", type="tokens", path=str(tmp_path / "thin.npy"))
    )


def test_pieces_are_learnt_from_text_only(tmp_path: Path) -> None:
    np.ones(100, dtype=np.uint16).tofile(tmp_path / "all.bin")
    message = refused(config_of("bpe", type="tokens", path=str(tmp_path / "all.bin")))
    assert "no text to learn pieces from beside these tokens; name the tokenizer that made them" in message


def write_bad(folder: Path, name: str) -> ExperimentConfig:
    file = folder / name
    tokenizer: dict[str, Any] | str = "byte"
    match name:
        case "big.bin":
            np.array([1, 2, 300] * 9, dtype=np.uint16).tofile(file)
        case "odd.bin":
            file.write_bytes(b"123")
        case "negative.npy":
            np.save(file, np.array([1, -2] * 9))
        case "float.npy":
            np.save(file, np.ones(20))
        case "objects.npy":
            np.save(file, np.array([{}, {}]), allow_pickle=True)
        case "text.npy":
            file.write_text("no array")
        case "short.bin":
            np.array([1, 2], dtype=np.uint16).tofile(file)
        case "chars.bin":
            np.ones(100, dtype=np.uint16).tofile(file)
            tokenizer = "char"
        case "none":
            file.mkdir()
    return config_of(tokenizer, type="tokens", path=str(file))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("big.bin", "token 2 is 300, outside the vocabulary of the byte tokenizer, whose ids run from 0 to 255"),
        ("odd.bin", "3 bytes are no whole number of uint16 tokens of 2 bytes; set data.dtype"),
        ("negative.npy", "it holds -2, and ids begin at 0"),
        ("float.npy", "no array of tokens"),
        ("objects.npy", "no array of tokens"),
        ("text.npy", "it does not begin as one"),
        ("short.bin", "too short"),
        ("chars.bin", "no characters (nanoGPT's meta.pkl) beside these tokens; name the tokenizer"),
        ("none", "no train.bin or train.npy in this folder (it holds nothing)"),
        ("gone.bin", "No such file"),
    ],
)
def test_wrong_tokens_are_named(tmp_path: Path, name: str, said: str) -> None:
    message = refused(write_bad(tmp_path, name))
    assert said in message
    assert name in message or name == "short.bin"


# Pickles ----------------------------------------------------------------------------------------------------------


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_pickle_that_would_run_code_is_not_run(tmp_path: Path) -> None:
    file, sprung = tmp_path / "rows.pkl", tmp_path / "sprung"
    file.write_bytes(pickle.dumps([[1, 2, 3], Trap(sprung)]))
    message = refused(config_of("byte", type="pickled", path=str(file)))
    assert "loading it runs the code that it names (this one names pathlib" in message
    assert "allow_pickle = true" in message
    nanogpts(tmp_path / "chars")
    (tmp_path / "chars" / "meta.pkl").write_bytes(pickle.dumps({"itos": Trap(sprung)}))
    assert "it would run pathlib" in refused(config_of(type="tokens", path=str(tmp_path / "chars")))
    assert not sprung.exists()


def test_plain_rows_too_are_loaded_only_where_that_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "rows.pkl"
    rows = [list(range(n)) for n in (30, 4, 9, 17)] + [(np.arange(5), np.arange(1, 6))]
    file.write_bytes(pickle.dumps(rows))
    assert "allow_pickle" in refused(config_of("byte", type="pickled", path=str(file)))
    config = config_of("byte", type="pickled", path=str(file), allow_pickle=True, val_fraction=0.2)
    prepared = prepare(config)
    train = prepared.splits["train"]
    assert train.num_windows(shuffled=True) == 4 + 1 + 1 + 2
    inputs, targets = train.gather(np.arange(8), 0)
    assert inputs[3].tolist() == [24, 25, 26, 27, 28, 0, 0, 0]
    assert targets[3].tolist() == [25, 26, 27, 28, 29, *[IGNORED] * 3]
    assert sum(int((targets != IGNORED).sum()) for _, targets in EvalWindows(train, 8)) == 29 + 3 + 8 + 16
    batches = TrainBatches(train, batch_size=3, shuffle=True, seed=1)
    assert batches.batch(1)[0].shape == (3, 8)
    assert prepare(config).corpus_hash == prepared.corpus_hash


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"a": 1}, "it holds dict; a list of rows of token ids is expected"),
        ([], "it holds list"),
        ([[1, 2], ["a", "b"]], "row 1 is list; a row is two or more whole numbers"),
        ([[1, 300, 2]], "300, outside the vocabulary"),
        ([([1, 2, 3], [1, 2])], "row 0 has 3 inputs and 2 targets"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, rows: Any, said: str) -> None:
    (tmp_path / "rows.pkl").write_bytes(pickle.dumps(rows))
    assert said in refused(config_of("byte", type="pickled", path=str(tmp_path / "rows.pkl"), allow_pickle=True))


def test_what_is_no_pickle_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.pkl").write_bytes(random.Random(1).randbytes(200))
    for allowed in (False, True):
        message = refused(config_of("byte", type="pickled", path=str(tmp_path / "rows.pkl"), allow_pickle=allowed))
        assert "rows.pkl" in message
