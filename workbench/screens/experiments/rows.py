"""What the list says of each experiment and template, before it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from craft.text import width_of

if TYPE_CHECKING:
    from craft.config.experiments import Inspection
    from craft.errors import Problem
    from craft.runs.store import RunSummary
    from workbench.project import Experiment

Kind = Literal["experiment", "template"]
Verdict = Literal["reading", "ok", "wrong", "not checked"]


@dataclass(frozen=True)
class Brief:
    """What a run of an experiment costs, in as few words as a row has room for."""

    parameters: str = ""
    memory: str = ""
    """`fits`, `may not fit` or `does not fit`."""
    time: str = ""


@dataclass(frozen=True)
class Made:
    """The runs that there are of an experiment."""

    runs: int = 0
    live: int = 0
    best: float | None = None
    newest: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    name: str
    kind: Kind
    about: str = ""
    verdict: Verdict = "reading"
    problems: int = 0
    points: int | None = None
    """Runs of its sweep; None where it is none, 0 while that is not known."""
    elsewhere: str = ""
    """The file it stands in, where that is an included one."""
    brief: Brief = Brief()
    made: Made = Made()

    @property
    def can_run(self) -> bool:
        """Whether it is an experiment without faults."""
        return self.kind == "experiment" and self.verdict in ("ok", "not checked")


def first_rows(experiments: Iterable[Experiment]) -> list[Row]:
    """What the first frame shows: the names, before anything is checked."""
    return [Row(one.name, "experiment", one.about, points=0 if one.is_sweep else None) for one in experiments]


def rows_of(inspection: Inspection, before: Sequence[Row], *, main: str, unchecked: frozenset[str]) -> list[Row]:
    """The rows of a text that was inspected. What is known of costs and runs by name is taken over from `before`.

    A text that is no TOML at this moment keeps the rows that were there. `unchecked`: experiments with code of a
    person's own that nobody has tried yet.
    """
    if inspection.file is None:
        return list(before)
    known = {(row.name, row.kind): row for row in before}
    rows = []
    for entry in inspection.entries:
        old = known.get((entry.name, entry.kind), Row(entry.name, entry.kind))
        problems = sum(concerns(problem, entry.name, entry.kind) for problem in inspection.problems)
        is_broken = entry.name in inspection.broken if entry.kind == "experiment" else problems > 0
        verdict: Verdict = "wrong" if is_broken else "not checked" if entry.name in unchecked else "ok"
        document = entry.source.document
        elsewhere = document.path.name if document is not None and str(document.path) != main else ""
        points = inspection.file.count(entry.name) if entry.sweep is not None else None
        rows.append(
            replace(
                old,
                about=about_of(entry.body),
                verdict=verdict,
                problems=problems or int(is_broken),
                points=points,
                elsewhere=elsewhere,
                brief=old.brief if verdict != "wrong" else Brief(),
            )
        )
    return rows


def concerns(problem: Problem, name: str, kind: Kind) -> bool:
    """Whether a problem is that of an experiment or template; one of the file itself is every experiment's."""
    from craft.config.experiments import is_of_file

    is_its = problem.experiment == name or is_of_file(problem)
    return (is_its and kind == "experiment") or problem.where == f"{kind} '{name}'"


def about_of(body: object) -> str:
    from craft.config.tree import Leaf

    if isinstance(body, dict):
        for key in ("why", "description"):
            leaf = body.get(key)
            if isinstance(leaf, Leaf) and isinstance(leaf.value, str) and leaf.value:
                return leaf.value
    return ""


def made_by(runs: Iterable[RunSummary]) -> dict[str, Made]:
    """What there is of each experiment, by name."""
    from craft.analysis.facts import best_of

    members: dict[str, list[RunSummary]] = {}
    for run in runs:
        members.setdefault(run.experiment, []).append(run)
    found: dict[str, Made] = {}
    for experiment, its in members.items():
        best = best_of(its)
        newest = max(its, key=lambda run: run.created)
        live = sum(run.observed.is_live for run in its)
        found[experiment] = Made(len(its), live, best.best if best else None, newest.name)
    return found


# Columns -----------------------------------------------------------------------------------------------------------

_GAP = 2
_NAME_LEAST, _NAME_MOST = 12, 40


@dataclass(frozen=True)
class Column:
    """One figure of a row; what matters less goes first where there is no room."""

    title: str
    width: int
    right: bool = True


COLUMNS = (
    Column("check", 5, right=False),
    Column("params", 7),
    Column("memory", 7, right=False),
    Column("time", 7),
    Column("runs", 4),
    Column("best", 6),
)
_NEEDED = ("check", "memory", "time", "runs", "best", "params")
"""In this order columns are given room."""


def columns_for(width: int, names: Iterable[str]) -> tuple[int, list[Column]]:
    """How wide names are, and the columns that fit beside them into `width`."""
    longest = max((width_of(name) for name in names), default=0)
    wanted = max(_NAME_LEAST, min(longest, _NAME_MOST))
    least = min(wanted, 14)
    chosen: set[str] = set()
    used = least
    for title in _NEEDED:
        column = next(column for column in COLUMNS if column.title == title)
        if used + _GAP + column.width > width:
            break
        used += _GAP + column.width
        chosen.add(title)
    columns = [column for column in COLUMNS if column.title in chosen]
    return max(4, min(wanted, least + width - used)), columns


def cell(row: Row, title: str, *, ascii_only: bool) -> tuple[str, str]:
    """The text of a row in a column, and how it looks."""
    from craft.analysis.numbers import format_loss

    match title:
        case "check":
            good, bad = ("ok", "! ") if ascii_only else ("\u2713 ok", "\u2717 ")
            return {
                "reading": ("...", "quiet"),
                "ok": (good, "good"),
                "wrong": (f"{bad}{row.problems}", "bad"),
                "not checked": ("?", "warn"),
            }[row.verdict]
        case "params":
            return row.brief.parameters, "plain"
        case "memory":
            short = {"fits": ("fits", "good"), "may not fit": ("tight", "warn"), "does not fit": ("too big", "bad")}
            return short.get(row.brief.memory, ("", "quiet"))
        case "time":
            return row.brief.time, "plain"
        case "runs":
            return (str(row.made.runs), "live" if row.made.live else "plain") if row.made.runs else ("", "quiet")
        case _:
            return (format_loss(row.made.best) if row.made.best is not None else "", "plain")
