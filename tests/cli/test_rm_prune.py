"""`craft rm`, `craft prune` and `craft runs --disk`, as a person meets them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from craft.cli import main
from craft.launch.queue.dispatch import hold_queue
from craft.launch.queue.entries import Entry, Queue, Wait
from craft.launch.remove import remove_run
from craft.platform import FileLock
from craft.runs import checkpoints, trash
from craft.runs.folder import RunFolder
from craft.runs.groups import group_names, take_group_name, write_group
from craft.runs.status import StatusWriter
from craft.runs.store import RunStore
from tests.escapes import TERMINAL_ESCAPES
from tests.launch.project import Project
from tests.runs.make import a_run


def save(folder: RunFolder, step: int, value: float | None = None) -> None:
    checkpoints.commit_checkpoint(
        folder, step, lambda place: (place / "w").write_bytes(bytes(20_000)) and None, monitor_value=value
    )


def ended(runs_dir: Path, name: str = "small", **identity: object) -> RunFolder:
    """A run with checkpoints 10 to 40, of which 20 is the best."""
    folder = a_run(runs_dir, name, **identity)
    for step, value in ((10, 3.0), (20, 1.5), (30, 2.0), (40, 4.0)):
        save(folder, step, value)
    StatusWriter(folder).write(phase="finished", best=1.5)
    return folder


Craft = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", fake=True)


@pytest.fixture
def craft_here(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Craft:
    """The command in this process: many wrong words are told from one another quickly."""
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def craft(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["craft", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return subprocess.CompletedProcess(arguments, int(left.value.code or 0), *capsys.readouterr())

    return craft


def steps(folder: RunFolder) -> list[int]:
    return [info.step for info in checkpoints.list_checkpoints(folder)]


def test_rm_shows_what_goes_asks_and_deletes(project: Project) -> None:
    ended(project.runs_dir)
    other = ended(project.runs_dir, "other")
    child = project.terminal("rm", "small-001")
    child.expect(r"RUN +PHASE +AGE +BEST +FREES")
    child.expect(r"small-001 +finished +\d+d +1\.500 +\d+ kB")
    child.expect(r"Delete 1 run, \d+ kB, for good\? \[y/N\]")
    child.sendline("n")
    child.expect("nothing was deleted")
    child.wait()
    assert child.exitstatus == 130
    assert len(RunStore(project.runs_dir).folders()) == 2
    child = project.terminal("rm", "small-001")
    child.expect("for good")
    child.sendline("y")
    child.expect(r"deleted 1 run, \d+ kB; .* are free now")
    child.wait()
    assert child.exitstatus == 0
    assert RunStore(project.runs_dir).folders() == [other]


def test_another_run_of_the_name_is_not_deleted(project: Project) -> None:
    """It was deleted and made again while a person thought it over."""
    folder = ended(project.runs_dir)
    child = project.terminal("rm", "small-001")
    child.expect("for good")
    remove_run(folder)
    again = ended(project.runs_dir)
    assert again == folder
    child.sendline("y")
    child.expect("small-001 is another run by now")
    child.wait()
    assert child.exitstatus == 2
    assert steps(again) == [10, 20, 30, 40]


def test_ctrl_c_at_the_question_deletes_nothing(project: Project) -> None:
    folder = ended(project.runs_dir)
    child = project.terminal("rm", "small-001")
    child.expect("for good")
    child.kill(signal.SIGINT)
    child.wait()
    assert child.exitstatus == 130
    assert folder.path.is_dir()


def test_without_a_terminal_nothing_is_deleted_unless_told(project: Project, craft_here: Craft) -> None:
    folder = ended(project.runs_dir)
    for command in (["rm", "small-001"], ["rm", "small-001@10"], ["prune"]):
        done = craft_here(*command)
        assert done.returncode == 2
        assert "there is no terminal to ask in; --yes does it without asking" in done.stderr
    assert steps(folder) == [10, 20, 30, 40]
    assert craft_here("rm", "small-001", "--yes").returncode == 0
    assert not folder.path.exists()


def test_what_may_not_go_is_said_and_the_rest_goes(project: Project) -> None:
    first, second, waiting = ended(project.runs_dir), ended(project.runs_dir), ended(project.runs_dir)
    StatusWriter(waiting).write(phase="queued")
    with hold_queue(queue := Queue(project.runs_dir)):
        queue.pause()
        queue.add([Entry(waiting.name, "cpu", 1, 0.0, (Wait(second.name),))])
    done = project.craft("rm", "small-*", "--yes")
    assert done.returncode == 2
    assert "craft: small-003 waits in the queue; 'craft stop small-003' takes it out" in done.stderr
    assert "small-002: small-003, which is queued, waits for its end" in done.stderr
    assert "deleted 2 runs" in done.stderr
    assert RunStore(project.runs_dir).folders() == [waiting]
    assert not first.path.exists()


def test_single_checkpoints(project: Project, craft_here: Craft) -> None:
    folder = ended(project.runs_dir)
    done = craft_here("rm", "small@10", "small-001@20", "small-001@40", "--yes")
    assert done.returncode == 2
    assert "small-001@20 stays: it is the best one" in done.stderr
    assert "small-001@40 stays: it is the newest one, from which the run would go on" in done.stderr
    assert "deleted 1 checkpoint" in done.stderr
    assert steps(folder) == [20, 30, 40]
    for name, words in (
        ("small-001@10", "has no checkpoint of step 10; there are: 20, 30, 40"),
        ("small-001@best", "are not deleted alone; 'craft rm small-001' deletes all of it"),
        ("small-001@x", "after the @ stands a step"),
        ("smal-001", "did you mean small-001?"),
        ("big-*", "no run matches 'big-*'"),
        ("small-001/..", "not a run"),
        ("x" * 300, "no run 'xxx"),
        ("a\nb\x1b[2J@3", "no run matches 'a"),
    ):
        done = craft_here("rm", name, "--yes")
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert steps(folder) == [20, 30, 40]


def test_a_group_and_a_run_twice(project: Project) -> None:
    runs = [ended(project.runs_dir, "lr", group="lr") for _ in range(3)]
    take_group_name(project.runs_dir, "lr")
    write_group(project.runs_dir, "lr", [run.name for run in runs], project.folder / "experiments.toml")
    done = project.craft("rm", "--group", "lr", "lr-001", "lr-001@10", "--yes")
    assert done.returncode == 0, done.stderr
    assert "deleted 3 runs" in done.stderr
    assert RunStore(project.runs_dir).folders() == []
    later = ended(project.runs_dir, "lr")
    assert later.name == "lr-001"
    assert group_names(project.runs_dir) == [], "the last of a group takes it along"
    write_group(project.runs_dir, "lr", [run.name for run in runs], project.folder / "experiments.toml")
    done = project.craft("rm", "--group", "lr", "--yes")
    assert (done.returncode, done.stderr) == (2, "craft: none of these runs is there any more\n")
    assert later.path.is_dir(), "it only has the name of one that was a member"


def test_links_are_not_followed(project: Project, craft_here: Craft, tmp_path: Path) -> None:
    elsewhere = ended(tmp_path / "elsewhere")
    project.runs_dir.mkdir()
    (project.runs_dir / "small-001").symlink_to(elsewhere.path)
    for command in (["rm", "small-001"], ["rm", "runs/small-001"], ["rm", "runs/small-001/"], ["rm", "small-001@10"]):
        done = craft_here(*command, "--yes")
        assert done.returncode == 2
        assert "is a link to" in done.stderr
    done = craft_here("prune", "--yes")
    assert done.returncode == 0
    assert steps(elsewhere) == [10, 20, 30, 40]
    assert craft_here("rm", str(elsewhere.path), "--yes").returncode == 0
    assert not elsewhere.path.exists()


def test_names_are_cleaned(project: Project, craft_here: Craft) -> None:
    for number, text in enumerate(TERMINAL_ESCAPES.values()):
        if "\0" in text or "/" in text or "\ud800" in text:
            continue
        folder = ended(project.runs_dir)
        folder.path.rename(project.runs_dir / f"bad{number}{text}")
    assert len(RunStore(project.runs_dir).folders()) > 10
    for command in (
        ["prune", "--dry-run"],
        ["runs", "--disk"],
        ["rm", "*"],
        ["prune", "*", "--yes"],
        ["rm", "*", "--yes"],
    ):
        done = craft_here(*command)
        shown = done.stdout + done.stderr
        assert [
            c for c in shown if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066\u200f")
        ] == []
    assert RunStore(project.runs_dir).folders() == []


def test_prune_keeps_the_best_and_the_newest(project: Project) -> None:
    folder = ended(project.runs_dir)
    half = folder.checkpoints / ".partial-step-00000050"
    half.mkdir()
    (half / "w").write_bytes(bytes(300_000))
    dry = project.craft("prune", "--dry-run")
    assert dry.returncode == 0
    header, row = dry.stdout.splitlines()
    assert header.split() == ["RUN", "PHASE", "ENDED", "KEEPS", "LOSES", "FREES"]
    assert "20 best, 40" in row
    assert "2 checkpoints, 1 leftover" in row
    assert "would become free" in dry.stderr
    assert steps(folder) == [10, 20, 30, 40]
    child = project.terminal("prune")
    child.expect("20 best, 40")
    child.expect(r"Delete 2 checkpoints of 1 run for good\? \[y/N\]")
    child.sendline("y")
    child.expect("tidied up; .* are free now")
    child.wait()
    assert steps(folder) == [20, 40]
    assert not half.exists()
    done = project.craft("prune")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "there is nothing to tidy up\n")


def test_prune_as_json(project: Project) -> None:
    folder = ended(project.runs_dir)
    done = project.craft("prune", "--keep", "2", "--json", "--yes")
    one, everything = map(json.loads, done.stdout.splitlines())
    assert (one["kind"], one["run"], one["removes"], one["left_alone"]) == ("run", "small-001", [10], None)
    assert one["keeps"] == [{"step": s, "why": w} for s, w in ((20, "best"), (30, "newest"), (40, "newest"))]
    assert everything == {"kind": "all", "frees": one["frees"], "strays": [], "dry_run": False}
    assert one["frees"] > 20_000
    assert steps(folder) == [20, 30, 40]


def test_prune_only_what_is_old(project: Project, craft_here: Craft) -> None:
    new, old = ended(project.runs_dir), ended(project.runs_dir)
    raw = json.loads(old.status.read_text())
    old.status.write_text(json.dumps(raw | {"updated": raw["updated"] - 8 * 86_400}))
    for age, gone in (("2w", False), ("9d", False), ("1w", True)):
        assert craft_here("prune", "--older-than", age, "--yes").returncode == 0
        assert (steps(old) == [20, 40]) == gone
    assert steps(new) == [10, 20, 30, 40]
    for wrong in ("3x", "", "d", "-3d", "1e9d"):
        done = craft_here("prune", "--older-than", wrong)
        assert done.returncode == 2
        assert "write a number and m, h, d or w" in done.stderr


def test_what_a_kill_left_is_cleared_without_a_question(project: Project, craft_here: Craft) -> None:
    ended(project.runs_dir)
    for command in ("prune", "rm"):
        left = trash.move_to_trash(ended(project.runs_dir, "gone").path, project.runs_dir)
        craft_here(command, "nothing-like-it" if command == "rm" else "--keep=9")
        craft_here(command, *(["small-001@10"] if command == "rm" else ["--keep=9"]))
        assert not left.exists(), command


def test_runs_by_size(project: Project) -> None:
    small, large = a_run(project.runs_dir, "zero"), ended(project.runs_dir)
    os.link(large.checkpoints / "step-00000010" / "w", small.path / "shared")
    done = project.craft("runs", "--disk")
    header, first, second = done.stdout.splitlines()
    assert header.split()[:3] == ["RUN", "DISK", "PHASE"]
    assert (first.split()[0], second.split()[0]) == ("zero-001", "small-001")
    assert " in all; " in done.stderr
    assert "are free" in done.stderr
    sizes = [json.loads(line)["bytes"] for line in project.craft("runs", "--disk", "--json").stdout.splitlines()]
    assert sizes == sorted(sizes)
    assert sizes[0] > 20_000, "what is shared counts for each"
    assert "bytes" not in json.loads(project.craft("runs", "--json").stdout.splitlines()[0])


def test_runs_that_are_left_alone_are_counted(project: Project, craft_here: Craft) -> None:
    first, second = ended(project.runs_dir), ended(project.runs_dir)
    locks = [FileLock(first.lock), FileLock(second.lock)]
    for lock in locks:
        assert lock.acquire()
    done = craft_here("prune", "--yes")
    assert done.returncode == 0
    assert "left alone: 2 runs that train, wait, ended too recently or cannot be read" in done.stderr
    locks[0].release()
    done = craft_here("prune", "--yes")
    assert "left alone: 1 run that trains, waits, ended" in done.stderr
    assert (steps(first), steps(second)) == ([20, 40], [10, 20, 30, 40])
    assert "left alone: small-002 is finished, and its worker lives" in craft_here("prune", "small-002").stderr
    locks[1].release()
