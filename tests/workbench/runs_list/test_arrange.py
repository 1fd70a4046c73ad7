"""Filters, orders and groups: what of the runs is shown, and what is asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from craft.analysis.facts import RunFacts
from craft.runs.folder import RunFolder
from craft.runs.json_files import sealed
from craft.runs.notes import change_notes
from craft.runs.store import RunSummary
from tests.workbench.details.stage import append
from tests.workbench.runs import make_run
from workbench.screens.experiments.rows import made_by
from workbench.screens.runs.arrange import Arranger, View
from workbench.screens.runs.columns import columns_of
from workbench.screens.runs.rows import cells_of_group, header
from workbench.watch import RunsReader


def _listed(tmp_path: Path) -> list[RunSummary]:
    make_run(tmp_path, "wide", age=50, val_loss=1.5, best=1.5, step=10)
    make_run(tmp_path, "wide", age=40, val_loss=2.5, best=2.5, step=30)
    make_run(tmp_path, "lr", age=30, val_loss=None, best=None, step=20, phase="stopped")
    change_notes(make_run(tmp_path, "lr", age=20, val_loss=1.9, best=1.9, step=40), star=True, add=["base"])
    return RunsReader(tmp_path).read()


def _names(runs: list[RunSummary], view: View, arranger: Arranger | None = None) -> list[str]:
    return [row.run.name for row in (arranger or Arranger()).arrange(runs, view).rows]


def test_words_and_expressions_let_through_what_they_say(tmp_path: Path) -> None:
    runs = _listed(tmp_path)
    assert _names(runs, View()) == ["lr-002", "lr-001", "wide-002", "wide-001"]
    for words, names in {
        "wide": ["wide-002", "wide-001"],
        "val/loss < 2": ["lr-002", "wide-001"],
        "val/loss < 2 and not tag = base": ["wide-001"],
        "num_layers = 4 phase = stopped": ["lr-001"],
        "starred or step = 10": ["lr-002", "wide-001"],
        "train/lr > 0.1": [],
        "train/lr > 0.01 wide-001": ["wide-001"],
        "  ": ["lr-002", "lr-001", "wide-002", "wide-001"],
    }.items():
        assert _names(runs, View(words)) == names, words


def test_a_wrong_filter_says_where_and_the_one_before_stays(tmp_path: Path) -> None:
    runs, arranger = _listed(tmp_path), Arranger()
    assert _names(runs, View("wide"), arranger) == ["wide-002", "wide-001"]
    wrong = arranger.arrange(runs, View("wide and ("))
    message, shown, caret = wrong.fault.splitlines()
    assert "missing" in message and shown.strip() == "wide and (" and caret.index("^") == 4 + len("wide and (")
    assert [row.run.name for row in wrong.rows] == ["wide-002", "wide-001"]
    assert not arranger.arrange(runs, View("lr")).fault


def _asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose facts are asked for from now on, once for each time."""
    asked: list[str] = []
    call = RunFacts.__call__

    def counted(self: RunFacts, name: str) -> Any:
        asked.append(self.run.name)
        return call(self, name)

    monkeypatch.setattr(RunFacts, "__call__", counted)
    return asked


def test_a_filter_by_what_no_run_has_yet_holds_once_one_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, arranger, view = _listed(tmp_path), Arranger(), View("val/accuracy > 0.5")
    assert "no run has 'val/accuracy'" in arranger.arrange(runs, view).fault
    asked = _asked(monkeypatch)
    fresh = RunsReader(tmp_path).read()[0]
    assert "no run has" in arranger.arrange([fresh, *runs[1:]], view).fault
    assert asked == [fresh.name], "of the others nothing is new"
    append(fresh.folder.metrics, {"step": 50, "val/accuracy": 0.6})
    found = arranger.arrange([RunsReader(tmp_path).read()[0], *runs[1:]], view)
    assert not found.fault and found.keys == [fresh.name]
    assert "no run has these words" in arranger.arrange(runs, View("later", typing=True)).fault
    make_run(tmp_path, "later")
    assert _names(RunsReader(tmp_path).read(), View("later", typing=True), arranger) == ["later-001"]


def test_a_filter_that_is_only_begun_hides_nothing_yet(tmp_path: Path) -> None:
    runs, arranger = _listed(tmp_path), Arranger()
    wide, text = ["wide-002", "wide-001"], "wide and val/loss < 2"
    for length in range(len("wide"), len(text) + 1):
        found = arranger.arrange(runs, View(text[:length], typing=True))
        assert [row.run.name for row in found.rows] == (wide if length < len(text) else wide[1:]), text[:length]
        is_whole = text[:length].strip() in ("wide", text)
        assert bool(found.fault) != is_whole, text[:length]
    assert "no run has these words" in arranger.arrange(runs, View("val/l", typing=True)).fault
    assert len(arranger.arrange(runs, View("", typing=True)).rows) == len(runs)
    typed = arranger.arrange(runs, View("val/l"))
    assert not typed.rows and not typed.fault, "once nobody types any more, it says what it says"


