"""`craft compare`: runs beside each other."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import find_runs, group_option, json_option, print_json, runs_argument, runs_dir_option

if TYPE_CHECKING:
    from craft.analysis.comparison.compare import Comparison

_HEIGHT = 18
_FIGURES = (
    "best",
    "best_step",
    "train/loss",
    "val/loss",
    "steps",
    "tokens",
    "seconds",
    "tokens_per_second",
    "parameters",
)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@runs_argument()
@group_option
@click.option("--metric", default="val/loss", show_default=True, help="What is compared, as the metrics log names it.")
@click.option(
    "--mode", type=click.Choice(["min", "max"]), help="Which is better; follows from the metric unless given."
)
@click.option("--x", "axis", type=click.Choice(["step", "time", "tokens"]), default="step", show_default=True)
@click.option("--log-y", is_flag=True, help="A logarithmic axis for the metric.")
@click.option("--sort", type=click.Choice(_FIGURES), help="Order the table by a figure, the better first.")
@click.option("--seeds", is_flag=True, help="Draw runs that differ in their seed alone as one line, their mean.")
@click.option("--svg", type=_FILE, help="Write the plot to a file.")
@click.option("--markdown", type=_FILE, help="Write the tables and remarks to a file.")
@click.option("--csv", type=_FILE, help="Write the figures to a file, with all digits.")
@runs_dir_option
@json_option
def compare(
    names: tuple[str, ...],
    group: str | None,
    metric: str,
    mode: Any,
    axis: Any,
    log_y: bool,
    sort: str | None,
    seeds: bool,
    svg: Path | None,
    markdown: Path | None,
    csv: Path | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Lay runs over each other: curves, figures, the settings in which they differ, and which of them reached the best
    of the first how many times sooner.

    \b
    craft compare small-001 wide-001 --x time
    craft compare 'lr-*' --sort best
    craft compare --group lr --seeds --svg lr.svg --markdown lr.md
    """
    from craft.analysis.comparison import table
    from craft.analysis.comparison.compare import compare_runs
    from craft.analysis.svg import plot_svg

    found = compare_runs(find_runs(names, group, runs_dir), metric=metric, axis=axis, mode=mode, sort=sort)
    if as_json:
        _print_objects(found)
    else:
        _tell(found, seeds=seeds, log_y=log_y)
    if svg:
        svg.write_text(plot_svg(found.series(seeds=seeds), title=metric, x_label=_UNITS[axis], log_y=log_y))
    if markdown:
        markdown.write_text(table.markdown(found.listed, found.figures, found.differing, found.remarks()))
    if csv:
        csv.write_text(table.comma_separated(found.listed, found.figures, found.differing))
    for file in filter(None, (svg, markdown, csv)):
        sys.stderr.write(f"wrote {file}\n")


_UNITS = {"step": "step", "time": "seconds of training", "tokens": "tokens"}


def _tell(found: Comparison, *, seeds: bool, log_y: bool) -> None:
    from craft.analysis.comparison.compare import MANY
    from craft.analysis.plots import plot_text
    from craft.cli.table import Column, render_table
    from craft.text import clean, shows_unicode

    live = sys.stdout.isatty()
    size = shutil.get_terminal_size((80, 24))
    plain = not shows_unicode(sys.stdout)
    series = found.series(seeds=seeds)
    if len(series) <= MANY:
        plot = plot_text(
            series, width=size.columns, height=_HEIGHT, title=found.metric, x_label=_UNITS[found.axis], log_y=log_y
        )
        sys.stdout.write(plot + "\n\n")
    else:
        sys.stderr.write(f"{len(series)} curves are too many to be told apart; name some, or --seeds\n")
    names = [run.name for run in found.listed]
    columns = [
        Column("RUN", names, align="left"),
        Column("PHASE", [run.phase for run in found.listed], 8, align="left"),
    ]
    for rank, one in enumerate(found.figures):
        cells = [one.write(one.value(run)) for run in found.listed]
        columns.append(Column(one.heading.upper() if "/" not in one.heading else one.heading, cells, rank))
    lines = render_table(columns, size.columns if live else None, ascii_only=plain)
    if found.differing:
        lines += ["", *_settings(found, size.columns if live else None, plain)]
    remarks = found.remarks()
    sys.stdout.write("\n".join([*lines, *([""] if remarks else []), *map(clean, remarks)]) + "\n")


def _settings(found: Comparison, width: int | None, plain: bool) -> list[str]:
    """The differing settings: a row each, and a column a run while that fits, else a line a value."""
    from craft.analysis.comparison.table import shown_setting
    from craft.cli.table import Column, render_table
    from craft.text import clean_line

    rows = {path: [shown_setting(value) for value in values] for path, values in found.differing.items()}
    columns = [Column("DIFFERS IN", list(rows), align="left")]
    columns += [
        Column(run.name, cells) for run, cells in zip(found.listed, zip(*rows.values(), strict=True), strict=True)
    ]
    needed = sum(column.width + 2 for column in columns)
    if width is None or needed <= width:
        return render_table(columns, width, ascii_only=plain)
    lines = []
    for path, cells in rows.items():
        lines.append(clean_line(path))
        for value in dict.fromkeys(cells):
            having = [run.name for run, cell in zip(found.listed, cells, strict=True) if cell == value]
            lines.append(f"  {clean_line(value)}  {clean_line(', '.join(having))}")
    return lines


def _print_objects(found: Comparison) -> None:
    for place, run in enumerate(found.listed):
        best = run.best
        print_json(
            {
                "kind": "run",
                "run": run.name,
                "experiment": run.identity.experiment,
                "group": run.identity.group,
                "seed": run.identity.seed,
                "phase": run.phase,
                "metric": found.metric,
                "best": best.value if best else None,
                "best_at": {"step": best.step, "time": best.time, "tokens": best.tokens} if best else None,
                **{one.name: one.value(run) for one in found.figures if one.name not in ("best", "best_step")},
                "differs": {path: _plain(values[place]) for path, values in found.differing.items()},
                "fault": run.fault,
            }
        )
    for one in found.sooner:
        print_json(
            {
                "kind": "sooner",
                "run": one.other.name,
                "than": one.one.name,
                "x": one.axis,
                "target": one.target.value,
                "target_at": one.target.at(one.axis),
                "reached_at": one.reached.at(one.axis) if one.reached else None,
                "ratio": one.ratio,
            }
        )


def _plain(value: Any) -> Any:
    from craft.analysis.comparison.differences import NOT_THERE

    return None if value is NOT_THERE else value
