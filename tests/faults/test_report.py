"""The page of figures: what was done stays until it is done anew, and nothing is hidden."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.faults import __main__ as command
from benchmarks.faults import report
from benchmarks.faults.fault import Fault, Outcome


def fault(name: str) -> Fault:
    return Fault(name, f"{name} is done", "all holds", 10, lambda times, work: Outcome(times))


@pytest.fixture(autouse=True)
def _own_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FIGURES", tmp_path / "reliability.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "reliability.md")


def page(*faults: Fault) -> str:
    report.write(faults)
    return report.PAGE.read_text()


def test_each_fault_has_a_row_and_says_what_it_means() -> None:
    cuts, kills = fault("cuts"), fault("kills")
    report.keep(cuts, Outcome(1200, ["a | b\nc"], worst="3 ms", notes="in turn"), 12.3)
    text = page(cuts, kills)
    assert "| [cuts](#cuts) | 1,200 | 1,199 | 3 ms |\n" in text
    assert "| [kills](#kills) |  |  | not done yet |\n" in text
    assert "## cuts\n\nCuts is done.\n\nMust hold: all holds.\n\nIn turn.\n\n- Did not hold: a \\| b c\n" in text


def test_a_fault_that_is_done_anew_replaces_its_own_figures_only() -> None:
    cuts, kills = fault("cuts"), fault("kills")
    report.keep(cuts, Outcome(5), 1.0)
    report.keep(kills, Outcome(6, impossible="no root here"), 1.0)
    report.keep(cuts, Outcome(7), 1.0)
    text = page(cuts, kills)
    assert "| [cuts](#cuts) | 7 | 7 |  |\n" in text
    assert "| [kills](#kills) |  |  | not possible here: no root here |\n" in text


def test_what_did_not_hold_is_said_shortly_and_without_places_of_this_machine() -> None:
    long = 'it said: File "/home/somebody/craft/cli/run.py", line 3, ' + "and more " * 100 + "NameError: x"
    report.keep(fault("kills"), Outcome(2, [long]), 1.0)
    text = page(fault("kills"))
    assert 'File ".../run.py", line 3' in text
    assert "/home" not in text
    assert "NameError: x\n" in text
    assert max(map(len, text.splitlines())) < 400


def test_a_row_says_what_stands_in_at_which_commit_and_how_often_the_fault_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "commit", lambda: "abc1234")
    kills = replace(fault("kills"), stands_in="the workers train nothing")
    report.keep(kills, Outcome(7, hit=7, missed=2), 1.0)
    text = page(kills)
    assert "\nWhat stands in: the workers train nothing.\n" in text
    assert "The fault was seen to come in 7 of the 7; 2 more in which it did not are not counted.\n" in text
    assert f"Done on {time.strftime('%Y-%m-%d')} at abc1234, in 1 s.\n" in text


def test_a_trial_in_which_the_fault_never_came_is_done_again_and_not_for_ever() -> None:
    came = iter([True, False, True, False, True])
    outcome = Outcome()
    numbers = []
    for number in outcome.trials(3):
        numbers.append(number)
        outcome.once(hit=next(came))
    assert numbers == [0, 1, 1, 2, 2]
    assert (outcome.tried, outcome.held, outcome.hit, outcome.missed) == (3, 3, 3, 2)
    never = Outcome()
    for _ in never.trials(3):
        never.once(hit=False)
    assert never.tried == never.held == 0
    assert never.broken == ["the fault came in 0 of 19 trials only"]
    amiss = Outcome()
    amiss.once("it hung", hit=False)
    assert (amiss.tried, amiss.held, amiss.hit) == (1, 0, 0)


def test_a_size_is_one_trial() -> None:
    large = replace(fault("large"), times=1000, size_in="records")
    assert (large.times_of(0.1), large.trials_of(0.1), fault("kills").trials_of(0.5)) == (100, 1, 5)


def test_a_fault_that_breaks_off_is_one_that_did_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def breaks(times: int, work: Path) -> Outcome:
        raise RuntimeError("a worker hangs")

    outcome = command.do(Fault("kills", "", "", 10, breaks), 10, tmp_path)
    assert (outcome.tried, outcome.held) == (1, 0)
    assert "a worker hangs" in outcome.broken[0]
    assert "Traceback" in capsys.readouterr().err
