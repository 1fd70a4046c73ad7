"""How figures are written, everywhere: one place, so that a table, a plot and a message agree.

Every function takes None (and NaN or infinity, where they can occur) and writes `NOTHING` or the word for it.
"""

from __future__ import annotations

import math

NOTHING = "-"

_THOUSANDS = ("", "k", "M", "B", "T", "Q")


def format_count(value: float | None) -> str:
    """Things counted: 950, 12.3k, 1.25M. Three significant figures from a thousand on."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return _non_finite(value)
    if abs(value) < 999.5:
        return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"
    return _scaled(value, 1000.0, _THOUSANDS, "")


def format_rate(value: float | None, unit: str = "") -> str:
    """Things a second: 25.1k tok/s, 0.52 tok/s."""
    text = format_count(value)
    return text if text == NOTHING or not unit else f"{text} {unit}"


def format_bytes(value: float | None) -> str:
    """Bytes in powers of a thousand, as disks and `ls --si` count them: 512 B, 1.2 GB."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return _non_finite(value)
    if abs(value) < 999.5:
        return f"{value:.0f} B"
    text = _scaled(value, 1000.0, ("", "k", "M", "G", "T", "P", "E"), " ")
    return f"{text}B"


def format_duration(seconds: float | None) -> str:
    """Two units at most: 0.4s, 12s, 3m 04s, 2h 07m, 3d 04h."""
    if seconds is None:
        return NOTHING
    if not math.isfinite(seconds):
        return _non_finite(seconds)
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 9.95:
        return "0s" if seconds < 0.05 else f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02d}h"


def format_age(seconds: float | None) -> str:
    """How long ago, in one unit: now, 12s, 3m, 2h, 5d. A clock that went back counts as now."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 1:
        return "now"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def format_loss(value: float | None) -> str:
    """A loss: three decimals where they matter, else four significant figures: 1.624, 0.03124, 152.3."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return _non_finite(value)
    if value == 0 or 0.1 <= abs(value) < 99.9995:
        return f"{value:.3f}"
    return format_number(value)


def format_number(value: float | None) -> str:
    """Any other figure, a learning rate say, in four significant figures: 0.002, 3e-5, 1.25."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return _non_finite(value)
    return _with_digits(value, 4)


def fit_figure(text: str, width: int) -> str:
    """A figure in at most `width` characters: with fewer digits, never cut, which would take its exponent away. What
    is no figure stays as it is."""
    if len(text) <= width:
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    fewer = (_with_digits(value, digits) for digits in (3, 2, 1))
    return next((short for short in fewer if len(short) <= width), "#" * width)


def format_percent(fraction: float | None) -> str:
    """A fraction as a percentage: 0.4%, 37%, 100% (which is said only of a whole)."""
    if fraction is None:
        return NOTHING
    if not math.isfinite(fraction):
        return _non_finite(fraction)
    percent = 100 * fraction
    if 0 < abs(percent) < 9.95:
        return f"{percent:.1f}%"
    if 99 <= percent < 100:
        return "99%"
    return f"{percent:.0f}%"


def _with_digits(value: float, digits: int) -> str:
    """In so many significant figures, without a zero that says nothing."""
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _scaled(value: float, base: float, names: tuple[str, ...], space: str) -> str:
    """`value` in the largest unit of `names` that leaves at least 1, with three significant figures."""
    unit = 0
    # 999.5 would be rounded to 1000: the next unit writes it better.
    while abs(value) >= base - 0.5 and unit < len(names) - 1:
        value /= base
        unit += 1
    size = abs(value)
    decimals = 2 if size < 9.995 else 1 if size < 99.95 else 0
    text = f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}{space}{names[unit]}"


def _non_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
