"""Tables in plain text that fit the terminal: columns are left out, the least important first, then cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from craft.text import fit, width_of

_GAP = "  "
_NARROWEST = 8  # columns of a table's first cell, however narrow the terminal


@dataclass(frozen=True)
class Column:
    """A heading and a cell for each row. `rank` 0 stays in any case; the highest rank is left out first."""

    heading: str
    cells: Sequence[str]
    rank: int = 0
    align: Literal["left", "right"] = "right"

    @property
    def width(self) -> int:
        return max([width_of(self.heading), *map(width_of, self.cells)])


def render_table(columns: Sequence[Column], width: int | None, *, ascii_only: bool = False) -> list[str]:
    """The lines of a table, the headings first. `width` None: as wide as it comes, for a pipe.

    The first column is the name: it alone is cut when leaving out columns is not enough. Cells are cleaned.
    """
    kept = [column for column in columns if column.rank == 0 or any(cell not in ("", "-") for cell in column.cells)]
    while width is not None and _total(kept) > width and any(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    widths = [column.width for column in kept]
    if width is not None and (excess := _total(kept) - width) > 0:
        widths[0] = max(_NARROWEST, widths[0] - excess)
    lines = []
    for row in range(-1, len(kept[0].cells)):
        cells = (column.heading if row < 0 else column.cells[row] for column in kept)
        lines.append(
            _GAP.join(
                fit(cell, space, align=column.align, ascii_only=ascii_only)
                for cell, space, column in zip(cells, widths, kept, strict=True)
            ).rstrip()
        )
    return lines


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)
