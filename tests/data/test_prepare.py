"""Preparing text: read once, kept, found again, made again when damaged, made once by two at once."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from craft import platform
from craft.config.token_cache import cache_dir, find_tokens
from craft.data import EvalWindows, PreparedData, TextDataset, TrainBatches, create_dataset_from_config, prepare
from craft.data.prepare import SEPARATOR
from craft.errors import DataError
from tests.data.helpers import TEXT, definition, write_text

MODULE = sys.modules["craft.data.prepare"]
ROOT = Path(__file__).parents[2]


def tokens_of(prepared: PreparedData) -> np.ndarray[Any, Any]:
    """All tokens, the splits put together again."""
    splits = prepared.splits.values()
    assert all(isinstance(split, TextDataset) for split in splits)
    return np.concatenate([split.tokens for split in splits])  # type: ignore[attr-defined]


def never_read(*_: object) -> None:
    raise AssertionError("the text was read again")


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_the_tokens_are_the_text_split_in_its_order(kind: str, tmp_path: Path) -> None:
    text = TEXT + "Zoë 東京"
    prepared = prepare(definition(write_text(tmp_path, text), kind, test_fraction=0.2))
    assert prepared.tokenizer.decode(tokens_of(prepared)) == text
    total = len(text) if kind == "char" else len(text.encode())
    sizes = {name: len(split.tokens) for name, split in prepared.splits.items()}  # type: ignore[attr-defined]
    val_start, test_start = total * 7 // 10, total * 8 // 10
    assert sizes == {"train": val_start, "val": test_start - val_start, "test": total - test_start}


def test_the_split_is_that_of_nanogpt(tmp_path: Path) -> None:
    """Its prepare.py: train is data[: int(n * 0.9)], val the rest; its vocabulary is sorted(set(data))."""
    for length in (1_115_394, 1000, 1001, 1009):
        text = (TEXT * (length // len(TEXT) + 1))[:length]
        prepared = prepare(definition(write_text(tmp_path, text), context_length=16))
        train = prepared.splits["train"].tokens  # type: ignore[attr-defined]
        ids = {character: number for number, character in enumerate(sorted(set(text)))}
        assert len(train) == int(length * 0.9)
        assert train[:1000].tolist() == [ids[character] for character in text[:1000]][: len(train)]


def test_bytes_of_the_validation_targets_are_those_of_its_text(tmp_path: Path) -> None:
    text = "é東🙂a" * 500
    for kind in ("char", "byte"):
        prepared = prepare(definition(write_text(tmp_path, text), kind, val_fraction=0.5))
        windows = EvalWindows(prepared.splits["val"], 64)
        val = prepared.tokenizer.decode(prepared.splits["val"].tokens)  # type: ignore[attr-defined]
        first = len(val[0].encode()) if kind == "char" else 1
        assert windows.num_bytes == len(val.encode()) - first
        assert prepared.meta is not None
        assert prepared.meta.num_bytes == len(text.encode())


def test_nothing_held_out_is_no_split(tmp_path: Path) -> None:
    config = definition(write_text(tmp_path), val_fraction=0.0)
    assert list(prepare(config).splits) == ["train"]
    with pytest.raises(DataError, match=r"no test split; set data\.test_fraction above 0"):
        create_dataset_from_config(config, "test")
    assert isinstance(create_dataset_from_config(config, "train"), TextDataset)


@pytest.mark.parametrize(
    ("length", "data", "said"),
    [
        (64, {"val_fraction": 0.0}, "the training split is too short: 64 of the text's 64 tokens"),
        (640, {}, "the validation split is too short: 64 of the text's 640 tokens (0.1 of it)"),
        (640, {}, "data.context_length + 1 = 65; set data.context_length to 63 or less"),
        (640, {}, "data.val_fraction to 0.11 or more"),
        (
            6400,
            {"test_fraction": 0.01},
            "set data.context_length to 63 or less, or data.test_fraction to 0.011 or more",
        ),
        (2, {}, "use a longer text"),
    ],
)
def test_too_short_says_what_was_found_and_what_to_set(
    length: int, data: dict[str, float], said: str, tmp_path: Path
) -> None:
    file = write_text(tmp_path, ("ab" * length)[:length])
    with pytest.raises(DataError) as raised:
        prepare(definition(file, **data))
    assert said in str(raised.value)


def test_the_mends_that_it_names_do_mend(tmp_path: Path) -> None:
    file = write_text(tmp_path, "ab" * 320)
    prepare(definition(file, val_fraction=0.11))
    prepare(definition(file, context_length=63))


def test_documents_are_set_apart(tmp_path: Path) -> None:
    for number in range(3):
        write_text(tmp_path, f"document {number}\n" * 50, f"{number}.txt")
    prepared = prepare(definition(tmp_path))
    expected = SEPARATOR.join(f"document {number}\n" * 50 for number in range(3))
    assert prepared.tokenizer.decode(tokens_of(prepared)) == expected
    assert prepared.meta is not None
    assert (prepared.meta.num_documents, prepared.meta.num_bytes) == (3, len(expected))


def test_a_text_read_in_parts_shows_no_trace_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXT + "Zoë 東京"
    monkeypatch.setattr("craft.config.reading.CHUNK", 7)  # some characters lie across two
    prepared = prepare(definition(write_text(tmp_path, text), context_length=8))
    assert prepared.tokenizer.decode(tokens_of(prepared)) == text


# The cache --------------------------------------------------------------------------------------------------------


def test_a_second_start_reads_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = definition(write_text(tmp_path))
    first = prepare(config)
    assert (first.made, first.kept) == (True, True)
    monkeypatch.setattr(MODULE, "take_facts", never_read)
    second = prepare(config)
    assert (second.made, second.kept) == (False, True)
    assert np.array_equal(tokens_of(second), tokens_of(first))
    assert second.meta == first.meta == find_tokens(config.data, config.tokenizer)
    assert second.corpus_hash == first.corpus_hash


def test_what_changes_the_tokens_makes_new_ones(tmp_path: Path) -> None:
    file = write_text(tmp_path)
    configs = [
        definition(file),
        definition(file, "byte"),
        definition(file, processors=["lowercase"]),
        definition(file, processors=["normalise"]),
        definition(file, processors=["normalise", "lowercase"]),
    ]
    keys = {prepare(config).meta.key for config in configs}  # type: ignore[union-attr]
    assert len(keys) == len(configs)
    assert prepare(definition(file, context_length=16, val_fraction=0.3, shuffle=False)).made is False


def test_the_same_content_elsewhere_is_not_tokenized_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(definition(write_text(tmp_path)))
    monkeypatch.setattr(MODULE, "train_tokenizer", never_read)
    second = prepare(definition(write_text(tmp_path / "elsewhere", name="copy.txt")))
    assert second.made is False
    assert np.array_equal(tokens_of(second), tokens_of(first))
    assert second.meta is not None
    assert second.meta.path == first.meta.path  # type: ignore[union-attr]
    assert second.meta.source.endswith("copy.txt")
    monkeypatch.setattr(MODULE, "take_facts", never_read)
    assert not prepare(definition(tmp_path / "elsewhere" / "copy.txt")).made


def test_a_changed_file_is_read_again_though_its_size_is_the_same(tmp_path: Path) -> None:
    config = definition(write_text(tmp_path))
    first = prepare(config)
    write_text(tmp_path, TEXT.replace("says", "sais"))
    assert find_tokens(config.data, config.tokenizer) is None
    second = prepare(config)
    assert second.made
    assert second.corpus_hash != first.corpus_hash
    assert "sais" in second.tokenizer.decode(tokens_of(second))


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained on, and kept, is one text, and not a part of each."""
    config = definition(write_text(tmp_path))
    real, changes = MODULE.take_facts, [TEXT.replace("says", "sais")]

    def change_late(*arguments: Any) -> Any:
        facts = real(*arguments)
        if changes:
            write_text(tmp_path, changes.pop())
        return facts

    monkeypatch.setattr(MODULE, "take_facts", change_late)
    first = prepare(config)
    assert "sais" in first.tokenizer.decode(tokens_of(first))
    changes += [TEXT.replace("says", f"s{number}ys") for number in range(3)]
    write_text(tmp_path, TEXT)
    with pytest.raises(DataError, match="changes all the time"):
        prepare(config)
    assert prepare(config).corpus_hash != first.corpus_hash


