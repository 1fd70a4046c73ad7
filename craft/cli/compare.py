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
    from craft.analysis.comparison.points import Point

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
@click.option("--x", "axis", type=click.Choice(["step", "tokens", "time", "flops"]), default="step", show_default=True)
@click.option("--log-x", is_flag=True, help="A logarithmic axis for what --x says.")
@click.option("--log-y", is_flag=True, help="A logarithmic axis for the metric.")
@click.option("--sort", type=click.Choice(_FIGURES), help="Order the table by a figure, the better first.")
@click.option("--seeds", is_flag=True, help="Take runs that differ in their seed alone as one: a line, a row.")
@click.option(
    "--band",
    type=click.Choice(["range", "std"]),
    default="range",
    show_default=True,
    help="What the band around --seeds spans: least to greatest, or a standard deviation to both sides of the mean.",
)
@click.option("--svg", type=_FILE, help="Write the plot to a file.")
@click.option("--png", type=_FILE, help="Write the plot to a file.")
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
    log_x: bool,
    log_y: bool,
    sort: str | None,
    seeds: bool,
    band: Any,
    svg: Path | None,
    png: Path | None,
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
    from craft.analysis.comparison import export, written
    from craft.analysis.comparison.compare import compare_runs

    folders = find_runs(names, group, runs_dir)
    spread = band if seeds else None
    found = compare_runs(folders, metric=metric, axis=axis, mode=mode, sort=sort, seeds=spread)
    if as_json:
        _print_objects(found)
    else:
        _tell(found, log_x=log_x, log_y=log_y)
    for kind, file in (("svg", svg), ("png", png)):
        if file:
            export.write_export(file, export.picture(kind, found, export.Look(log_x, log_y)))
    if markdown:
        export.write_export(markdown, written.markdown(found, found.rows).encode())
    if csv:
        export.write_export(csv, written.comma_separated(found).encode())
    for file in filter(None, (svg, png, markdown, csv)):
        sys.stderr.write(f"wrote {file}\n")


def _tell(found: Comparison, *, log_x: bool, log_y: bool) -> None:
    from craft.analysis.axes import AXES
    from craft.analysis.comparison.export import title_of
    from craft.analysis.comparison.table import difference
    from craft.analysis.plots import plot_text
    from craft.analysis.series import MOST_CURVES
    from craft.cli.table import Column, render_table
    from craft.text import clean, shows_unicode

    live = sys.stdout.isatty()
    size = shutil.get_terminal_size((80, 24))
    plain = not shows_unicode(sys.stdout)
    series = found.series()
    axis = AXES[found.axis]
    plot = plot_text(
        series[:MOST_CURVES],
        width=size.columns,
        height=_HEIGHT,
        title=title_of(found),
        x_label=axis.label,
        log_x=log_x,
        log_y=log_y,
        axis=axis,
    )
    sys.stdout.write(plot + "\n\n")
    if len(series) > MOST_CURVES:
        sys.stdout.flush()
        sys.stderr.write(f"the first {MOST_CURVES} of {len(series)} curves are drawn; name some, or --seeds\n")
    rows, reference = found.rows, found.reference_of(found.rows)
    columns = [
        Column("RUN", [row.name for row in rows], align="left"),
        Column("PHASE", [row.phase for row in rows], 8, align="left"),
    ]
    for rank, one in enumerate(found.figures):
        cells = [row.write(one, ascii_only=plain) for row in rows]
        columns.append(Column(one.heading.upper() if "/" not in one.heading else one.heading, cells, rank))
        if one is found.figures[0]:
            columns.append(Column("DIFFERENCE", [difference(one, row, reference) for row in rows], 3))
    lines = render_table(columns, size.columns if live else None, ascii_only=plain)
    if found.differing:
        lines += ["", *_settings(found, size.columns if live else None, plain)]
    remarks = found.remarks(ascii_only=plain)
    said = (clean(remark, ascii_only=plain) for remark in remarks)
    sys.stdout.write("\n".join([*lines, *([""] if remarks else []), *said]) + "\n")


def _settings(found: Comparison, width: int | None, plain: bool) -> list[str]:
    """The differing settings: a row each, and a column a run while that fits, else a line a value."""
    from craft.analysis.comparison.table import settings_of_rows
    from craft.cli.table import Column, render_table
    from craft.text import clean_line

    rows = settings_of_rows(found.rows)
    columns = [Column("DIFFERS IN", list(rows), align="left")]
    columns += [
        Column(row.name, cells) for row, cells in zip(found.rows, zip(*rows.values(), strict=True), strict=True)
    ]
    needed = sum(column.width + 2 for column in columns)
    if width is None or needed <= width:
        return render_table(columns, width, ascii_only=plain)
    lines = []
    for path, cells in rows.items():
        lines.append(clean_line(path))
        for value in dict.fromkeys(cells):
            having = [row.name for row, cell in zip(found.rows, cells, strict=True) if cell == value]
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
                "best_at": _place(best) if best else None,
                **{one.name: one.value(run) for one in found.figures if one.name not in ("best", "best_step")},
                "differs": {path: _plain(values[place]) for path, values in found.differing.items()},
                "fault": run.fault,
            }
        )
    for row in found.rows if found.seeds else ():
        print_json(
            {
                "kind": "seeds",
                "name": row.name,
                "runs": [run.name for run in row.runs],
                "metric": found.metric,
                **{
                    one.name: {"mean": row.mean(one), "std": row.std(one), "n": len(row.values(one))}
                    for one in found.figures
                },
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
    for kind, said in (("warning", found.warnings()), ("remark", found.notes())):
        for text in said:
            print_json({"kind": kind, "text": text})


def _place(point: Point) -> dict[str, float | None]:
    """Where a point was measured; null on an axis on which that is not known."""
    return {axis: None if (at := point.at(axis)) != at else at for axis in ("step", "time", "tokens", "flops")}


def _plain(value: Any) -> Any:
    from craft.analysis.comparison.differences import NOT_THERE

    return None if value is NOT_THERE else value