@pytest.mark.parametrize(
    ("sort", "turned", "names"),
    [
        ("val/loss", False, ["wide-001", "lr-002", "wide-002", "lr-001"]),
        ("val/loss", True, ["wide-002", "lr-002", "wide-001", "lr-001"]),
        ("step", False, ["wide-001", "lr-001", "wide-002", "lr-002"]),
        ("run", False, ["lr-001", "lr-002", "wide-001", "wide-002"]),
        ("tag", False, ["lr-002", "lr-001", "wide-002", "wide-001"]),
        ("nothing.of.that", False, ["lr-002", "lr-001", "wide-002", "wide-001"]),
    ],
)
def test_runs_are_sorted_by_any_figure_and_those_without_it_come_last(
    tmp_path: Path, sort: str, turned: bool, names: list[str]
) -> None:
    assert _names(_listed(tmp_path), View(sort=sort, turned=turned)) == names


def test_a_run_without_news_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, arranger = _listed(tmp_path), Arranger()
    asked = _asked(monkeypatch)
    view = View("step > 5", sort="best")
    arranger.arrange(runs, view)
    assert len(asked) == 8
    asked.clear()
    arranger.arrange(runs, view)
    assert asked == []
    fresh = [RunsReader(tmp_path).read()[0], *runs[1:]]
    arranger.arrange(fresh, view)
    assert asked == ["lr-002", "lr-002"]
    asked.clear()
    arranger.arrange(runs, View("age > 10"))
    arranger.arrange(runs, View("age > 10"))
    assert len(asked) == 8, "what changes with time is asked each time"


def _swept(tmp_path: Path) -> list[RunSummary]:
    for number in range(3):
        folder: RunFolder = make_run(tmp_path, "lr", age=50 - number, best=2.0 - number / 10, step=100 * number)
        identity = json.loads(folder.run_json.read_text())
        folder.run_json.write_text(json.dumps(sealed(identity | {"group": "lr"})))
    make_run(tmp_path, "alone", age=5)
    return RunsReader(tmp_path).read()


def test_the_runs_of_a_group_are_one_line_with_their_best(tmp_path: Path) -> None:
    runs = _swept(tmp_path)
    folded = Arranger().arrange(runs, View(fold=True))
    assert folded.keys == ["alone-001", "group lr"] and folded.shown == 4
    group = folded.rows[1].group
    assert group is not None and len(folded.rows[1].runs) == 3
    assert group.best_run.name == "lr-003" and group.best == 1.8 and group.progress == pytest.approx(300 / 1500)
    line = " ".join(cell.text for cell in cells_of_group(group, 0.0, 20, columns_of(["phase", "step", "best"]), True))
    assert "+ lr" in line and "3 finished" in line and "3 runs" in line and "1.800" in line
    opened = Arranger().arrange(runs, View(fold=True, open_groups=frozenset({"lr"})))
    assert opened.keys == ["alone-001", "group lr", "lr-003", "lr-002", "lr-001"]
    assert [row.inside for row in opened.rows] == [False, False, True, True, True]
    assert Arranger().arrange(runs, View("lr-001", fold=True)).keys == ["lr-001"], "one alone is no group"
    # The group has runs of 1.8 to 2.0, and shows 1.8: there it stands, whichever way round.
    alone = make_run(tmp_path, "between", age=5, val_loss=1.9, best=1.9)
    runs = RunsReader(tmp_path).read()
    for sort in ("val/loss", "best"):
        keys = Arranger().arrange(runs, View(sort=sort, fold=True)).keys
        assert keys.index("group lr") < keys.index(alone.name), sort
        assert Arranger().arrange(runs, View(sort=sort, turned=True, fold=True)).keys == keys[::-1], sort


def test_the_best_is_the_most_where_the_most_is_wanted(tmp_path: Path) -> None:
    newest = next(run for run in _swept(tmp_path) if run.name == "lr-003").folder
    with newest.definition.open("a") as definition:
        definition.write('checkpoint = { monitor = "val/accuracy", mode = "max" }\n')
    runs = RunsReader(tmp_path).read()
    group = Arranger().arrange(runs, View(fold=True)).rows[1].group
    assert group is not None and (group.best_run.name, group.best) == ("lr-001", 2.0)
    assert made_by(runs)["lr"].best == 2.0 and made_by(runs)["lr"].newest == "lr-003"


def test_any_setting_is_a_column(tmp_path: Path) -> None:
    columns = columns_of(["phase", "optimizer.lr", "val/accuracy", "phase"])
    assert [column.title for column in columns] == ["phase", "lr", "val/accuracy"]
    heads = header(100, 16, False, columns, sort="optimizer.lr", turned=True)
    assert heads[2][0].strip() == "lr\u25be" and heads[2][1] == "optimizer.lr"
