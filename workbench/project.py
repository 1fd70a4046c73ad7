"""The experiments file beside the runs, read twice: at once for its names, then in the background for its faults."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craft.config.document import read_bytes, read_document
from craft.errors import ConfigError, CraftError, Problem

Stamp = tuple[int, int] | None
DEFAULT_FILE = Path("experiments.toml")
_NOWHERE = Path(os.sep)  # where a single line is said to be from
_MOST_FILES = 200  # that are looked at for changes
_HEADING = re.compile(r"\s*\[([^\[\]]*)\]")
_RUNS_DIR = {"project": re.compile(r"\s*runs_dir\s*="), "": re.compile(r"\s*project\s*(\.\s*runs_dir\s*)?=")}


@dataclass(frozen=True)
class Experiment:
    """One experiment as its own table writes it: what it is for, and whether it is a sweep."""

    name: str
    about: str = ""
    is_sweep: bool = False


@dataclass(frozen=True)
class Project:
    """What the screen shows of an experiments file. `fault` says why it could not be read.

    `runs_dir` is absolute, as the launcher knows run folders; `file` is as it was given.
    """

    file: Path
    runs_dir: Path
    exists: bool = False
    experiments: tuple[Experiment, ...] = ()
    fault: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    """What each experiment and template extends; of several the first."""
    is_stale: bool = False
    """Whether it cannot be read, and `runs_dir` is what it said before, or what one sound line of it says."""

    @property
    def home(self) -> Path:
        """The folder of the file, which commands run in."""
        return self.file.absolute().parent

    @property
    def shown_runs_dir(self) -> str:
        """`runs_dir` from here where it lies below here."""
        here = Path.cwd()
        return str(self.runs_dir.relative_to(here) if self.runs_dir.is_relative_to(here) else self.runs_dir)

    @property
    def about_runs(self) -> str:
        """Which runs are shown while the file cannot say where they are."""
        return f"its runs are still shown, from {self.shown_runs_dir}/" if self.is_stale else ""

    def command(self, *words: str) -> str:
        """A `craft` command for the shell, as it is to be typed here."""
        return shlex.join(("craft", *words))

    @property
    def run_command(self) -> str:
        """Starts every experiment of the file."""
        return self.command("run", str(self.file))


@dataclass(frozen=True)
class Check:
    """The verdict on a file: problems by experiment, a line each, those of none under the empty name."""

    stamps: dict[Path, Stamp]
    """Of all files that it was read from, as they were before: see `files_of`."""
    problems: dict[str, list[str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(map(len, self.problems.values()))


def read_project(file: Path, runs_dir: Path | None = None, known: Path | None = None) -> Project:
    """Names and places out of `file`, in milliseconds and without the schema. Never raises: see `fault`.

    `runs_dir` wins over the file's own, which is relative to the file. Where the file cannot be read, its runs stay
    where its own line says so, whatever is wrong elsewhere, or else where they were `known` to be.
    """
    try:
        data = read_document(file).data
    except CraftError as error:
        exists = os.path.lexists(file)
        # Where there are few columns, the folder that everyone knows must not push out the fault.
        fault = str(error).replace(str(file), file.name) if exists else ""
        own = _runs_dir_of_damaged(file)
        before = file.parent / own if own else known
        place = runs_dir or before or file.parent / "runs"
        stale = runs_dir is None and before is not None and before.is_dir()
        return Project(file, place.absolute(), exists=exists, fault=fault, is_stale=stale)
    table = _table(data, "experiment")
    experiments = tuple(_experiment(name, body) for name, body in table.items())
    place = runs_dir or file.parent / (_runs_dir_in(data) or "runs")
    return Project(file, place.absolute(), exists=True, experiments=experiments, parents=_parents(data))


def check_project(file: Path) -> Check:
    """Every problem that the whole schema finds in `file`, sweeps expanded. Imports pydantic: 0.1 s."""
    stamps = {one: stamp_of(one) for one in files_of(file)}
    from craft.config.experiments import load_experiments

    try:
        load_experiments(file).plan([], [])
    except ConfigError as error:
        problems: dict[str, list[str]] = {}
        for problem in error.problems:
            # The list is about this file and names the experiment; line, key and fault are what is left to say.
            problems.setdefault(problem.experiment, []).append(problem_words(problem))
        return Check(stamps, problems or {"": [str(error)]})
    except CraftError as error:
        return Check(stamps, {"": [str(error)]})
    return Check(stamps)


def problem_words(problem: Problem, *, of: Path | None = None) -> str:
    """A fault in a line, with what to do. `of`: the experiments file, for those who do not see whose fault it is."""
    place = f"line {problem.line}" if problem.line else ""
    if place and of is not None and problem.file not in (None, of):
        place += f" of {problem.file.name}"
    whose = problem.where if of is not None else ""
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{': '.join(filter(None, (place, whose, problem.path, problem.message)))}{hint}"


def stamp_of(file: Path) -> Stamp:
    """Changes when the file does; None while there is none."""
    try:
        status = file.stat()
    except (OSError, ValueError):  # a name with a zero in it
        return None
    return status.st_mtime_ns, status.st_size


def files_of(file: Path) -> list[Path]:
    """The experiments file and all that it is read with, there or not: what it includes, and its plugins."""
    found = [file]
    for one in found:
        try:
            data = read_document(one).data
        except (CraftError, ValueError):
            continue
        included, plugins = _table(data, "project").get("include"), data.get("plugins") if one is file else None
        for names in (included, plugins):
            for name in names if isinstance(names, list) else ():
                path = Path(os.path.normpath(one.parent / name)) if isinstance(name, str) else one
                if path not in found and len(found) < _MOST_FILES:
                    found.append(path)
    return found


def _runs_dir_in(data: dict[str, Any]) -> str:
    own = _table(data, "project").get("runs_dir")
    return own if isinstance(own, str) else ""


def _runs_dir_of_damaged(file: Path) -> str:
    """What the one line says that sets it; empty where none is there or can be read."""
    try:
        lines = read_bytes(file).decode(errors="replace").splitlines()
    except CraftError:
        return ""
    table = ""
    for line in lines:
        if heading := _HEADING.match(line):
            table = heading[1].strip()
        elif table in _RUNS_DIR and _RUNS_DIR[table].match(line):
            try:
                data = read_document(_NOWHERE, f"[{table}]\n{line}" if table else line).data
            except CraftError:
                continue
            if found := _runs_dir_in(data):
                return found
    return ""


def _experiment(name: str, body: Any) -> Experiment:
    if not isinstance(body, dict):
        return Experiment(name)
    about = next((body[key] for key in ("why", "description") if isinstance(body.get(key), str)), "")
    return Experiment(name, about, isinstance(body.get("sweep"), dict))


def _parents(data: dict[str, Any]) -> dict[str, str]:
    parents = {}
    for name, body in {**_table(data, "template"), **_table(data, "experiment")}.items():
        extended = body.get("extends") if isinstance(body, dict) else None
        first = extended[0] if isinstance(extended, list) and extended else extended
        if isinstance(first, str):
            parents[name] = first
    return parents


def _table(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}
