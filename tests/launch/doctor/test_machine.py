"""The doctor's findings about a machine, each provoked: a full or read-only disk, locks that fail, a poor terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from craft import platform
from craft.launch import doctor
from craft.launch.doctor import devices, locks, machine
from craft.launch.doctor.disk import disk
from craft.launch.doctor.finding import SCRATCH, Finding, Patient
from craft.launch.queue import slots
from craft.platform import file_systems, sessions
from tests.launch.project import Project
from tests.runs.disk import mounted

CHILD = "import json\nprint('noise')\nprint(json.dumps(json.loads('''{}''')))\n"

ANSWER = {
    "torch": "2.13.0+cpu",
    "cuda": None,
    "rocm": None,
    "metal": False,
    "vectors": "AVX512",
    "threads": 2,
    "gpus": [],
    "said": [],
    "device": "cpu",
    "precision": "bf16",
    "reasons": ["device cpu: no GPU", "precision bf16: faster"],
    "rates": {"fp32": 1e11, "bf16": 4e11},
}
GPU = {"name": "A \x1b[31mcard", "fault": None, "capability": "9.0", "free": 70 << 30, "total": 80 << 30}


def states(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.state) for one in found]


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path / "project" / "runs")


def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A child that answers as torch's would."""
    (tmp_path / "answers.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(devices, "MODULE", "answers")


def asked(patient: Patient) -> list[Finding]:
    return list(devices.Question(patient).torch(patient))


def test_all_is_well_here_and_nothing_is_left_behind(patient: Patient, tmp_path: Path) -> None:
    found = [one for check in doctor.MACHINE for one in check(patient)]
    assert [one for one in found if one.state == "fault"] == []
    assert {one.check for one in found} == {
        *("python", "cpu", "memory", "disk", "state", "locks", "clock", "logout", "terminal"),
    }
    assert not patient.runs_dir.exists()
    assert not list(tmp_path.rglob(f"{SCRATCH}*"))


def test_the_cores_are_those_that_training_may_use(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's limit on their time counts, and not only which ones there are."""
    monkeypatch.setattr(platform, "usable_cores", lambda: 1)
    (finding,) = machine.processor(patient)
    assert finding.details["cores"] == 1
    assert ", 1 usable core" in finding.text


# Disk -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_a_fault_and_one_that_got_room_is_little(tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as small:
        small.fill()
        found = next(iter(disk(Patient(small.path))))
        assert (found.check, found.state) == ("disk", "fault")
        assert "No space left" in found.text
        assert "free some room" in found.advice
        assert list(small.path.glob(f"{SCRATCH}*")) == []


def test_a_file_in_the_place_of_the_runs_is_a_fault(patient: Patient) -> None:
    patient.runs_dir.parent.mkdir()
    patient.runs_dir.write_text("")
    found = next(iter(disk(patient)))
    assert (found.state, found.text) == ("fault", f"{patient.runs_dir} is no folder")


def test_a_disk_with_little_room_or_that_a_restart_empties_is_said(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300m", "craft-test", str(tmp_path / "large")], check=False
    )
    if made.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        found = next(iter(disk(Patient(tmp_path / "large" / "runs"))))
        assert found.state == "warning"
        assert "there is little room" in found.advice
        assert "a restart of the machine empties it" in found.advice
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "large")], check=True)
        found = next(iter(disk(Patient(tmp_path / "large" / "runs"))))
        assert found.state == "fault"
        assert found.text == f"nothing can be written in {tmp_path / 'large'}: Read-only file system"
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "large")], check=True)


def test_a_disk_that_other_machines_write_to_is_said(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(f"30 1 0:44 / {tmp_path} rw - nfs4 server:/home rw\n")
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "mounts")
    found = next(iter(disk(patient)))
    assert (found.state, found.details["file_system"]) == ("warning", "nfs4")
    assert "locks need not reach them" in found.advice
    (tmp_path / "mounts").write_text(f"30 1 0:44 / {tmp_path} rw - nfs server:/home rw,nolock\n")
    assert "do not see the locks that are taken here" in next(iter(disk(patient))).advice


