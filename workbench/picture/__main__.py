"""`python -m workbench.picture FOLDER`: the screens as SVG pictures, for the README, the guides and reports.

They are the real screens on real run folders, drawn without a terminal; nothing in them is made up. Without a FILE a
project of its own is made in a temporary folder and trained, which takes a minute or two.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workbench.picture.project import Trained, has_trained
from workbench.picture.scenes import SCENES, Scene
from workbench.picture.taking import NotSeenError, take


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m workbench.picture", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the pictures are written")
    parser.add_argument("--of", metavar="FILE", type=Path, help="the experiments file of runs that are there")
    names = [scene.name for scene in SCENES]
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=names, default=names, help=", ".join(names))
    parser.add_argument("--run", metavar="NAME", help="the run that is looked at, with --of; else its newest")
    parser.add_argument("--size", metavar="COLUMNSxROWS", help="another size than the picture's own")
    asked = parser.parse_args()
    columns, _, rows = (asked.size or "0x0").partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        parser.error(f"--size {asked.size}: write columns and rows, as in 120x34")
    size = (int(columns), int(rows)) if asked.size else None
    scenes = [scene for scene in SCENES if scene.name in asked.only]
    asked.folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as place:
            # What the person chose for the terminal stays as it is.
            os.environ["CRAFT_STATE_DIR"] = str(Path(place) / "state")
            with _runs(Path(place), asked.of, asked.run) as trained:
                for scene in scenes:
                    _write(asked.folder / f"{scene.name}.svg", scene, trained, size)
    except (NotSeenError, RuntimeError, OSError) as error:
        sys.exit(f"no picture: {error}")


@contextlib.contextmanager
def _runs(place: Path, file: Path | None, run: str | None) -> Iterator[Trained]:
    if file is None:
        with has_trained(place) as trained:
            yield trained
    else:
        yield Trained(file, run or "", (), "")


def _write(out: Path, scene: Scene, trained: Trained, size: tuple[int, int] | None) -> None:
    picture = asyncio.run(take(scene, trained, size or scene.size))
    out.write_text(picture)
    sys.stdout.write(f"{out}  {len(picture.encode()) / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