def damage_cut(folder: Path) -> None:
    os.truncate(folder / "tokens.bin", 100)


def damage_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def damage_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"type": "char", "char')


def damage_other_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"type": "char", "characters": "ab"}')


def damage_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("{}")


def damage_ids(folder: Path) -> None:
    with (folder / "tokens.bin").open("r+b") as file:
        file.seek(50)
        file.write(b"\xff")


def damage_file_in_place(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "key": "another"}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_cut, "tokens.bin has 100 bytes instead of"),
        (damage_no_tokenizer, "tokenizer.json: No such file"),
        (damage_tokenizer, "tokenizer.json: damaged"),
        (damage_other_tokenizer, "its tokens do not fit its tokenizer"),
        (damage_ids, "its tokens do not fit its tokenizer"),
        (damage_meta, "meta.json cannot be read"),
        (damage_file_in_place, "meta.json belongs to another entry"),
    ],
)
def test_a_damaged_entry_is_named_and_made_again(damage: Any, said: str, tmp_path: Path) -> None:
    config = definition(write_text(tmp_path))
    first = prepare(config)
    assert first.meta is not None
    damage(first.meta.path)
    warnings: list[str] = []
    second = prepare(config, warn=warnings.append)
    assert len(warnings) == 1
    assert str(first.meta.path) in warnings[0]
    assert said in warnings[0]
    assert second.made
    assert np.array_equal(tokens_of(second), tokens_of(first))
    third = prepare(config, warn=warnings.append)
    assert not third.made
    assert len(warnings) == 1


