"""Tables fit: whole columns go first, the least important before the others, then the name is cut."""

from __future__ import annotations

from craft.cli.table import Column, render_table
from craft.text import width_of

COLUMNS = [
    Column("RUN", ["transformer-with-a-long-name-001", "b-002"], align="left"),
    Column("PHASE", ["running", "failed"], align="left"),
    Column("VAL", ["1.234", "-"], rank=1),
    Column("AGE", ["3m", "2h"], rank=2),
    Column("EMPTY", ["-", "-"], rank=3),
]


def test_everything_shows_where_there_is_room() -> None:
    assert render_table(COLUMNS, None) == [
        "RUN                               PHASE      VAL  AGE",
        "transformer-with-a-long-name-001  running  1.234   3m",
        "b-002                             failed       -   2h",
    ]


def test_columns_go_by_rank_and_then_the_name_is_cut() -> None:
    for width in range(20, 80):
        lines = render_table(COLUMNS, width)
        assert all(width_of(line) <= width for line in lines)
    assert "AGE" not in render_table(COLUMNS, 50)[0]
    assert "VAL" in render_table(COLUMNS, 50)[0]
    assert render_table(COLUMNS, 24, ascii_only=True)[1] == "transformer-wi~  running"


def test_cells_cannot_hold_escapes() -> None:
    (_, line) = render_table([Column("RUN", ["a\x1b[31m\nb"], align="left")], 40)
    assert "\x1b" not in line
    assert "\n" not in line
