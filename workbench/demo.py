"""The first start: an experiments file over text that every machine has, and its first run."""

from __future__ import annotations

from pathlib import Path

from craft.errors import RunError

EXPERIMENT = "small"
"""What the starter file calls its experiment."""


def write_starter(file: Path) -> None:
    """Write a commented experiments file over the sources of Python's own library. Never over one that is there.

    Raises RunError when the disk does not take it.
    """
    from craft import platform
    from craft.config.editor_schema import write_editor_schema
    from craft.config.scaffold import python_stdlib, scaffold

    if file.exists():
        return
    try:
        write_editor_schema(file)
        platform.write_file_durable(file, scaffold(python_stdlib(), file.name).encode())
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror or error}") from error


def start_demo(file: Path, runs_dir: Path | None) -> str:
    """Write the starter file unless there is one, and start its first experiment; the run's name.

    Raises CraftError, also for a file that is there and has no sound experiment of that name.
    """
    from craft.config.experiments import load_experiments
    from craft.launch.start import launch

    write_starter(file)
    experiments = load_experiments(file)
    name = EXPERIMENT if EXPERIMENT in experiments.names else experiments.names[0]
    planned = experiments.plan([name])[:1]
    place = (runs_dir or experiments.runs_dir).absolute()
    return launch(place, planned)[0].name
