"""The computed order: a permutation, the same everywhere, that looks random."""

from __future__ import annotations

import numpy as np
import pytest

from craft.data.shuffle import Shuffle

FIRST = [962, 3, 934, 672, 364, 475, 842, 31]
SECOND = [759, 30, 222, 749, 220, 908, 723, 586]
LAST = [658829, 104904, 862323, 941830, 118981, 145354, 519073, 476549]
DRAW = 10489983413734139003


@pytest.mark.parametrize("count", [*range(1, 40), 255, 256, 257, 1000, 4097, 70_000])
def test_it_is_a_permutation(count: int) -> None:
    for epoch in range(3):
        order = Shuffle(count, seed=7, epoch=epoch).at(0, count)
        assert np.array_equal(np.sort(order), np.arange(count))


def test_any_part_of_it_is_the_same_as_of_the_whole() -> None:
    shuffle = Shuffle(1000, 1, 2)
    whole = shuffle.at(0, 1000)
    for start, stop in [(0, 1), (17, 400), (999, 1000), (5, 5)]:
        assert np.array_equal(shuffle.at(start, stop), whole[start:stop])


def test_a_corpus_of_any_size_costs_nothing() -> None:
    """10**15 windows: nothing of that length is ever made."""
    shuffle = Shuffle(10**15, 3, 0)
    there = shuffle.at(10**15 - 24, 10**15)
    assert len(set(there.tolist())) == 24
    assert all(0 <= window < 10**15 for window in there.tolist())


def test_it_never_changes() -> None:
    """A run begun with one version of Craft, Python or numpy goes on in the same order with another."""
    assert Shuffle(1000, 1337, 0).at(0, 8).tolist() == FIRST
    assert Shuffle(1000, 1337, 1).at(0, 8).tolist() == SECOND
    assert Shuffle(10**6, 2**63 - 1, 10**6).at(999_992, 10**6).tolist() == LAST
    assert Shuffle(5, 0, 0).draw == DRAW


def test_seed_and_epoch_both_decide() -> None:
    orders = {tuple(Shuffle(500, seed, epoch).at(0, 500)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@pytest.mark.parametrize("count", [6, 10, 31])
def test_every_window_comes_at_every_place_equally_often(count: int) -> None:
    trials = 3000
    places = np.zeros((count, count))
    for epoch in range(trials):
        places[np.arange(count), Shuffle(count, 11, epoch).at(0, count)] += 1
    expected = trials / count
    chi_square = ((places - expected) ** 2 / expected).sum()
    freedom = (count - 1) ** 2
    # Mean `freedom`, variance twice that: five deviations are a millionth's chance, and the draw is always the same.
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


def test_neighbours_in_the_text_are_no_neighbours_in_the_order() -> None:
    count = 50_000
    order = Shuffle(count, 5, 0).at(0, count).astype(np.float64)
    for lag in (1, 2, 24, 4096):
        correlation = np.corrcoef(order[:-lag], order[lag:])[0, 1]
        assert abs(correlation) < 5 / np.sqrt(count)
    assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < 5 / np.sqrt(count)
    steps = np.abs(np.diff(order))
    assert (steps == 1).sum() < 15  # two are expected
