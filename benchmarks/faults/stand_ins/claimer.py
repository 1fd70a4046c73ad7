"""One of several processes that queue runs and start what waits, at once: `python -m claimer SLOTS RUNS_DIR RUN ...`.

It does what `craft run` and the workbench do, through the same calls, and leaves when the queue is empty.
"""

import random
import sys
import time
from pathlib import Path

from craft import platform
from craft.launch.queue.dispatch import ensure_runner, hold_queue, settle, start_next, submit
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder


def main():
    slots, runs_dir, names = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    queue, chance = Queue(runs_dir), random.Random(names[0])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()  # all begin when told
    mine = []
    while names or mine or not queue.is_empty():
        platform.reap()
        mine = [started for started in mine if not settle(started)]
        if names:
            batch, names = names[: (many := chance.randint(1, 12))], names[many:]
            mine.append(submit(runs_dir, [(RunFolder(runs_dir / name), "cpu") for name in batch], cpu_slots=slots))
        else:
            ensure_runner(runs_dir)
        with hold_queue(queue):
            mine.append(start_next(queue))
        mine = [started for started in mine if started is not None]
        time.sleep(chance.uniform(0, 0.02))


if __name__ == "__main__":
    main()
