"""What is written behind `craft-workbench`."""

from __future__ import annotations

import sys
from pathlib import Path

from craft.text import clean


def arguments(words: list[str]) -> tuple[Path | None, Path | None]:
    """The experiments file and the folder of runs that were named; ends the program for --help and wrong words."""
    if not words:
        return None, None
    from argparse import ArgumentParser  # 5 ms that most starts do without

    parser = ArgumentParser(
        prog="craft-workbench",
        description="Edit and start experiments, watch and compare their runs, and let any checkpoint write.",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="an experiments file (./experiments.toml)")
    parser.add_argument(
        "--runs-dir", type=Path, metavar="DIR", help="where the runs are, instead of what the file says"
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parsed = parser.parse_args(words)
    if parsed.version:
        from craft import __version__

        sys.stdout.write(f"craft-workbench {__version__}\n")
        sys.exit(0)
    return parsed.file, parsed.runs_dir


def fail(message: str) -> None:
    """Say what is wrong and end with the status of wrong use."""
    if sys.stderr is not None:
        sys.stderr.write(f"craft-workbench: {clean(message)}\n")
    sys.exit(2)
