"""A slot is free only when nobody holds its lock and nobody who lives was given it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from craft import platform
from craft.launch.queue import slots
from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter
from tests.launch.project import wait_for

GPUS = ["GPU-aaaa-1", "GPU-bbbb-2"]


def identity_of(pid: int) -> platform.ProcessIdentity:
    return platform.ProcessIdentity(
        platform.hostname(), platform.boot_id(), pid, platform.start_ticks(pid) or 0, pgid=pid
    )


def test_a_given_slot_is_kept_until_its_process_ends(tmp_path: Path) -> None:
    (slot,) = slots.slots_for("cpu")
    assert slot.is_free()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with slots.handing_out():
            slot.give(tmp_path / "runs" / "small-001", identity_of(sleeper.pid))
        assert not slot.is_free()
        assert str(slot.holder()) == f"small-001 in {tmp_path / 'runs'}"
        assert "small-001" in slots.why_none_is_free([slot])
    finally:
        sleeper.kill()
        sleeper.wait()
    assert slot.is_free()
    assert slot.holder() is None


def test_a_held_lock_is_not_free_whatever_the_note_says(tmp_path: Path) -> None:
    (slot,) = slots.slots_for("cpu")
    code = (
        "import sys, time; from pathlib import Path; from craft import platform;"
        "lock = platform.FileLock(Path(sys.argv[1])); print(lock.acquire(), flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(slot.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not slot.is_free()
        said = f"waiting for a slot: a process that left no word of itself holds {slot.path}"
        assert slots.why_none_is_free([slot]) == said
        for at_once in (1, 2, 8):
            assert slots.first_free(slots.slots_for("cpu", at_once)) is None, "it may compute on all cores"
    finally:
        holder.kill()
        holder.communicate()
    wait_for(slot.is_free)


def test_a_damaged_note_keeps_nothing(tmp_path: Path) -> None:
    (slot,) = slots.slots_for("cpu")
    with slots.handing_out():
        slot.give(tmp_path, platform.ProcessIdentity.current())
    note = slot.path.with_suffix(".json")
    assert not slot.is_free()
    for damaged in (b"", b"{", b"[]", b'{"run": 1, "process": {}}', b'{"process": null}'):
        note.write_bytes(damaged)
        assert slot.is_free()


def test_cpu_slots_are_as_many_as_asked_for_and_told_to_the_worker() -> None:
    three = slots.slots_for("cpu", 3)
    assert len({slot.path for slot in three}) == 3
    assert {slot.environment["CRAFT_SLOTS"] for slot in three} == {"3"}
    assert slots.slots_for("cpu", 1)[0].path == three[0].path


def test_a_machine_with_gpus_has_one_slot_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "gpus_left", lambda visible: GPUS)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for device in ("auto", "cuda"):
        found = slots.slots_for(device, 8)
        assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == GPUS
    (second,) = slots.slots_for("cuda:1")
    assert second.path == found[1].path
    assert second.environment == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert "cpu-0" in slots.slots_for("cpu")[0].path.name


def test_without_a_gpu_auto_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "gpus_left", lambda visible: [])
    assert slots.slots_for("auto", 2) == slots.slots_for("cpu", 2)


@pytest.mark.parametrize(
    ("visible", "left"),
    [("1", GPUS[1:]), ("1,0", GPUS[::-1]), ("", []), ("-1", []), ("GPU-bbbb", GPUS[1:]), ("MIG-x", ["MIG-x"])],
)
def test_only_the_gpus_that_the_person_left_visible_count(
    visible: str, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "_from_driver", lambda: GPUS)
    monkeypatch.setattr(slots, "gpus_left", slots.gpus_left.__wrapped__)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert slots.nvidia_gpus() == slots.gpus_left(visible) == left
    assert slots.gpus_left(None) == GPUS


def test_a_run_that_was_queued_with_all_gpus_has_all_whoever_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_from_driver", lambda: GPUS)
    monkeypatch.setattr(slots, "gpus_left", slots.gpus_left.__wrapped__)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    for index, uuid in enumerate(GPUS):
        (slot,) = slots.slots_for(f"cuda:{index}", 1, None)
        assert slot.name == f"gpu-{uuid}"
        assert slot.environment["CUDA_VISIBLE_DEVICES"].split(",")[index] == uuid, "counted as the run counts them"
    assert [slot.name for slot in slots.slots_for("auto", 1, None)] == [f"gpu-{uuid}" for uuid in GPUS]
    assert slots.kind_of("auto", None) == "auto"


def test_gpus_are_read_from_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bus, uuid in (("0000:41:00.0", "GPU-bbbb-2"), ("0000:01:00.0", "GPU-aaaa-1")):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t\t NVIDIA\nGPU UUID:   \t {uuid}\nBus Type: PCIe\n")
    monkeypatch.setattr(slots, "_DRIVER", tmp_path)
    assert slots._from_driver() == GPUS


@pytest.fixture
def sleepers() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Processes that can be given a slot."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "600"]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def begin(at_once: int, sleeper: subprocess.Popen[bytes], name: str = "a-001") -> slots.Slot | None:
    """What a start does: take a slot where one may be taken."""
    with slots.handing_out():
        slot = slots.first_free(slots.slots_for("cpu", at_once))
        if slot is not None:
            slot.give(Path("/runs") / name, identity_of(sleeper.pid))
    return slot


def test_the_smallest_number_that_was_said_holds(sleepers: Callable[[], subprocess.Popen[bytes]]) -> None:
    first, second = sleepers(), sleepers()
    assert begin(3, first, "three-001")
    assert begin(1, sleepers()) is None, "it would not be alone"
    said = slots.why_none_is_free(slots.slots_for("cpu", 1))
    assert said == "waiting for a slot: three-001 in /runs holds it"
    assert begin(2, second, "two-001")
    assert begin(3, sleepers()) is None, "the second wants two at most"
    said = slots.why_none_is_free(slots.slots_for("cpu", 3))
    assert said == "waiting for a slot: two-001 in /runs trains with 1 more at most (--slots 2)"
    said = slots.why_none_is_free(slots.slots_for("cpu", 1))
    assert said.startswith("waiting until it is the only one (--slots 1): ")
    second.kill()
    second.wait()
    assert begin(3, sleepers()), "a run that ended counts no more"
    assert begin(3, sleepers())
    assert begin(3, sleepers()) is None
    said = slots.why_none_is_free(slots.slots_for("cpu", 3))
    assert said.startswith("waiting for one of 3 slots: ")
    assert said.endswith(" and 2 more hold them")


def test_one_that_wants_to_be_alone_is_left_alone(sleepers: Callable[[], subprocess.Popen[bytes]]) -> None:
    assert begin(1, sleepers(), "alone-001")
    assert begin(4, sleepers()) is None
    said = slots.why_none_is_free(slots.slots_for("cpu", 4))
    assert said == "waiting for a slot: alone-001 in /runs trains alone (--slots 1)"


def test_no_number_is_ever_exceeded(sleepers: Callable[[], subprocess.Popen[bytes]]) -> None:
    chance, training, refused = random.Random(2), list[tuple[int, subprocess.Popen[bytes]]](), 0
    for _ in range(150):
        if training and chance.random() < 0.4:
            _, process = training.pop(chance.randrange(len(training)))
            process.kill()
            process.wait()
        at_once, process = chance.randint(1, 4), sleepers()
        if begin(at_once, process):
            training.append((at_once, process))
        else:
            refused += 1
            could = len(training) + 1 <= min([at_once, *(other for other, _ in training)])
            assert not could, "it was within every number"
        assert len(training) <= min(at_once for at_once, _ in training)
        assert len(slots.taken()) == len(training)
    assert refused > 20


def test_gpus_are_asked_of_nvidia_smi_where_the_driver_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-aaaa-1\necho 'GPU-bbbb-2'\necho 'No devices were found'\n")
    program.chmod(0o755)
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(slots, "_DRIVER", tmp_path / "absent")
    monkeypatch.setattr(slots, "_CONTROL", tmp_path / "nvidiactl")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert slots.gpus_left.__wrapped__(None) == GPUS
    program.write_text("#!/bin/sh\nexit 9\n")
    assert slots.gpus_left.__wrapped__(None) == []


def test_a_paused_run_that_keeps_the_slot_is_said_to_be_paused(
    tmp_path: Path, sleepers: Callable[[], subprocess.Popen[bytes]]
) -> None:
    folder = RunFolder(tmp_path / "a-001")
    folder.path.mkdir()
    with slots.handing_out():
        slots.slots_for("cpu")[0].give(folder.path, identity_of(sleepers().pid))
    for phase, said in (("paused", "holds it, paused: 'craft continue a-001' lets it go on"), ("running", "holds it")):
        StatusWriter(folder).write(phase=phase)
        assert slots.why_none_is_free(slots.slots_for("cpu")).endswith(said)
