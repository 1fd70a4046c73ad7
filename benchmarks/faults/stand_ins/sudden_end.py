"""A process that is killed at a chosen one of its steps: before or after it claims, starts a worker, notes it, drops.

Random instants seldom fall between two writes that belong together; these do. Where it was killed is appended to the
file that CRAFT_FAULT_TOLD names, so that an end that never came is not taken for one.
"""

import functools
import os
import signal

import craft.launch.queue.dispatch
import craft.launch.queue.slots
import craft.launch.workers
from craft.launch.queue.entries import Queue
from craft.runs.status import StatusWriter

_passed = 0


def at(instant):
    """SIGKILL when so many of the watched instants have passed.

    Call it before the module that runs is imported: it takes these functions by their names.
    """

    def watched(function):
        @functools.wraps(function)
        def step(*arguments, **named):
            _pass(instant, f"before {function.__name__}")
            result = function(*arguments, **named)
            _pass(instant, f"after {function.__name__}")
            return result

        return step

    for owner, name in (
        (craft.launch.queue.dispatch, "has_work"),
        (craft.launch.workers, "start_worker"),
        (craft.launch.queue.slots.Slot, "give"),
        (StatusWriter, "write"),
        (Queue, "drop"),
    ):
        setattr(owner, name, watched(getattr(owner, name)))


def _pass(instant, place):
    global _passed
    _passed += 1
    if _passed == instant:
        with open(os.environ["CRAFT_FAULT_TOLD"], "a") as file:  # noqa: PTH123 - a line, then the end
            file.write(f"{place}\n")
        os.kill(os.getpid(), signal.SIGKILL)
