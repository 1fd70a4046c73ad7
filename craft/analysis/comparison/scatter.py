"""Whether one definition is better than another by more than their seeds scatter, in words."""

from __future__ import annotations

from collections.abc import Sequence

from craft.analysis.comparison.statistics import LEVEL, welch
from craft.analysis.comparison.table import Figure, Row


def scatter_remarks(rows: Sequence[Row], figure: Figure, *, ascii_only: bool = False) -> list[str]:
    """A sentence on each definition against the first one, by the best value of each run; none where no definition has
    two seeds."""
    measured = [row for row in rows if row.values(figure)]
    if len(measured) < 2 or measured[0] is not rows[0] or all(len(row.values(figure)) < 2 for row in measured):
        return []
    first, *others = measured
    if len(first.values(figure)) < 2:
        return [f"{first.name} has one seed: whether others differ from it by more than seeds scatter cannot be told"]
    tested = [row for row in others if len(row.values(figure)) > 1]
    said = [_against(first, row, figure, ascii_only) for row in tested]
    alone = [row.name for row in others if row not in tested]
    if alone:
        have = "has" if len(alone) == 1 else "have"
        said.append(f"{', '.join(alone)} {have} one seed: whether the difference is more than scatter cannot be told")
    if len(tested) > 1:
        said.append(f"each p is of its pair alone: of {len(tested)} such tests one may fall below {LEVEL} by chance")
    return said


def _against(first: Row, row: Row, figure: Figure, ascii_only: bool) -> str:
    """Both means, the difference, and whether the seeds explain it."""
    ours, theirs = row.mean(figure), first.mean(figure)
    assert ours is not None
    assert theirs is not None
    apart = ours - theirs
    how = f"{figure.write(abs(apart))} {'lower' if apart < 0 else 'higher'} than" if apart else "the same as"
    mean, reference = (_mean(one, figure, ascii_only) for one in (row, first))
    means = f"{row.name}: {figure.heading} {mean}, {how} {first.name} with {reference}"
    found = welch(first.values(figure), row.values(figure))
    if found is None:
        return f"{means}; the seeds do not scatter at all"
    verdict = "more" if found.p < LEVEL else "not more"
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.2g}"
    t = f"{found.t:.2f}" if abs(found.t) < 1e6 else f"{found.t:.3g}"
    return f"{means}; {verdict} than the seeds scatter (Welch's t-test: t = {t}, {p})"


def _mean(row: Row, figure: Figure, ascii_only: bool) -> str:
    """The mean, its standard deviation, and of how many."""
    return f"{row.write(figure, ascii_only=ascii_only)} (n = {len(row.values(figure))})"