def test_a_state_folder_that_cannot_be_is_a_fault(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRAFT_STATE_DIR", "/proc/self/state")
    found = list(disk(patient))
    assert states(found) == [("disk", "ok"), ("state", "fault")]
    assert "CRAFT_STATE_DIR" in found[1].advice
    assert [one.state for one in locks.locks(patient)] == ["ok", "fault"]


# Locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print(True, flush=True); import time; time.sleep(60)", "two processes hold the same one"),
        ("", "a second process could not try them"),
        ("print(False, flush=True)", "one that was given back stays taken"),
        ("print('False\\nTrue', flush=True); import time; time.sleep(60)", "nobody sees that one is held"),
    ],
)
def test_locks_that_do_not_exclude_are_a_fault(
    patient: Patient, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_OTHER", code)
    for found in locks.locks(patient):
        assert found.state == "fault"
        assert words in found.text


def test_a_lock_that_outlives_its_process_is_a_fault(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    keeps = "import os, time; os.register_at_fork = lambda **_: None\n" + locks._OTHER.replace(
        "sys.stdin.readline()\nprint(lock.acquire(2.0)",
        "sys.stdin.readline()\nlock.acquire(2.0)\nif not os.fork(): time.sleep(1)\nprint(True", 1
    )  # fmt: skip
    monkeypatch.setattr(locks, "_OTHER", keeps)
    monkeypatch.setattr(locks, "_PATIENCE", 0.1)
    assert "stays held after its process was killed" in next(iter(locks.locks(patient))).text


# Logout and clock -------------------------------------------------------------------------------------------------


def test_what_a_logout_does_is_a_warning_with_what_mends_it(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    told = sessions.Logout(True, "a logout ends it", advice="`loginctl enable-linger me` lets them go on")
    monkeypatch.setattr(platform, "at_logout", lambda: told)
    assert [(one.state, one.advice) for one in machine.logout(patient)] == [("warning", told.advice)]


@pytest.mark.parametrize("now", [3600.0, 4e9])
def test_a_date_that_cannot_be_is_said(patient: Patient, now: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.time, "time", lambda: now)
    assert "cannot be" in next(iter(machine.clock(patient))).text


def test_a_file_server_with_another_clock_is_said(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = machine.time.time
    monkeypatch.setattr(machine.time, "time", lambda: real() - 100)
    found = next(iter(machine.clock(patient)))
    assert found.state == "warning"
    assert "is 100 s ahead" in found.text


def test_little_memory_is_said(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "free_memory", lambda: 500 << 20)
    assert [(one.state, one.details["free"]) for one in machine.memory(patient)] == [("warning", 500 << 20)]


# torch ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["x86_64 Kernel Module", "Open Kernel Module for x86_64"])
def test_torch_and_its_devices_are_told(
    patient: Patient, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, monkeypatch, CHILD.format(json.dumps({**ANSWER, "gpus": [GPU]}).replace("\\", "\\\\")))
    version = tmp_path / "version"
    version.write_text(f"NVRM version: NVIDIA UNIX {module}  570.124.06  Release Build\nGCC version: 12.3.0\n")
    monkeypatch.setattr(devices, "_DRIVER", version)
    found = asked(patient)
    assert states(found) == [("torch", "ok"), ("device", "ok"), ("precision", "ok")]
    assert "75.2 GB free of 85.9 GB, compute capability 9.0, driver 570.124.06" in found[1].text
    assert "auto means cpu and bf16 here: faster; matrix products: fp32 100 GFLOP/s, bf16 400 GFLOP/s" in found[2].text


def test_what_is_not_measured_on_a_busy_machine_is_said(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, monkeypatch, CHILD.format(json.dumps({**ANSWER, "rates": {"fp32": None, "bf16": None}})))
    assert "not measured while this machine is busy" in asked(patient)[-1].text


@pytest.mark.parametrize(
    ("change", "check", "state", "words"),
    [
        ({"torch": "2.4.1"}, "torch", "fault", "2.4.1"),
        ({"gpus": [{**GPU, "fault": "no kernel image"}]}, "device", "fault", "no kernel image"),
        ({"cuda": "12.8", "said": ["the driver is too old"]}, "device", "warning", "use none: the driver is too old"),
        ({}, "device", "warning", "1 NVIDIA GPU, of which this torch can use none"),
    ],
)
def test_a_torch_that_does_not_fit_the_machine_is_said(
    patient: Patient,
    change: dict[str, object],
    check: str,
    state: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slots, "nvidia_gpus", lambda: ["GPU-1"])
    answering(tmp_path, monkeypatch, CHILD.format(json.dumps({**ANSWER, **change}).replace("\\", "\\\\")))
    found = [one for one in asked(patient) if one.check == check]
    assert [one.state for one in found] == [state]
    assert words in found[0].text
    assert found[0].advice


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ImportError('libcudart.so is missing')", "ImportError: libcudart.so is missing"),
        ("import os; os.kill(os.getpid(), 11)", "ended with status -11"),
        ("print('no object')", "no object"),
        ("print('[]')", "ended with status 0"),
    ],
)
def test_a_torch_that_does_not_work_is_a_fault(
    patient: Patient, code: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, monkeypatch, code)
    found = asked(patient)
    assert states(found) == [("torch", "fault")]
    assert words in found[0].text


def test_the_real_torch_answers(patient: Patient) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", devices.MODULE, "--measure"], capture_output=True, text=True, check=True
    )
    found = json.loads(answer.stdout)
    assert set(found) == set(ANSWER)
    assert all(rate > 1e8 for rate in found["rates"].values())
    kept = json.loads((platform.state_dir() / "matmul-rates.json").read_bytes())
    assert sorted(kept.values()) == sorted(round(rate) for rate in found["rates"].values())


# The terminal -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "changes", "words"),
    [
        (
            100,
            {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
            ["ok       terminal   xterm-256color, 100x30, 16 million"],
        ),
        (60, {"TERM": "xterm-256color"}, ["warning  terminal", "make it 80x24 or larger"]),
        (80, {"TERM": "dumb"}, ["warning  terminal", "set TERM to what the terminal is"]),
        (80, {"TERM": "xterm", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ["ASCII only", "UTF-8"]),
    ],
)
def test_the_terminal_is_described(
    fake_project: Project, columns: int, changes: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "answers.py").write_text(CHILD.format(json.dumps(ANSWER)))
    started = "import craft.launch.doctor.devices as d; d.MODULE = 'answers'; import craft.cli; craft.cli.main()"
    (tmp_path / "sitecustomize.py").write_text("")
    environment = {"PYTHONPATH": str(tmp_path), "NO_COLOR": "1", "LANG": "C.UTF-8", **changes}
    fake_project.command = lambda *arguments: [sys.executable, "-c", started, *arguments]  # type: ignore[method-assign]
    terminal = fake_project.terminal("doctor", columns=columns, changes=environment)
    terminal.expect("leftovers")
    shown = " ".join(terminal.before.split())
    for word in words:
        assert " ".join(word.split()) in shown
    terminal.expect([os.linesep, "\n"])
    terminal.wait()
    assert "\x1b[" not in terminal.before
