"""Tokenizers from files that others made: what they lose is said, and bytes are those of the text that comes back."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

from craft.config.schema.tokenizer import BPETokenizerConfig, HFTokenizerConfig, SentencePieceTokenizerConfig
from craft.config.token_cache import expected_vocab_range
from craft.data.tokenizers import BPETokenizer, HFTokenizer, SentencePieceTokenizer, load_tokenizer, train_tokenizer
from craft.errors import CraftError, TokenizerError

SOURCE = Path(random.__file__).read_text(encoding="utf-8")
LINES = SOURCE.splitlines()
MIXED = "  Two  blanks, Zoë\n\n\tand \ufb01ve \u6771\u4eac \U0001f642 \u2581.\n"


def check(tokenizer: Any, text: str, back: str) -> None:
    """The text that comes back, at once and one by one, and bytes that are that text's."""
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == back
    stream = tokenizer.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == back
    assert sum(tokenizer.token_bytes()[ids]) == len(back.encode())


# SentencePiece ----------------------------------------------------------------------------------------------------


def foreign_model(path: Path, **settings: Any) -> Path:
    """A model as the library makes it unless told otherwise: normalising, with a blank before each text."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(LINES), model_writer=out, vocab_size=400, minloglevel=3, **settings
    )
    path.write_bytes(out.getvalue())
    return path


def test_a_model_that_normalises_is_lossy_and_says_so(tmp_path: Path) -> None:
    path = foreign_model(tmp_path / "t.model", pad_id=3)
    tokenizer = SentencePieceTokenizer.read(path)
    assert tokenizer.lossy == "it normalises text and a character without a piece becomes U+FFFD"
    check(tokenizer, "  def  f(x):", "  def  f(x):")
    check(tokenizer, "\uff44\uff45\uff46", "def")
    check(tokenizer, "a\u6771\u4eacb", "a\ufffdb")
    assert [tokenizer.piece(token) for token in range(4)] == ["<unk>", "<s>", "</s>", "<pad>"]
    assert tokenizer.token_bytes()[:4].tolist() == [3, 0, 0, 0]
    assert tokenizer.decode([1, 2, 3]) == ""
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.lossy, again.encode(SOURCE)) == (tokenizer.lossy, tokenizer.encode(SOURCE))


def test_a_model_with_bytes_and_no_normaliser_loses_nothing(tmp_path: Path) -> None:
    path = foreign_model(tmp_path / "t.model", byte_fallback=True, normalization_rule_name="identity", model_type="bpe")
    tokenizer = SentencePieceTokenizer.read(path)
    assert tokenizer.lossy == ""
    check(tokenizer, MIXED, MIXED)
    check(tokenizer, SOURCE, SOURCE)


def test_a_model_with_blanks_at_the_ends_and_signs_of_its_own(tmp_path: Path) -> None:
    path = foreign_model(
        tmp_path / "t.model", treat_whitespace_as_suffix=True, user_defined_symbols=["<sep>"], byte_fallback=True,
        normalization_rule_name="identity",
    )  # fmt: skip
    tokenizer = SentencePieceTokenizer.read(path)
    check(tokenizer, MIXED + "<sep>x", MIXED + "<sep>x")
    assert "<sep>" in [tokenizer.piece(token) for token in tokenizer.encode("a<sep>b")]


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x00" * 100, b'{"model": {}}', SOURCE.encode()])
def test_a_model_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text.model"
    path.write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.path: .*text\.model: not a SentencePiece model"):
        train_tokenizer(SentencePieceTokenizerConfig(path=str(path)), SOURCE)


def test_a_cut_model_is_named(tmp_path: Path) -> None:
    path = foreign_model(tmp_path / "t.model")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(TokenizerError, match="not a SentencePiece model"):
        SentencePieceTokenizer.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for config in (
        SentencePieceTokenizerConfig(path=str(tmp_path / "no")),
        BPETokenizerConfig(path=str(tmp_path / "no")),
        HFTokenizerConfig(path=str(tmp_path / "no")),
        HFTokenizerConfig(path=str(tmp_path)),
    ):
        with pytest.raises(TokenizerError, match="cannot be read: No such file"):
            train_tokenizer(config, SOURCE)


def test_a_size_that_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    path = foreign_model(tmp_path / "t.model")
    assert train_tokenizer(SentencePieceTokenizerConfig(path=str(path), vocab_size=400), "").vocab_size == 400
    with pytest.raises(TokenizerError, match=r"has 400 pieces, and tokenizer\.vocab_size says 500"):
        train_tokenizer(SentencePieceTokenizerConfig(path=str(path), vocab_size=500), "")


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    model = SentencePieceTokenizer.train(SOURCE, SentencePieceTokenizerConfig(vocab_size=400)).export(tmp_path)
    pairs = BPETokenizer.train(SOURCE, BPETokenizerConfig(vocab_size=400)).export(tmp_path)
    check(train_tokenizer(SentencePieceTokenizerConfig(path=str(model)), ""), MIXED, MIXED)
    for config in (
        BPETokenizerConfig(path=str(pairs)),
        HFTokenizerConfig(path=str(pairs)),
        HFTokenizerConfig(path=str(tmp_path)),
    ):
        check(train_tokenizer(config, ""), MIXED, MIXED)
    others = tokenizers.Tokenizer.from_file(str(pairs))
    assert others.encode(SOURCE).ids == BPETokenizer.read(pairs).encode(SOURCE)
    assert others.decode(others.encode(MIXED).ids) == MIXED


# The tokenizers library -------------------------------------------------------------------------------------------


def save(path: Path, tokenizer: Any) -> Path:
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def gpt2_like() -> Any:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
    )
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    tokenizer.enable_truncation(10)
    tokenizer.enable_padding(length=20)
    return tokenizer


def test_byte_level_pairs_come_back_whole(tmp_path: Path) -> None:
    """No blank in front, no sign behind, nothing cut off and nothing filled up."""
    tokenizer = HFTokenizer.read(save(tmp_path, gpt2_like()))
    assert tokenizer.lossy == ""
    check(tokenizer, MIXED, MIXED)
    check(tokenizer, SOURCE, SOURCE)
    check(tokenizer, "a<|endoftext|>b", "a<|endoftext|>b")
    assert len(tokenizer.encode("<|endoftext|>")) == 1
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert isinstance(again, HFTokenizer)
    assert again.encode(MIXED) == tokenizer.encode(MIXED)


def test_a_tokenizer_of_llamas_kind(tmp_path: Path) -> None:
    made = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=600, show_progress=False, special_tokens=["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    )
    made.train_from_iterator(LINES, trainer)
    content = json.loads(made.to_str())
    content["added_tokens"] = content["added_tokens"][:1]  # bytes are ordinary pieces there
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = HFTokenizer.read(tmp_path)
    assert tokenizer.lossy == "U+2581 becomes a blank"
    check(tokenizer, MIXED, MIXED.replace("\u2581", " "))
    check(tokenizer, SOURCE, SOURCE)


def test_a_tokenizer_of_t5s_kind(tmp_path: Path) -> None:
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=400, show_progress=False, special_tokens=["<pad>", "<unk>"], unk_token="<unk>"
    )
    made.train_from_iterator(LINES, trainer)
    tokenizer = HFTokenizer.read(save(tmp_path, made))
    assert "normalises text (NFKC)" in tokenizer.lossy
    assert "U+FFFD" in tokenizer.lossy
    check(tokenizer, "def f(x):  return", "def f(x):  return")
    check(tokenizer, "a \u6771 b", "a \ufffd b")


def test_a_tokenizer_of_berts_kind(tmp_path: Path) -> None:
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=400, show_progress=False, special_tokens=["[UNK]", "[CLS]"])
    made.train_from_iterator(LINES, trainer)
    tokenizer = HFTokenizer.read(save(tmp_path, made))
    assert "it does not keep blanks" in tokenizer.lossy
    check(tokenizer, "Return  self.random", " return self . random")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it has no model"),
        ('{"type": "char", "characters": "abc"}', "it has no model"),
        ('{"model": {}}', "no tokenizer.json that the tokenizers library takes"),
        ('{"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}}', "that the tokenizers library takes"),
        ('{"model": {"type": "BPE", "vocab": {}, "merges": []}, "normalizer": [1]}', "library takes"),
    ],
)
def test_json_that_is_no_tokenizer_is_named(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    for config in (HFTokenizerConfig(path=str(path)), BPETokenizerConfig(path=str(path))):
        with pytest.raises(TokenizerError, match=said) as raised:
            train_tokenizer(config, "")
        assert "other.json" in str(raised.value)


def test_anothers_pairs_are_not_taken_for_ours(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r'read it with tokenizer\.type = "hf"'):
        BPETokenizer.read(save(tmp_path, gpt2_like()))
    split = tokenizers.Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    split.pre_tokenizer = pre_tokenizers.Split(Regex("a"), "isolated")
    with pytest.raises(TokenizerError, match="hf"):
        BPETokenizer.read(save(tmp_path, split))


def test_a_model_given_as_json_and_json_as_a_model(tmp_path: Path) -> None:
    model = foreign_model(tmp_path / "t.model")
    with pytest.raises(TokenizerError, match=r'a \.model is read with tokenizer\.type = "sentencepiece"'):
        HFTokenizer.read(model)
    with pytest.raises(TokenizerError, match=r'a tokenizer\.json is read with tokenizer\.type = "hf"'):
        SentencePieceTokenizer.read(save(tmp_path, gpt2_like()) / "tokenizer.json")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(CraftError, match=r"pip install 'craft-workbench\[hf\]'"):
        BPETokenizer.train(SOURCE)


def test_the_size_of_a_file_is_known_without_using_it(tmp_path: Path) -> None:
    model = foreign_model(tmp_path / "t.model")
    save(tmp_path, gpt2_like())
    assert expected_vocab_range(SentencePieceTokenizerConfig(path=str(model))) == (400, 400)
    assert expected_vocab_range(HFTokenizerConfig(path=str(tmp_path))) == (400, 400)
    assert HFTokenizer.read(tmp_path).vocab_size == 400
    for broken in ("no.model", "no.json"):
        (tmp_path / broken).write_text("{")
        low, high = expected_vocab_range(HFTokenizerConfig(path=str(tmp_path / broken)))
        assert low < high
    assert expected_vocab_range(SentencePieceTokenizerConfig(vocab_size=500)) == (500, 500)
    assert expected_vocab_range(BPETokenizerConfig()) == (2048, 2048)
