from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from craft.analysis import numbers


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (numbers.format_count, 0, "0"),
        (numbers.format_count, 0.52, "0.52"),
        (numbers.format_count, 999, "999"),
        (numbers.format_count, 999.6, "1k"),
        (numbers.format_count, 12_345, "12.3k"),
        (numbers.format_count, 999_950, "1M"),
        (numbers.format_count, 1_250_000, "1.25M"),
        (numbers.format_count, -4200, "-4.2k"),
        (numbers.format_rate, 25_100, "25.1k"),
        (numbers.format_bytes, 512, "512 B"),
        (numbers.format_bytes, 1.2e9, "1.2 GB"),
        (numbers.format_bytes, 999_600_000, "1 GB"),
        (numbers.format_duration, 0.42, "0.4s"),
        (numbers.format_duration, 59.7, "1m 00s"),
        (numbers.format_duration, 184, "3m 04s"),
        (numbers.format_duration, 7650, "2h 07m"),
        (numbers.format_duration, 273_600, "3d 04h"),
        (numbers.format_duration, -12, "-12s"),
        (numbers.format_age, -5, "now"),
        (numbers.format_age, 12, "12s"),
        (numbers.format_age, 7200, "2h"),
        (numbers.format_loss, 1.6239, "1.624"),
        (numbers.format_loss, 0.0312444, "0.03124"),
        (numbers.format_loss, 0.0001, "0.0001"),
        (numbers.format_loss, 1.2e6, "1.2e6"),
        (numbers.format_loss, 0.0, "0.000"),
        (numbers.format_number, 3e-5, "3e-5"),
        (numbers.format_number, 0.002, "0.002"),
        (numbers.format_percent, 0.004, "0.4%"),
        (numbers.format_percent, 0.9999, "99%"),
        (numbers.format_percent, 1, "100%"),
    ],
)
def test_figures(write: Callable[[float], str], value: float, expected: str) -> None:
    assert write(value) == expected


@pytest.mark.parametrize(
    "write",
    [
        numbers.format_count,
        numbers.format_rate,
        numbers.format_bytes,
        numbers.format_duration,
        numbers.format_loss,
        numbers.format_number,
        numbers.format_percent,
    ],
)
def test_what_is_not_a_figure_is_said(write: Callable[[float | None], str]) -> None:
    assert write(None) == numbers.NOTHING
    assert write(math.nan) == "NaN"
    assert write(math.inf) == "inf"
    assert write(-math.inf) == "-inf"


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("3.114e-5", 8, "3.114e-5"),
        ("3.114e-5", 7, "3.11e-5"),
        ("3.114e-5", 5, "3e-5"),
        ("0.006114", 7, "0.00611"),
        ("0.006114", 6, "0.0061"),
        ("123456", 4, "1e5"),
        ("-3.1e-12", 4, "####"),
        ("1200 runs", 4, "1200 runs"),
    ],
)
def test_a_figure_without_room_has_fewer_digits(text: str, width: int, expected: str) -> None:
    assert numbers.fit_figure(text, width) == expected
