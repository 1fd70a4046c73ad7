"""File systems of one's own, to be filled, freed and made read-only: small ones in memory, and views of a folder.

Mounting needs root. Who is not root gets a user namespace, in which one is root of what is mounted there, where the
system lets users have one; else `NotPossibleHere` says why.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.faults.fault import Outcome

_PAGE = 4096
_IN_NAMESPACE = "CRAFT_FAULTS_IN_NAMESPACE"


class SmallDisk:
    """A mounted file system that can be filled but for some pages of room, and given room again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler, self._names = path / ".filler", path / ".names"

    def fill(self, *, but_pages: int = 0) -> None:
        """Leave no room but so many pages of 4096 bytes. What is written meanwhile may take them, or gives some."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(16 * _PAGE)) == 16 * _PAGE:
                pass
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(_PAGE)) == _PAGE:
                pass
        if but_pages:
            whole = self._filler.stat().st_size // _PAGE
            os.truncate(self._filler, max(0, whole - but_pages) * _PAGE)

    def fill_names(self, *, but: int = 0) -> None:
        """Leave no room for new files and folders but so many; those that are there can grow."""
        self._names.mkdir()
        made = []
        with contextlib.suppress(OSError):
            for number in itertools.count():
                made.append(self._names / str(number))
                made[-1].touch(exist_ok=False)
        for path in made[len(made) - 1 - but :]:
            path.unlink(missing_ok=True)

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)
        shutil.rmtree(self._names, ignore_errors=True)


@contextlib.contextmanager
def mounted(path: Path, *, kilobytes: int, names: int = 5000) -> Iterator[SmallDisk]:
    """A small file system in memory at `path`, as long as the `with` lasts; `names`: files and folders it can hold."""
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k,nr_inodes={names}", "craft-faults", str(path))
    try:
        yield SmallDisk(path)
    finally:
        _unmount(path)


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[None]:
    """A folder that nobody can write to through its path, root neither; files that are open already stay so."""
    _mount("--bind", str(path), str(path))
    try:
        for last in (False,) * 50 + (True,):  # refused while somebody has a file open that was opened since
            try:
                _mount("-o", "remount,ro,bind", str(path))
                break
            except subprocess.CalledProcessError:
                if last:
                    raise
                time.sleep(0.02)
        yield
    finally:
        _unmount(path)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)


def _unmount(path: Path) -> None:
    # Lazily: a worker that is on its way out may have a file open there still.
    subprocess.run(["umount", "--lazy", str(path)], check=True, capture_output=True)


def mounting(run: Callable[[int, Path], Outcome]) -> Callable[[int, Path], Outcome]:
    """For a fault that mounts: as it is for root, in a user namespace for others, and not at all where there is none.

    `run` is a function of a module's own level, which the process in the namespace finds by its name.
    """

    @functools.wraps(run)
    def as_root(times: int, place: Path) -> Outcome:
        if os.environ.get(_IN_NAMESPACE) or os.geteuid() == 0:
            why_not = _why_not(place)
            return Outcome(impossible=why_not) if why_not else run(times, place)
        name = f"{run.__module__}:{run.__name__}"
        command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", __name__]
        try:
            done = subprocess.run(
                [*command, name, str(times), str(place)],
                cwd=Path(__file__).parents[2],
                env={**os.environ, _IN_NAMESPACE: "1"},
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            return Outcome(impossible=f"only root mounts file systems, and there is no unshare: {error.strerror}")
        if "unshare:" in done.stderr:
            words = done.stderr.strip().splitlines()[-1]
            return Outcome(impossible=f"only root mounts file systems, and users get no namespace here: {words}")
        assert done.returncode == 0, done.stderr
        return Outcome(**json.loads(done.stdout.splitlines()[-1]))

    return as_root


def _why_not(place: Path) -> str:
    probe = place / "probe"
    try:
        with mounted(probe, kilobytes=64):
            pass
    except subprocess.CalledProcessError as error:
        return f"no file system can be mounted: {error.stderr.strip()}"
    finally:
        probe.rmdir()
    return ""


def main() -> None:
    """In the namespace: do the fault that is named and print what came of it."""
    import importlib

    name, times, place = sys.argv[1:]
    module, _, function = name.partition(":")
    outcome = getattr(importlib.import_module(module), function)(int(times), Path(place))
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
