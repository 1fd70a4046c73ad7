"""A dataset class of one's own: any `__len__` and `__getitem__`, with batches as exact as those of text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from craft.config.schema import ExperimentConfig
from craft.data import EvalWindows, TrainBatches, create_dataset_from_config, prepare
from craft.data.datasets import IGNORED
from craft.errors import CraftError, DataError

_numbers = itertools.count()

SUMS = """
import torch

class Sums:
    '''"3+4=7", with the question left out of the loss.'''

    def __init__(self, split, tokenizer, context_length, largest, pairs=True):
        self.numbers = range(largest * largest) if split == "train" else range(0, largest * largest, 7)
        self.tokenizer, self.length, self.largest, self.pairs = tokenizer, context_length, largest, pairs

    @staticmethod
    def texts(largest, pairs=True):
        yield "0123456789"
        yield "+= "

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        a, b = divmod(self.numbers[index], self.largest)
        ids = self.tokenizer.encode(f"{a}+{b}={a + b}".ljust(self.length + 1))
        if not self.pairs:
            return ids
        targets = torch.tensor(ids[1:])
        targets[: len(f"{a}+{b}")] = -100
        return ids[:-1], targets
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[str]:
    """A name that no other test has imported."""
    yield f"own_dataset_{next(_numbers)}"


def config_of(type_: str, tokenizer: str = "char", length: int = 12, **arguments: int | bool) -> ExperimentConfig:
    return ExperimentConfig.model_validate(
        {
            "data": {"type": type_, "context_length": length, "arguments": arguments},
            "tokenizer": {"type": tokenizer},
            "model": {"type": "transformer"},
        }
    )


