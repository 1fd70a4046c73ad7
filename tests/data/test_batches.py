"""Batches: a pure function of seed and step, without replacement; a split measured whole."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
import torch

from craft.config.schema.training import TrainingConfig
from craft.data import EvalWindows, TextDataset, TrainBatches
from craft.data.datasets import IGNORED, Pair
from craft.errors import DataError
from craft.models.base import IGNORED as MODELS_IGNORED

# Tokens that are their own places tell from a batch which part of the text it holds.
PLACES = np.arange(100_000, dtype=np.int32)

FIRST = [81603, 96707, 47043, 19843, 64515, 65475]
THOUSANDTH = [28513, 58977, 32929, 90721, 65249, 66529]


def batches_of(num_tokens: int, context_length: int, batch_size: int, **settings: int | bool) -> TrainBatches:
    arguments = {"shuffle": True, "seed": 1337, **settings}
    return TrainBatches(TextDataset(PLACES[:num_tokens], context_length), batch_size=batch_size, **arguments)


def stream_of_windows(batches: TrainBatches, steps: int) -> list[int]:
    return [int(window) for step in range(1, steps + 1) for _, windows in batches.windows(step) for window in windows]


def equal(one: Pair, other: Pair) -> bool:
    return torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_a_batch_is_rows_of_the_text_with_the_next_token_as_target() -> None:
    inputs, targets = batches_of(1000, 16, 6).batch(3)
    assert inputs.shape == targets.shape == (6, 16)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(targets, inputs + 1)
    assert torch.equal(inputs, inputs[:, :1] + torch.arange(16))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_tokens_of_any_dtype_and_place_give_the_same_batches(dtype: str) -> None:
    tokens = (np.arange(3000) * 7919 % 251).astype(dtype)
    read_only = tokens.copy()
    read_only.flags.writeable = False
    expected = TrainBatches(TextDataset(tokens.tolist(), 8), batch_size=5, shuffle=True, seed=1).batch(2)
    for held in (tokens, read_only, torch.from_numpy(tokens)):
        got = TrainBatches(TextDataset(held, 8), batch_size=5, shuffle=True, seed=1).batch(2)
        assert equal(got, expected)
        got[0][:] = 0  # a batch is the caller's own
    assert tokens[1] == 7919 % 251


@pytest.mark.parametrize(("num_tokens", "context_length", "batch_size"), [(1000, 9, 7), (700, 64, 4), (90, 4, 20)])
def test_an_epoch_holds_every_window_exactly_once(num_tokens: int, context_length: int, batch_size: int) -> None:
    batches = batches_of(num_tokens, context_length, batch_size)
    count = batches.num_windows
    assert count % batch_size, "some batches must straddle two epochs"
    stream = stream_of_windows(batches, 5 * batches.steps_per_epoch())
    assert len(stream) >= 4 * count
    epochs = [stream[start : start + count] for start in range(0, 4 * count, count)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4


@pytest.mark.parametrize(("num_tokens", "context_length"), [(1000, 9), (641, 64), (640, 64), (577, 64), (130, 64)])
def test_an_epoch_has_every_token_but_those_at_the_ends_as_target_once(num_tokens: int, context_length: int) -> None:
    batches = batches_of(num_tokens, context_length, 1)
    phases = set()
    for epoch in range(20):
        first = epoch * batches.num_windows + 1
        targets = torch.cat([batches.batch(step)[1] for step in range(first, first + batches.num_windows)])
        seen = sorted(targets.flatten().tolist())
        assert seen == list(range(seen[0], seen[0] + len(seen))), "a gap, or a token seen twice"
        assert num_tokens - len(seen) < 2 * context_length + 1
        assert seen[0] <= context_length
        assert seen[-1] < num_tokens
        phases.add(seen[0])
    if batches.num_windows >= 8:
        assert len(phases) > 5, "window borders differ from epoch to epoch"


def test_in_order_means_in_order() -> None:
    batches = batches_of(1000, 9, 4, shuffle=False)
    count = batches.num_windows
    assert count == 111
    stream = stream_of_windows(batches, 60)
    assert stream == [place % count for place in range(240)]
    assert batches.batch(2)[0][:, 0].tolist() == [36, 45, 54, 63]


def test_a_step_is_the_same_whenever_and_wherever_it_is_asked_for() -> None:
    steps = list(range(1, 60))
    batches = batches_of(1000, 9, 7)
    expected = {step: batches.batch(step) for step in steps}
    random.Random(3).shuffle(steps)
    assert all(equal(batches.batch(step), expected[step]) for step in steps)
    assert all(equal(batches_of(1000, 9, 7).batch(step), expected[step]) for step in steps[:5])
    others = [batches_of(1000, 9, 7, seed=seed).batch(1)[0] for seed in range(4)]
    assert len({tuple(other.flatten().tolist()) for other in others}) == 4


def test_it_never_changes() -> None:
    """Resuming with another version of Craft, numpy or torch meets the same batches."""
    batches = batches_of(100_000, 64, 6)
    assert batches.batch(1)[0][:, 0].tolist() == FIRST
    assert batches.batch(1000)[0][:, 0].tolist() == THOUSANDTH


def test_no_global_random_state_is_read_or_moved() -> None:
    states = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    first = batches_of(1000, 9, 7).batch(20)
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    assert equal(batches_of(1000, 9, 7).batch(20), first)


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_shares_of_a_batch_add_up_to_the_whole(ranks: int) -> None:
    size = 7
    whole = batches_of(1000, 9, size)
    shared = [batches_of(1000, 9, size) for _ in range(ranks)]
    borders = [size * rank // ranks for rank in range(ranks + 1)]
    for step in range(1, 40):  # with 110 windows, steps 16 and 32 straddle epochs
        parts = [
            batches.batch(step, start=start, stop=stop)
            for batches, start, stop in zip(shared, borders, borders[1:], strict=False)
        ]
        together = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
        assert equal(together, whole.batch(step))


def test_a_batch_may_reach_over_several_blocks_of_the_order() -> None:
    batches = TrainBatches(TextDataset(PLACES, 4), batch_size=9000, shuffle=True, seed=2)
    count = batches.num_windows
    stream = stream_of_windows(batches, 3)
    assert sorted(stream[:count]) == list(range(count))
    assert equal(batches.batch(2, start=4000, stop=4100), tuple(t[4000:4100] for t in batches.batch(2)))  # type: ignore[arg-type]


def test_max_epochs_ends_with_a_short_batch() -> None:
    batches = batches_of(1000, 9, 7, max_epochs=2)
    count = batches.num_windows
    steps = batches.total_steps(TrainingConfig(max_epochs=2))
    assert steps == -(-2 * count // 7)
    assert Counter(stream_of_windows(batches, steps)) == dict.fromkeys(range(count), 2)
    assert len(batches.batch(steps)[0]) == 2 * count % 7 == 3
    assert batches.batch(steps, start=3, stop=7)[0].shape == (0, 9), "a rank that nothing is left for"
    assert len(batches.batch(steps, start=2, stop=7)[0]) == 1
    with pytest.raises(AssertionError, match="beyond the last"):
        batches.batch(steps + 1)


def test_the_shorter_of_steps_and_epochs_is_the_length() -> None:
    batches = batches_of(1000, 9, 7)
    assert batches.total_steps(TrainingConfig(max_steps=50)) == 50
    assert batches.total_steps(TrainingConfig(max_steps=50, max_epochs=1)) == 16
    assert batches.total_steps(TrainingConfig(max_steps=5, max_epochs=1)) == 5
    assert batches.steps_per_epoch() == 16


def test_too_short_for_one_batch_says_the_numbers() -> None:
    with pytest.raises(DataError) as raised:
        batches_of(100, 16, 12)
    message = str(raised.value)
    assert "holds 6 windows of data.context_length = 16" in message
    assert "training.batch_size is 12; set batch_size to 6 or less" in message
    assert batches_of(100, 16, 6).num_windows == 6


def test_the_fingerprint_holds_what_decides_the_order() -> None:
    def of(num_tokens: int = 1000, length: int = 9, identity: str = "a", **settings: int | bool) -> str:
        arguments = {"batch_size": 4, "shuffle": True, "seed": 1, **settings}
        return TrainBatches(TextDataset(PLACES[:num_tokens], length, identity=identity), **arguments).fingerprint  # type: ignore[arg-type]

    assert of() == of()
    assert of() == of(batch_size=5), "a resumed run may use another batch size"
    assert len({of(), of(num_tokens=999), of(length=8), of(identity="b"), of(seed=2), of(shuffle=False)}) == 6


# Evaluation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_tokens", [2, 64, 65, 66, 128, 129, 130, 16_384, 16_385, 16_386, 40_000])
def test_every_token_but_the_first_is_measured_once(num_tokens: int) -> None:
    windows = EvalWindows(TextDataset(PLACES[:num_tokens], 64), 64)
    inputs, targets = (torch.cat(tensors) for tensors in zip(*windows, strict=True))
    counted = targets != IGNORED
    assert targets[counted].tolist() == list(range(1, num_tokens))
    assert torch.equal(inputs[counted], targets[counted] - 1)
    assert int(counted.sum()) == windows.num_tokens == num_tokens - 1
    assert len(list(windows)) == len(windows)
    assert all(part.shape == (len(part), 64) for pair in windows for part in pair)


def test_the_windows_are_the_same_each_time_and_the_callers_own() -> None:
    windows = EvalWindows(TextDataset(PLACES[:1000], 64), 64)
    first = list(windows)
    for inputs, targets in windows:
        inputs.zero_(), targets.zero_()
    assert all(equal(*pairs) for pairs in zip(first, windows, strict=True))
    assert PLACES[5] == 5


def test_bytes_of_the_targets_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craft.data.datasets._COUNTED_AT_ONCE", 4)
    tokens = np.array([0, 1, 2, 2, 1, 0, 2], dtype=np.uint8)
    windows = EvalWindows(TextDataset(tokens, 2, token_bytes=[1, 2, 4]), 2)
    assert windows.num_bytes == 2 + 4 + 4 + 2 + 1 + 4
    assert EvalWindows(TextDataset(tokens, 2), 2).num_bytes == 0


def test_padding_is_what_models_leave_out() -> None:
    assert IGNORED == MODELS_IGNORED == torch.nn.CrossEntropyLoss().ignore_index
