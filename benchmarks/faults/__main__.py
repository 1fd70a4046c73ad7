"""Do the faults and write docs/reliability.md. The docstring of the package tells how it is called."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before anything imports torch: small models, and many processes at once

from benchmarks.faults import report
from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.fault import Fault, Outcome


def main() -> int:
    """Returns 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(fault.name for fault in FAULTS)}; all when none")
    parser.add_argument("--part", type=float, default=1.0, help="of the long form's times; 0.05 is a twentieth")
    parser.add_argument("--no-report", action="store_true", help="print only, leave docs/reliability.md as it is")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {fault.name for fault in FAULTS}:
        parser.error(f"no fault {', '.join(sorted(unknown))}")
    broken = 0
    for fault in FAULTS:
        if arguments.names and fault.name not in arguments.names:
            continue
        times = fault.times_of(arguments.part)
        sys.stdout.write(f"{fault.name}: {times:,} {fault.size_in or 'times'}\n")
        sys.stdout.flush()
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"craft-{fault.name}-", ignore_cleanup_errors=True) as place:
            os.environ["CRAFT_STATE_DIR"] = str(Path(place) / "state")
            os.environ["CRAFT_CACHE_DIR"] = str(Path(place) / "cache")
            work = Path(place) / "work"
            work.mkdir()
            outcome = do(fault, times, work)
        seconds = time.monotonic() - started
        broken += len(outcome.broken)
        if outcome.impossible:
            sys.stdout.write(f"  not possible here: {outcome.impossible}\n")
        sys.stdout.write(f"  {outcome.held} of {outcome.tried} held, {seconds:.0f} s; worst: {outcome.worst}\n")
        sys.stdout.writelines(f"  BROKEN: {one}\n" for one in outcome.broken[:20])
        sys.stdout.flush()
        if not arguments.no_report:
            report.keep(fault, outcome, seconds)
            report.write(FAULTS)  # each time: what is done so far is worth having
    return 1 if broken else 0


def do(fault: Fault, times: int, work: Path) -> Outcome:
    """Do it that often; where it breaks off, that is what came of it, and the others are done all the same."""
    try:
        return fault.run(times, work)
    except Exception as error:
        traceback.print_exc()
        return Outcome(tried=1, broken=[f"it broke off: {type(error).__name__}: {error}"], worst="it broke off")


if __name__ == "__main__":
    sys.exit(main())
