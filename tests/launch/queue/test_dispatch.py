"""Runs start once each, one a slot, and go on starting whoever is killed. Real processes; the worker only waits."""

from __future__ import annotations

import itertools
import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from craft import platform
from craft.launch.queue.dispatch import runner_lock
from craft.runs.liveness import observe
from craft.runs.lock import read_owner
from tests.launch.project import EXPERIMENTS, Project, wait_for

TWO_AND_A_BROKEN_ONE = """
[experiment.dies]
[experiment.fails]
"""
LONG = EXPERIMENTS.replace("[experiment.tiny]\n", "[experiment.tiny]\ntraining.max_steps = 100000\n")


def when_trained(project: Project, names: list[str]) -> list[tuple[float, float]]:
    """First and last event of each run, by time; fails when a run was started twice."""
    spans = []
    for name in names:
        assert len(project.events(name, "started")) == 1, f"{name} was started more than once"
        (end,) = project.events(name, "finished")
        spans.append((project.events(name, "started")[0]["time"], end["time"]))
    return sorted(spans)


def test_two_commands_at_once_start_nothing_twice_and_share_the_slot(fake_project: Project) -> None:
    commands = [fake_project.start("run", "experiments.toml", "--detach") for _ in range(2)]
    names = []
    for command in commands:
        out, err = command.communicate(timeout=60)
        assert command.returncode == 0, err
        names += out.split()
    assert len(set(names)) == 4
    wait_for(lambda: all(fake_project.phase(name) == "finished" for name in names))
    spans = when_trained(fake_project, names)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans)), "two at once"
    wait_for(lambda: not list((fake_project.runs_dir / ".craft" / "queue").iterdir()))
    wait_for(lambda: not platform.is_locked(runner_lock(fake_project.runs_dir).path))


def test_two_slots_train_two_at_once_and_again_when_they_go_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True, step_seconds=0.1)
    try:
        done = project.craft("run", "experiments.toml", "training.max_steps=100000", "--detach", "--slots", "2")
        names = done.stdout.split()
        wait_for(lambda: all(project.phase(name) == "running" for name in names))
        assert project.craft("stop", *names).returncode == 0
        assert project.craft("resume", *names, "--detach").returncode == 0
        wait_for(lambda: all(project.phase(name) == "running" for name in names))
    finally:
        project.end()


def test_one_failure_does_not_stop_the_rest(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True, experiments=EXPERIMENTS + TWO_AND_A_BROKEN_ONE)
    try:
        done = project.craft("run", "experiments.toml", "dies", "fails", "tiny")
        assert done.returncode == 1
        assert done.stderr == ""
        phases = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[-4:]}
        assert phases == {"RUN": "PHASE", "tiny-001": "finished", "dies-001": "failed", "fails-001": "failed"}
        assert "this is what \u241b[31mit said last" in done.stdout, "its last words, without their escapes"
        assert "the loss was not finite at step 3" in done.stdout
        status = json.loads(project.run("dies-001").status.read_text())
        assert status["phase"] == "failed"
    finally:
        project.end()


def test_the_others_start_after_command_and_runner_are_killed(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True, experiments=LONG)
    try:
        command = project.start("run", "experiments.toml", "tiny", "other", "--json")
        wait_for(lambda: (project.runs_dir / "other-001" / "run.json").exists())
        second = project.craft("run", "experiments.toml", "tiny", "training.max_steps=2", "--detach")
        assert second.stdout == "tiny-002\n"
        project.wait_for_step("tiny-001", 1)
        for pid in runners_of(project.runs_dir):
            os.kill(pid, signal.SIGKILL)
        command.kill()
        command.communicate(timeout=60)
        wait_for(lambda: not platform.is_locked(runner_lock(project.runs_dir).path))
        step = observe(project.run("tiny-001")).status.step
        project.wait_for_step("tiny-001", step + 2)
        assert project.phase("tiny-001") == "running", "the run that trains goes on"
        owner = read_owner(project.run("tiny-001"))
        assert owner is not None
        owner.send(signal.SIGTERM)  # no command, which would find the queue
        wait_for(lambda: project.phase("tiny-001") == "stopped")
        assert project.phase("other-001") == "queued"
        listed = project.craft("runs", "--json")  # any command finds the queue
        assert listed.returncode == 0
        wait_for(lambda: project.phase("other-001") == project.phase("tiny-002") == "finished")
        when_trained(project, ["other-001", "tiny-002"])
        assert len(project.events("tiny-001", "started")) == 1
    finally:
        project.end()


def runners_of(runs_dir: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "craft.launch.queue.runner" in words and str(runs_dir) in words:
            found.append(process.pid)
    return found


@pytest.mark.slow
def test_nothing_starts_twice_while_commands_come_and_runners_are_killed(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True)
    try:
        names: list[str] = []
        for _ in range(6):
            commands = [project.start("run", "experiments.toml", "training.max_steps=3", "--detach") for _ in range(3)]
            for pid in runners_of(project.runs_dir):
                os.kill(pid, signal.SIGKILL)
            for command in commands:
                out, err = command.communicate(timeout=60)
                assert command.returncode == 0, err
                names += out.split()
        assert len(set(names)) == 36
        for pid in runners_of(project.runs_dir):
            os.kill(pid, signal.SIGKILL)

        def all_done() -> bool:
            assert project.craft("runs").returncode == 0
            return all(project.phase(name) == "finished" for name in names)

        wait_for(all_done, seconds=120)
        spans = when_trained(project, names)
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans)), "two at once"
    finally:
        project.end()


def test_another_project_waits_for_the_slot_and_is_told_whose_it_is(tmp_path: Path) -> None:
    first = Project(tmp_path / "first", fake=True, experiments=LONG)
    second = Project(tmp_path / "second", fake=True)
    try:
        assert first.craft("run", "experiments.toml", "tiny", "--detach").returncode == 0
        first.wait_for_step("tiny-001", 1)
        waits = second.start("run", "experiments.toml", "other", "training.max_steps=2")
        said = waits.stdout
        assert said is not None
        told = f"waiting for a slot: tiny-001 in {first.runs_dir} holds it"
        wait_for(lambda: told in said.readline())
        assert first.craft("stop", "tiny-001").returncode == 0
        waits.communicate(timeout=60)
        assert waits.returncode == 0
        (stopped,) = first.events("tiny-001", "stopped")
        (started,) = second.events("other-001", "started")
        assert stopped["time"] <= started["time"]
    finally:
        first.end()
        second.end()


def test_a_waiting_run_can_be_taken_out_of_the_queue(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True, experiments=LONG)
    try:
        assert project.craft("run", "experiments.toml", "tiny", "other", "--detach").returncode == 0
        project.wait_for_step("tiny-001", 1)
        done = project.craft("stop", "other-001")
        assert (done.returncode, done.stderr) == (0, "other-001 is out of the queue\n")
        assert project.phase("other-001") == "stopped"
        assert project.craft("stop", "tiny-001").returncode == 0
        wait_for(lambda: not platform.is_locked(runner_lock(project.runs_dir).path))
        assert project.events("other-001", "started") == []
        again = project.craft("resume", "other-001")
        assert again.returncode == 0, again.stderr
        assert project.phase("other-001") == "finished"
    finally:
        project.end()
