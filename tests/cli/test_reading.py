"""`craft runs`, `status`, `logs`, `stop` and `resume`, on runs whose worker only waits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.launch.project import EXPERIMENTS, Project, wait_for


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two runs that are over; tests only read them."""
    place = tmp_path_factory.mktemp("read")
    project = Project(place / "project", fake=True, experiments=EXPERIMENTS + "[experiment.fails]\n")
    project.environment |= {"CRAFT_STATE_DIR": str(place / "state"), "CRAFT_CACHE_DIR": str(place / "cache")}
    done = project.craft("run", "experiments.toml", "tiny", "fails")
    assert done.returncode == 1, done.stderr
    return project


def test_runs_are_listed_in_the_order_they_were_made(finished: Project) -> None:
    done = finished.craft("runs")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["RUN", "PHASE"], ["tiny-001", "finished"], ["fails-001", "failed"]]
    assert "20/20" in lines[1]
    objects = [json.loads(line) for line in finished.craft("runs", "--json").stdout.splitlines()]
    assert [(o["run"], o["phase"], o["step"]) for o in objects] == [
        ("tiny-001", "finished", 20),
        ("fails-001", "failed", 3),
    ]
    assert objects[1]["reason"] == "the loss was not finite at step 3"


def test_the_list_fits_a_terminal(finished: Project) -> None:
    for columns in (40, 80):
        child = finished.terminal("runs", columns=columns)
        lines = child.read().splitlines()
        assert len(lines) == 3
        assert max(map(len, lines)) <= columns
    assert "TRAIN" in lines[0]
    assert "AGE" in lines[0]


def test_without_runs_it_says_how_to_make_one(fake_project: Project) -> None:
    done = fake_project.craft("runs")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no runs in runs yet" in done.stderr
    assert list(fake_project.folder.glob("runs")) == [], "looking makes nothing"


def test_status_tells_what_is_known(finished: Project) -> None:
    done = finished.craft("status", "tiny-001")
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line[0] != " ")
    assert rows["phase"] == "finished"
    assert rows["step"] == "20 of 20"
    assert rows["best"] == "0.238 at step 20" or rows["best"].startswith("0.238")
    assert rows["source"] == str(finished.folder / "experiments.toml")
    facts = json.loads(finished.craft("status", "fails-001", "--json").stdout)
    assert (facts["phase"], facts["error"]) == ("failed", "the loss was not finite at step 3")
    assert [saved["step"] for saved in facts["checkpoints"]] == [0]
    assert facts["bytes"] > sum(saved["bytes"] for saved in facts["checkpoints"]) > 0


def test_a_run_is_found_by_name_path_and_in_another_folder(finished: Project, tmp_path: Path) -> None:
    path = str(finished.run("tiny-001").path)
    for arguments in (["tiny-001"], [path], ["runs/tiny-001"], ["tiny-001", "--runs-dir", str(finished.runs_dir)]):
        assert json.loads(finished.craft("status", *arguments, "--json").stdout)["path"] == path
    copy = tmp_path / "copied"
    shutil.copytree(path, copy)
    assert json.loads(finished.craft("status", str(copy), "--json").stdout)["phase"] == "finished"


def test_logs_are_printed_clean_and_from_where_asked(finished: Project) -> None:
    log = finished.run("tiny-001").log
    kept = log.read_bytes()
    try:
        log.write_bytes(kept + b"one \x1b]0;title\x07\r\ntwo \xc3\xa9\nlast\n")
        done = finished.craft("logs", "tiny-001")
        assert "\x1b" not in done.stdout
        assert "started" in done.stdout
        assert done.stdout.endswith("two \u00e9\nlast\n")
        assert finished.craft("logs", "tiny-001", "-n", "2").stdout == "two \u00e9\nlast\n"
        assert finished.craft("logs", "tiny-001", "-n", "0").stdout == ""
        assert finished.craft("logs", "tiny-001", "-n", "999").stdout == done.stdout
    finally:
        log.write_bytes(kept)


