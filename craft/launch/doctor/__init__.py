"""What is wrong with this machine and these runs, and what of it can safely be put right.

finding.py     what is looked at, what is found         machine.py     Python, processor, memory, clock, logout
devices.py     torch and its devices, in a child        terminal.py    what can be drawn
disk.py        room, speed, kept promises               locks.py       tried with a second process
held_slots.py  who trains                               waiting.py     the queue
runs.py        damaged, interrupted, foreign runs       leftovers.py   what killed processes left

entries_again.py   what a damaged entry of the queue says still

A check is a function that is given the patient and yields findings; one more is a line in `MACHINE` or `RUNS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from craft.errors import CraftError
from craft.launch.doctor import disk, held_slots, leftovers, locks, machine, runs, terminal, waiting
from craft.launch.doctor.devices import Question
from craft.launch.doctor.finding import Check, Finding, Patient

__all__ = ["MACHINE", "RUNS", "Finding", "Patient", "examine"]

MACHINE: tuple[Check, ...] = (
    machine.python,
    machine.processor,
    machine.memory,
    disk.disk,
    locks.locks,
    machine.clock,
    machine.logout,
    terminal.terminal,
)
RUNS: tuple[Check, ...] = (held_slots.held_slots, waiting.queue, runs.runs, leftovers.leftovers)


def examine(patient: Patient, *, fix: bool = False) -> Iterator[Finding]:
    """Everything that is found, check by check. With `fix` what can be put right is, and looked at again."""
    question = Question(patient)  # torch takes seconds to import: the other checks go on meanwhile
    try:
        for check in MACHINE:
            yield from _checked(check, patient, fix)
        yield from _checked(question.torch, patient, fix)
        for check in RUNS:
            yield from _checked(check, patient, fix)
    finally:
        question.dismiss()


def _checked(check: Check, patient: Patient, fix: bool) -> Iterable[Finding]:
    found = _found(check, patient)
    if not fix or not any(finding.repair for finding in found):
        return found
    done = [line for finding in found if finding.repair for line in _repaired(finding)]
    return [*done, *_found(check, patient)]


def _found(check: Check, patient: Patient) -> list[Finding]:
    try:
        return list(check(patient))
    except (OSError, CraftError) as error:
        return [Finding(check.__name__, "fault", f"could not be examined: {error}")]


def _repaired(finding: Finding) -> Iterator[Finding]:
    assert finding.repair is not None
    try:
        for line in finding.repair():
            yield Finding(finding.check, "fixed", line)
    except (OSError, CraftError) as error:
        yield Finding(finding.check, "fault", f"could not be put right: {error}", finding.advice)
