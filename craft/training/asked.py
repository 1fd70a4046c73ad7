"""What processes have in common that are asked about a person's own code, which may do anything once it is imported.

One is asked by a line of JSON on standard input, and lives no longer than that is open: whoever asked may be gone, and
code that hangs would stay for ever. It is begun in a session of its own, which ends as a whole.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any, TextIO


def begin(limit: int) -> tuple[Any, TextIO]:
    """The question, and where the answer goes. To be called before anything is imported that takes long.

    `limit`: seconds after which the system ends the process, also one that does not come back from a call in C.
    """
    signal.alarm(limit)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the code prints is no answer
    asked = json.loads(sys.stdin.readline())
    lifeline = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the code reads nothing
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)  # begun by hand: only what is its own ends
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    return asked, answers


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)
