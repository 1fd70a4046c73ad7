"""`craft stop` and `craft kill` where something is in the way: each run is told of, and none holds up the others."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft.errors import RunError
from craft.launch import workers
from craft.launch.groups import several
from craft.launch.queue import slots
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder
from craft.runs.status import read_status
from tests.launch.project import EXPERIMENTS, Project, wait_for

LONG = "training.max_steps=1000000"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path / "project", fake=True, experiments=EXPERIMENTS + "[experiment.hangs]\n")
    yield project
    for holder in slots.given().values():
        holder.process.send(9, group=True)
    project.end()


def on_a_full_disk(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that can write nothing into any file."""
    return subprocess.run(
        project.command(*arguments),
        cwd=project.folder,
        env=project.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY)),
    )


@pytest.mark.parametrize("words", [["kill"], ["stop", "--now"], ["stop", "--discard"]])
def test_a_worker_that_hangs_before_it_begins_is_killed(words: list[str], project: Project) -> None:
    assert project.craft("run", "experiments.toml", "hangs", "--detach").returncode == 0
    wait_for(slots.given)
    done = project.craft(words[0], "hangs-001", *words[1:])
    assert done.stderr == "hangs-001 is out of the queue: its worker hung before it began, and is killed\n"
    assert done.returncode == 0
    wait_for(lambda: slots.given() == {})
    assert Queue(project.runs_dir).is_empty()
    assert project.phase("hangs-001") == "stopped"


def test_a_stop_kills_one_that_hangs_before_it_begins(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "_PATIENCE", 0.1)
    assert project.craft("run", "experiments.toml", "hangs", "--detach").returncode == 0
    wait_for(slots.given)
    (stopped,) = several.stop_all([project.run("hangs-001")])
    assert stopped.what == "hung"
    wait_for(lambda: slots.given() == {})
    assert Queue(project.runs_dir).is_empty()
    assert project.phase("hangs-001") == "stopped"


def test_on_a_full_disk_all_are_killed(project: Project) -> None:
    names = ["tiny-001", "other-001"]
    assert project.craft("run", "experiments.toml", "tiny", "other", LONG, "--detach", "--slots", "2").returncode == 0
    for name in names:
        project.wait_for_step(name, 1)
    done = on_a_full_disk(project, "kill", *names)
    assert done.returncode == 0, done.stderr
    assert [project.phase(name) for name in names] == ["interrupted"] * 2


def test_one_that_cannot_be_signalled_does_not_keep_the_others(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from craft.cli.stop import kill_all

    names = ["tiny-001", "other-001"]
    assert project.craft("run", "experiments.toml", "tiny", "other", LONG, "--detach", "--slots", "2").returncode == 0
    for name in names:
        project.wait_for_step(name, 1)
    kill = workers.kill

    def refuse(folder: RunFolder) -> bool:
        if folder.name == names[0]:
            raise RunError("process 1 is another user's")
        return kill(folder)

    monkeypatch.setattr(workers, "kill", refuse)
    assert kill_all([project.run(name) for name in names], names, None) == 2
    assert capsys.readouterr().err.startswith("craft: process 1 is another user's\nother-001 killed;")


def test_one_that_hangs_and_whose_folder_takes_nothing_is_killed_and_waits_on(project: Project) -> None:
    assert project.craft("run", "experiments.toml", "hangs", "--detach").returncode == 0
    wait_for(slots.given)
    assert project.craft("queue", "pause").returncode == 0
    done = on_a_full_disk(project, "kill", "hangs-001")
    assert done.returncode == 2
    assert "hangs-001 waits on, its worker is killed" in done.stderr
    assert slots.given() == {}
    assert [entry.run for entry in Queue(project.runs_dir).entries()] == ["hangs-001"]


@pytest.mark.parametrize("words", [["stop"], ["stop", "--discard"], ["kill"], ["queue", "rm"]])
def test_one_whose_folder_does_not_take_it_waits_on_and_says_so(words: list[str], project: Project) -> None:
    project.runs_dir.mkdir()
    assert project.craft("queue", "pause").returncode == 0
    assert project.craft("run", "experiments.toml", "tiny", "--detach").returncode == 0
    done = on_a_full_disk(project, words[0], *words[1:], "tiny-001")
    assert done.returncode == 2
    assert "tiny-001 waits on" in done.stderr
    assert "out of the queue" not in done.stderr
    status = read_status(project.run("tiny-001"))
    assert status is not None
    assert status.phase == "queued"
    assert [entry.run for entry in Queue(project.runs_dir).entries()] == ["tiny-001"]
