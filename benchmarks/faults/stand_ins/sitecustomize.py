"""With this folder on PYTHONPATH, Craft's processes are as a fault wants them; see the modules that it names.

CRAFT_FAULT_WORKER   the module that stands in for the worker that trains
CRAFT_FAULT_CLOCK    a file that says how far the clock of this machine is off (moved_clock)
CRAFT_FAULT_INSTANT  at which of its steps the runner is killed (sudden_end)
CRAFT_FAULT_PAUSE    seconds between what a resume planned and what it does
"""

import os
import sys

if place := os.environ.get("CRAFT_FAULT_CLOCK"):
    import moved_clock

    moved_clock.follow(place)

_worker = os.environ.get("CRAFT_FAULT_WORKER")
# The worker itself starts nobody, and should not pay for this import.
if _worker and _worker not in sys.orig_argv:
    import craft.launch.standby
    import craft.launch.workers

    craft.launch.workers.WORKER = _worker
    craft.launch.standby.MODULE = "fake_standby" if _worker == "fake_worker" else "no_standby"

if "craft.launch.queue.runner" in sys.orig_argv and (_instant := os.environ.get("CRAFT_FAULT_INSTANT")):
    import sudden_end

    sudden_end.at(int(_instant))

if "resume" in sys.orig_argv and (_pause := os.environ.get("CRAFT_FAULT_PAUSE")):
    import time

    import craft.launch.going_on.resume

    _resume = craft.launch.going_on.resume.resume

    def _after_a_pause(*arguments, **named):
        time.sleep(float(_pause))
        return _resume(*arguments, **named)

    craft.launch.going_on.resume.resume = _after_a_pause