def test_it_goes_through_batches_and_evaluation(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(SUMS)
    config = config_of(f"{module}:Sums", largest=9)
    prepared = prepare(config, search=tmp_path)
    assert prepared.tokenizer.decode(range(prepared.tokenizer.vocab_size)) == " +0123456789="
    batches = TrainBatches(prepared.splits["train"], batch_size=10, shuffle=True, seed=1)
    assert batches.num_windows == 81
    seen = []
    for step in range(1, 82):
        inputs, targets = batches.batch(step)
        assert inputs.shape == targets.shape == (10, 12)
        assert inputs.dtype == targets.dtype == torch.int64
        seen += [prepared.tokenizer.decode(row) for row in inputs]
    assert all(sorted(seen[start : start + 81]) == sorted(seen[:81]) for start in range(0, 810, 81))
    assert len(set(seen)) == 81
    again = TrainBatches(prepare(config, search=tmp_path).splits["train"], batch_size=10, shuffle=True, seed=1)
    assert all(one.equal(other) for one, other in zip(again.batch(60), batches.batch(60), strict=True))
    shares = [batches.batch(9, start=start, stop=start + 5)[0] for start in (0, 5)]
    assert torch.cat(shares).equal(batches.batch(9)[0])

    windows = EvalWindows(prepared.splits["val"], 12)
    assert windows.num_tokens > 0, "asked for before anything was measured"
    windows = EvalWindows(prepared.splits["val"], 12)
    counted = sum(int((targets != IGNORED).sum()) for _, targets in windows)
    assert 0 < counted == windows.num_tokens < 12 * len(prepared.splits["val"])  # type: ignore[arg-type]
    assert windows.num_bytes == 0


def test_rows_of_ids_do_as_well_and_bytes_need_no_texts(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(SUMS.replace("def texts", "def other"))
    prepared = prepare(config_of(f"{module}:Sums", "byte", largest=9, pairs=False), search=tmp_path)
    inputs, targets = TrainBatches(prepared.splits["train"], batch_size=3, shuffle=False, seed=1).batch(2)
    assert [prepared.tokenizer.decode(row) for row in inputs] == [f"0+{b}={b}".ljust(12) for b in (3, 4, 5)]
    assert inputs[:, 1:].equal(targets[:, :-1])


def test_the_same_code_and_arguments_are_the_same_data(tmp_path: Path, module: str) -> None:
    def identity(folder: str, code: str = SUMS, **arguments: int) -> tuple[str, str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{module}.py").write_text(code)
        prepared = prepare(config_of(f"{module}:Sums", **{"largest": 9, **arguments}), search=tmp_path / folder)
        batches = TrainBatches(prepared.splits["train"], batch_size=3, shuffle=True, seed=1)
        return prepared.corpus_hash, batches.fingerprint

    first = identity("a")
    assert identity("copy") == first
    changed = [identity("b", SUMS.replace("-100", "-100  # changed")), identity("a", largest=8)]
    assert len({first[0], *(hash_ for hash_, _ in changed)}) == 3
    assert len({first[1], *(print_ for _, print_ in changed)}) == 3


def with_item(item: str) -> str:
    return f"""
import torch, numpy as np
class D:
    def __init__(self, split, tokenizer, context_length):
        pass
    def __len__(self):
        return 5
    def __getitem__(self, index):
        if index < 2:
            return range(context_length_plus_one)
        return {item}
context_length_plus_one = 13
"""


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("[1] * 12", "item 2 gives 11 inputs and 11 targets; data.context_length = 12 needs 12 of each, or 13"),
        ("([1] * 12, [1] * 11)", "item 2 gives 12 inputs and 11 targets"),
        ("torch.ones(13)", "item 2 holds 13 float32; an item is a row of whole numbers"),
        ("torch.ones(2, 13, dtype=torch.int64)", "item 2 holds 2 x 13 int64"),
        ("np.ones(13, dtype=bool)", "item 2 holds 13 bool"),
        ("7", "item 2 holds one single int64"),
        ("'hello'", "item 2 is no row of token ids"),
        ("None", "item 2 is no row of token ids"),
        ("[1] * 12 + [256]", "item 2 has the target 256, outside the tokenizer's 256 tokens"),
        ("[-1] + [1] * 12", "item 2 has the input -1, outside"),
        ("([1] * 12, [-5] + [1] * 11)", "item 2 has the target -5, outside"),
        ("1 / 0", "item 2 of 5 raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_item_is_named_with_what_was_found(item: str, said: str, tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(with_item(item))
    prepared = prepare(config_of(f"{module}:D", "byte"), search=tmp_path)
    batches = TrainBatches(prepared.splits["train"], batch_size=2, shuffle=False, seed=1)
    batches.batch(1)
    with pytest.raises(CraftError) as raised:
        batches.batch(2)
    assert f"{module}:D, train split: {said}" in str(raised.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class D:\n    pass\n", "making the train split raised TypeError: D() takes no arguments"),
        (
            "class D:\n    def __init__(self, **k): pass\n",
            "needs `__len__` and `__getitem__`: object of type 'D' has no len",
        ),
        (
            "class D:\n    def __init__(self, **k): pass\n    def __len__(self): return 3\n",
            "needs `__len__` and `__getitem__`: the second is missing",
        ),
        ("def D(**k): return []\n", "its train split is empty"),
        ("D = 5\n", "is int, not a class"),
        ("", "has no D"),
    ],
)
def test_a_wrong_class_is_named(code: str, said: str, tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(code)
    with pytest.raises(CraftError) as raised:
        prepare(config_of(f"{module}:D", "byte"), search=tmp_path)
    assert said in str(raised.value)
    assert f"{module}:D" in str(raised.value)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("", 'gives one a static method `texts(**arguments)` that yields str, or set tokenizer.type = "byte"'),
        ("    def texts(): return 1 / 0", "texts() raised ZeroDivisionError"),
        ("    def texts(): return [1]", "texts() yields int; it has to yield str"),
        ("    def texts(): return []", "yields no character"),
        ("    def texts(): return 5", "texts() raised TypeError"),
    ],
)
def test_a_char_vocabulary_needs_texts(texts: str, said: str, tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(f"class D(list):\n    def __init__(self, **k): pass\n{texts}\n")
    with pytest.raises(CraftError) as raised:
        prepare(config_of(f"{module}:D"), search=tmp_path)
    assert said.removeprefix("gives one ") in str(raised.value)


def test_targets_that_are_all_left_out_are_named(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("def D(split, **k): return [(range(12), [-100] * 12)] * 9\n")
    prepared = prepare(config_of(f"{module}:D", "byte"), search=tmp_path)
    with pytest.raises(DataError, match=f"nothing to measure: every target of 9 items of {module}:D, val split"):
        list(EvalWindows(prepared.splits["val"], 12))


def test_an_empty_validation_split_is_none(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("def D(split, **k): return [range(13)] * (9 if split == 'train' else 0)\n")
    config = config_of(f"{module}:D", "byte")
    assert list(prepare(config, search=tmp_path).splits) == ["train"]
    with pytest.raises(DataError, match=r"no val split; own_dataset_[0-9]+:D has none"):
        create_dataset_from_config(config, "val", search=tmp_path)
