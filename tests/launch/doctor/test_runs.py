"""The doctor's findings about runs, each provoked, and its repairs, each held to lose nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from craft import platform
from craft.config.definition import dump_definition
from craft.config.experiments import load_experiments
from craft.launch import doctor
from craft.launch.doctor import held_slots, leftovers, runs, waiting
from craft.launch.doctor.finding import SCRATCH, Check, Finding, Patient
from craft.launch.going_on import child as forks
from craft.launch.queue import changes, slots
from craft.launch.queue.dispatch import runner_lock, waiting_runs
from craft.launch.queue.entries import Entry, Queue, Wait
from craft.runs import checkpoints
from craft.runs.checkpoints import commit_checkpoint, list_checkpoints, newest_valid
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object, sealed
from craft.runs.liveness import observe
from craft.runs.lock import MARK, hold_run_lock, new_mark
from craft.runs.status import StatusWriter
from craft.runs.trash import move_to_trash, trash_dir
from tests.children import child, says, wait_until
from tests.launch.project import EXPERIMENTS, FAKE, Project
from tests.runs.disk import mounted
from tests.runs.make import a_run
from tests.runs.test_liveness import WORK
from tests.runs.test_traps import WORK_WITH_A_STRAY, WORK_WITH_CHILDREN

LONG_AGO = time.time() - 86_400.0


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    (tmp_path / "runs").mkdir()
    return Patient(tmp_path / "runs")


@pytest.fixture
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits stays waiting."""
    for module in (waiting, changes):
        monkeypatch.setattr(module, "ensure_runner", lambda runs_dir: None)


def a_waiting_run(patient: Patient, experiment: str = "tiny") -> RunFolder:
    """As `craft run` makes and queues one, a day ago, without its place in the queue."""
    file = patient.runs_dir.parent / "experiments.toml"
    file.write_text(EXPERIMENTS)
    (file.parent / "text.txt").write_text("a text. " * 200)
    planned = next(plan for plan in load_experiments(file).plan() if plan.experiment == "tiny")
    folder = a_run(patient.runs_dir, experiment, id=experiment, created=LONG_AGO)
    folder.definition.write_text(dump_definition("tiny", planned.config, runs_dir=patient.runs_dir))
    StatusWriter(folder).write(phase="queued")
    os.utime(folder.status, (LONG_AGO, LONG_AGO))
    return folder


def a_trained_run(patient: Patient, steps: Iterable[int] = (10, 20), phase: str = "running") -> RunFolder:
    folder = a_run(patient.runs_dir)
    for step in steps:
        commit_checkpoint(folder, step, _fill(step), monitor_value=100.0 - step, monitor="val/loss")
    StatusWriter(folder).write(phase=phase, step=max(steps))
    return folder


def _fill(step: int) -> Callable[[Path], None]:
    def fill(place: Path) -> None:
        (place / "model.safetensors").write_bytes(b"%d" % step * 1000)

    return fill


