"""Runs beside each other: figures, differing settings, who was sooner, seeds as one."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from craft.analysis.comparison import written
from craft.analysis.comparison.compare import compare_runs
from craft.analysis.comparison.differences import NOT_THERE
from craft.analysis.comparison.runs import read_compared
from craft.analysis.comparison.seeds import band, by_seed
from craft.analysis.comparison.sooner import sooner
from craft.analysis.comparison.table import Row, figures_of
from craft.errors import RunError, UsageError
from craft.runs import curves
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from tests.training import runs as training


def a_run(place: Path, name: str, losses: list[float], *, pace: float = 1.0, **sections: Any) -> RunFolder:
    """A finished run whose loss was measured every 100 steps; a step took `pace` seconds."""
    config = training.definition(place / "text.txt", **sections)
    folder = training.make_run(place / "runs", config, name)
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
    folders = [a_run(tmp_path, "s", losses, seed=seed) for seed, losses in enumerate([[4.0, 2.0], [4.0, 3.0, 1.0]])]
    other = a_run(tmp_path, "s", [4.0, 1.0], training={"batch_size": 8})
    runs = [read_compared(folder, "val/loss") for folder in [*folders, other]]
    groups = by_seed(runs)
    assert [[run.name for run in group] for group in groups] == [["s-001", "s-002"], ["s-003"]]
    line = band(groups[0])
    assert (list(line.points.steps), list(line.points.values), line.low, line.high) == (
        [0, 100, 200],
        [4.0, 2.5, 1.0],
        [4.0, 2.0, 1.0],
        [4.0, 3.0, 1.0],
    )
    row = Row(tuple(groups[0]))
    assert row.mean(figures_of("val/loss")[0]) == 1.5 and row.std(figures_of("val/loss")[0]) == math.sqrt(0.5)
    series = compare_runs([*folders, other], metric="val/loss", seeds="range").series()
    assert [one.name for one in series] == ["s x2", "s-003"]


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
    rows = list(csv.DictReader(io.StringIO(written.comma_separated(found))))
    assert [float(row["best"]) for row in rows] == [2.123456789, 1.0]
    assert [row["training.batch_size"] for row in rows] == ["4", "8"]
    assert rows[0]["parameters"] == "1234.0"


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
