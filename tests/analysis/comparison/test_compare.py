"""Runs beside each other: figures, differing settings, who was sooner, seeds as one."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from craft.analysis.comparison import written
from craft.analysis.comparison.compare import compare_runs
from craft.analysis.comparison.differences import NOT_THERE, other_measure
from craft.analysis.comparison.export import smoothed
from craft.analysis.comparison.points import Axis, Points
from craft.analysis.comparison.runs import ComparedReader, ComparedRun, read_compared
from craft.analysis.comparison.seeds import Band, Spread, band, by_seed, mean_and_std
from craft.analysis.comparison.sooner import sooner
from craft.analysis.comparison.table import Row, best_rows, difference, figures_of, sort_rows, with_std
from craft.analysis.numbers import format_loss
from craft.analysis.series import last_value
from craft.errors import RunError, UsageError
from craft.runs import curves
from craft.runs.folder import RunFolder, RunIdentity, update_identity
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from tests.training import runs as training


def a_run(
    place: Path,
    name: str,
    losses: list[float],
    *,
    pace: float = 1.0,
    facts: dict[str, Any] | None = None,
    **sections: Any,
) -> RunFolder:
    """A finished run whose loss was measured every 100 steps; a step took `pace` seconds. `facts` of its identity."""
    config = training.definition(place / "text.txt", **sections)
    folder = training.make_run(place / "runs", config, name)
    if facts:
        update_identity(folder, **facts)
    log = MetricsLog(folder)
    for number, loss in enumerate(losses):
        step = 100 * number
        log.append({"step": step, "time": pace * step, "tokens": 64 * step, "train/loss": loss + 0.1, "val/loss": loss})
    log.close()
    last = 100 * (len(losses) - 1)
    StatusWriter(folder).write(phase="finished", step=last, max_steps=last, tokens=64 * last)
    folder.results.write_text(json.dumps({"parameters": 1234}))
    return folder


def test_who_was_sooner_is_said_by_steps_time_and_tokens(tmp_path: Path) -> None:
    slow = a_run(tmp_path, "slow", [4.0, 3.0, 2.5, 2.0], pace=2.0)
    quick = a_run(tmp_path, "quick", [4.0, 2.0, 1.9, 1.8], pace=1.0)
    found = compare_runs([slow, quick], metric="val/loss", axis="time")
    (one,) = found.sooner
    assert (one.target.step, one.reached.step) == (300, 100) if one.reached else False
    assert one.ratio == pytest.approx(6.0)
    assert one.sentence == "quick-001 reached slow-001's best, 2.000, 6.00 times sooner: 1m 40s instead of 10m 00s"
    (by_steps,) = compare_runs([slow, quick], metric="val/loss", axis="step").sooner
    assert by_steps.sentence.endswith("3.00 times sooner: 100 steps instead of 300 steps")
    (by_tokens,) = compare_runs([slow, quick], metric="val/loss", axis="tokens").sooner
    assert by_tokens.ratio == pytest.approx(3.0)


def test_a_curve_breaks_off_where_values_are_no_numbers_also_where_it_is_smoothed(tmp_path: Path) -> None:
    found = compare_runs([a_run(tmp_path, "odd", [4.0, math.nan, 2.0, 1.0, math.nan])], metric="val/loss")
    (line,) = found.series()
    assert [y for y in line.ys if y == y] == [4.0, 2.0, 1.0] and len(line.xs) == 5
    assert last_value(line) == "not finite" and found.runs[0].best and found.runs[0].best.value == 1.0
    (smooth,) = smoothed([line], 0.9)
    assert [y is None for y in smooth.ys] == [False, True, False, False, True] and smooth.raw is line.ys
    assert [one.value for one in found.runs[0].points] == [4.0, 2.0, 1.0]


def test_one_that_never_was_as_good_is_said_with_its_own_best(tmp_path: Path) -> None:
    good, bad = a_run(tmp_path, "good", [4.0, 1.0]), a_run(tmp_path, "bad", [4.0, 3.0, 2.5])
    (one,) = compare_runs([good, bad], metric="val/loss").sooner
    assert one.reached is None and one.ratio is None
    assert one.sentence == "bad-001 did not reach good-001's best, 1.000: its own is 2.500"


def test_the_greater_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    one = a_run(tmp_path, "one", [0.2, 0.5, 0.4])
    assert read_compared(one, "val/loss").best.value == 0.2  # type: ignore[union-attr]
    assert read_compared(one, "val/loss", "max").best.value == 0.5  # type: ignore[union-attr]
    for metric in ("val/accuracy", "train/tokens_per_second", "train/mfu", "val/images_per_second"):
        assert read_compared(one, metric).mode == "max", metric
    for metric in ("val/loss", "val/perplexity", "train/seconds_per_step"):
        assert read_compared(one, metric).mode == "min", metric


def test_only_differing_settings_are_listed(tmp_path: Path) -> None:
    small = a_run(tmp_path, "small", [2.0], optimizer={"type": "muon", "lr": 0.02})
    wide = a_run(tmp_path, "wide", [1.9], optimizer={"type": "adamw", "lr": 0.02}, model={"hidden_size": 32})
    differing = compare_runs([small, wide], metric="val/loss").differing
    assert differing["model.hidden_size"] == [16, 32]
    assert differing["optimizer.type"] == ["muon", "adamw"]
    assert differing["optimizer.momentum"][1] is NOT_THERE
    assert "optimizer.lr" not in differing and "training.max_steps" not in differing


def test_a_setting_is_named_as_a_person_would_write_it(tmp_path: Path) -> None:
    runs = [
        a_run(tmp_path, "s", [2.0], callbacks={"my.own guard": {"type": "spike_guard", "ratio": ratio}})
        for ratio in (2.0, 3.0)
    ]
    assert compare_runs(runs, metric="val/loss").differing == {'callbacks."my.own guard".ratio': [2.0, 3.0]}


def test_the_table_is_sorted_by_any_figure_and_those_without_it_come_last(tmp_path: Path) -> None:
    names = {"a": [3.0, 2.0], "b": [3.0, 1.0], "c": [3.0, 1.5]}
    folders = [a_run(tmp_path, name, losses) for name, losses in names.items()]
    unmeasured = training.make_run(tmp_path / "runs", training.definition(tmp_path / "text.txt"), "d")
    found = compare_runs([unmeasured, *folders], metric="val/loss", sort="best")
    assert [run.name for run in found.listed] == ["b-001", "c-001", "a-001", "d-001"]
    assert found.runs[0].name == "d-001" and found.sooner == []
    with pytest.raises(UsageError, match="there are best, best_step"):
        compare_runs(folders, metric="val/loss", sort="beauty")
    with pytest.raises(RunError, match="has measured val/bliss; a-001 has train/loss, val/loss"):
        compare_runs(folders, metric="val/bliss")


def test_seeds_are_one_line_with_a_band(tmp_path: Path) -> None:
    levels = [4.0, 2.0, 1.5], [4.0, 3.0, 1.0]
    folders = [a_run(tmp_path, "s", losses, seed=seed) for seed, losses in enumerate(levels)]
    other = a_run(tmp_path, "s", [4.0, 1.0], training={"batch_size": 8})
    runs = [read_compared(folder, "val/loss") for folder in [*folders, other]]
    groups = by_seed(runs)
    assert [[run.name for run in group] for group in groups] == [["s-001", "s-002"], ["s-003"]]
    line = band(groups[0])
    assert (list(line.points.steps), list(line.points.values), line.low, line.high) == (
        [0, 100, 200],
        [4.0, 2.5, 1.25],
        [4.0, 2.0, 1.0],
        [4.0, 3.0, 1.5],
    )
    row = Row(tuple(groups[0]))
    assert row.mean(figures_of("val/loss")[0]) == 1.25 and row.std(figures_of("val/loss")[0]) == math.sqrt(0.125)
    series = compare_runs([*folders, other], metric="val/loss", seeds="range").series()
    assert [one.name for one in series] == ["s x2", "s-003"]


def test_a_repeated_seed_and_a_fork_are_no_further_seeds(tmp_path: Path) -> None:
    seeds = [a_run(tmp_path, "s", [4.0, 2.0], seed=seed) for seed in (1, 2, 1)]
    fork = a_run(tmp_path, "s", [4.0, 2.0], seed=3, facts={"parent_run": "s-001", "parent_step": 100})
    groups = by_seed([read_compared(folder, "val/loss") for folder in [*seeds, fork]])
    assert [[run.name for run in group] for group in groups] == [["s-001", "s-002"], ["s-003"], ["s-004"]]


def test_flops_are_tokens_times_what_a_token_costs(tmp_path: Path) -> None:
    cheap = a_run(tmp_path, "cheap", [4.0, 3.0, 2.0], facts={"flops_per_token": 10.0})
    dear = a_run(tmp_path, "dear", [4.0, 2.0], facts={"flops_per_token": 40.0})
    found = compare_runs([cheap, dear], metric="val/loss", axis="flops")
    first, second = found.series()
    assert list(first.xs) == [0, 64_000, 128_000] and list(second.xs) == [0, 256_000]
    (one,) = found.sooner
    assert one.ratio == 0.5
    assert one.sentence.endswith("2.00 times later: 2.56e5 FLOPs instead of 1.28e5 FLOPs")


def test_runs_that_do_not_know_their_flops_are_left_out_with_words(tmp_path: Path) -> None:
    knows = a_run(tmp_path, "knows", [4.0, 3.0], facts={"flops_per_token": 10.0})
    not_it = a_run(tmp_path, "not", [4.0, 2.0])
    found = compare_runs([knows, not_it], metric="val/loss", axis="flops")
    assert [one.name for one in found.series()] == ["knows-001"]
    assert "not-001: not drawn, as FLOPs are not known; choose another axis" in found.remarks()
    (one,) = found.sooner
    assert one.ratio is None and one.sentence.endswith("how many FLOPs not-001 took is not known")


def test_bands_span_the_range_or_a_deviation_on_any_axis(tmp_path: Path) -> None:
    paces = {1: 1.0, 2: 3.0}
    folders = [a_run(tmp_path, "s", [4.0, level], pace=paces[seed], seed=seed) for seed, level in ((1, 1.0), (2, 3.0))]
    (line,) = compare_runs(folders, metric="val/loss", axis="time", seeds="std").series()
    # The quick one ends at 100 s, at 1.0; the slow one is a third of its way from 4.0 to 3.0 then.
    assert list(line.xs) == [0, 100] and list(line.ys) == [4.0, pytest.approx(7 / 3)]
    std = (4 - 1 / 3 - 1) / math.sqrt(2)
    assert list(line.low) == [4.0, pytest.approx(7 / 3 - std)]
    assert list(line.high) == [4.0, pytest.approx(7 / 3 + std)]
    (line,) = compare_runs(folders, metric="val/loss", seeds="range").series()
    assert (list(line.low), list(line.high)) == ([4.0, 1.0], [4.0, 3.0])


def line_of(*curves: dict[float, float], axis: Axis = "step", phase: str = "finished") -> Band:
    """Seeds whose values lie at these places of the axis, as one."""
    runs = []
    for curve in curves:
        places, unknown = list(curve), [math.nan] * len(curve)
        columns = [places if name == axis else unknown for name in ("step", "time", "tokens")]
        columns[0] = columns[0] if axis == "step" else list(map(float, range(len(curve))))
        identity = RunIdentity("s")
        points = Points(*columns, list(curve.values()))
        runs.append(ComparedRun(RunFolder(Path(f"s-{len(runs)}")), identity, phase, {}, points, {}))
    return band(runs, axis=axis)


def test_seeds_of_other_grids_are_taken_on_the_straight_line_between_their_own_values() -> None:
    line = line_of({10: 4.0, 20: 3.0, 30: 2.0, 40: 1.0, 50: 0.5}, {15: 5.0, 40: 2.5, 65: 2.0})
    assert list(line.points.steps) == [15, 20, 30, 40, 50], "as far as both reach"
    assert list(line.points.values) == [(3.5 + 5.0) / 2, (3.0 + 4.5) / 2, (2.0 + 3.5) / 2, (1.0 + 2.5) / 2, 1.4]
    assert line.low == [3.5, 3.0, 2.0, 1.0, 0.5] and line.high == [5.0, 4.5, 3.5, 2.5, 2.3]
    assert line.shorter == (
        "1 of 2 seeds came less far than the rest, to step 50: the mean reaches no further, "
        "and the table's figures are of unequal lengths"
    )
    slow, quick = {0.0: 4.0, 30.0: 3.0, 60.0: 2.0}, {0.0: 3.0, 10.0: 2.0, 20.0: 1.0, 90.0: 0.3}
    line = line_of(slow, quick, axis="time")
    assert list(line.points.times) == [0, 10, 20, 30, 60], "never backwards"
    expected = [3.5, (11 / 3 + 2) / 2, (10 / 3 + 1) / 2, (3 + 0.9) / 2, (2 + 0.6) / 2]
    assert list(line.points.values) == pytest.approx(expected, rel=1e-14)
    none = line_of({0: 4.0, 10: 3.0}, {20: 4.0, 30: 3.0})
    assert not none.points and none.best is None and not none.shorter and not line_of({0: 4.0}, {}).shorter


def test_of_seeds_that_train_or_are_not_drawn_nobody_says_that_they_came_less_far() -> None:
    uneven = {0: 4.0, 10: 3.0}, {0: 4.0, 20: 3.0}
    assert line_of(*uneven).shorter and not line_of(*uneven, phase="running").shorter
    assert not line_of(*uneven, axis="flops").shorter, "what a token costs is not known: no mean is drawn"


def test_a_seed_that_diverged_to_where_squares_are_no_numbers_is_compared_too(tmp_path: Path) -> None:
    seeds = seeds_of(tmp_path, "s", [1e299, 1e299])
    others = seeds_of(tmp_path, "o", [1.0, 1.1], training={"batch_size": 8})
    wild = seeds_of(tmp_path, "w", [1.0, 1e200], training={"batch_size": 16})
    last = [mean_and_std(values) for values in ([1.7e308, 1.7e308], [0.0, 1e200])]
    assert last == [(1.7e308, 0.0), (5e199, pytest.approx(1e200 / math.sqrt(2)))]
    for spread in get_args(Spread):
        found = compare_runs([*others, *seeds, *wild], metric="val/loss", mode="max", seeds=spread)
        assert [math.isfinite(y) for line in found.bands for y in line.points.values] == [True] * 6
        said = [*found.remarks(), *(difference(found.figures[0], row, found.rows[0]) for row in found.rows)]
        assert max(map(len, said)) < 250, "in powers of ten"


def test_where_a_seed_was_no_number_the_mean_is_none() -> None:
    line = line_of({0: 4.0, 10: math.nan, 20: 2.0, 30: 1.0}, {0: 4.0, 15: 3.0, 20: 2.0, 30: 1.0})
    steps, values = line.points.drawn("step")
    assert list(steps) == [0, 10, 15, 20, 30] and [y == y for y in values] == [True, False, False, True, True]
    assert [y == y for y in line.low] == [y == y for y in line.high] == [y == y for y in values]


def test_seeds_of_one_grid_are_averaged_value_by_value() -> None:
    rng = random.Random(5)
    seeds = [{step: rng.random() for step in range(0, 3000, 7)} for _ in range(3)]
    line = line_of(*seeds)
    assert list(line.points.steps) == list(seeds[0])
    assert list(line.points.values) == [math.fsum(seed[step] for seed in seeds) / 3 for step in seeds[0]]


def test_a_seed_that_ended_early_ends_the_mean_and_words_and_table_agree(tmp_path: Path) -> None:
    levels = [4.0, 3.0, 2.4], [4.0, 3.1, 2.6, 1.8], [4.0, 2.9, 2.5, 1.6]
    seeds = [a_run(tmp_path, "s", losses, seed=seed) for seed, losses in enumerate(levels)]
    other = a_run(tmp_path, "o", [4.0, 2.45], training={"batch_size": 8})
    found = compare_runs([*seeds, other], metric="val/loss", seeds="range")
    (line, _), (row, _), (one,) = found.bands, found.rows, found.sooner
    assert list(line.points.values) == [4.0, 3.0, 2.5] and last_value(found.series()[0]) == "2.500"
    assert row.mean(found.figures[0]) == pytest.approx((2.4 + 1.8 + 1.6) / 3), "of the bests of all"
    assert (
        one.sentence
        == "o-001 reached the best of s x3's mean, 2.500, 2.00 times sooner: 100 steps instead of 200 steps"
    )
    said = "s x3: 1 of 3 seeds came less far than the rest, to step 200: the mean reaches no further"
    assert found.warnings()[0].startswith(said) and found.remarks()[0] == found.warnings()[0]
    back = compare_runs([other, *seeds], metric="val/loss", seeds="std").sooner[0].sentence
    assert back == "s x3's mean did not reach o-001's best, 2.450: its own is 2.500"
    (apart,) = (one for one in compare_runs(seeds[:2], metric="val/loss").sooner)
    assert apart.reached and apart.reached.step == 300, "runs by themselves go as far as they went"


def seeds_of(place: Path, name: str, losses: list[float], **sections: Any) -> list[RunFolder]:
    return [a_run(place, name, [4.0, loss], seed=seed, **sections) for seed, loss in enumerate(losses, 1)]


def test_whether_seeds_explain_a_difference_is_said_with_its_test(tmp_path: Path) -> None:
    good = seeds_of(tmp_path, "good", [1.00, 1.01, 1.02])
    near = seeds_of(tmp_path, "near", [1.00, 1.02, 1.01], training={"batch_size": 8})
    far = seeds_of(tmp_path, "far", [2.00, 2.01, 2.02], training={"batch_size": 16})
    lone = seeds_of(tmp_path, "lone", [1.5], training={"batch_size": 32})
    found = compare_runs([*good, *near, *far, *lone], metric="val/loss", seeds="range")
    said = "\n".join(found.remarks())
    assert (
        "far x3: best val/loss 2.010 \u00b1 0.010 (n = 3), 1.000 higher than good x3 with 1.010 \u00b1 0.010 (n = 3); "
        "more than the seeds scatter (Welch's t-test: t = 122.47, p < 0.001)" in said
    )
    assert "near x3: best val/loss 1.010 \u00b1 0.010 (n = 3)" in said
    assert "not more than the seeds scatter (Welch's t-test: t = -0.00, p = 1)" in said or "t = 0.00, p = 1)" in said
    assert "lone-001 has one seed" in said and "of 2 such tests" in said
    alone = compare_runs([*lone, *far], metric="val/loss").remarks()
    assert "lone-001 has one seed: whether others differ from it by more than seeds scatter cannot be told" in alone
    assert not any("seed" in one for one in compare_runs([lone[0], far[0]], metric="val/loss").remarks())


def test_figures_of_another_text_or_vocabulary_are_not_compared(tmp_path: Path) -> None:
    one = a_run(tmp_path, "one", [4.0, 2.0], facts={"data_hash": "a"})
    text = a_run(tmp_path, "text", [4.0, 1.0], facts={"data_hash": "b"})
    words = a_run(tmp_path, "words", [4.0, 1.0], tokenizer={"type": "bpe", "vocab_size": 300})
    found = compare_runs([one, text, words], metric="val/loss")
    assert found.sooner == []
    assert found.warnings() == [
        "text-001 was measured on another text than one-001: their figures do not compare",
        "words-001 was measured by another vocabulary than one-001: their figures do not compare",
    ]
    assert other_measure(*found.runs[::2], "val/bits_per_byte") == ""
    reference, speed = found.rows[0], next(one for one in found.figures if one.name == "tokens_per_second")
    assert [difference(found.figures[0], row, reference) for row in found.rows] == ["", "", ""]
    assert best_rows(found.rows, found.figures[0]) == set()
    assert all(row.compares(reference, speed) for row in found.rows)


def test_differences_are_in_per_cent_of_the_reference_and_the_best_is_known(tmp_path: Path) -> None:
    levels = {"a": 2.0, "b": 1.9, "c": 2.5}
    folders = [a_run(tmp_path, name, [4.0, level]) for name, level in levels.items()]
    unmeasured = training.make_run(tmp_path / "runs", training.definition(tmp_path / "text.txt"), "d")
    found = compare_runs([*folders, unmeasured], metric="val/loss")
    best, *_, parameters = found.figures
    reference = found.reference_of(found.rows)
    assert [difference(best, row, reference) for row in found.rows] == ["", "-5.0%", "+25.0%", ""]
    assert best_rows(found.rows, best) == {1}
    assert best_rows(found.rows, parameters) == set(), "more parameters are neither better nor worse"
    seconds = next(one for one in found.figures if one.name == "seconds")
    short = a_run(tmp_path, "short", [4.0], pace=0.1)
    slow = a_run(tmp_path, "slow", [4.0, 2.0], pace=9.0)
    assert best_rows(compare_runs([folders[0], short], metric="val/loss").rows, seconds) == set(), "it stopped first"
    assert best_rows(compare_runs([slow, folders[0]], metric="val/loss").rows, seconds) == {1}
    falling = sort_rows(found.rows, best, descending=True)
    assert [row.name for row in falling] == ["c-001", "a-001", "b-001", "d-001"], "those without it stay last"
    assert "d-001: val/loss was not measured yet" in found.remarks()


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (1.679, 0.0057, "1.679 \u00b1 0.006"),
        (1.679, 0.00012, "1.679 \u00b1 0.00012"),
        (0.02, 0.004, "0.02 \u00b1 0.004"),
    ],
)
def test_a_deviation_has_the_decimals_of_its_mean(mean: float, std: float, text: str) -> None:
    assert with_std(mean, std, format_loss) == text


def test_long_runs_are_compared_point_by_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "_LONG", 0)
    rng = random.Random(0)
    losses = [[4 - step / 200 + rng.gauss(0, 0.2) for step in range(3 * 128 + 5)] for _ in range(3)]
    runs = [
        read_compared(a_run(tmp_path, "s", found, seed=seed), "val/loss") for seed, found in enumerate(losses, start=1)
    ]
    assert (runs[0].folder.path / "metrics.idx").exists(), "an index that could be taken"
    line = band(runs)
    assert len(line.points) == len(losses[0])
    assert line.low == [min(found) for found in zip(*losses, strict=True)]
    assert line.high == [max(found) for found in zip(*losses, strict=True)]
    one = sooner(runs[0], runs[1], "step")
    first = next(place for place, loss in enumerate(losses[1]) if loss <= min(losses[0]))
    assert one and one.reached and one.reached.step == 100 * first


def test_a_thinned_log_gives_the_same_figures_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    losses = [[4 - step / 200 + rng.gauss(0, 0.2) for step in range(5 * 128 + 5)] for _ in range(2)]
    folders = [a_run(tmp_path, "s", found, seed=seed, pace=0.37) for seed, found in enumerate(losses, 1)]
    exact = [read_compared(folder, "val/loss") for folder in folders]
    monkeypatch.setattr(curves, "_LONG", 0)
    thin = [ComparedReader(folder).read("val/loss") for folder in folders]
    assert thin[0].points.thinned and len(thin[0].points) < len(losses[0]) / 4
    for one, other in zip(thin, exact, strict=True):
        assert one.best == other.best
    for axis in ("step", "time", "tokens"):
        for pair, whole in ((thin, exact), (thin[::-1], exact[::-1])):
            short, long = sooner(*pair, axis), sooner(*whole, axis)  # type: ignore[misc]
            assert short and long and short.reached == long.reached and short.ratio == long.ratio
    line, whole_line = band(thin), band(exact)
    at = {step: place for place, step in enumerate(whole_line.points.steps)}
    assert len(line.points) > 8
    for place, step in enumerate(line.points.steps):
        assert line.points.values[place] == whole_line.points.values[at[step]]
        assert line.low[place] == whole_line.low[at[step]]


def test_seeds_that_share_no_steps_have_words_for_their_missing_band(tmp_path: Path) -> None:
    found = compare_runs(seeds_of(tmp_path, "s", [4.0, 3.0, 2.0]), metric="val/loss", seeds="range")
    assert not any("no line with a band" in one for one in found.remarks())
    runs = []
    for shift, run in enumerate(found.runs):
        steps = [float(10 * step + shift) for step in range(3)]
        runs.append(replace(run, points=Points(steps, steps, steps, [3.0, 2.0, 1.0], exact=lambda step: [])))
    assert any(one.startswith("s x2: no line with a band") for one in replace(found, runs=runs[:2]).remarks())
    other = read_compared(a_run(tmp_path, "o", [4.0, 3.5], training={"batch_size": 8}), "val/loss")
    assert replace(found, runs=[other, *runs[:2]]).sooner == [], "no line, so nothing of who was sooner"


def test_a_resume_within_a_block_takes_back_what_it_supersedes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(4)
    folder = a_run(tmp_path, "s", [4 + rng.random() for _ in range(3 * 128)])
    monkeypatch.setattr(curves, "_LONG", 0)
    reader = ComparedReader(folder)
    reader.read("val/loss")
    log = MetricsLog(folder)
    log.resumed(15_000)
    log.append({"step": 15_100, "time": 1.0, "tokens": 1, "val/loss": 9.0})
    log.close()
    thin, whole = reader.read("val/loss"), read_compared(folder, "val/loss")
    assert list(thin.points.steps)[-3:] == [14_900, 15_000, 15_100] == list(whole.points.steps)[-3:]
    assert thin.best == whole.best and thin.best and thin.best.step <= 15_000


def test_only_what_is_new_is_read_again(tmp_path: Path) -> None:
    folder = a_run(tmp_path, "s", [4.0, 3.0])
    reader = ComparedReader(folder)
    first = reader.read("val/loss")
    assert reader.read("val/loss") is first
    assert first.metrics == ("train/loss", "val/loss")
    log = MetricsLog(folder)
    log.append({"step": 200, "time": 200.0, "tokens": 1, "val/loss": 2.0})
    log.close()
    second = reader.read("val/loss")
    assert second is not first and list(second.points.values) == [4.0, 3.0, 2.0]
    assert second.definition is first.definition
    assert list(reader.read("train/loss").points.values) == [4.1, 3.1]


def test_steps_tokens_and_time_are_of_one_moment(tmp_path: Path) -> None:
    """Stopped at step 730, 365 s of training; its newest record is of step 600, at 300 s."""
    folder = a_run(tmp_path, "s", [3.0] * 7, pace=0.5)
    writer = StatusWriter(folder)

    def figures(**claim: Any) -> dict[str, float | None]:
        writer.write(**claim)
        return read_compared(folder, "val/loss").figures

    names = "steps", "tokens", "seconds", "tokens_per_second"
    found = figures(phase="stopped", step=730, tokens=730 * 64, seconds=365.0)
    assert [found[name] for name in names] == [730, 46_720, 365, 128]
    found = figures(seconds=None)  # of a worker that claims none: its newest record
    assert [found[name] for name in names] == [600, 38_400, 300, 128]
    folder.results.write_text(json.dumps({"step": 730, "seconds": 292.0, "parameters": 7}))
    found = figures()
    assert [found[name] for name in names] == [730, 46_720, 292, 160]
    found = figures(phase="running", step=740, tokens=740 * 64)  # it was resumed: those results are old
    assert [found[name] for name in names] == [600, 38_400, 300, 128] and found["parameters"] == 7
    update_identity(folder, parameters=9)
    assert figures()["parameters"] == 9


def test_what_is_not_finite_or_damaged_is_said(tmp_path: Path) -> None:
    good = a_run(tmp_path, "good", [4.0, 2.0])
    bad = a_run(tmp_path, "bad", [4.0, math.nan, 3.0])
    bad.definition.write_text("this is [ no definition")
    with bad.metrics.open("a") as file:
        file.write("{broken\n")
    remarks = "\n".join(compare_runs([good, bad], metric="val/loss").remarks())
    assert "bad-001: 1 values of val/loss are not finite" in remarks
    assert "its definition cannot be read" in remarks and "1 lines of its metrics cannot be read" in remarks


def test_markdown_and_csv_hold_the_figures(tmp_path: Path) -> None:
    folders = [a_run(tmp_path, "ab", [3.0, 2.123456789]), a_run(tmp_path, "c", [3.0, 1.0], training={"batch_size": 8})]
    found = compare_runs(folders, metric="val/loss")
    text = written.markdown(found, found.rows)
    assert "| run | phase | best val/loss |" in text and "| training.batch_size | 4 | 8 |" in text
    lines = written.comma_separated(found)
    assert len(set(header := lines.splitlines()[0].split(","))) == len(header), "no two columns of one name"
    rows = list(csv.DictReader(io.StringIO(lines)))
    assert [float(row["best"]) for row in rows] == [2.123456789, 1.0]
    assert [row["training.batch_size"] for row in rows] == ["4", "8"]
    assert rows[0]["parameters"] == "1234" and rows[0]["steps"].isdecimal()


def test_the_command_draws_lists_and_exports(tmp_path: Path) -> None:
    for name, losses in {"a": [3.0, 2.0], "b": [3.0, 1.0]}.items():
        a_run(tmp_path, name, losses)

    def craft(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("craft")), "compare", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    shown = craft("a", "b", "--sort", "best", "--svg", "p.svg", "--markdown", "t.md", "--csv", "t.csv")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.index("b-001  finished") < shown.stdout.index("a-001  finished")
    assert "times sooner" in shown.stdout or "as soon" in shown.stdout
    assert (tmp_path / "p.svg").read_text().count("<polyline") == 2
    objects = [json.loads(line) for line in craft("*-001", "--json").stdout.splitlines()]
    assert [(one["kind"], one["run"]) for one in objects] == [("run", "a-001"), ("run", "b-001"), ("sooner", "b-001")]
    assert objects[0]["best"] == 2.0 and objects[0]["best_at"]["step"] == 100
    wrong = craft("a", "--metric", "val/los")
    assert wrong.returncode == 2 and "has measured val/los; a-001 has train/loss, val/loss" in wrong.stderr
    written = craft("a", "b", "--seeds", "--x", "flops", "--log-x", "--png", "p.png")
    assert written.returncode == 0, written.stderr
    assert "wrote p.png" in written.stderr and (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert "not drawn, as FLOPs are not known" in written.stdout
    (tmp_path / "closed").write_text("")
    refused = craft("a", "--csv", "closed/t.csv")
    assert refused.returncode == 2 and "closed/t.csv: not written: " in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_seeds_are_rows_of_the_command_too(tmp_path: Path) -> None:
    for seed, loss in ((1, 1.0), (2, 2.0)):
        a_run(tmp_path, "s", [3.0, loss], seed=seed)
    a_run(tmp_path, "b", [3.0, 1.5])
    command = [str(Path(sys.executable).with_name("craft")), "compare", "s-001", "s-002", "b", "--seeds"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "s x2 finished 1.500 \u00b1 0.707" in " ".join(shown.stdout.split())
    objects = [
        json.loads(line)
        for line in subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True).stdout.splitlines()
    ]
    (seeds, alone) = (one for one in objects if one["kind"] == "seeds")
    assert seeds["runs"] == ["s-001", "s-002"]
    assert seeds["best"] == {"mean": 1.5, "std": pytest.approx(math.sqrt(0.5)), "n": 2}
    assert alone["best"] == {"mean": 1.5, "std": None, "n": 1}
    (remark,) = (one["text"] for one in objects if one["kind"] == "remark")
    assert remark == "b-001 has one seed: whether the difference is more than scatter cannot be told"
    a_run(tmp_path, "w", [3.0, 1.0], tokenizer={"type": "bpe", "vocab_size": 300})
    found = subprocess.run([*command[:-2], "w", "--json"], cwd=tmp_path, capture_output=True, text=True)
    objects = [json.loads(line) for line in found.stdout.splitlines()]
    (warning,) = (one["text"] for one in objects if one["kind"] == "warning")
    assert warning == "w-001 was measured by another vocabulary than s-001: their figures do not compare"
