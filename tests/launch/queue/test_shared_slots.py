"""Several folders, one machine: no number of runs at once is exceeded, GPUs are never shared, cores are shared out."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft.launch.queue import slots
from craft.platform import usable_cores
from craft.runs.folder import read_identity
from craft.runs.lock import read_owner
from tests.launch.project import EXPERIMENTS, Project, wait_for


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[list[Project]]:
    experiments = EXPERIMENTS + "[experiment.long]\ntraining.max_steps = 100000\n"
    found = [Project(tmp_path / name, fake=True, experiments=experiments) for name in ("first", "second")]
    yield found
    for project in found:
        project.end()


def submit(project: Project, *arguments: str) -> list[str]:
    done = project.craft("run", "experiments.toml", *arguments, "--detach")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_of_several_folders_with_several_numbers_the_smallest_holds(projects: list[Project]) -> None:
    told = []
    for number, project in itertools.product((3, 1, 2), projects):
        names = submit(project, "tiny", "training.max_steps=8", "--slots", str(number))
        told += [(project, name, number) for name in names]
    wait_for(lambda: all(project.phase(name) == "finished" for project, name, _ in told))
    spans = []
    for project, name, number in told:
        (start,), (end,) = project.events(name, "started"), project.events(name, "finished")
        spans.append((start["time"], end["time"], number))
    for instant in sorted(start for start, _, _ in spans):
        numbers = [number for start, end, number in spans if start <= instant < end]
        assert len(numbers) <= min(numbers)


def test_a_gpu_trains_one_run_and_is_named_to_it(projects: list[Project]) -> None:
    for project in projects:
        project.environment |= {"FAKE_GPUS": "GPU-aaaa,GPU-bbbb"}
        project.environment.pop("CUDA_VISIBLE_DEVICES", None)
    first, second = projects
    submit(first, "long", "device=auto")
    submit(second, "long", "device=cuda", "--slots", "8")
    for project in projects:
        project.wait_for_step("long-001", 1)
    logs = [project.run("long-001").log.read_text() for project in projects]
    assert ["sees GPU-aaaa\n" in log for log in logs] == [True, False]
    assert ["sees GPU-bbbb\n" in log for log in logs] == [False, True]
    submit(first, "tiny", "device=auto")
    submit(first, "other", "device=cpu", "training.max_steps=2")
    wait_for(lambda: first.phase("other-001") == "finished")
    assert first.events("tiny-001", "started") == [], "it waits for a GPU, and held up nobody who does not"
    shown = first.craft("queue").stdout
    assert "waiting for one of 2 slots: long-001 and 1 more hold them" in shown
    assert "gpu-GPU-aaaa" in shown
    owner = read_owner(second.run("long-001"))
    assert owner is not None
    os.kill(owner.pid, 9)
    wait_for(lambda: first.phase("tiny-001") == "finished")


def test_the_gpus_that_were_left_to_a_command_are_left_to_its_runs(projects: list[Project]) -> None:
    project, _ = projects
    project.environment |= {"FAKE_GPUS": "GPU-aaaa,GPU-bbbb"}
    project.environment.pop("CUDA_VISIBLE_DEVICES", None)
    submit(project, "long", "device=auto", "training.max_steps=60")  # takes the first
    project.environment["CUDA_VISIBLE_DEVICES"] = "0"
    submit(project, "tiny", "device=auto", "training.max_steps=2")  # waits, with the second free; starts a runner
    project.environment["CUDA_VISIBLE_DEVICES"] = ""
    submit(project, "tiny", "device=auto", "training.max_steps=2")  # no GPU: the CPU
    project.environment.pop("CUDA_VISIBLE_DEVICES")
    submit(project, "other", "device=cuda", "training.max_steps=2")
    wait_for(lambda: all(project.phase(name) == "finished" for name in ("tiny-001", "tiny-002", "other-001")))
    said = {name: project.run(name).log.read_text() for name in ("tiny-001", "tiny-002", "other-001")}
    assert "sees GPU-aaaa\n" in said["tiny-001"]
    assert "sees" not in said["tiny-002"]
    assert "sees GPU-" in said["other-001"]
    (ended,), (began,) = project.events("long-001", "finished"), project.events("tiny-001", "started")
    assert ended["time"] <= began["time"]


def test_a_worker_computes_on_its_share_of_the_cores(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=False)
    project.environment.pop("OMP_NUM_THREADS")
    try:
        for number in (1, 2):
            (name,) = submit(project, "tiny", "training.max_steps=1", "--slots", str(number))
            wait_for(lambda name=name: project.phase(name) == "finished")
            assert read_identity(project.run(name)).chosen["threads"] == max(1, usable_cores() // number)
    finally:
        project.end()


def test_slots_are_shown_by_name() -> None:
    assert [slot.name for slot in slots.slots_for("cpu", 2)] == ["cpu-0", "cpu-1"]


def test_a_folder_that_is_reached_through_a_link_is_the_same_one(projects: list[Project]) -> None:
    project, _ = projects
    project.runs_dir.mkdir()
    link = project.folder / "link"
    link.symlink_to(project.runs_dir)
    for place in (project.runs_dir, link):
        submit(project, "tiny", "other", "training.max_steps=3", "--slots", "2", "--runs-dir", str(place))
    names = ["tiny-001", "other-001", "tiny-002", "other-002"]
    wait_for(lambda: all(project.phase(name) == "finished" for name in names))
    assert [len(project.events(name, "started")) for name in names] == [1] * 4
    assert not any("trains this run" in project.run(name).log.read_text() for name in names), "no second worker came"
