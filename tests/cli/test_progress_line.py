"""The progress line fits any width, and loses what matters least first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from craft.cli.progress_line import Progress, bar, progress_line
from craft.text import width_of

RUNNING = Progress("transformer-001", "running", 250, 500, 2.104, 2.21, 25_100, eta=12, elapsed=9)


def test_at_eighty_columns_everything_is_there() -> None:
    line = progress_line(RUNNING, 79, unicode=False)
    for part in ("50%", "250/500", "loss 2.104", "val 2.210", "25.1k tok/s", "ETA 12s", "  9s", "[#", "-]"):
        assert part in line
    assert "transformer-001" in progress_line(RUNNING, 120)


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("phase", ["queued", "preparing", "running", "evaluating", "stopping", "silent"])
def test_it_never_is_wider_than_the_terminal(phase: str, unicode: bool) -> None:
    long = replace(RUNNING, phase=phase, step=123_456, max_steps=2_000_000, eta=400_000.0, message="x" * 90)
    for progress in (RUNNING, long, replace(long, step=None, max_steps=None), replace(RUNNING, name="\u6f22" * 30)):
        for width in range(1, 140):
            assert width_of(progress_line(progress, width, unicode=unicode)) <= width


def test_steps_and_time_left_stay_longest() -> None:
    assert progress_line(RUNNING, 18, unicode=False) == "250/500  ETA 12s"


def test_among_several_runs_the_name_stays() -> None:
    assert "transformer-001" in progress_line(RUNNING, 79, one_of_many=True)
    assert "transformer-001" not in progress_line(RUNNING, 79)


def test_what_a_worker_says_cannot_move_the_cursor() -> None:
    line = progress_line(Progress("a", "preparing", message="\x1b[2J tokens\r40%"), 79)
    assert "\x1b" not in line
    assert "\r" not in line


def test_the_line_does_not_jump_while_it_evaluates() -> None:
    before, during = progress_line(RUNNING, 79), progress_line(replace(RUNNING, phase="evaluating"), 79)
    assert before.index("250/500") == during.index("250/500")
    assert "evaluating" in during
    for step in range(1, 501):
        assert progress_line(replace(RUNNING, step=step), 79).index("/500") == before.index("/500")


@pytest.mark.parametrize("unicode", [True, False])
def test_a_bar_is_as_wide_as_asked_at_every_fraction(unicode: bool) -> None:
    for eighth in range(81):
        assert width_of(bar(eighth / 80, 10, unicode=unicode)) == 12
    assert bar(0.5, 4, unicode=False) == "[##--]"
    assert bar(0.5 + 1 / 32, 4) == "\u2595\u2588\u2588\u258f \u258f"
