"""Deleting runs: never one that trains, waits or is another machine's; against starts at the same moment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from craft import platform
from craft.errors import CheckpointError, RunBusyError, RunError
from craft.launch import remove
from craft.launch.doctor.finding import Patient
from craft.launch.doctor.leftovers import leftovers
from craft.launch.queue.dispatch import hold_queue, submit, withdraw
from craft.launch.queue.entries import Entry, Queue, Wait
from craft.launch.workers import kill
from craft.runs import checkpoints, trash
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.runs.retention import plan_tidying
from craft.runs.status import StatusWriter
from craft.runs.store import RunStore
from tests.launch.project import Project, wait_for
from tests.runs.disk import mounted
from tests.runs.make import a_run
from tests.training.runs import definition, make_run, write_text


def ended(runs_dir: Path, name: str = "exp", phase: str = "finished") -> RunFolder:
    folder = a_run(runs_dir, name)
    StatusWriter(folder).write(phase=phase)
    return folder


def save(folder: RunFolder, step: int) -> None:
    checkpoints.commit_checkpoint(folder, step, lambda place: (place / "w").write_text(str(step)) and None)


def refused(folder: RunFolder, words: str) -> None:
    """Neither deleting nor tidying touches it, and a person hears why."""
    before = sorted(str(path) for path in folder.path.rglob("*"))
    assert re.search(words, remove.why_not(folder))
    for touch in (
        lambda: remove.remove_run(folder),
        lambda: remove.remove_checkpoint(folder, 1),
        lambda: remove.prune_run(plan_tidying(folder, 1), 1, ()),
    ):
        with pytest.raises(RunBusyError, match=words):
            touch()
    assert sorted(str(path) for path in folder.path.rglob("*")) == before
    assert trash.in_trash(folder.path.parent) == []


@pytest.mark.parametrize("phase", ["finished", "stopped", "failed", "running", "paused"])
def test_what_nobody_trains_is_deleted(tmp_path: Path, phase: str) -> None:
    """Also one that was interrupted: its claim says that it runs, and its lock is free."""
    folder, other = ended(tmp_path, phase=phase), ended(tmp_path)
    remove.remove_run(folder)
    assert RunStore(tmp_path).folders() == [other]
    assert trash.in_trash(tmp_path) == []
    with pytest.raises(RunError, match="no such folder"):
        remove.remove_run(folder)


def test_a_run_that_trains_is_left_alone(fake_project: Project) -> None:
    fake_project.environment["FAKE_STEP_SECONDS"] = "30"
    assert fake_project.craft("run", "experiments.toml", "tiny", "--detach").returncode == 0
    folder = fake_project.run("tiny-001")
    wait_for(lambda: observe(folder).phase == "running")
    save_of = checkpoints.list_checkpoints(folder)
    refused(folder, "tiny-001 is running, and its worker lives; 'craft stop tiny-001' ends it")
    StatusWriter(folder).write(phase="paused")
    refused(folder, "tiny-001 is paused")
    assert checkpoints.list_checkpoints(folder) == save_of
    assert kill(folder)
    wait_for(lambda: not observe(folder).held)
    remove.remove_run(folder)


def test_a_run_that_waits_is_left_alone_until_it_is_taken_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs", definition(write_text(tmp_path / "text.txt")))
    Queue(tmp_path / "runs").pause()
    submit(tmp_path / "runs", [(folder, "cpu")])
    save(folder, 1)
    refused(folder, "tiny-001 waits in the queue; 'craft stop tiny-001' takes it out")
    assert withdraw(folder)
    remove.remove_run(folder)
    assert RunStore(tmp_path / "runs").folders() == []


def test_an_old_entry_of_a_run_that_ended_is_no_reason(tmp_path: Path) -> None:
    """A runner that was killed before it settled what it had started leaves such."""
    folder, queue = ended(tmp_path), Queue(tmp_path)
    with hold_queue(queue):
        queue.add([Entry(folder.name, "cpu", 1, 0.0)])
    remove.remove_run(folder)
    assert queue.is_empty()


def test_a_run_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    folder = ended(tmp_path, phase="running")
    save(folder, 1)
    writer = StatusWriter(folder)
    writer.status = replace(writer.status, host="elsewhere")
    writer.write()
    refused(folder, "the machine elsewhere says that it trains it")


def test_a_run_that_was_just_made_is_left_to_its_command(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    save(folder, 1)
    refused(folder, "a command is about to queue it")
    os.utime(folder.run_json, (time.time() - 100, time.time() - 100))
    remove.remove_run(folder)


def test_a_link_is_no_run(tmp_path: Path) -> None:
    folder = ended(tmp_path / "elsewhere")
    (tmp_path / "runs").mkdir()
    link = RunFolder(tmp_path / "runs" / "exp-001")
    link.path.symlink_to(folder.path)
    save(folder, 1)
    for touch in (lambda: remove.remove_run(link), lambda: remove.remove_checkpoint(link, 1)):
        with pytest.raises(RunBusyError, match=r"is a link to .*elsewhere/exp-001, and links are not followed"):
            touch()
    assert checkpoints.list_checkpoints(folder)


def test_single_checkpoints(tmp_path: Path) -> None:
    folder = ended(tmp_path)
    for step in (1, 2, 3):
        save(folder, step)
    remove.remove_checkpoint(folder, 2)
    assert [info.step for info in checkpoints.list_checkpoints(folder)] == [1, 3]
    assert remove.why_not_checkpoint(folder, 3) == (
        "exp-001@3 stays: it is the newest one, from which the run would go on"
    )
    with pytest.raises(CheckpointError, match="exp-001@3 stays"):
        remove.remove_checkpoint(folder, 3)


def test_a_disk_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        folder = ended(disk.path)
        for step in (1, 2):
            save(folder, step)
        plan = plan_tidying(folder, 1)
        subprocess.run(["mount", "-o", "remount,ro", str(disk.path)], check=True)
        with pytest.raises(RunError, match=r"exp-001: cannot be deleted: Read-only file system"):
            remove.remove_run(folder)
        with pytest.raises(RunError, match=r"exp-001@1: cannot be deleted: Read-only file system"):
            remove.remove_checkpoint(folder, 1)
        with pytest.raises(RunError, match=r"exp-001: cannot be tidied up: Read-only file system"):
            remove.prune_run(plan, 1, ())
        assert [info.step for info in checkpoints.list_checkpoints(folder)] == [1, 2]


@pytest.mark.parametrize("options", ["size=512k", "size=512k,nr_inodes=40"])
def test_a_full_disk_gives_room_back(tmp_path: Path, options: str) -> None:
    """Also where there is none for a lock file, or for the name of a folder."""
    with mounted(tmp_path / "disk", options) as disk:
        folder, other = ended(disk.path), ended(disk.path)
        for step in (1, 2):
            save(folder, step)
        disk.fill()
        for number in range(100):
            try:
                (disk.path / str(number)).touch()
            except OSError:
                break
        assert remove.prune_run(plan_tidying(folder, 1), 1, ())
        remove.remove_run(folder)
        remove.remove_run(other)
        assert RunStore(disk.path).folders() == trash.in_trash(disk.path) == []


# At the same moment -------------------------------------------------------------------------------------------------

AT_ONCE = """\
import os, sys, time
from pathlib import Path
from craft.errors import CraftError
from craft.launch import remove
from craft.launch.queue.dispatch import ensure_runner
from craft.launch.going_on.resume import plan_resume, resume
from craft.runs.folder import RunFolder

