from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from craft.analysis.axes import AXES, Axis, format_flops, format_step
from craft.analysis.plots import Series, View, draw_plot
from craft.analysis.ticks import time_labels, time_ticks


def test_places_are_written_as_their_axis_measures() -> None:
    assert AXES["step"].write(12_400.0) == "12,400"
    assert AXES["tokens"].write(1_234_567.0) == "1.23M"
    assert AXES["time"].write(200.0) == "3m 20s"
    assert AXES["flops"].write(1.2e15) == "1.2e15"
    assert format_step(1.5) == "1.5" and format_step(math.nan) == "NaN" and format_step(None) == "-"
    assert format_flops(1e4) == "1e4" and format_flops(12.0) == "12"
    assert [axis.label for axis in AXES.values()] == ["step", "tokens", "training time", "FLOPs"]


@pytest.mark.parametrize(
    ("high", "labels"),
    [
        (45.0, ["0", "10s", "20s", "30s", "40s"]),
        (400.0, ["0", "2m", "4m", "6m"]),
        (9000.0, ["0", "30m", "1h", "1h30", "2h", "2h30"]),
        (200_000.0, ["0", "12h", "1d", "1d12h", "2d"]),
        (3e6, ["0", "10d", "20d", "30d"]),
    ],
)
def test_time_is_marked_as_clocks_are_read(high: float, labels: list[str]) -> None:
    assert [label for _, label in AXES["time"].ticks(0.0, high, 6)] == labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.2, 3000.0, ["1s", "10s", "1m", "10m"]),
        (50.0, 90_000.0, ["1m", "10m", "1h", "10h", "1d"]),
        (1.25, 17.5, ["5s", "10s", "15s"]),
        (1.0, 1e7, ["1s", "1m", "1h", "1d", "100d"]),
    ],
)
def test_time_is_marked_so_on_a_logarithmic_axis_too(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in AXES["time"].ticks(low, high, 5, log=True)] == labels


@given(st.floats(0, 1e15), st.floats(0, 1e15), st.integers(2, 9))
def test_times_lie_inside_and_are_told_apart(a: float, b: float, most: int) -> None:
    low, high = min(a, b), max(a, b)
    ticks = time_ticks(low, high, most)
    slack = (high - low) * 1e-6
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert 1 <= len(ticks) <= max(most, 2)
    assert len(time_labels(ticks)) == len(ticks)


@pytest.mark.parametrize("name", AXES)
def test_any_axis_marks_any_range(name: str) -> None:
    for low, high in ((0.0, 1.0), (5.0, 5.0), (-3.0, 1e300), (1e-9, 2e-9), (0.0, 86_400.0 * 400)):
        ticks = AXES[name].ticks(low, high, 5)
        assert ticks and all(isinstance(label, str) and label for _, label in ticks)


_NUMBERS = st.one_of(
    st.floats(-1e300, 1e300, allow_subnormal=False),
    st.integers(0, 10**12).map(float),
    st.floats(1e-12, 10.0),
    st.floats(0.9, 1.1),
)


@given(
    st.sampled_from([None, *AXES.values()]),
    st.tuples(_NUMBERS, _NUMBERS),
    st.tuples(_NUMBERS, _NUMBERS),
    st.booleans(),
    st.integers(60, 200),
    st.integers(12, 50),
)
def test_every_axis_has_two_marks_at_least_to_be_read_by(
    axis: Axis | None, xs: tuple[float, float], ys: tuple[float, float], log: bool, width: int, height: int
) -> None:
    if log:
        xs, ys = (tuple(max(abs(value), 1e-300) for value in pair) for pair in (xs, ys))  # type: ignore[assignment]
    assume(xs[0] == xs[1] or not math.isclose(*xs, rel_tol=1e-6))
    for points in (2, 1):
        series = [Series("loss", xs[:points], ys[:points])]
        view = View(log_x=log, log_y=log)
        label = axis.label if axis else "step"
        drawing = draw_plot(series, width=width, height=height, axis=axis, x_label=label, view=view)
        text = drawing.plain()
        assert text.count("\u252c") >= 2 and text.count("\u2524") >= 2, text
        beside = [line.partition("\u2524")[0].strip() for line in text.splitlines() if "\u2524" in line]
        assert len(set(beside)) == len(beside), text
