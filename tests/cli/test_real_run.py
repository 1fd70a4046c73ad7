"""The whole way with a model that really trains: run, stop with Ctrl-C, resume, train longer."""

from __future__ import annotations

import pexpect

from craft.runs.metrics import MetricsReader
from tests.launch.project import Project


def test_a_tiny_model_is_stopped_resumed_and_trained_longer(real_project: Project) -> None:
    child = real_project.terminal("run", "experiments.toml", "tiny", "training.max_steps=20000", "optimizer.lr=0.01")
    child.expect(r"step +0  val loss")
    child.expect(r"\d+/20000 .*loss")
    child.sendintr()
    child.expect("stopping: it finishes the step and saves")
    child.expect("tiny-001.*stopped")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 130
    (saved,) = [event["step"] for event in real_project.events("tiny-001", "stopped")]

    done = real_project.craft("resume", "tiny-001", f"training.max_steps={saved + 40}")
    assert done.returncode == 0, done.stderr
    assert f"tiny-001 goes on from step {saved}" in done.stderr
    assert "learning rate: " in done.stderr
    assert "tiny-001 finished" in done.stdout
    reader = MetricsReader(real_project.run("tiny-001").metrics)
    reader.poll()
    steps, losses = reader.series("val/loss")
    assert steps[-1] == saved + 40
    assert losses[-1] is not None
    assert losses[0] is not None
    assert losses[-1] < losses[0] - 0.5, "it learns"

    again = real_project.craft("resume", "tiny-001")
    assert again.returncode == 2
    assert "is finished" in again.stderr
