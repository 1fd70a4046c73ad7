"""A twentieth of what docs/reliability.md states, done anew: all of it must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.fault import Fault

PART = 0.05


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_everything_promised_holds(fault: Fault, tmp_path: Path) -> None:
    outcome = fault.run(fault.times_of(PART), tmp_path)
    if outcome.impossible:
        pytest.skip(outcome.impossible)
    assert outcome.tried >= fault.trials_of(PART)
    assert not outcome.broken, "\n".join(outcome.broken)
