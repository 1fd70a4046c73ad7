"""Whether one definition is better than another by more than their seeds scatter, in words."""

from __future__ import annotations

from collections.abc import Sequence

from craft.analysis.comparison.statistics import LEVEL, welch
from craft.analysis.comparison.table import Figure, Row


def scatter_remarks(rows: Sequence[Row], figure: Figure) -> list[str]:
    """A sentence on each definition against the first one, by the best value of each run; none where no definition has
    two seeds."""
    if not rows or all(len(row.values(figure)) < 2 for row in rows):
        return []
    first, *others = rows
    found = [_against(first, row, figure) for row in others]
    said = [words for words, _ in found if words]
    tested = sum(is_tested for _, is_tested in found)
    if tested > 1:
        said.append(f"of {tested} such tests one may fall below p = {LEVEL} by chance: each p is of its pair alone")
    return said


def _against(first: Row, row: Row, figure: Figure) -> tuple[str, bool]:
    """Both means, the difference, and whether the seeds explain it; and whether that was tested."""
    theirs, ours = first.values(figure), row.values(figure)
    their_mean, our_mean = first.mean(figure), row.mean(figure)
    if their_mean is None or our_mean is None:
        return "", False
    apart = our_mean - their_mean
    how = f"{figure.write(abs(apart))} {'lower' if apart < 0 else 'higher'} than" if apart else "as high as"
    means = f"{row.name}: {figure.heading} {_mean(row, figure)}, {how} {first.name} with {_mean(first, figure)}"
    if min(len(ours), len(theirs)) < 2:
        alone = row if len(ours) < 2 else first
        return f"{means}; {alone.name} has one seed, so whether that is more than seeds scatter cannot be told", False
    found = welch(theirs, ours)
    if found is None:
        return f"{means}; the seeds do not scatter at all", False
    verdict = "more" if found.p < LEVEL else "not more"
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.2g}"
    return f"{means}; {verdict} than the seeds scatter (Welch's t-test: t = {found.t:.2f}, {p})", True


def _mean(row: Row, figure: Figure) -> str:
    """The mean, its standard deviation, and of how many."""
    count = len(row.values(figure))
    mean = figure.write(row.mean(figure))
    std = row.std(figure)
    return f"{mean} \u00b1 {figure.write(std)} (n = {count})" if std is not None else f"{mean} (n = {count})"