def go_on():
    resume(plan)
    ensure_runner(folder.path.parent)

for path in sys.argv[2:]:
    folder = RunFolder(Path(path))
    plan, children = plan_resume(folder, []), []
    moment = time.monotonic() + 0.02
    for what in sys.argv[1].split(","):
        if not (child := os.fork()):
            act = {"rm": lambda: remove.remove_run(folder), "resume": go_on}[what]
            while time.monotonic() < moment:
                pass
            try:
                act()
                words = "done"
            except CraftError as error:
                words = str(error)
            os.write(1, f"{folder.name}|{what}|{words}\\n".encode())
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""


def at_once(folders: list[RunFolder], environment: Mapping[str, str], what: str) -> dict[str, list[tuple[str, str]]]:
    """By run, what processes said that did `what` to it at the same moment."""
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, what, *(str(folder.path) for folder in folders)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, list[tuple[str, str]]] = {folder.name: [] for folder in folders}
    for line in done.stdout.splitlines():
        name, did, words = line.split("|")
        said[name].append((did, words))
    return said


def some_stopped(runs_dir: Path, source: Path, count: int) -> list[RunFolder]:
    folders = [make_run(runs_dir, definition(source, training={"max_steps": 1})) for _ in range(count)]
    for folder in folders:
        StatusWriter(folder).write(phase="stopped")
    return folders


