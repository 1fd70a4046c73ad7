"""Tokenizers: text to numbers and back without loss, and errors that name the character."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from craft.data import ByteTokenizer, CharTokenizer, Tokenizer, load_tokenizer
from craft.errors import TokenizerError

MIXED = "Zoë, naïve: 東京 -- «¿qué?» 🙂\n\tend\r\n"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_text_comes_back(text: str) -> None:
    for tokenizer in (CharTokenizer.train(text), ByteTokenizer()):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        stream = tokenizer.stream()
        assert "".join(map(stream.push, ids)) + stream.flush() == text
        assert sum(tokenizer.token_bytes()[ids]) == len(text.encode())


def test_char_ids_are_the_places_among_the_sorted_characters() -> None:
    tokenizer = CharTokenizer.train(MIXED)
    vocabulary = sorted(set(MIXED))
    assert tokenizer.vocab_size == len(vocabulary)
    assert tokenizer.encode(MIXED) == [vocabulary.index(character) for character in MIXED]
    assert CharTokenizer.train([MIXED[:9], MIXED[9:]]).characters == tokenizer.characters


@pytest.mark.parametrize(("size", "dtype"), [(256, "uint8"), (257, "uint16"), (65_536, "uint16"), (65_537, "int32")])
def test_ids_take_the_smallest_dtype(size: int, dtype: str) -> None:
    characters = "".join(chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000)[:size]
    tokenizer = CharTokenizer.train(characters)
    assert tokenizer.vocab_size == size
    ids = tokenizer.encode_array(characters[::-1])
    assert str(ids.dtype) == dtype
    assert np.array_equal(ids, np.arange(size)[::-1])
    with pytest.raises(TokenizerError, match="U\\+10FFFF"):
        tokenizer.encode("\U0010ffff")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("abé", "character 3 of the text is 'é', U+00E9 LATIN SMALL LETTER E WITH ACUTE"),
        ("ab\nb\x1b[31m", "character 5, on line 2, of the text is '\\x1b', U+001B a character without a name"),
        ("a\u202eb", "'\\u202e', U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("🙂éa🙂ß", "(so are 'é', 'ß')"),
        ("\ud800", "'\\ud800', U+D800"),
        ("A", "U+0041"),  # between characters that are there
        ("\x00", "U+0000"),
    ],
)
def test_an_unknown_character_is_named_with_its_place_and_the_mend(text: str, said: str) -> None:
    with pytest.raises(TokenizerError) as raised:
        CharTokenizer("\n!abz").encode(text)
    message = str(raised.value)
    assert said in message
    assert "the 5 characters" in message
    assert 'tokenizer.type = "byte"' in message
    assert message.isprintable()


def test_bytes_read_any_text_but_half_a_character() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.encode("é🙂") == list("é🙂".encode())
    with pytest.raises(TokenizerError, match=r"character 3 of the text is '\\udcff'"):
        tokenizer.encode("ab\udcff")


@pytest.mark.parametrize("tokenizer", [CharTokenizer("abc"), ByteTokenizer()])
def test_ids_outside_the_vocabulary_are_refused(tokenizer: Tokenizer) -> None:
    for wrong in (-1, tokenizer.vocab_size):
        with pytest.raises(TokenizerError, match=f"token {wrong} at place 1 is outside the vocabulary"):
            tokenizer.decode([0, wrong])
        with pytest.raises(TokenizerError, match=f"token {wrong} "):
            tokenizer.stream().push(wrong)
    assert tokenizer.decode([]) == ""
    assert (
        tokenizer.decode(torch.tensor([0, 1])) == tokenizer.decode(np.array([0, 1])) == tokenizer.decode(iter([0, 1]))
    )


def test_a_byte_stream_holds_back_what_is_no_whole_character() -> None:
    stream = ByteTokenizer().stream()
    pushed = [stream.push(byte) for byte in "a🙂".encode()]
    assert pushed == ["a", "", "", "", "🙂"]
    assert stream.push(0xC3) == ""
    assert stream.flush() == "\N{REPLACEMENT CHARACTER}"
    broken = ByteTokenizer().stream()
    assert broken.push(0xC3) + broken.push(ord("x")) + broken.flush() == "\N{REPLACEMENT CHARACTER}x"


def test_any_bytes_stream_to_the_same_text_as_at_once() -> None:
    random_bytes = random.Random(5).choices(range(256), k=4000)
    stream = ByteTokenizer().stream()
    assert "".join(map(stream.push, random_bytes)) + stream.flush() == ByteTokenizer().decode(random_bytes)


def test_pieces_are_what_a_person_can_tell_apart() -> None:
    assert [ByteTokenizer().piece(byte) for byte in (97, 0x80, 0xC3)] == ["a", "\\x80", "\\xc3"]
    assert CharTokenizer("aé").piece(1) == "é"


@pytest.mark.parametrize("tokenizer", [CharTokenizer.train(MIXED), ByteTokenizer()])
def test_saved_and_loaded_it_is_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    assert loaded.encode(MIXED) == tokenizer.encode(MIXED)
    assert np.array_equal(loaded.token_bytes(), tokenizer.token_bytes())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"type": "char"}', "damaged"),
        ('{"type": "char", "characters": "aa"}', "different characters"),
        ('{"type": "char", "characters": ["a"]}', "different characters"),
        ('{"type": "word"}', "type 'word'"),
        ("[" * 100_000, "damaged"),
        (None, "No such file"),
    ],
)
def test_a_damaged_file_is_named(content: str | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerError, match=said) as raised:
        load_tokenizer(tmp_path)
    assert "tokenizer.json" in str(raised.value)


def test_saved_text_is_readable_json(tmp_path: Path) -> None:
    CharTokenizer("aé").save(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8")) == {"type": "char", "characters": "aé"}
