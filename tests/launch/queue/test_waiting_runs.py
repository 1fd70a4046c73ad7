"""What is queued stays as it was, waits for what it was told to, and goes on by itself. Real processes throughout."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from craft import platform
from craft.launch.queue.dispatch import ensure_runner, has_work, runner_lock
from craft.launch.queue.entries import Queue
from craft.runs.folder import read_identity
from craft.runs.jsonl import read_lines
from craft.runs.lock import read_owner
from tests.launch.project import EXPERIMENTS, Project, wait_for

MORE = """
[experiment.fails]
[experiment.crashes]
[experiment.long]
training.max_steps = 100000
[experiment.swept]
[experiment.swept.sweep]
axes.optimizer.lr = [0.1, 0.2]
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path / "project", fake=True, experiments=EXPERIMENTS + MORE)
    yield project
    project.end()


def done(project: Project, *arguments: str) -> str:
    """What a command that succeeds says on standard error."""
    ended = project.craft(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def queue_objects(project: Project, kind: str) -> list[dict[str, Any]]:
    ended = project.craft("queue", "--json")
    assert ended.returncode == 0, ended.stderr
    return [one for one in map(json.loads, ended.stdout.splitlines()) if one["kind"] == kind]


def without_runner(project: Project) -> bool:
    return not platform.is_locked(runner_lock(project.runs_dir).path)


def start_of(project: Project, name: str) -> float:
    (event,) = project.events(name, "started")
    return float(event["time"])


def end_of(project: Project, name: str) -> float:
    (event,) = project.events(name, "finished")
    return float(event["time"])


def test_nothing_begins_while_the_queue_is_paused(project: Project) -> None:
    project.runs_dir.mkdir()
    assert "nothing is started until 'craft queue go'" in done(project, "queue", "pause")
    said = done(project, "run", "experiments.toml", "tiny", "other", "--detach")
    assert said == "the queue of runs is paused, and 2 runs wait: 'craft queue go' goes on\n"
    ensure_runner(project.runs_dir)
    assert without_runner(project), "it could do nothing"
    following = project.start("run", "experiments.toml", "tiny")
    assert following.stdout is not None
    wait_for(lambda: "the queue is paused: 'craft queue go' goes on" in following.stdout.readline())
    listed = [json.loads(line) for line in project.craft("runs", "--json").stdout.splitlines()]
    assert {one["reason"] for one in listed} == {"the queue is paused: 'craft queue go' goes on"}
    assert project.events("tiny-001", "started") == []
    (facts,) = queue_objects(project, "queue")
    assert (facts["paused"], facts["runner"], facts["waiting"]) == (True, False, 3)
    assert "goes on; 3 runs wait" in done(project, "queue", "go")
    following.communicate(timeout=60)
    assert following.returncode == 0
    assert [project.phase(name) for name in ("tiny-001", "other-001", "tiny-002")] == ["finished"] * 3


def test_a_run_begins_after_another_and_then_by_itself(project: Project) -> None:
    project.runs_dir.mkdir()
    done(project, "queue", "pause")
    done(project, "run", "experiments.toml", "long", "training.max_steps=60", "--slots", "2", "--detach")
    done(project, "run", "experiments.toml", "tiny", "--after", "long", "--slots", "2", "--detach")
    (_, tiny) = queue_objects(project, "waiting")
    assert tiny["reason"].endswith("; it waits for long-001, which is queued")
    assert tiny["after"] == [{"run": "long-001", "whatever": False, "phase": "queued"}]
    refused = project.craft("queue", "after", "long", "tiny")
    assert refused.returncode == 2
    assert "long-001 cannot wait for tiny-001, which waits for long-001" in refused.stderr
    done(project, "queue", "go")
    wait_for(lambda: project.phase("tiny-001") == "finished")
    assert end_of(project, "long-001") <= start_of(project, "tiny-001"), "with a second slot free all the while"


def test_what_waits_for_a_failed_run_says_so_until_it_is_retried(project: Project) -> None:
    done(project, "run", "experiments.toml", "fails", "--detach")
    done(project, "run", "experiments.toml", "tiny", "--after", "fails", "--detach")
    wait_for(lambda: project.phase("fails-001") == "failed")
    wait_for(lambda: without_runner(project))
    assert project.phase("tiny-001") == "queued"
    why = "waits for fails-001, which failed: 'craft queue retry fails-001' goes on with it"
    (waiting,) = queue_objects(project, "waiting")
    assert waiting["needs_you"]
    assert why in waiting["reason"]
    assert why in project.craft("status", "tiny-001").stdout
    assert without_runner(project), "a command that only looks starts none that could do nothing"
    assert not has_work(Queue(project.runs_dir))
    assert "tiny-001 begins when a slot is free" in done(project, "queue", "after", "tiny-001", "none")
    wait_for(lambda: project.phase("tiny-001") == "finished")
    wait_for(lambda: without_runner(project))


def test_whatever_its_end_the_other_begins(project: Project) -> None:
    done(project, "run", "experiments.toml", "crashes", "--detach")
    done(project, "run", "experiments.toml", "tiny", "--after", "crashes", "--whatever", "--detach")
    wait_for(lambda: project.phase("tiny-001") == "finished")
    assert project.phase("crashes-001") == "interrupted"


def test_retry_goes_on_with_all_that_failed_or_was_interrupted(project: Project) -> None:
    done(project, "run", "experiments.toml", "fails", "crashes", "tiny", "--detach")
    wait_for(lambda: project.phase("tiny-001") == "finished" and project.phase("crashes-001") == "interrupted")
    # They go wrong again at their third step: what counts is that they went on, once each.
    said = project.craft("queue", "retry", "--json")
    assert said.returncode == 0
    assert said.stderr.splitlines() == [
        "2 runs go on from the newest checkpoint:",
        "  fails-001  from step 0",
        "  crashes-001  from step 0",
    ]
    assert [json.loads(line)["run"] for line in said.stdout.splitlines()] == ["fails-001", "crashes-001"]
    wait_for(lambda: len(project.events("fails-001", "resumed")) == 1)
    wait_for(lambda: len(project.events("crashes-001", "resumed")) == 1)
    wait_for(lambda: project.phase("fails-001") == "failed" and project.phase("crashes-001") == "interrupted")
    assert project.events("tiny-001", "resumed") == []
    named = project.craft("queue", "retry", "tiny-001")
    assert named.returncode == 2
    assert "tiny-001 is finished" in named.stderr
    assert project.craft("queue", "retry", "tiny*").stderr.startswith("nothing failed")


def test_the_order_that_a_person_makes_is_the_order_of_the_starts(project: Project) -> None:
    project.runs_dir.mkdir()
    done(project, "queue", "pause")
    done(project, "run", "experiments.toml", "tiny", "other", "--detach", "training.max_steps=3")
    done(project, "run", "experiments.toml", "tiny", "--detach", "training.max_steps=3")
    assert done(project, "queue", "move", "tiny-002", "first").startswith("tiny-002 is number 1 of 3 that wait\n")
    assert done(project, "queue", "move", "other", "before", "tiny-002").startswith("other-001 is number 1 of 3")
    assert [one["run"] for one in queue_objects(project, "waiting")] == ["other-001", "tiny-002", "tiny-001"]
    done(project, "queue", "go")
    names = ["other-001", "tiny-002", "tiny-001"]
    wait_for(lambda: all(project.phase(name) == "finished" for name in names))
    starts = [start_of(project, name) for name in names]
    assert starts == sorted(starts)


def test_a_crash_frees_the_slot_at_once(project: Project) -> None:
    done(project, "run", "experiments.toml", "long", "--detach")
    done(project, "run", "experiments.toml", "tiny", "--detach")
    project.wait_for_step("long-001", 1)
    assert project.events("tiny-001", "started") == []
    owner = read_owner(project.run("long-001"))
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    wait_for(lambda: project.phase("tiny-001") == "finished")
    assert project.phase("long-001") == "interrupted"


OWN_FIGURE = """
from craft.training.evaluation import Metric

class Always(Metric):
    def reset(self): pass
    def update(self, logits, targets): pass
    def compute(self): return 1.0
"""


def test_what_was_queued_is_frozen_and_a_changed_text_is_said(real_project: Project) -> None:
    project, file = real_project, real_project.folder / "experiments.toml"
    code = project.folder / "mine.py"
    code.write_text(OWN_FIGURE)
    file.write_text(
        file.read_text().replace("[experiment.tiny]", '[experiment.tiny]\nmetrics.own.type = "mine:Always"')
    )
    project.runs_dir.mkdir()
    done(project, "queue", "pause")
    done(project, "run", "experiments.toml", "tiny", "training.max_steps=4", "--detach")
    run = project.run("tiny-001")
    before, identity = run.definition.read_bytes(), read_identity(run)
    changed = (
        file.read_text().replace("hidden_size = 16", "hidden_size = 64").replace("max_steps = 20", "max_steps = 1")
    )
    file.write_text(changed)
    code.write_text(OWN_FIGURE.replace("1.0", "2.0"))
    (project.folder / "text.txt").write_text("another text, 1234567890. " * 200)
    done(project, "queue", "go")
    wait_for(lambda: project.phase("tiny-001") == "finished")
    assert run.definition.read_bytes() == before
    assert read_identity(run).definition_hash == identity.definition_hash
    records = read_lines(run.metrics)
    assert max(record.get("step", 0) for record in records) == 4
    assert {record["val/own"] for record in records if "val/own" in record} == {1.0}, "by the code as it was queued"
    (warning,) = project.events("tiny-001", "warning")
    assert "its text was written to after the run was queued" in warning["text"]


def test_in_a_terminal_it_stays_said_that_a_person_has_to_do_something(project: Project) -> None:
    project.runs_dir.mkdir()
    done(project, "queue", "pause")
    child = project.terminal("run", "experiments.toml", "tiny", columns=60)
    child.expect("queued: the queue is paused: 'craft queue go' goes on\r\n")
    done(project, "queue", "go")
    child.expect("tiny-001.*finished")
