"""A worker's process started early, so that it imports torch while this command still reads and checks the file.

It saves what the command needs before it knows what to run, a fifth of a second. It is only a head start: where it is
not used, or died, a worker is started in the ordinary way.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from craft import platform
from craft.runs.lock import new_mark

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder

MODULE = "craft.training.standby"


class Standby:
    """One process that waits for its order. `dismiss` it when it may not have been used."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            platform.outliving([sys.executable, "-P", "-m", MODULE]),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **new_mark()},
        )
        self._used = False

    def become(self, folder: RunFolder, environment: Mapping[str, str]) -> platform.ProcessIdentity | None:
        """Make it the worker of a run; None when it cannot be any more."""
        pid, stdin = self._process.pid, self._process.stdin
        ticks = platform.start_ticks(pid)
        if self._used or ticks is None or stdin is None:
            return None
        order = {"run": str(folder.path), "log": str(folder.log), "environment": dict(environment)}
        try:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.close()
        except OSError:
            return None
        self._used = True
        self._process.returncode = 0  # it lives on by itself; nobody waits for it here
        return platform.ProcessIdentity.of(pid, pgid=pid)

    def dismiss(self) -> None:
        """End it unless it became a worker."""
        if not self._used:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):  # an order that could not be written is still in its buffer
                    self._process.stdin.close()
