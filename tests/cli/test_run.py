"""`craft run` without a terminal: plans, JSON lines, plain lines, exit statuses. The worker only waits."""

from __future__ import annotations

import errno
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from craft.cli.run import run
from craft.config.experiments import load_experiments
from craft.launch.queue.entries import Queue
from tests.launch.project import EXPERIMENTS, Project, wait_for


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_run_from_start_to_end(fake_project: Project) -> None:
    done = fake_project.craft("run", "experiments.toml", "tiny")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny-001  runs/tiny-001"
    assert "step    10  val loss 0.455  best so far, saved" in lines
    assert any(line.startswith("tiny-001 finished, 20 steps") for line in lines)
    assert "train loss" in done.stdout
    assert any("\u2502" in line for line in lines), "a plot is drawn"
    assert "  run        runs/tiny-001" in lines
    assert "  next       craft generate tiny-001" in lines
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_the_definition_is_frozen_and_runs_again(fake_project: Project) -> None:
    first = fake_project.craft("run", "experiments.toml", "tiny", "optimizer.lr=0.25", "--detach")
    assert first.stdout == "tiny-001\n"
    definition = fake_project.run("tiny-001").definition
    config = load_experiments(definition).plan()[0].config
    assert config.optimizer.lr == 0.25
    again = fake_project.craft("run", str(definition), "--detach")
    assert again.stdout == "tiny-002\n", again.stderr
    assert fake_project.run("tiny-002").definition.read_text() == definition.read_text()
    wait_for(lambda: fake_project.phase("tiny-002") == "finished")


def test_a_dry_run_shows_the_differences_and_makes_nothing(fake_project: Project) -> None:
    done = fake_project.craft("run", "experiments.toml", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "2 runs of 2 experiments, in runs; nothing is made",
        "tiny-NNN",
        "    model.hidden_size = 16",
        "other-NNN",
        "    model.hidden_size = 32",
    ]
    one = objects(fake_project.craft("run", "experiments.toml", "tiny", "seed=5", "--dry-run", "--json").stdout)
    assert [(o["experiment"], o["differs"]) for o in one] == [("tiny", {"seed": 5})]
    assert not fake_project.runs_dir.exists()


def test_json_tells_everything_on_standard_output(fake_project: Project) -> None:
    done = fake_project.craft("run", "experiments.toml", "tiny", "--json")
    told = objects(done.stdout)
    assert told[0]["kind"] == "run"
    assert told[0]["path"] == str(fake_project.run("tiny-001").path)
    steps = [o["step"] for o in told if o["kind"] == "metrics" and "train/loss" in o]
    assert steps == list(range(1, 21))
    assert [o["step"] for o in told if o["kind"] == "event" and o["event"] == "evaluated"] == [0, 10, 20]
    assert told[-1]["kind"] == "end"
    assert (told[-1]["phase"], told[-1]["step"], told[-1]["train/loss"]) == ("finished", 20, 0.2)
    assert "tiny-001 finished" in done.stderr, "the words go to standard error"


def test_a_sweep_is_a_group(tmp_path: Path) -> None:
    sweep = EXPERIMENTS + "[experiment.lr.sweep]\nstrategy = 'grid'\naxes.optimizer.lr = [0.1, 0.2]\n"
    project = Project(tmp_path / "project", fake=True, experiments=sweep)
    try:
        for _ in range(2):
            done = project.craft("run", "experiments.toml", "lr", "training.max_steps=2")
            assert done.returncode == 0, done.stderr
        groups = project.runs_dir / ".craft" / "groups"
        assert json.loads((groups / "lr.json").read_text())["runs"] == ["lr-001", "lr-002"]
        assert json.loads((groups / "lr-2.json").read_text())["runs"] == ["lr-003", "lr-004"]
        identity = json.loads(project.run("lr-004").run_json.read_text())
        assert (identity["group"], identity["axes"]) == ("lr-2", {"optimizer.lr": 0.2})
        table = done.stdout.splitlines()[-3:]
        assert [line.split()[:2] for line in table] == [
            ["RUN", "PHASE"],
            ["lr-003", "finished"],
            ["lr-004", "finished"],
        ]
    finally:
        project.end()


@pytest.mark.parametrize(("name", "phase"), [("fails", "failed"), ("crashes", "interrupted"), ("dies", "failed")])
def test_a_run_that_goes_wrong_says_how_and_exits_with_one(name: str, phase: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True, experiments=f"{EXPERIMENTS}[experiment.{name}]\n")
    try:
        done = project.craft("run", "experiments.toml", name)
        assert done.returncode == 1
        assert f"{name}-001 {phase}" in done.stdout
        assert f"craft resume {name}-001" in done.stdout
        assert project.phase(f"{name}-001") == phase
        assert "\x1b" not in done.stdout
    finally:
        project.end()


def test_warnings_of_the_worker_are_shown_clean(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", fake=True, experiments=EXPERIMENTS + "[experiment.warns]\n")
    try:
        done = project.craft("run", "experiments.toml", "warns")
        assert "warning: the disk takes no metrics \u241b[2J; they wait in memory" in done.stdout
    finally:
        project.end()


def test_runs_dir_on_the_command_line_wins(fake_project: Project) -> None:
    done = fake_project.craft("run", "experiments.toml", "tiny", "--runs-dir", "elsewhere", "training.max_steps=2")
    assert done.returncode == 0
    assert (fake_project.folder / "elsewhere" / "tiny-001" / "run.json").is_file()
    assert "craft generate elsewhere/tiny-001" in done.stdout, "the name alone would not be found"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tinny"], "no experiment 'tinny'"),
        (["tiny", "model.hidden_sze=4"], "model.hidden_sze"),
        (["tiny", "model.hidden_size=15"], "hidden_size"),
        (["zz*"], "no experiment 'zz*'"),
    ],
)
def test_wrong_use_makes_nothing(arguments: list[str], said: str, fake_project: Project) -> None:
    done = fake_project.craft("run", "experiments.toml", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not fake_project.runs_dir.exists()


@pytest.mark.parametrize(("name", "message"), [("missing.txt", "no such file"), ("empty.txt", "no text")])
def test_a_text_that_is_not_there_costs_no_run(fake_project: Project, name: str, message: str) -> None:
    (fake_project.folder / "empty.txt").write_text("")
    done = fake_project.craft("run", "experiments.toml", "tiny", "data.type=text", f"data.path={name}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert not list(fake_project.runs_dir.glob("tiny*"))


def test_where_no_process_can_be_started_the_runs_are_queued(
    fake_project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.chdir(fake_project.folder)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refuse)
        assert run.main(["experiments.toml", "tiny", "--detach"], standalone_mode=False) == 0
    assert capsys.readouterr().out == "tiny-001\n"
    assert [entry.run for entry in Queue(fake_project.runs_dir).entries()] == ["tiny-001"]
    fake_project.craft("runs")  # starts a runner
    wait_for(lambda: fake_project.phase("tiny-001") == "finished")
