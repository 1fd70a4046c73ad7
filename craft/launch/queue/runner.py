"""The process that starts waiting runs when a slot is free: `python -m craft.launch.queue.runner RUNS_DIR`.

It holds `runs/.craft/runner.lock`, so there is one a runs folder, and leaves when there is nothing that it could
start, now or later: nobody waits, the queue is paused, or those that wait need a person. Whoever changes that starts
another. The runs do not depend on it: each is a session of its own. Its death stops new starts only, until the next
command finds the queue.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from craft import platform
from craft.errors import RunError
from craft.launch.queue import slots
from craft.launch.queue.dispatch import Started, has_work, hold_queue, runner_lock, settle, start_next
from craft.launch.queue.entries import Queue

_LOOK_EVERY = 0.2  # seconds; a look costs half a millisecond, and a hundred with ten thousand waiting
_SHARE = 0.1  # of a core that looking may take
_LONGEST = 2.0  # seconds between two looks in any case: the time may have gone into waiting for the queue's lock


def serve(runs_dir: Path) -> None:
    """Start what waits, one a free slot, for as long as there is something to wait for."""
    lock = runner_lock(runs_dir)
    # The commands look whether the lock is held by taking it for an instant, so one refusal means nothing.
    if not lock.acquire(0.5):
        return
    os.environ.pop(slots.VISIBLE, None)  # what whoever started it may use is not for all: each run says its own
    queue = Queue(runs_dir)
    starting: list[Started] = []
    said = ""
    while queue.folder.is_dir():  # a folder that was deleted must not come back because somebody locks its queue
        began = time.monotonic()
        try:
            platform.reap()
            starting = [started for started in starting if not settle(started)]
            with hold_queue(queue):
                if started := start_next(queue):
                    starting.append(started)
                    continue
                if not starting and not has_work(queue):
                    # Let go while the queue is held: who adds a run after this finds no runner and starts one.
                    lock.release()
                    return
        except (OSError, RunError) as error:  # a full disk, say: the runs wait, and it may be mended
            if str(error) != said:
                said = str(error)
                sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {said}\n")
        time.sleep(min(max(_LOOK_EVERY, (time.monotonic() - began) / _SHARE), _LONGEST))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
