"""What craft.training.standby is to the worker that trains, for the one that waits."""

import json
import os
import sys
from pathlib import Path

import fake_worker

from craft.training.standby import _lead_output_to

if __name__ == "__main__":
    order = sys.stdin.buffer.readline()
    if order:
        told = json.loads(order)
        os.environ.update(told["environment"])
        _lead_output_to(Path(told["log"]))
        sys.argv = ["fake_worker", told["run"]]
        status = fake_worker.main()
        sys.stdout.flush()
        os._exit(status)
