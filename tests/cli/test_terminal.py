"""`craft run` and `craft watch` in a terminal: the moving line, keys, Ctrl-C, and the terminal as it was before."""

from __future__ import annotations

import signal
import termios
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from tests.launch.project import EXPERIMENTS, Project, wait_for

SLOW = 0.05


@pytest.fixture
def slow_project(tmp_path: Path) -> Any:
    """A run of it takes half a minute unless something ends it."""
    many = EXPERIMENTS.replace("max_steps = 20", "max_steps = 600").replace("eval_every = 10", "eval_every = 25")
    project = Project(tmp_path / "project", fake=True, experiments=many, step_seconds=SLOW)
    yield project
    project.end()


def ended(child: Any) -> int:
    child.expect(pexpect.EOF)
    child.wait()
    return int(child.exitstatus if child.exitstatus is not None else -child.signalstatus)


def test_the_first_ctrl_c_stops_and_saves(slow_project: Project) -> None:
    child = slow_project.terminal("run", "experiments.toml", "tiny")
    child.expect(r"\d+/600 .*ETA")
    child.sendintr()
    child.expect("stopping: it finishes the step and saves")
    child.expect("tiny-001.*stopped")
    child.expect("craft resume tiny-001")
    assert ended(child) == 130
    assert slow_project.phase("tiny-001") == "stopped"
    (stopped,) = slow_project.events("tiny-001", "stopped")
    saved = slow_project.events("tiny-001", "checkpoint")
    assert saved[-1]["step"] == stopped["step"] > 0


def test_the_second_ctrl_c_kills(slow_project: Project) -> None:
    slow_project.environment["FAKE_STEP_SECONDS"] = "30"  # a step that no stop can end
    child = slow_project.terminal("run", "experiments.toml", "tiny")
    child.expect("0/600|step +0")
    child.sendintr()
    child.expect("Ctrl-C again kills")
    # A second press within an instant would count as the same one.
    child.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=0.3)
    child.sendintr()
    child.expect("killing")
    child.expect("interrupted")
    assert ended(child) == 130
    assert slow_project.phase("tiny-001") == "interrupted"


def test_ctrl_c_lets_none_of_the_waiting_begin(slow_project: Project) -> None:
    child = slow_project.terminal("run", "experiments.toml")
    child.expect(r"tiny-001.*\d+/600")
    child.sendintr()
    child.expect("other-001.*stopped")
    assert ended(child) == 130
    assert slow_project.phase("tiny-001") == slow_project.phase("other-001") == "stopped"
    assert slow_project.events("other-001", "started") == []


def test_p_draws_a_plot_and_the_terminal_comes_back_as_it_was(slow_project: Project) -> None:
    child = slow_project.terminal("run", "experiments.toml", "tiny")
    before = termios.tcgetattr(child.child_fd)
    child.expect(r"\d+/600 .*ETA")
    wait_for(lambda: termios.tcgetattr(child.child_fd) != before)
    child.send("p")
    child.expect("train loss")
    child.expect("\u2524")  # the plot's axis
    child.expect(r"\d+/600 .*ETA")
    child.sendintr()
    child.expect("stopping")
    assert ended(child) == 130
    assert termios.tcgetattr(child.child_fd)[:4] == before[:4]


def test_suspended_it_gives_the_terminal_back_and_takes_it_again(slow_project: Project) -> None:
    child = slow_project.terminal("run", "experiments.toml", "tiny")
    before = termios.tcgetattr(child.child_fd)[:4]
    child.expect(r"\d+/600 .*ETA")
    child.send("\x1a")
    process = psutil.Process(child.pid)
    wait_for(lambda: process.status() == psutil.STATUS_STOPPED)
    assert termios.tcgetattr(child.child_fd)[:4] == before
    child.kill(signal.SIGCONT)
    wait_for(lambda: termios.tcgetattr(child.child_fd)[:4] != before)
    child.sendintr()
    assert ended(child) == 130


def test_in_the_background_of_a_shell_it_leaves_the_terminal_alone(slow_project: Project) -> None:
    words = " ".join(slow_project.command("run", "experiments.toml", "tiny", "training.max_steps=5"))
    child = pexpect.spawn(
        "/bin/sh",
        ["-c", f"set -m; {words} & wait $!; echo left with $?"],
        cwd=str(slow_project.folder),
        env=slow_project.environment,
        encoding="utf-8",
        timeout=60,
    )
    child.expect("tiny-001.*finished")
    child.expect("left with 0")
    assert ended(child) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_run_goes_on_when_its_command_is_killed(number: signal.Signals, slow_project: Project) -> None:
    child = slow_project.terminal("run", "experiments.toml", "tiny")
    before = termios.tcgetattr(child.child_fd)
    child.expect(r"\d+/600 .*ETA")
    child.kill(number)
    assert ended(child) == -number
    if number != signal.SIGKILL:
        assert termios.tcgetattr(child.child_fd)[:4] == before[:4]
    steps = len(slow_project.run("tiny-001").metrics.read_text().splitlines())
    slow_project.wait_for_step("tiny-001", steps + 5)
    assert slow_project.phase("tiny-001") == "running"


def test_watching_leaves_the_run_alone(slow_project: Project) -> None:
    assert slow_project.craft("run", "experiments.toml", "tiny", "--detach").returncode == 0
    child = slow_project.terminal("watch", "tiny-001")
    child.expect(r"\d+/600 .*ETA")
    child.expect("train loss")
    child.sendintr()
    child.expect("it goes on")
    assert ended(child) == 0
    assert slow_project.phase("tiny-001") == "running"


@pytest.mark.parametrize("columns", [40, 80, 132])
def test_no_line_is_wider_than_the_terminal(columns: int, slow_project: Project) -> None:
    slow_project.environment["FAKE_STEP_SECONDS"] = "0.01"
    child = slow_project.terminal("run", "experiments.toml", "tiny", "training.max_steps=60", columns=columns)
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
    import re

    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before)
    rows = [part for line in plain.split("\n") for part in line.rstrip("\r").split("\r")]
    moving = [row for row in rows if "/60" in row]
    assert len(moving) > 2, "the line moved"
    assert max(len(row) for row in moving) < columns
    measured = [row for row in rows if row.startswith("step ")]
    assert len(measured) > 2
    assert max(len(row) for row in measured) < max(columns, 60), "what stays may wrap in a very narrow one"


def test_no_color_means_no_colour(slow_project: Project) -> None:
    child = slow_project.terminal("run", "experiments.toml", "tiny", "training.max_steps=5", changes={"NO_COLOR": "1"})
    child.expect(pexpect.EOF)
    assert "\x1b[1m" not in child.before
    assert "\x1b[3" not in child.before
    assert "tiny-001 finished" in child.before


def test_a_run_that_waits_says_for_what(slow_project: Project) -> None:
    assert slow_project.craft("run", "experiments.toml", "tiny", "--detach").returncode == 0
    child = slow_project.terminal("run", "experiments.toml", "other", columns=200)
    child.expect("queued: waiting for a slot: tiny-001 in .* holds it")
    child.sendintr()
    assert ended(child) == 130
    assert slow_project.phase("other-001") == "stopped"
    assert slow_project.phase("tiny-001") == "running"
