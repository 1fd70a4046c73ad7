"""What the doctor says of the places to train."""

from __future__ import annotations

import os
from pathlib import Path

from craft.launch.doctor.finding import Patient
from craft.launch.doctor.held_slots import held_slots
from craft.launch.queue import slots


def test_a_process_that_keeps_slots_from_being_handed_out_is_named(tmp_path: Path) -> None:
    with slots.handing_out() as lock:
        first, *_ = held_slots(Patient(tmp_path))
        assert first.state == "fault"
        assert first.text == f"process {os.getpid()} keeps {lock.path}: no run can begin"
    assert [finding.state for finding in held_slots(Patient(tmp_path))] == ["ok"]