def test_without_a_place_to_write_the_tokens_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path, name="file")
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "file" / "cache"))
    warnings: list[str] = []
    prepared = prepare(definition(write_text(tmp_path)), warn=warnings.append)
    assert (prepared.made, prepared.kept) == (True, False)
    assert prepared.tokenizer.decode(tokens_of(prepared)) == TEXT
    assert len(warnings) == 1
    assert "not kept for the next start: Not a directory" in warnings[0]
    assert "CRAFT_CACHE_DIR" in warnings[0]


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    config = definition(write_text(tmp_path))
    warnings: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(platform, "fsync_file", full)
        assert not prepare(config, warn=warnings.append).kept
    assert "No space left on device" in warnings[0]
    assert list((cache_dir() / "tokens").iterdir()) == []
    assert prepare(config).kept


def test_an_entry_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("fsync_file", "fsync_dir", "rename"):
        real = getattr(platform, name)

        def recording(path: Path, *rest: Path, name: str = name, real: Any = real) -> None:
            done.append(f"{name} {path.name if name == 'fsync_file' else ''}".strip())
            real(path, *rest)

        monkeypatch.setattr(platform, name, recording)
    prepare(definition(write_text(tmp_path)))
    files = {"fsync_file meta.json", "fsync_file tokenizer.json", "fsync_file tokens.bin"}
    assert set(done[:3]) == files
    assert done[3:] == ["fsync_dir", "rename", "fsync_dir"]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    config = definition(write_text(tmp_path))
    meta = prepare(config).meta
    assert meta is not None
    left = meta.path.with_name(f".{meta.key}.99999")
    meta.path.rename(left)
    assert prepare(config).made
    assert not left.exists()


SLOW_PROCESSOR = """
import os, pathlib, time
here = pathlib.Path(__file__).parent

def shout(text):
    descriptor = os.open(here / "calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b"called\\n")
    os.close(descriptor)
    while len(list(here.glob("ready-*"))) < 2:
        time.sleep(0.01)
    return text.upper()
"""

PREPARING_PROCESS = """
import os, pathlib, sys
from craft.data import prepare
from tests.data.helpers import definition
folder = pathlib.Path(sys.argv[1])
(folder / f"ready-{os.getpid()}").touch()
prepared = prepare(definition(folder / "text.txt", processors=["slow_shout:shout"]), search=folder)
print(prepared.made, prepared.meta.key, prepared.tokenizer.decode(prepared.splits["train"].tokens[:6]))
"""


def test_two_that_start_together_make_it_once(tmp_path: Path) -> None:
    write_text(tmp_path)
    (tmp_path / "slow_shout.py").write_text(SLOW_PROCESSOR)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PREPARING_PROCESS, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert (tmp_path / "calls").read_text() == 2 * "called\n", "once for the vocabulary, once for the tokens"
    assert sorted(words[0] for words in said) == ["False", "True"]
    assert said[0][1:] == said[1][1:]
    assert said[0][2] == "LINE"


# Mapped from disk, and progress -----------------------------------------------------------------------------------


def test_many_tokens_are_mapped_and_give_the_same_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = definition(write_text(tmp_path))
    in_memory = prepare(config)
    monkeypatch.setattr(MODULE, "IN_MEMORY", 100)
    mapped = prepare(config)
    tokens = mapped.splits["train"].tokens  # type: ignore[attr-defined]
    assert not tokens.flags.writeable
    assert isinstance(tokens.base if isinstance(tokens.base, np.memmap) else tokens, np.memmap)
    for step in (1, 20):
        ours, theirs = (
            TrainBatches(prepared.splits["train"], batch_size=5, shuffle=True, seed=1).batch(step)
            for prepared in (mapped, in_memory)
        )
        assert ours[0].equal(theirs[0])
        assert ours[1].equal(theirs[1])
    for name in ("train", "val"):
        pairs = zip(EvalWindows(mapped.splits[name], 64), EvalWindows(in_memory.splits[name], 64), strict=True)
        assert all(one[0].equal(other[0]) and one[1].equal(other[1]) for one, other in pairs)
        assert mapped.splits[name].num_target_bytes == in_memory.splits[name].num_target_bytes


def test_progress_is_told_once_it_takes_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(np.arange(0.0, 1000.0, 0.1))
    monkeypatch.setattr(MODULE.time, "monotonic", lambda: next(now))
    for number in range(100):
        write_text(tmp_path, name=f"{number:03}.txt")
    lines: list[str] = []
    prepare(definition(tmp_path, processors=["lowercase"]), progress=lines.append)
    assert "reading" in lines[0]
    read = float(lines[0].split()[1])
    assert "MB/s" in lines[0]
    assert 0.05 < read < 0.5, "a tenth of the files: told after ten calls, and not before"
    assert {line.split()[0] for line in lines} == {"reading:", "collecting", "tokenizing:"}
    assert len(lines) < 200, "every third call at most"


def test_nothing_is_told_when_it_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE.time, "monotonic", lambda: 5.0)
    lines: list[str] = []
    prepare(definition(write_text(tmp_path)), progress=lines.append)
    assert lines == []


def test_an_empty_text_after_processing_is_named(tmp_path: Path) -> None:
    (tmp_path / "drop_all.py").write_text("def drop(text):\n    return ''\n")
    with pytest.raises(DataError, match="processors leave no text"):
        prepare(definition(write_text(tmp_path), processors=["drop_all:drop"]), search=tmp_path)
