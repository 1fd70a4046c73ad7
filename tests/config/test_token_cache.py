"""What is known of prepared tokens without torch, and what may be expected of others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from craft.config.corpus import open_corpus
from craft.config.reading import read_documents
from craft.config.schema.data import PythonDataset, PythonStdlibData, TextFilesData
from craft.config.schema.tokenizer import (
    ByteTokenizerConfig,
    CharTokenizerConfig,
    HFTokenizerConfig,
    SentencePieceTokenizerConfig,
)
from craft.config.token_cache import (
    TokenMeta,
    cache_dir,
    expected_tokens_range,
    expected_vocab_range,
    find_tokens,
    token_key,
)
from craft.errors import TokenizerError

CHAR, BYTE = CharTokenizerConfig(), ByteTokenizerConfig()

PREPARE = """
import json, sys
from dataclasses import asdict
from craft.config.schema import ExperimentConfig
from craft.data import prepare
for kind in ("char", "byte"):
    print(json.dumps(asdict(prepare(ExperimentConfig.model_validate({
        "data": {"type": "text", "path": sys.argv[1]}, "tokenizer": {"type": kind}, "model": {"type": "transformer"}
    })).meta)))
"""


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("CRAFT_CACHE_DIR")
    if sys.platform == "darwin":
        assert cache_dir() == tmp_path / "Library" / "Caches" / "craft"
    else:
        assert cache_dir() == tmp_path / "xdg" / "craft"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache_dir() == tmp_path / ".cache" / "craft"


def test_what_another_process_prepared_is_found_without_torch(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("some text, é\n" * 200)
    data = TextFilesData(path=str(file))
    assert find_tokens(data, CHAR) is find_tokens(data, BYTE) is None
    done = subprocess.run([sys.executable, "-c", PREPARE, str(file)], capture_output=True, text=True, check=True)
    metas = [TokenMeta(**json.loads(line)) for line in done.stdout.splitlines()]
    assert [find_tokens(data, CHAR), find_tokens(data, BYTE)] == metas
    assert (metas[0].num_tokens, metas[0].num_bytes, metas[0].vocab_size) == (2600, 2800, 10)
    assert (metas[1].num_tokens, metas[1].num_bytes, metas[1].vocab_size) == (2800, 2800, 256)
    assert (metas[0].path / "tokens.bin").stat().st_size == 2600
    assert metas[0].source == str(file)
    file.write_text("some text, e\n" * 200)
    assert find_tokens(data, CHAR) is None
    file.unlink()
    assert find_tokens(data, CHAR) is None


def test_nothing_is_found_of_what_is_not_there() -> None:
    assert find_tokens(TextFilesData(path="/nowhere/at/all"), CHAR) is None
    assert find_tokens(PythonDataset(type="my_module:D"), BYTE) is None


def test_the_key_follows_what_decides_the_tokens(tmp_path: Path) -> None:
    def key(content: str = "a", tokenizer: CharTokenizerConfig | ByteTokenizerConfig = CHAR, *names: str) -> str:
        return token_key(TextFilesData(path="p", processors=list(names)), tokenizer, content, tmp_path)

    (tmp_path / "mine_for_key.py").write_text("one")
    keys = [key(), key("b"), key("a", BYTE), key("a", CHAR, "lowercase"), key("a", CHAR, "mine_for_key:f")]
    (tmp_path / "mine_for_key.py").write_text("two")
    keys.append(key("a", CHAR, "mine_for_key:f"))
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]
    other = TextFilesData(path="q", context_length=8, val_fraction=0.3)
    assert token_key(other, CHAR, "a", None) == keys[0], "where the text lies and how it is cut decide nothing"


def test_a_tokenizer_read_from_a_file_counts_by_what_the_file_holds(tmp_path: Path) -> None:
    data = TextFilesData(path="p")
    (tmp_path / "a").mkdir()
    for name in ("a/tokenizer.json", "b.json"):
        (tmp_path / name).write_text("one")
    keys = [token_key(data, HFTokenizerConfig(path=str(tmp_path / name)), "a", None) for name in ("a", "b.json")]
    assert keys[0] == keys[1], "where it lies decides nothing"
    (tmp_path / "b.json").write_text("two")
    assert token_key(data, HFTokenizerConfig(path=str(tmp_path / "b.json")), "a", None) != keys[1]
    with pytest.raises(TokenizerError, match=r"tokenizer\.path: .*gone\.json: cannot be read: No such file"):
        token_key(data, HFTokenizerConfig(path=str(tmp_path / "gone.json")), "a", None)
    learnt = SentencePieceTokenizerConfig()
    assert token_key(data, learnt, "a", None) != token_key(data, learnt.model_copy(update={"vocab_size": 9}), "a", None)


def test_expected_tokens_enclose_what_comes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("東京" * 500)
    low, high = expected_tokens_range(TextFilesData(path=str(tmp_path))) or (0, 0)
    assert low <= 2002 < 6002 <= high < 4 * low + 10
    assert expected_tokens_range(TextFilesData(path=str(tmp_path / "gone"))) is None
    assert expected_tokens_range(PythonDataset(type="my_module:D")) is None


@pytest.mark.parametrize("max_bytes", [0, 300_000])
def test_expected_tokens_of_the_standard_library(max_bytes: int) -> None:
    data = PythonStdlibData(max_bytes=max_bytes)
    documents = ["".join(document) for document in read_documents(data, open_corpus(data), lambda _: None)]
    actual = sum(map(len, documents)) + 2 * (len(documents) - 1)
    low, high = expected_tokens_range(data) or (0, 0)
    assert low <= actual <= high <= 2 * low


def test_expected_vocabulary() -> None:
    assert expected_vocab_range(BYTE) == (256, 256)
    low, high = expected_vocab_range(CHAR)
    assert low <= 96 <= high
