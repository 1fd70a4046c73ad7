from __future__ import annotations

import json
from pathlib import Path

import pytest

from craft.analysis.facts import RunFacts, last_value
from craft.analysis.filters import NAMES, canonical, parse_filter
from craft.analysis.names import check_names
from craft.errors import UsageError
from craft.runs.notes import change_notes
from craft.runs.status import StatusWriter
from craft.runs.store import RunStore
from tests.training import runs as training


def test_a_run_is_asked_for_figures_settings_and_metrics(tmp_path: Path) -> None:
    config = training.definition(tmp_path / "text.txt", optimizer={"type": "adamw", "lr": 0.003})
    folder = training.make_run(tmp_path / "runs", config, "wide")
    StatusWriter(folder).write(phase="finished", step=40, tokens=2560, val_loss=1.8, best=1.7)
    with folder.metrics.open("w") as file:
        file.writelines(
            json.dumps({"step": step, "time": 1.0, "train/grad_norm": step / 10}) + "\n" for step in range(9)
        )
        file.write('{"step": 9, "time": 1.0, "train/grad_')
    (run,) = RunStore(tmp_path / "runs").list()
    change_notes(folder, star=True, note="the one to beat", add=["baseline", "keep"])
    facts = RunFacts(run)
    assert facts("val/loss") == 1.8 and facts("best") == 1.7 and facts("phase") == "finished"
    assert facts("optimizer.lr") == facts("lr") == 0.003
    assert facts("training.batch_size") == 4 and facts("hidden_size") == 16
    assert facts("type") is None, "many paths end so"
    assert facts("train/grad_norm") == 0.8 and facts("train/no_such") is None
    assert facts("nonsense") is None and facts("eta") is None
    assert parse_filter("keep beat star = true tag ~ base val/loss < 1.9 and lr > 1e-3 and step = 40 age < 1w").holds(
        facts
    )
    assert not parse_filter("lr > 1e-2").holds(facts)
    assert parse_filter("val < 1.9 and TAGS ~ keep and progress = 0").holds(facts) is False, "no progress without steps"
    for words, near in (("hiden_size > 2", "hidden_size"), ("val/los < 2", "val/loss"), ("train/gradnorm > 0", "norm")):
        with pytest.raises(UsageError, match=rf"no run has '.*near it: .*{near}"):
            check_names(words, parse_filter(words), [run], RunFacts)
    check_names("val < 1 or lr > 2 or not type = x", parse_filter("val < 1 or lr > 2 or keep"), [run], RunFacts)


def test_every_heading_that_is_seen_is_a_name() -> None:
    from craft.analysis.facts import _CLAIMED
    from craft.cli.runs_table import run_columns
    from workbench.screens.runs.columns import COLUMNS, MORE_COLUMNS

    headings = {column.title for column in (*COLUMNS, *MORE_COLUMNS)} | {column.heading for column in run_columns([])}
    assert {canonical(heading) for heading in headings - {""}} <= NAMES.keys() == _CLAIMED.keys() - {"text"}


def test_a_run_without_files_says_nothing(tmp_path: Path) -> None:
    folder = training.make_run(tmp_path / "runs", training.definition(tmp_path / "text.txt"), "bare")
    folder.definition.write_text("not [ toml")
    (run,) = RunStore(tmp_path / "runs").list()
    facts = RunFacts(run)
    assert facts("lr") is None and facts("train/lr") is None
    assert parse_filter("bare phase = queued").holds(facts)


def record(step: int, **values: float | None) -> str:
    """A line of a log, some 100 bytes, with these metrics of "val" beside those of each step."""
    every = {"step": step, "time": step / 100, "tokens": step * 768, "train/loss": 2.1, "train/grad_norm": 0.7}
    return json.dumps({**every, **{f"val/{name}": value for name, value in values.items()}}) + "\n"


@pytest.mark.parametrize("end", ["", '{"step": 9, "time": 1.0, "val/accur'])
@pytest.mark.parametrize("place", [0, 1, 500, 19_999])
def test_the_last_value_of_what_is_measured_seldom_is_found(tmp_path: Path, place: int, end: str) -> None:
    log = tmp_path / "metrics.jsonl"
    lines = [record(step) for step in range(20_000)]
    lines[place] = record(place, accuracy=0.6)
    log.write_text("".join(lines) + end)
    assert log.stat().st_size > 1 << 20
    assert last_value(log, "val/accuracy") == 0.6
    assert last_value(log, "val/other") is None


def test_a_value_that_a_resume_took_back_is_none(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    lines = [record(100, accuracy=0.5), record(200, accuracy=0.6), '{"resumed_from": 150}\n', record(160)]
    log.write_text("".join(lines))
    assert last_value(log, "val/accuracy") == 0.5
    log.write_text("".join([*lines, record(170, accuracy=0.7)]))
    assert last_value(log, "val/accuracy") == 0.7


def test_the_newest_value_counts_and_one_that_is_not_finite_is_none(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text(record(1, loss=2.0) + record(2, loss=1.5) + record(3))
    assert last_value(log, "val/loss") == 1.5
    log.write_text(record(1, loss=2.0) + record(2, loss=None))
    assert last_value(log, "val/loss") is None
    log.write_text('{"step": 1, "val/loss": 1' + 400 * "0" + "}\n")
    assert last_value(log, "val/loss") is None
    log.write_text("")
    assert last_value(log, "val/loss") is None


@pytest.mark.parametrize("name", ["val/gr\u00f6\u00dfe", "val/\udcff", "val/\ud800", 'val/"quoted"'])
def test_a_metric_of_any_name_is_found(tmp_path: Path, name: str) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text(json.dumps({"step": 1, name: 0.25}) + "\n")
    assert last_value(log, name) == 0.25
    assert last_value(log, name + "s") is None


def test_a_definition_with_a_number_without_end_says_nothing(tmp_path: Path) -> None:
    folder = training.make_run(tmp_path / "runs", training.definition(tmp_path / "text.txt"), "bare")
    folder.definition.write_text(f"[experiment.a]\nseed = 1{400 * '0'}\n")
    (run,) = RunStore(tmp_path / "runs").list()
    assert RunFacts(run)("seed") is None
