"""A tokenizer of one's own: trained, kept, found again by its name, and named when it breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from craft.cli import craft
from craft.config.schema.tokenizer import OwnTokenizer
from craft.config.token_cache import token_key
from craft.data import prepare
from craft.data.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from craft.errors import OwnCodeError
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from tests.data.helpers import TEXT, write_text

WORDS = """
import re
import numpy as np
from craft.data.tokenizers.base import Tokenizer, dtype_for

PIECES = re.compile(r"\\w+|\\W")


class Words(Tokenizer):
    type = "words"

    def __init__(self, words):
        self.words, self.vocab_size = words, len(words)
        self.ids = {word: number for number, word in enumerate(words)}

    @classmethod
    def train(cls, texts, extra=""):
        return cls(sorted({word for text in texts for word in PIECES.findall(text)} | set(extra)))

    def encode_array(self, text):
        return np.array([self.ids[word] for word in PIECES.findall(text)], dtype=dtype_for(self.vocab_size))

    def decode(self, ids):
        return "".join(self.words[token] for token in self._as_ids(ids))

    def token_bytes(self):
        return np.array([len(word.encode()) for word in self.words], dtype=np.int64)

    def state_dict(self):
        return {"words": self.words}

    @classmethod
    def from_state(cls, state):
        return cls(state["words"])


class NoTrain:
    pass


class Other:
    @classmethod
    def train(cls, texts):
        return "no tokenizer"


class Sizeless(Words):
    @classmethod
    def train(cls, texts):
        made = cls(["a"])
        made.vocab_size = 0
        return made


class Short(Words):
    def token_bytes(self):
        return super().token_bytes()[1:]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_text(tmp_path)
    (tmp_path / "my_words.py").write_text(WORDS)
    return tmp_path


def trained(folder: Path, name: str = "Words", text: str = TEXT, **arguments: str) -> Tokenizer:
    return train_tokenizer(OwnTokenizer(type=f"my_words:{name}", arguments=dict(arguments)), text, search=folder)


def test_it_is_trained_with_its_arguments_and_found_again_by_its_name(folder: Path) -> None:
    tokenizer = trained(folder, extra="!")
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.decode(tokenizer.encode("!")) == "!"
    assert sum(tokenizer.token_bytes()[ids]) == len(TEXT)
    tokenizer.save(folder)
    again = load_tokenizer(folder, search=folder)
    assert type(again).__name__ == "Words"
    assert again.encode(TEXT) == ids
    again.save(folder)
    assert load_tokenizer(folder, search=folder).encode(TEXT) == ids


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoTrain", "has no class method train"),
        ("Other", "is str, which is no Tokenizer"),
        ("Sizeless", "its vocab_size is 0"),
        ("Short", r"token_bytes\(\) has the shape"),
        ("Missing", "has no Missing"),
    ],
)
def test_what_is_no_tokenizer_is_named(folder: Path, name: str, said: str) -> None:
    with pytest.raises(OwnCodeError, match=said) as raised:
        trained(folder, name)
    assert f"my_words:{name}" in str(raised.value)


def test_what_its_methods_raise_is_named(folder: Path) -> None:
    tokenizer = trained(folder)
    with pytest.raises(OwnCodeError, match=r'"my_words:Words": encode_array raised KeyError: .*unheard'):
        tokenizer.encode("unheard")
    tokenizer.save(folder)
    state = folder / "tokenizer.json"
    state.write_text(state.read_text().replace('words": [', 'other": ['))
    with pytest.raises(OwnCodeError, match="from_state raised KeyError"):
        load_tokenizer(folder, search=folder)


def test_tokens_are_made_anew_when_its_code_changes(folder: Path) -> None:
    from tests.data.helpers import definition

    config = definition(folder / "text.txt").model_copy(update={"tokenizer": OwnTokenizer(type="my_words:Words")})
    assert prepare(config, search=folder).made
    assert not prepare(config, search=folder).made
    (folder / "my_words.py").write_text(WORDS + "# changed\n")
    key = token_key(config.data, config.tokenizer, "x", folder)  # type: ignore[arg-type]
    (folder / "my_words.py").write_text(WORDS)
    assert token_key(config.data, config.tokenizer, "x", folder) != key  # type: ignore[arg-type]


def test_a_run_trains_and_generates_with_its_own_copy(folder: Path) -> None:
    file = folder / "experiments.toml"
    file.write_text(
        'craft = 1\n[experiment.own]\ndata = { type = "text", path = "text.txt", context_length = 16 }\n'
        'model = { type = "transformer", num_layers = 1, num_heads = 2, hidden_size = 16 }\n'
        'tokenizer = { type = "my_words:Words" }\ntraining = { max_steps = 3, batch_size = 2 }\n'
        'device = "cpu"\nprecision = "fp32"\n'
    )
    runs_dir = folder / "runs"
    result = CliRunner().invoke(craft, ["run", str(file), "own"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (folder / "my_words.py").unlink()
    asked = ["--runs-dir", str(runs_dir), "--prompt", "line 1", "--max-new-tokens", "5", "--json"]
    result = CliRunner().invoke(craft, ["generate", "own", *asked], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    checkpoint = checkpoints.resolve(RunFolder(runs_dir / "own-001"), "latest").path
    assert load_tokenizer(checkpoint, search=runs_dir / "own-001" / "code").decode([0])