def test_following_a_log_ends_with_the_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True, step_seconds=0.03)
    try:
        assert project.craft("run", "experiments.toml", "tiny", "--detach").returncode == 0
        done = project.craft("logs", "tiny-001", "-f")
        assert done.returncode == 0
        assert done.stdout == project.run("tiny-001").log.read_text()
        assert "finished step=20" in done.stdout
    finally:
        project.end()


def test_watching_a_finished_run_shows_its_curves(finished: Project) -> None:
    done = finished.craft("watch", "tiny-001")
    assert done.returncode == 0
    assert "train loss 0.200" in done.stdout
    assert finished.craft("watch", "fails-001").returncode == 1


@pytest.fixture
def endless(tmp_path: Path) -> object:
    project = Project(tmp_path / "project", fake=True, step_seconds=0.02)
    done = project.craft("run", "experiments.toml", "tiny", "training.max_steps=3000", "--detach")
    assert done.returncode == 0
    project.wait_for_step("tiny-001", 2)
    yield project
    project.end()


def test_stop_saves_and_resume_goes_on(endless: Project) -> None:
    done = endless.craft("stop", "tiny-001")
    assert done.returncode == 0
    (stopped,) = endless.events("tiny-001", "stopped")
    assert f"tiny-001 stopped, saved at step {stopped['step']}" in done.stderr
    again = endless.craft("stop", "tiny-001")
    assert (again.returncode, again.stderr) == (2, "craft: tiny-001 is stopped: nothing to stop\n")
    resumed = endless.craft("resume", "tiny-001", f"training.max_steps={stopped['step'] + 5}", "--json")
    assert resumed.returncode == 0, resumed.stderr
    told = [json.loads(line) for line in resumed.stdout.splitlines()]
    assert (told[0]["kind"], told[0]["step"]) == ("resume", stopped["step"])
    assert told[0]["changes"] == {"training.max_steps": [3000, stopped["step"] + 5]}
    steps = [o["step"] for o in told if o["kind"] == "metrics" and "train/loss" in o]
    assert steps == [stopped["step"] + n for n in range(1, 6)], "only what is new"
    assert told[-1]["phase"] == "finished"


@pytest.mark.parametrize(("option", "phase"), [([], "stopped"), (["--now"], "interrupted")])
def test_a_run_that_has_hardly_begun_can_be_stopped(option: list[str], phase: str, fake_project: Project) -> None:
    started = fake_project.craft("run", "experiments.toml", "tiny", "training.max_steps=3000", "--detach")
    assert started.returncode == 0
    done = fake_project.craft("stop", "tiny-001", *option)
    assert done.returncode == 0, done.stderr
    assert fake_project.phase("tiny-001") == phase


def test_stop_now_kills(endless: Project) -> None:
    done = endless.craft("stop", "tiny-001", "--now")
    assert done.returncode == 0
    assert "tiny-001 killed; 'craft resume tiny-001' goes on from step" in done.stderr
    assert endless.phase("tiny-001") == "interrupted"


def test_a_live_run_is_not_resumed(endless: Project) -> None:
    done = endless.craft("resume", "tiny-001")
    assert done.returncode == 2
    assert "is being trained by process" in done.stderr
    assert done.stderr.count("\n") == 1


def test_of_two_resumes_at_once_one_trains(endless: Project) -> None:
    assert endless.craft("stop", "tiny-001", "--now").returncode == 0
    commands = [endless.start("resume", "tiny-001", "--detach") for _ in range(2)]
    answers = [(command.communicate(timeout=60)[1], command.returncode) for command in commands]
    assert sorted(status for _, status in answers) == [0, 2]
    (refused,) = [text for text, status in answers if status == 2]
    assert refused.startswith("craft: tiny-001 is ")
    wait_for(lambda: endless.phase("tiny-001") == "running")
    assert len(endless.events("tiny-001", "resumed")) == 1


def test_a_closed_pipe_ends_a_follower_quietly_and_not_the_run(endless: Project) -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        endless.command("watch", "tiny-001"),
        cwd=endless.folder,
        env=endless.environment,
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=subprocess.PIPE,
    ) as watcher:
        os.close(write)
        os.read(read, 1)
        os.close(read)
        _, said = watcher.communicate(timeout=60)
    assert (watcher.returncode, said) == (0, b"")
    assert endless.phase("tiny-001") == "running"
