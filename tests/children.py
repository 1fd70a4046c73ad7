"""Real child processes for tests: started from a piece of Python, spoken to through pipes, ended with the test."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextmanager
def child(code: str, *arguments: object, new_session: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run `code` in another Python; its standard streams are pipes. Killed at the end, if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=new_session,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: subprocess.Popen[str]) -> str:
    """The next line that a child prints, waited for."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the child ended"
    return line.strip()


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.005)
