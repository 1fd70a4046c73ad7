from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft.analysis.scales import Scale
from workbench.widgets.chart.ranging import followed, panned, zoomed

ends = st.tuples(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300)).filter(lambda pair: pair[0] < pair[1])
moves = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([0.5, 2.0, 0.8, 1.25]), st.floats(0, 1)), st.tuples(st.none(), st.floats(-1.5, 1.5))
    ),
    max_size=60,
)


@given(ends, st.booleans(), moves)
def test_however_an_axis_is_moved_a_part_of_it_is_shown(
    limits: tuple[float, float], log: bool, moved: list[tuple[float | None, float]]
) -> None:
    whole = shown = Scale(*limits, log)
    for factor, by in moved:
        part = panned(shown, whole, by) if factor is None else zoomed(shown, whole, factor, by)
        shown = whole if part is None else Scale(*part, log)
        assert whole.low <= shown.low < shown.high <= whole.high
        assert all(math.isfinite(shown.value(place)) for place in (0.0, 0.5, 1.0))


def test_zooming_out_undoes_zooming_in() -> None:
    for log in (False, True):
        whole = Scale(1.0, 1000.0, log)
        part = zoomed(whole, whole, 0.5, 0.3)
        assert part is not None
        assert zoomed(Scale(*part, log), whole, 2.0, 0.3) in (None, pytest.approx((1.0, 1000.0)))
        assert zoomed(Scale(*part, log), whole, 4.0, 0.9) is None


def test_panning_stops_at_the_ends_and_keeps_the_length() -> None:
    whole = Scale(0.0, 100.0)
    assert panned(Scale(50.0, 70.0), whole, 0.25) == (55.0, 75.0)
    assert panned(Scale(50.0, 70.0), whole, 9.0) == (80.0, 100.0)
    assert panned(Scale(50.0, 70.0), whole, -9.0) == (0.0, 20.0)
    assert panned(whole, whole, 0.5) is None


def test_what_is_followed() -> None:
    assert followed((50.0, 100.0), 100.0, 120.0) == (70.0, 120.0)
    assert followed((50.0, 90.0), 100.0, 120.0) == (50.0, 90.0)
    assert followed((50.0, 130.0), 100.0, 120.0) == (50.0, 130.0), "a chart whose newest point is older"
