"""A worker that is started before it is known for which run: `python -m craft.training.standby`.

It imports torch while `craft run` still reads the experiments file, then waits for one line on standard input, a JSON
object with `run`, `log` and `environment`, and becomes that run's worker. Without a line it leaves.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from craft import platform
from craft.training import worker


def main() -> int:
    """Import, wait for the order, train."""
    platform.keep_freed_memory()
    # What goes wrong the worker, which imports it again, says in the run's folder.
    with contextlib.suppress(Exception), platform.importing():
        import craft.training.experiment  # noqa: F401
    order = sys.stdin.buffer.readline()
    if not order:
        return 0
    told = json.loads(order)
    os.environ.update(told["environment"])
    _lead_output_to(Path(told["log"]))
    return worker.main([told["run"]])


def _lead_output_to(log: Path) -> None:
    """Standard input closed and output appended to `log`, as a worker that was started for its run has them."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    os.close(nothing)
    os.close(output)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # as the worker does, and for its reason
