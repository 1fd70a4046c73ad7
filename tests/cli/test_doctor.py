"""`craft doctor` as a person runs it: lines, JSON, exit status, repairs, two at once, a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from craft.runs import checkpoints
from craft.runs.checkpoints import commit_checkpoint, newest_valid
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.runs.status import StatusWriter
from tests.launch.doctor.test_machine import ANSWER, CHILD
from tests.launch.project import Project
from tests.runs.make import a_run


@pytest.fixture
def project(fake_project: Project, tmp_path: Path) -> Project:
    """Where torch's child answers at once."""
    (tmp_path / "answers.py").write_text(CHILD.format(json.dumps(ANSWER)))
    started = "import craft.launch.doctor.devices as d; d.MODULE = 'answers'; import craft.cli; craft.cli.main()"
    fake_project.command = lambda *arguments: [sys.executable, "-c", started, *arguments]  # type: ignore[method-assign]
    fake_project.environment["PYTHONPATH"] += f":{tmp_path}"
    return fake_project


def a_troubled_run(project: Project, steps: int = 2) -> RunFolder:
    """Interrupted in the middle of a save, with pointers that a power cut emptied."""
    folder = a_run(project.runs_dir, "tiny")
    for step in range(1, steps + 1):
        commit_checkpoint(folder, step, lambda place: (place / "state").write_text("whole") and None, monitor_value=1.0)
    StatusWriter(folder).write(phase="running", step=steps)
    for number in range(20):
        half = folder.checkpoints / f".partial-step-{steps + 1 + number:08d}"
        half.mkdir()
        (half / "model.safetensors").write_bytes(b"half")
    (folder.checkpoints / "latest.json").write_text("")
    return folder


def test_all_is_well(project: Project) -> None:
    done = project.craft("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stderr in ("all is well\n", "0 faults and 1 warning\n")  # a machine's disk may be nearly full
    assert "\x1b" not in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert [line.split()[1] for line in done.stdout.splitlines() if line[0] != " "] == [
        *("python", "cpu", "memory", "disk", "state", "locks", "locks", "clock", "logout", "terminal"),
        *("torch", "device", "precision", "slots", "queue", "runs", "leftovers"),
    ]


def test_a_fault_is_told_repaired_and_the_rest_left_to_the_person(project: Project) -> None:
    folder = a_troubled_run(project)
    broken = a_run(project.runs_dir, "other")
    broken.run_json.write_text("\x1b]52;c;aGFoYQ==\x07")
    done = project.craft("doctor")
    assert done.returncode == 1
    assert "fault    runs       other-001: run.json is damaged" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr.endswith("'craft doctor --fix' puts 2 of them right\n")
    fixed = project.craft("doctor", "--fix", "--json")
    assert fixed.returncode == 1  # run.json is the person's
    lines = [json.loads(line) for line in fixed.stdout.splitlines()]
    assert [one["text"] for one in lines if one["state"] == "fixed"] == [
        "tiny-001: cleared up what was half made; its checkpoints stay",
        "tiny-001: latest.json and best.json name the newest and the best again",
    ]
    assert all(set(one) == {"check", "state", "text", "advice", "repairable", "details"} for one in lines)
    assert [info.step for info in checkpoints.list_checkpoints(folder)] == [1, 2]
    assert observe(folder).phase == "interrupted"
    broken.run_json.write_text(folder.run_json.read_text())
    assert project.craft("doctor", "--fix").returncode == 0


def test_the_runs_are_those_of_the_file_or_of_the_option(project: Project, tmp_path: Path) -> None:
    text = (project.folder / "experiments.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace("craft = 1\n", 'craft = 1\n[project]\nruns_dir = "elsewhere"\n'))
    a_run(tmp_path / "elsewhere", "here")
    for arguments in ((str(tmp_path / "mine.toml"),), ("--runs-dir", str(tmp_path / "elsewhere"))):
        lines = [json.loads(line) for line in project.craft("doctor", *arguments, "--json").stdout.splitlines()]
        assert [one["details"]["runs"] for one in lines if one["check"] == "runs"] == [1]
    wrong = project.craft("doctor", "nothing.toml")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_two_repair_at_once_and_both_end_well(project: Project) -> None:
    folders = [a_troubled_run(project) for _ in range(5)]
    both = [project.start("doctor", "--fix") for _ in range(2)]
    for process in both:
        said, complained = process.communicate(timeout=60)
        assert process.returncode == 0, said + complained
    for folder in folders:
        assert checkpoints.half_made(folder) == []
        assert newest_valid(folder, lambda info, problems: pytest.fail(str(problems))) is not None


def test_killed_in_the_middle_it_harms_nothing_and_the_next_one_finishes(project: Project) -> None:
    folders = [a_troubled_run(project) for _ in range(5)]
    for seconds in (0.3, 0.4, 0.5, 0.6):
        process = project.start("doctor", "--fix")
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        for folder in folders:
            newest = newest_valid(folder, lambda info, problems: pytest.fail(str(problems)))
            assert newest is not None
            assert newest.step == 2
    assert project.craft("doctor", "--fix").returncode == 0
    again = [json.loads(line) for line in project.craft("doctor", "--json").stdout.splitlines()]
    assert [one["state"] for one in again if one["check"] == "leftovers"] == ["ok"]


def test_the_command_itself_imports_no_torch() -> None:
    code = "import sys, craft.launch.doctor, craft.cli.doctor; print([name for name in sys.modules if name == 'torch'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
