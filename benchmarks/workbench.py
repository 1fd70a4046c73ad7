"""What the workbench costs, in a real pseudo terminal: all of it, or what is named (benchmarks/workbench_parts)."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

NAMES = ("start", "long", "many", "live", "keys", "slowdown")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workbench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--attended", action="store_true", help="slowdown: as if the mouse moved: two looks a second")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"no measurement {', '.join(unknown)}; there are {', '.join(NAMES)}")
    held = []
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in asked.names or NAMES:
        with tempfile.TemporaryDirectory() as place:
            os.environ["CRAFT_STATE_DIR"] = str(Path(place) / "state")
            # As an installed program has it: compiled once, by the round that warms the files.
            os.environ["PYTHONPYCACHEPREFIX"] = str(Path(place) / "bytecode")
            options = {"attended": True} if name == "slowdown" and asked.attended else {}
            module = importlib.import_module(f"benchmarks.workbench_parts.{name}")
            held.append(module.measure(Path(place), **options))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
