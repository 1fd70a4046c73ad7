"""With this folder on PYTHONPATH, Craft's processes start the fake worker instead of the one that trains.

FAKE_GPUS: the UUIDs of GPUs that this machine shall seem to have.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # this checkout's, where another one is installed

import craft.launch.queue.slots
import craft.launch.workers

craft.launch.workers.WORKER = "fake_worker"
craft.launch.standby.MODULE = "fake_standby"

if gpus := os.environ.get("FAKE_GPUS"):
    craft.launch.queue.slots._from_driver = lambda: gpus.split(",")
