"""A process that is killed at a chosen one of its steps: before or after it starts a worker, notes it, drops an entry.

Random instants seldom fall between two writes that belong together; these do.
"""

import functools
import os
import signal

import craft.launch.queue.slots
import craft.launch.workers
from craft.launch.queue.entries import Queue

_passed = 0


def at(instant):
    """SIGKILL when so many of the watched instants have passed."""

    def watched(function):
        @functools.wraps(function)
        def step(*arguments, **named):
            _pass(instant)
            result = function(*arguments, **named)
            _pass(instant)
            return result

        return step

    for owner, name in (
        (craft.launch.workers, "start_worker"),
        (craft.launch.queue.slots.Slot, "give"),
        (Queue, "drop"),
        (Queue, "is_empty"),
    ):
        setattr(owner, name, watched(getattr(owner, name)))


def _pass(instant):
    global _passed
    _passed += 1
    if _passed == instant:
        os.kill(os.getpid(), signal.SIGKILL)
