"""A slot is free only when nobody holds its lock and nobody who lives was given it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from craft import platform
from craft.launch import slots
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
        assert slots.why_none_is_free([slot]) == "waiting for a slot"
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
    monkeypatch.setattr(slots, "nvidia_gpus", lambda: GPUS)
    for device in ("auto", "cuda"):
        found = slots.slots_for(device, 8)
        assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == GPUS
    (second,) = slots.slots_for("cuda:1")
    assert second.path == found[1].path
    assert second.environment == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert "cpu-0" in slots.slots_for("cpu")[0].path.name


def test_without_a_gpu_auto_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "nvidia_gpus", list)
    assert slots.slots_for("auto", 2) == slots.slots_for("cpu", 2)


@pytest.mark.parametrize(
    ("visible", "left"),
    [("1", GPUS[1:]), ("1,0", GPUS[::-1]), ("", []), ("-1", []), ("GPU-bbbb", GPUS[1:]), ("MIG-x", ["MIG-x"])],
)
def test_only_the_gpus_that_the_person_left_visible_count(
    visible: str, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "_from_driver", lambda: GPUS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert slots.nvidia_gpus.__wrapped__() == left


def test_gpus_are_read_from_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bus, uuid in (("0000:41:00.0", "GPU-bbbb-2"), ("0000:01:00.0", "GPU-aaaa-1")):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t\t NVIDIA\nGPU UUID:   \t {uuid}\nBus Type: PCIe\n")
    monkeypatch.setattr(slots, "_DRIVER", tmp_path)
    assert slots._from_driver() == GPUS