def contents(place: Path) -> dict[str, str]:
    """Every file under a folder by its digest, but the locks that a look may make."""
    files = [path for path in place.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def found(check: Check, patient: Patient, *, fix: bool = False) -> list[Finding]:
    return list(doctor._checked(check, patient, fix))


def only(findings: Iterable[Finding], state: str) -> Finding:
    matching = [one for one in findings if one.state == state]
    assert len(matching) == 1, matching
    return matching[0]


def is_well(check: Check, patient: Patient) -> bool:
    return {one.state for one in found(check, patient)} == {"ok"}


# In order ---------------------------------------------------------------------------------------------------------


def test_in_an_orderly_folder_nothing_is_found_and_nothing_changed(patient: Patient) -> None:
    a_trained_run(patient, phase="finished")
    before = contents(patient.runs_dir)
    for check in doctor.RUNS:
        assert is_well(check, patient)
        assert {one.state for one in found(check, patient, fix=True)} == {"ok"}
    assert contents(patient.runs_dir) == before


def test_a_folder_that_is_not_there_is_none(tmp_path: Path) -> None:
    for check in doctor.RUNS:
        assert is_well(check, Patient(tmp_path / "no" / "runs"))
    assert not (tmp_path / "no").exists()


def test_a_check_that_cannot_look_is_a_fault_of_its_own(patient: Patient) -> None:
    def broken(patient: Patient) -> Iterable[Finding]:
        yield Finding("broken", "ok", "so far")
        raise PermissionError(13, "Permission denied", "/somewhere")

    assert only(found(broken, patient), "fault").text.startswith("could not be examined: [Errno 13] Permission denied")


# The queue --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_runner")
def test_runs_that_fell_out_of_the_queue_are_put_back_in_their_order(patient: Patient) -> None:
    first, second, waits = (a_waiting_run(patient, name) for name in ("first", "second", "waits"))
    for number, folder in enumerate((second, first)):
        content = {**read_object(folder.run_json), "created": LONG_AGO - number}
        folder.run_json.write_bytes(encode_file(sealed(content)))
    Queue(patient.runs_dir).add([Entry(waits.name, "cpu", 1, 1.0)])
    before = contents(patient.runs_dir)
    fault = only(found(waiting.queue, patient), "fault")
    assert fault.details["runs"] == [first.name, second.name]
    assert contents(patient.runs_dir) == before
    fixed = [one.text for one in found(waiting.queue, patient, fix=True) if one.state == "fixed"]
    assert fixed[:2] == [
        f"put {name} back into the queue; lost: its --slots (now 1); whom it waited for is not known: "
        f"'craft queue after {name} none' lets it begin"
        for name in (first.name, second.name)
    ]
    assert [entry.run for entry in Queue(patient.runs_dir).entries()] == [waits.name, first.name, second.name]
    assert Queue(patient.runs_dir).entries()[1].device == "cpu"
    reasons = [one.reason for one in waiting_runs(patient.runs_dir)]
    assert reasons[1].startswith("waits for a run that is not known, which is gone: 'craft queue after first-001 none'")
    assert changes.wait_for(patient.runs_dir, first.name, []) == first.name
    assert [one.state for one in waiting_runs(patient.runs_dir)] == ["slot", "slot", "after"]
    assert {path: digest for path, digest in contents(patient.runs_dir).items() if path in before} == before


@pytest.mark.usefixtures("no_runner")
def test_a_run_that_is_just_being_queued_began_or_was_never_queued_is_left_alone(patient: Patient) -> None:
    fresh, begun = a_waiting_run(patient, "fresh"), a_waiting_run(patient, "begun")
    os.utime(fresh.status)
    a_run(patient.runs_dir, "never")
    with hold_run_lock(begun):
        assert is_well(waiting.queue, patient)
        assert found(waiting.queue, patient, fix=True)
    assert Queue(patient.runs_dir).is_empty()


@pytest.mark.usefixtures("no_runner")
def test_a_run_whose_definition_is_damaged_is_named_and_left(patient: Patient) -> None:
    folder = a_waiting_run(patient)
    folder.definition.write_text("craft = [")
    after = found(waiting.queue, patient, fix=True)
    assert after[0].text.startswith(f"could not be put right: left out of the queue: {folder.name}: ")
    assert [one.state for one in after] == ["fault", "fault"]
    assert after[1].details["runs"] == [folder.name]


@pytest.mark.usefixtures("no_runner")
def test_places_of_runs_that_are_gone_are_dropped(patient: Patient) -> None:
    gone, stays = a_waiting_run(patient, "gone"), a_waiting_run(patient, "stays")
    queue = Queue(patient.runs_dir)
    queue.add([Entry(gone.name, "cpu", 1, 1.0), Entry(stays.name, "cpu", 1, 1.0)])
    shutil.rmtree(gone.path)
    assert gone.name in found(waiting.queue, patient)[0].text
    found(waiting.queue, patient, fix=True)
    assert [entry.run for entry in queue.entries()] == [stays.name]


@pytest.mark.usefixtures("no_runner")
@pytest.mark.parametrize("content", [b"", b"{", b'{"run": "tiny-001"}', b"\0" * 80])
def test_a_damaged_entry_is_written_anew_in_its_place(patient: Patient, content: bytes) -> None:
    folders = [a_waiting_run(patient, name) for name in ("first", "second", "third")]
    queue = Queue(patient.runs_dir)
    queue.add([Entry(folder.name, "cpu", 1, 1.0) for folder in folders])
    sorted(queue.folder.iterdir())[1].write_bytes(content)
    foreign = queue.folder / "notes.txt"
    foreign.write_text("mine")
    assert only(found(waiting.queue, patient), "fault").details["files"][1:] == ["notes.txt"]
    found(waiting.queue, patient, fix=True)
    assert [entry.run for entry in queue.entries()] == [folder.name for folder in folders]
    assert (patient.runs_dir / ".craft" / "damaged-notes.txt").read_text() == "mine"
    assert not any(one.state == "fault" for one in found(waiting.queue, patient))


@pytest.mark.usefixtures("no_runner")
def test_what_a_damaged_entry_still_says_is_kept_and_what_it_lost_is_told(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut at every byte: what it waited for stays, or it waits until a person lets it begin."""
    first, second = (a_waiting_run(patient, name) for name in ("first", "second"))
    definition = second.definition.read_text()
    second.definition.write_text(definition.replace('device = "cpu"', 'device = "auto"'))
    queue = Queue(patient.runs_dir)
    wanted = Entry(second.name, "auto", 12, 1.5, (Wait(first.name, "first"),), "2,3")
    queue.add([Entry(first.name, "cpu", 1, 1.0), wanted])
    path = sorted(queue.folder.iterdir())[1]
    whole = path.read_bytes()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")  # the doctor's own, which is nobody else's
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        (said,) = waiting._mend(queue)
        entry = queue.entries()[1]
        assert entry.visible is None
        assert entry.cpu_slots == (1 if "--slots" in said else 12)
        assert (entry.after == wanted.after) == ("whom it waited for" not in said)
        assert entry.after, "it began before the other had ended"
        assert "which GPUs it may use (now any)" in said
    assert entry == replace(wanted, visible=None), "only the end was cut off"
    path.write_bytes(whole.replace(b'"auto"', b'"xuto"'))
    path.write_bytes(path.read_bytes().replace(b'"queued"', b'"?ueued"'))
    assert list(waiting._mend(queue)) == [f"wrote the entry of {second.name} anew, in its place"]
    assert replace(queue.entries()[1], queued=1.5) == wanted


def test_a_command_that_was_suspended_with_the_queue_is_named(patient: Patient) -> None:
    lock = Queue(patient.runs_dir).lock().path
    hold = """
import sys
from pathlib import Path
from craft.platform import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.readline()
"""
    with child(hold, lock) as other:
        assert says(other) == "True"
        os.kill(other.pid, signal.SIGSTOP)
        wait_until(lambda: platform.is_suspended(other.pid))
        finding = only(found(waiting.queue, patient), "fault")
        assert finding.text == f"process {other.pid} keeps the queue locked, so nothing begins, and is suspended"
        assert finding.advice == f"`kill -CONT {other.pid}` lets it go on"
        os.kill(other.pid, signal.SIGCONT)
    assert is_well(waiting.queue, patient)


def test_waiting_runs_without_a_runner_get_one(fake_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = Patient(fake_project.runs_dir)
    fake_project.craft("run", "experiments.toml", "tiny")
    Queue(patient.runs_dir).pause()
    detached = fake_project.craft("run", "experiments.toml", "tiny", "--detach")
    assert detached.returncode == 0, detached.stderr
    assert "the queue is paused" in only(found(waiting.queue, patient), "warning").text
    Queue(patient.runs_dir).go()
    assert "no runner is there" in only(found(waiting.queue, patient), "warning").text
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    assert only(found(waiting.queue, patient, fix=True), "fixed").text == "started a runner"
    wait_until(lambda: observe(fake_project.run("tiny-002")).phase == "finished")
    wait_until(lambda: not platform.is_locked(runner_lock(patient.runs_dir).path))


def test_repairing_all_the_while_harms_no_run_that_waits_begins_or_trains(
    fake_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setattr(waiting, "_JUST_MADE", 0.0)
    monkeypatch.setenv("FAKE_STEP_SECONDS", "0.05")
    patient = Patient(fake_project.runs_dir)
    Queue(patient.runs_dir).pause()  # none may be over before the first repair
    names = [*("tiny-001", "other-001"), *("tiny-002", "other-002")]
    for _ in range(2):
        made = fake_project.craft("run", "experiments.toml", "training.max_steps=5", "--detach", "--slots", "2")
        assert made.returncode == 0, made.stderr
    Queue(patient.runs_dir).go()
    rounds, repaired = 0, []
    while any(fake_project.phase(name) != "finished" for name in names):
        repaired += [one for check in doctor.RUNS for one in found(check, patient, fix=True) if one.state == "fixed"]
        rounds += 1
    assert rounds > 1
    assert {one.text for one in repaired} <= {"started a runner"}
    for name in names:
        assert len(fake_project.events(name, "started")) == 1
        assert [info.step for info in list_checkpoints(fake_project.run(name))] == [0, 5]
    wait_until(lambda: not platform.is_locked(runner_lock(patient.runs_dir).path))


# Runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "state", "words"),
    [
        ("run.json", b"", "fault", "run.json is damaged: empty"),
        ("status.json", b"\0\0", "warning", "status.json is damaged"),
        ("owner.json", b"[1]", "fault", "owner.json is damaged"),
        ("results.json", b"{", "fault", "results.json is damaged: not JSON"),
        ("changes.json", b"{", "fault", "changes.json"),
        ("checkpoints/step-00000020/manifest.json", b"{}", "fault", "step 20 is damaged: manifest.json"),
        ("checkpoints/step-00000020/model.safetensors", b"cut", "fault", "step 20 is damaged: model.safetensors"),
    ],
)
def test_what_is_damaged_is_named(patient: Patient, name: str, content: bytes, state: str, words: str) -> None:
    folder = a_trained_run(patient, phase="finished")
    (folder.path / name).write_bytes(content)
    findings = [one for one in found(runs.runs, patient) if words in one.text]
    assert [one.state for one in findings] == [state]
    assert findings[0].text.startswith(f"{folder.name}: ")
    assert findings[0].advice
    before = contents(patient.runs_dir)
    found(runs.runs, patient, fix=True)
    assert contents(patient.runs_dir) == before


def test_a_definition_that_is_gone_is_named(patient: Patient) -> None:
    folder = a_trained_run(patient, phase="finished")
    folder.definition.unlink()
    assert "experiment.toml is gone" in only(found(runs.runs, patient), "fault").text


def test_a_run_without_an_identity_is_named(patient: Patient) -> None:
    folder = a_trained_run(patient, phase="finished")
    folder.run_json.unlink()
    finding = only(found(runs.runs, patient), "fault")
    assert finding.text == f"{folder.name}: its run.json is gone"
    assert finding.advice.startswith("take the file from a copy; checkpoints that are there hold: 'craft generate")
    (folder.checkpoints / "latest.json").unlink()
    assert only(found(runs.runs, patient), "fault").advice == "take the file from a copy", "it has none"


def test_interrupted_runs_are_listed_with_what_goes_on(patient: Patient) -> None:
    names = [a_trained_run(patient).name for _ in range(6)]
    finding = only(found(runs.runs, patient), "warning")
    assert finding.text == f"6 interrupted runs: {', '.join(names[:4])} and 2 more"
    assert finding.advice.startswith(f"'craft resume {names[0]}'")
    assert finding.details["interrupted"] == names


def test_runs_of_other_machines_newer_crafts_and_the_future_are_told(patient: Patient) -> None:
    elsewhere, newer, future = (a_trained_run(patient, phase="finished") for _ in range(3))
    claim = {"phase": "running", "host": "cluster-7", "updated": time.time()}
    elsewhere.status.write_bytes(encode_file(claim))
    newer.run_json.write_bytes(encode_file(sealed({**read_object(newer.run_json), "versions": {"craft": "99.0.1"}})))
    future.status.write_bytes(encode_file({"phase": "finished", "updated": time.time() + 1e6}))
    texts = " ".join(one.text for one in found(runs.runs, patient))
    assert f"1 run of other machines: {elsewhere.name} on cluster-7; shown, and never signalled" in texts
    assert f"1 run made by a newer Craft: {newer.name}" in texts
    assert f"1 run with signs of life from the future: {future.name}" in texts


def test_a_suspended_worker_is_named(patient: Patient) -> None:
    folder = a_run(patient.runs_dir)
    with child(WORK, folder.path, new_session=True) as worker:
        assert says(worker) == "at it"
        os.kill(worker.pid, signal.SIGSTOP)
        wait_until(lambda: platform.is_suspended(worker.pid))
        for file in (folder.owner, folder.status):  # as if all of it had been a while ago
            said = read_object(file)
            past = {name: said[name] - 100 for name in ("clock", "updated", "progressed") if name in said}
            file.write_bytes(encode_file({**said, **past}))
        finding = only(found(runs.runs, patient), "warning")
        assert f"`kill -CONT {worker.pid}` lets it go on" in finding.text
        os.kill(worker.pid, signal.SIGCONT)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who is whose")
@pytest.mark.parametrize("code", [WORK_WITH_A_STRAY, WORK_WITH_CHILDREN], ids=["with the lock", "without it"])
def test_what_a_dead_worker_left_behind_is_ended_and_nothing_else(
    patient: Patient, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_run(patient.runs_dir)
    monkeypatch.setenv(MARK, new_mark()[MARK])
    with (
        child(code, folder.path, "fork", new_session=True) as worker,
        child(WORK, a_run(patient.runs_dir).path) as other,
    ):
        monkeypatch.delenv(MARK)
        stray = int(says(worker))
        assert says(other) == "at it"
        try:
            assert not any(one.state == "fault" for one in found(runs.runs, patient, fix=True))
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            assert f"left process {stray} behind" in only(found(runs.runs, patient), "fault").text
            found(runs.runs, patient, fix=True)
            wait_until(lambda: platform.start_ticks(stray) is None)
            assert not any(one.state == "fault" for one in found(runs.runs, patient))
            assert other.poll() is None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)


# Slots ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who holds what")
def test_a_slot_says_who_has_it_and_one_kept_by_a_stray_is_freed(patient: Patient) -> None:
    folder = a_run(patient.runs_dir)
    slot = slots.slots_for("cpu")[0]
    slot.path.parent.mkdir(parents=True)
    code = WORK_WITH_A_STRAY.replace("pid = ctypes", "from craft.platform import FileLock\n"
                                     "slot = FileLock(Path(sys.argv[2]))\nslot.acquire()\npid = ctypes")  # fmt: skip
    with child(code, folder.path, slot.path, new_session=True) as worker:
        stray = int(says(worker))
        try:
            slot.give(folder.path, platform.ProcessIdentity.of(worker.pid, worker.pid))
            assert (
                only(found(held_slots.held_slots, patient), "ok").text == f"cpu-0: {folder.name} in {patient.runs_dir}"
            )
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            assert f"kept by process {stray}" in only(found(held_slots.held_slots, patient), "fault").text
            found(held_slots.held_slots, patient, fix=True)
            wait_until(slot.is_free)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)


# Leftovers --------------------------------------------------------------------------------------------------------


def half_made(folder: RunFolder) -> None:
    """What kills at the worst instants leave: in the middle of a save, between its two renames, before its pointer."""
    (folder.checkpoints / ".partial-step-00000030").mkdir()
    (folder.checkpoints / ".partial-step-00000030" / "model.safetensors").write_bytes(b"half")
    checkpoints.step_folder(folder, 20).rename(folder.checkpoints / ".old-step-00000020")
    (folder.checkpoints / ".latest.json.tmp").write_text("{")


def test_half_made_checkpoints_go_and_whole_ones_stay(patient: Patient) -> None:
    folder = a_trained_run(patient)
    whole = {name: digest for name, digest in contents(folder.path).items() if "step-" in name}
    half_made(folder)
    assert "half-made" in only(found(leftovers.leftovers, patient), "warning").text
    found(leftovers.leftovers, patient, fix=True)
    assert {name: digest for name, digest in contents(folder.path).items() if "step-" in name} == whole
    assert [info.step for info in list_checkpoints(folder)] == [10, 20]
    assert not list(folder.checkpoints.glob(".*"))
    assert is_well(leftovers.leftovers, patient)


def test_a_run_that_lives_or_is_another_machines_is_not_touched(patient: Patient) -> None:
    live, elsewhere = a_trained_run(patient), a_trained_run(patient)
    elsewhere.status.write_bytes(encode_file({"phase": "running", "host": "cluster-7", "updated": time.time()}))
    for folder in (live, elsewhere):
        half_made(folder)
        (folder.checkpoints / "latest.json").write_text("{")
        temporary = folder.path / ".status.json.4194399-7.tmp"
        temporary.write_text("{")
        os.utime(temporary, (LONG_AGO, LONG_AGO))
    before = contents(patient.runs_dir)
    with child(WORK, live.path) as worker:
        assert says(worker) == "at it"
        before = contents(patient.runs_dir)
        for check in (leftovers.leftovers, runs.runs, waiting.queue):
            found(check, patient, fix=True)
        assert contents(patient.runs_dir) == before
        assert worker.poll() is None


def test_on_a_full_disk_what_is_half_made_goes_first_and_makes_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as small:
        patient = Patient(small.path / "runs")
        patient.runs_dir.mkdir()
        folder = a_trained_run(patient)
        folder.lock.touch()  # every run that was trained has one
        half_made(folder)
        (folder.checkpoints / ".partial-step-00000030" / "model.safetensors").write_bytes(b"x" * 100_000)
        (folder.checkpoints / "latest.json").write_text("")
        small.fill()
        fixed = [one for one in found(leftovers.leftovers, patient, fix=True) if one.state == "fixed"]
        assert len(fixed) == 2
        assert [info.step for info in list_checkpoints(folder)] == [10, 20]
        assert is_well(leftovers.leftovers, patient)


def test_pointers_that_a_full_disk_does_not_take_are_not_said_to_be_right(tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as small:
        patient = Patient(small.path / "runs")
        patient.runs_dir.mkdir()
        folder = a_trained_run(patient)
        folder.lock.touch()
        (folder.checkpoints / "latest.json").write_text("")
        small.fill()
        assert [one.state for one in found(leftovers.leftovers, patient, fix=True)] == ["warning"]
        small.free()
        found(leftovers.leftovers, patient, fix=True)
        assert is_well(leftovers.leftovers, patient)


@pytest.mark.parametrize("content", [None, "{", '{"step": 10, "path": "step-00000010"}', '{"step": 99}'])
def test_pointers_name_the_newest_and_the_best_again(patient: Patient, content: str | None) -> None:
    folder = a_trained_run(patient, phase="finished")
    right = contents(folder.path)
    for name in ("latest.json", "best.json"):
        (folder.checkpoints / name).unlink()
        if content is not None:
            (folder.checkpoints / name).write_text(content)
    assert "names another checkpoint" in only(found(leftovers.leftovers, patient), "warning").text
    found(leftovers.leftovers, patient, fix=True)
    assert contents(folder.path) == right
    assert is_well(leftovers.leftovers, patient)


def test_temporaries_of_dead_processes_go_and_those_of_the_living_stay(patient: Patient) -> None:
    folder = a_trained_run(patient, phase="finished")
    (patient.runs_dir / ".craft").mkdir()
    dead = [folder.path / ".run.json.4194399-1.tmp", patient.runs_dir / ".craft" / ".x.json.4194399-2.tmp"]
    living = [folder.path / f".run.json.{os.getpid()}-3.tmp", folder.path / ".run.json.4194399-4.tmp"]
    for path in (*dead, *living):
        path.write_text("{")
    for path in (*dead, living[0]):
        os.utime(path, (LONG_AGO, LONG_AGO))  # the last one is new: another machine may be writing it
    scratch = [patient.runs_dir / f"{SCRATCH}4194399-a", patient.runs_dir / f"{SCRATCH}{os.getpid()}-a"]
    for path in scratch:
        path.mkdir()
    assert only(found(leftovers.leftovers, patient), "warning").details["paths"] == [
        str(p) for p in (dead[1], dead[0], scratch[0])
    ]
    found(leftovers.leftovers, patient, fix=True)
    assert [path for path in (*dead, *living, *scratch) if path.exists()] == [*living, scratch[1]]


def test_the_trash_is_emptied_and_only_that(patient: Patient) -> None:
    kept, gone = a_trained_run(patient, phase="finished"), a_trained_run(patient, phase="finished")
    before = contents(kept.path)
    move_to_trash(gone.path, patient.runs_dir)
    (trash_dir(patient.runs_dir) / "my notes").write_text("mine")
    assert "thing in the trash" in only(found(leftovers.leftovers, patient), "warning").text
    found(leftovers.leftovers, patient, fix=True)
    assert [path.name for path in trash_dir(patient.runs_dir).iterdir()] == ["my notes"]
    assert contents(kept.path) == before


def test_runs_and_forks_that_were_never_made_go_and_anything_else_stays(patient: Patient) -> None:
    def made(name: str, *files: str, old: bool = True) -> Path:
        place = patient.runs_dir / name
        (place / "control").mkdir(parents=True)
        (place / "checkpoints").mkdir()
        for file in files:
            (place / file).write_text("x")
        if old:
            os.utime(place, (LONG_AGO, LONG_AGO))
        return place

    dead = made("tiny-001", "experiment.toml")
    alive = [
        made("tiny-002", old=False),
        made("tiny-003", "metrics.jsonl"),
        made("my-notes"),
        made("tiny-004", "run.json"),
    ]
    (patient.runs_dir / "tiny-005").mkdir()
    fork = patient.runs_dir / ".craft" / "forks" / "tiny-005"
    fork.mkdir(parents=True)
    for path in (fork, patient.runs_dir / "tiny-005"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    kinds = [one.text for one in found(leftovers.leftovers, patient) if one.state == "warning"]
    assert [text.split(",")[0] for text in kinds] == ["1 half-made run", "1 half-made fork"]
    found(leftovers.leftovers, patient, fix=True)
    assert not dead.exists()
    assert not fork.exists()
    assert all(path.exists() for path in alive)
    assert forks.clear_up(patient.runs_dir) == []


def test_whatever_is_repaired_the_newest_checkpoint_still_verifies(patient: Patient) -> None:
    folder = a_trained_run(patient)
    half_made(folder)
    (folder.checkpoints / "latest.json").write_text("")
    for check in doctor.RUNS:
        found(check, patient, fix=True)
    newest = newest_valid(folder, lambda info, problems: pytest.fail(str(problems)))
    assert newest is not None
    assert newest.step == 20
