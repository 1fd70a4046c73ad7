"""Looking on at a long log: the same figures and curves as reading all of it, in little memory."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from craft.runs import followed_metrics
from craft.runs.folder import RunFolder
from craft.runs.followed_metrics import DRAWN, FollowedMetrics
from craft.runs.metrics import MetricsLog, MetricsReader
from tests.runs.make import a_run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path)


def write(log: MetricsLog, first: int, last: int) -> None:
    for step in range(first, last):
        log.append({"step": step, "time": step / 10, "train/loss": 1 / (step + 1), "train/lr": 0.1})
        if step % 3000 == 0:
            log.append({"step": step, "time": step / 10, "val/loss": 2 / (step + 1)})


@pytest.mark.parametrize("only_new", [False, True])
def test_it_knows_what_a_reader_of_everything_knows(folder: RunFolder, only_new: bool) -> None:
    log = MetricsLog(folder)
    write(log, 0, 7000)
    followed, whole = FollowedMetrics(folder.metrics, only_new=only_new), MetricsReader(folder.metrics)
    for first, last in ((7000, 9500), (9500, 9600)):
        write(log, first, last)
        whole.poll()
        assert [record["step"] for record in followed.poll()][-(last - first) :] == [
            record["step"] for record in whole.records[-(last - first) :]
        ]
        assert len(followed.records) <= 2 * followed_metrics._KEPT
        assert followed.records == whole.records[-len(followed.records) :]
        for name in (*DRAWN, "train/lr"):
            assert followed.last(name) == whole.last(name)
        for name in DRAWN:
            assert [list(column) for column in followed.series(name)] == [list(column) for column in whole.series(name)]
    log.close()


def test_what_a_resume_supersedes_is_dropped_and_not_finite_is_no_figure(folder: RunFolder) -> None:
    log = MetricsLog(folder)
    write(log, 0, 100)
    followed = FollowedMetrics(folder.metrics, only_new=True)
    log.resumed(40)
    log.append({"step": 41, "time": 4.1, "train/loss": 9.0, "val/loss": math.nan})
    followed.poll()
    assert [record["step"] for record in followed.records[-2:]] == [40, 41]
    assert followed.last("train/loss") == 9.0
    assert followed.last("val/loss") is None
    assert followed.series("train/loss")[0][-1] == 41
    log.close()


def test_who_falls_behind_catches_up_in_pieces(folder: RunFolder) -> None:
    with folder.metrics.open("wb") as file:
        for step in range(2 * followed_metrics.AT_ONCE + 10):
            file.write(b'{"step":%d,"time":1.0}\n' % step)
    followed = FollowedMetrics(folder.metrics)
    pieces = [followed.poll() for _ in range(4)]
    assert [len(piece) for piece in pieces] == [followed_metrics.AT_ONCE] * 2 + [10, 0]
    assert [record["step"] for piece in pieces for record in piece] == list(range(2 * followed_metrics.AT_ONCE + 10))


def test_nothing_there_yet_is_nothing(folder: RunFolder) -> None:
    followed = FollowedMetrics(folder.metrics, only_new=True)
    assert (followed.poll(), followed.records, followed.last("train/loss")) == ([], [], None)
    assert [len(column) for column in followed.series("val/loss")] == [0, 0]
