"""`python -m workbench.picture OUT.svg [FILE]`: the first screen as a picture, for the README and for reports.

It is the real screen on real run folders, drawn without a terminal; nothing in it is made up.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path
from time import monotonic

from workbench.app import Workbench
from workbench.project import DEFAULT_FILE
from workbench.screens.runs.details.panel import RunDetails
from workbench.screens.runs.table import RunTable
from workbench.themes import THEMES
from workbench.widgets.chart.chart import Chart

_PATIENCE = 30.0
# A picture must not fetch fonts from anywhere; the text is placed by its cells, so any monospaced one will do.
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


async def take(app: Workbench, size: tuple[int, int], *, theme: str, run: str | None) -> str:
    """An SVG of `app` in `size` columns and rows, the cursor on the run of that name, its curve drawn.

    Raises TimeoutError when the runs, or that one, do not appear.
    """
    async with app.run_test(size=size) as pilot:
        app.theme = theme
        table, details = app.screen.query_one(RunTable), app.screen.query_one(RunDetails)
        deadline = monotonic() + _PATIENCE
        while True:
            place = next((i for i, one in enumerate(table.runs) if run in (None, one.name)), None)
            if place is not None:
                table.cursor = table.cursor if run is None else place
                selected = table.selected
                drawn_run = details.run.folder if details.run else None
                if selected and drawn_run == selected.folder and any(chart.series for chart in details.query(Chart)):
                    break
            if monotonic() > deadline:
                raise TimeoutError(f"no run {run or ''} appeared in {app.project.runs_dir}")
            await pilot.pause(0.05)
        await pilot.pause(0.2)  # for the verdict on the file, which may still be on its way
        drawn = app.export_screenshot(title=" ".join(("craft-workbench", str(app.project.file))))
    return _FONT_FACE.sub("", drawn).replace("Fira Code", _FONTS)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m workbench.picture", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.svg")
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FILE, metavar="FILE")
    parser.add_argument("--runs-dir", type=Path, metavar="DIR")
    parser.add_argument("--run", metavar="NAME", help="the run under the cursor")
    parser.add_argument("--size", default="120x34", metavar="COLUMNSxROWS")
    parser.add_argument("--theme", default=THEMES[0].name, choices=[theme.name for theme in THEMES])
    asked = parser.parse_args()
    columns, _, rows = asked.size.partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        parser.error(f"--size {asked.size}: write columns and rows, as in 120x34")
    with tempfile.TemporaryDirectory() as state:
        os.environ["CRAFT_STATE_DIR"] = state  # what the person chose for the terminal stays as it is
        app = Workbench(asked.file, asked.runs_dir)
        try:
            picture = asyncio.run(take(app, (int(columns), int(rows)), theme=asked.theme, run=asked.run))
        except TimeoutError as error:
            sys.exit(str(error))
    asked.out.write_text(picture)


if __name__ == "__main__":
    main()
