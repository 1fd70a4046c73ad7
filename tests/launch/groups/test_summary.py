"""A sweep's figures are those of its runs: the best by what is monitored, mean and spread over seeds, what is left."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from craft import platform
from craft.launch.groups.summary import Summary, summarize
from craft.launch.queue.entries import Entry, Queue
from craft.runs.changes import Change, write_changes
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.groups import Group, read_group, take_group_name, write_group
from craft.runs.status import StatusWriter


class Sweep:
    """A group whose runs are made one by one."""

    def __init__(self, runs_dir: Path, checkpoint: str = "") -> None:
        self.runs_dir, self.names, self._locks = runs_dir, list[str](), list[platform.FileLock]()
        take_group_name(runs_dir, "s")
        self.definition = f"craft = 1\n[experiment.s]\n{checkpoint}\n"

    def add(self, phase: str, axes: dict[str, Any] | None = None, **status: Any) -> RunFolder:
        identity = RunIdentity("s", group="s", axes=axes or {}, created=1.0)
        folder = create_run(self.runs_dir, experiment="s", definition_toml=self.definition, identity=identity)
        self.names.append(folder.name)
        if phase in ("running", "paused"):
            self._locks.append(platform.FileLock(folder.lock))
            assert self._locks[-1].acquire()
        if phase == "queued":
            Queue(self.runs_dir).add([Entry(folder.name, "cpu", 1, 1.0)])
        StatusWriter(folder).write(phase=phase, **status)
        return folder

    def sum_up(self) -> Summary:
        write_group(self.runs_dir, "s", self.names, Path("/e.toml"))
        return summarize(read_group(self.runs_dir, "s"))

    def end(self) -> None:
        for lock in self._locks:
            lock.release()


@pytest.fixture
def sweep(tmp_path: Path) -> Any:
    sweep = Sweep(tmp_path)
    yield sweep
    sweep.end()


def test_points_are_summed_up_over_their_seeds(sweep: Sweep) -> None:
    for lr, seed, best in ((0.1, 1, 2.0), (0.1, 2, 2.5), (0.1, 3, 2.1), (0.2, 1, 1.0)):
        sweep.add("finished", {"optimizer.lr": lr, "seed": seed}, best=best)
    sweep.add("running", {"optimizer.lr": 0.2, "seed": 2}, best=0.5, step=10, max_steps=100)
    sweep.add("failed", {"optimizer.lr": 0.3, "seed": 1})
    found = sweep.sum_up()
    assert found.has_seeds
    assert found.phases == {"finished": 4, "running": 1, "failed": 1}
    first, second, third = found.points
    assert (first.axes, first.runs, first.finished, first.best) == ({"optimizer.lr": 0.1}, 3, 3, 2.0)
    assert first.mean == pytest.approx(2.2)
    assert first.spread == pytest.approx(statistics.stdev([2.0, 2.5, 2.1]))
    assert (second.runs, second.finished, second.mean, second.spread, second.best) == (2, 1, 1.0, None, 0.5)
    assert (third.runs, third.finished, third.mean, third.best) == (1, 0, None, None)
    assert found.best is not None
    assert found.best.best == 0.5


@pytest.mark.parametrize(
    ("checkpoint", "best"),
    [("", 1.0), ('checkpoint.mode = "max"\ncheckpoint.monitor = "val/accuracy"', 3.0)],
)
def test_the_best_is_what_the_definition_monitors(checkpoint: str, best: float, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, checkpoint)
    for value in (2.0, 1.0, 3.0, None):
        sweep.add("finished", best=value)
    found = sweep.sum_up()
    assert found.best is not None
    assert found.best.best == best
    assert found.points[0].best == best
    assert found.monitor == ("val/accuracy" if checkpoint else "val/loss")


def test_runs_that_were_removed_are_named(sweep: Sweep) -> None:
    sweep.add("finished", best=1.0)
    sweep.names.append("s-999")
    found = sweep.sum_up()
    assert found.gone == ["s-999"]
    assert len(found.members) == 1


def test_what_is_left_is_said_by_those_that_train_and_assumed_of_those_that_wait(sweep: Sweep) -> None:
    ended = sweep.add("finished", best=1.0, step=100, max_steps=100)
    ended.results.write_text(json.dumps({"seconds": 100.0}))
    assert sweep.sum_up().left_seconds is None, "nothing is to come"
    sweep.add("running", step=50, max_steps=100, eta_seconds=50.0)
    assert sweep.sum_up().left_seconds == pytest.approx(50.0)
    sweep.add("queued")
    assert sweep.sum_up().left_seconds == pytest.approx(150.0), "one after the other"
    sweep.add("running", step=75, max_steps=100, eta_seconds=25.0)
    assert sweep.sum_up().left_seconds == pytest.approx(125.0), "two at once"
    sweep.add("queued", step=50, max_steps=100)  # it goes on from its half
    assert sweep.sum_up().left_seconds == pytest.approx(125.0)


def test_where_nothing_was_trained_yet_nothing_is_said_of_what_is_left(sweep: Sweep) -> None:
    sweep.add("queued")
    assert sweep.sum_up().left_seconds is None


def test_a_damaged_member_harms_nobody(sweep: Sweep) -> None:
    sweep.add("finished", best=1.0).definition.write_text("[[[")
    damaged = sweep.add("finished", best=2.0)
    damaged.status.write_text("{")
    damaged.results.write_text("[]")
    found = sweep.sum_up()
    assert found.best is not None
    assert found.best.best == 1.0
    assert found.monitor == "val/loss"


def test_a_run_that_goes_on_with_another_value_counts_for_no_point(tmp_path: Path) -> None:
    folders = []
    for seed in (1, 2):
        text = f"[experiment.lr]\nseed = {seed}\noptimizer = {{ lr = 0.1 }}\n"
        identity = RunIdentity("lr", group="lr", axes={"optimizer.lr": 0.1, "seed": seed})
        folders.append(create_run(tmp_path, experiment="lr", definition_toml=text, identity=identity))
        StatusWriter(folders[-1]).write(phase="finished", best=float(seed))
    group = Group(tmp_path, "lr", [folder.name for folder in folders])
    assert [(point.runs, point.mean) for point in summarize(group).points] == [(2, 1.5)]
    write_changes(folders[1], [Change(5, values={"optimizer.lr": 0.5}, before={"optimizer.lr": 0.1})])
    summary = summarize(group)
    assert [(point.runs, point.mean) for point in summary.points] == [(1, 1.0)]
    assert [member.moved for member in summary.members] == [{}, {"optimizer.lr": 0.5}]
    folders[0].definition.write_text("[experiment.lr]\nseed = 1\noptimizer = { lr = 0.3 }\n")
    assert summarize(group).points == []