def test_two_delete_one_run(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    folders = some_stopped(runs, write_text(tmp_path / "text.txt"), 10)
    for name, answers in at_once(folders, os.environ, "rm,rm,rm").items():
        said = [words for _, words in answers]
        assert said.count("done") == 1, said
        assert [words for words in said if words != "done"] == [f"{runs / name}: no such folder"] * 2
    assert RunStore(runs).folders() == trash.in_trash(runs) == []


def test_deleting_against_a_start(fake_project: Project, tmp_path: Path) -> None:
    """Either it is gone, wholly and for good, or it trains and nothing of it is missing."""
    runs = fake_project.runs_dir
    folders = some_stopped(runs, write_text(tmp_path / "text.txt"), 12)
    answers = at_once(folders[:6], fake_project.environment, "rm,resume")
    answers |= at_once(folders[6:], fake_project.environment, "resume,rm")
    for folder in folders:
        said = dict(answers[folder.name])
        if said["rm"] == "done":
            assert said["resume"] == f"{folder.path}: no such folder"
            assert folder.name not in {entry.run for entry in Queue(runs).entries()}
        else:
            assert said["resume"] == "done"
            assert re.search("waits in the queue|its worker lives|has just taken it", said["rm"]), said
            wait_for(lambda folder=folder: observe(folder).phase == "finished" and not observe(folder).held)
    gone = [folder for folder in folders if dict(answers[folder.name])["rm"] == "done"]
    assert RunStore(runs).folders() == [folder for folder in folders if folder not in gone]
    assert not any(folder.path.exists() for folder in gone), "no stump comes back"
    assert trash.in_trash(runs) == []


# Who leans on a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init_from", "step"),
    [
        (lambda folder: "base@1", {1}),
        (lambda folder: "base-002@best", set()),
        (lambda folder: f"{folder.path}@2", {2}),
        (lambda folder: str(checkpoints.step_folder(folder, 1)), {1}),
    ],
    ids=["experiment", "run", "path", "checkpoint"],
)
def test_what_a_waiting_run_needs(tmp_path: Path, init_from: Callable[[RunFolder], str], step: set[int]) -> None:
    runs = tmp_path / "runs"
    old, new = ended(runs, "base"), ended(runs, "base")
    for number in (1, 2, 3):
        save(new, number)
    config = definition(write_text(tmp_path / "text.txt"), init_from=init_from(new))
    waiting = make_run(runs, config, "waits")
    assert remove.leanings(runs).by_run == {}, "it is in no queue"
    with hold_queue(queue := Queue(runs)):
        queue.add([Entry(waiting.name, "cpu", 1, 0.0, (Wait(old.name),))])
    known = remove.leanings(runs)
    assert [str(one) for one in known.of(old)] == ["waits-001, which is queued, waits for its end"]
    (one,) = known.of(new)
    assert str(one).startswith("waits-001, which is queued, starts from its weights (@")
    assert known.steps(new) == step
    assert plan_tidying(new, 1, known.steps(new)).keeps == {**dict.fromkeys(step, "wanted"), 3: "newest"}


def test_a_half_made_fork_is_shown_where_it_is_removed_and_only_there(tmp_path: Path) -> None:
    """What prune and the doctor name is what goes: no link, no file, nothing that was begun this very moment."""
    runs, outside = tmp_path / "runs", tmp_path / "outside"
    forks = runs / ".craft" / "forks"
    for name in ("tiny-001", "tiny-002", "tiny-003"):
        (forks / name).mkdir(parents=True)
    (outside / "tiny-004").mkdir(parents=True)
    (forks / "tiny-004").symlink_to(outside / "tiny-004")
    (forks / "notes").write_text("mine")
    for path in (forks / "tiny-001", forks / "tiny-002", forks / "notes", outside / "tiny-004"):
        os.utime(path, (0, 0))
    with platform.FileLock(forks / "tiny-002" / "worker.lock"):
        assert remove.strays(runs) == [forks / "tiny-001"]
        assert [one.details["paths"] for one in leftovers(Patient(runs))] == [[str(forks / "tiny-001")]]
        assert remove.clear_strays(runs) == []
        assert sorted(path.name for path in forks.iterdir()) == ["notes", "tiny-002", "tiny-003", "tiny-004"]
        assert remove.strays(runs) == []


def test_forks_that_lie_behind_a_link_are_left_alone(tmp_path: Path) -> None:
    runs, outside = tmp_path / "runs", tmp_path / "outside"
    (runs / ".craft").mkdir(parents=True)
    (outside / "tiny-001").mkdir(parents=True)
    os.utime(outside / "tiny-001", (0, 0))
    (runs / ".craft" / "forks").symlink_to(outside)
    assert remove.strays(runs) == []
    assert remove.clear_strays(runs) == []
    assert (outside / "tiny-001").is_dir()
