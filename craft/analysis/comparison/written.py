"""A comparison as a text for others: Markdown for a page, CSV for other programs."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Sequence

from craft.analysis.comparison.compare import Comparison
from craft.analysis.comparison.differences import NOT_THERE
from craft.analysis.comparison.table import Row, difference, settings_of_rows, used_figures
from craft.text import clean_line


def markdown(found: Comparison, rows: Sequence[Row]) -> str:
    """The comparison as a piece of Markdown: figures, differing settings, and what follows from them."""
    used = used_figures(found.figures, rows)
    reference = found.reference_of(rows)
    head = ["run", "phase", *(one.heading for one in used), "difference"]
    lines = []
    for row in rows:
        apart = difference(found.figures[0], row, reference) or ("reference" if row is reference else "")
        lines.append([row.name, row.phase, *(row.write(one) for one in used), apart])
    text = _table(head, lines, right_from=2)
    differing = settings_of_rows(rows)
    if differing:
        settings = [[path, *cells] for path, cells in differing.items()]
        text += "\n" + _table(["setting", *(row.name for row in rows)], settings, right_from=99)
    remarks = found.remarks()
    if remarks:
        text += "\n" + "".join(f"- {_escaped(remark)}\n" for remark in remarks)
    return text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], right_from: int) -> str:
    rule = ["---:" if place >= right_from else "---" for place in range(len(head))]
    lines = [list(map(_escaped, head)), rule, *(list(map(_escaped, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(text: str) -> str:
    text = re.sub(r"[\\`*\[\]|]", r"\\\g<0>", clean_line(text)).replace("&", "&amp;").replace("<", "&lt;")
    # Within a word an underscore means nothing.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def comma_separated(found: Comparison) -> str:
    """Every run's figures with every digit, and the differing settings, a line a run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    differing = {path: values for path, values in found.differing.items() if path != "seed"}  # a column anyhow
    writer.writerow(["run", "experiment", "phase", "seed", *(one.name for one in found.figures), *differing])
    for place, run in enumerate(found.listed):
        settings = [values[place] for values in differing.values()]
        cells = [
            "" if value is NOT_THERE else value if isinstance(value, str) else json.dumps(value) for value in settings
        ]
        numbers = [_digits(one.value(run)) for one in found.figures]
        writer.writerow([run.name, run.identity.experiment, run.phase, run.identity.seed, *numbers, *cells])
    return out.getvalue()


def _digits(value: float | None) -> str:
    """All digits of a figure; steps and tokens are whole numbers."""
    if value is None:
        return ""
    return str(int(value)) if math.isfinite(value) and float(value).is_integer() else repr(value)
