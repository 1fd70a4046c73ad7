"""The commands that ask runs for something: one that really trains, and those that cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from craft import platform
from craft.runs import control
from craft.runs.checkpoints import list_checkpoints
from craft.runs.events import append_event
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file
from craft.runs.liveness import observe
from craft.runs.status import StatusWriter
from tests.launch.project import Project, wait_for
from tests.runs.make import a_run

LONG = ("training.max_steps=1000000", "training.eval_every=0")


def test_a_run_that_trains_through_all_verbs(real_project: Project) -> None:
    craft = real_project.craft
    assert craft("run", "experiments.toml", "tiny", *LONG, "optimizer.lr=0.01", "--detach").returncode == 0
    run = real_project.run("tiny-001")
    wait_for(lambda: observe(run).phase == "running")

    paused = craft("pause", "tiny")
    assert (paused.returncode, paused.stdout) == (0, "")
    step = observe(run).status.step
    assert paused.stderr == f"tiny-001 paused at step {step}, saved\n"
    assert craft("pause", "tiny-*").stderr == f"tiny-001 is paused already, at step {step}\n"
    assert "'craft continue tiny-001' lets it go on" in craft("status", "tiny").stdout

    sampled = craft("sample", "tiny")
    assert sampled.stderr == f"tiny-001 wrote 1 text at step {step}\n"
    (sample,) = map(json.loads, craft("sample", "tiny", "--json").stdout.splitlines())
    assert (sample["run"], sample["step"]) == ("tiny-001", step)
    assert sampled.stdout == f"{sample['prompt']}{sample['text']}\n"
    measured = craft("evaluate", "tiny", "--now")
    assert measured.stdout.startswith("val   loss ")
    assert measured.stderr == f"tiny-001 was measured at step {step}\n"
    (split,) = map(json.loads, craft("evaluate", "tiny", "--now", "--json").stdout.splitlines())
    assert (split["kind"], split["run"], split["step"], split["split"]) == ("split", "tiny-001", step, "val")
    assert split["loss"] > 0

    changed = craft("set", "tiny", "optimizer.lr=0.005", "training.log_every=5")
    words = f"optimizer.lr 0.01 -> 0.005, training.log_every 10 -> 5 from step {step + 1} on"
    assert changed.stderr == f"tiny-001 saved at step {step}; {words}\n"
    assert craft("set", "tiny", "optimizer.lr=0.005").stderr == "tiny-001 that is so already\n"
    assert f"changed     optimizer.lr 0.01 -> 0.005 from step {step + 1} on\n" in craft("status", "tiny").stdout
    for setting, said in {
        "optimizer.lr=-1": "command line: optimizer.lr: must be at least 0",
        "optimizer.lrr=1": "unknown key (did you mean 'lr'?)",
        "model.num_layers=2": "'craft run ",
        "training.batch_size=8": "'craft fork tiny-001 training.batch_size=8' makes a run of its own",
        "scheduler.type=linear": "and then 'craft resume tiny-001 scheduler.type=linear' does it",
    }.items():
        refused = craft("set", "tiny", setting)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    assert craft("set", "tiny").returncode == 2

    resumed = craft("continue", "tiny")
    assert f"tiny-001 goes on from step {step} after " in resumed.stderr
    again = craft("continue", "tiny")
    assert (again.returncode, again.stderr) == (2, "craft: tiny-001 does not go on: it is not paused\n")
    saved = craft("checkpoint", "tiny")
    # It trains on, and may have saved again by itself.
    assert saved.stderr in [f"tiny-001 saved at step {info.step}\n" for info in list_checkpoints(run)]
    left = craft("stop", "tiny", "--discard")
    assert left.returncode == 0
    assert "tiny-001 stopped at step " in left.stderr
    assert " without saving; a resume goes on from step " in left.stderr or "was saved already" in left.stderr
    wait_for(lambda: not observe(run).held)
    assert observe(run).phase == "stopped"


def test_runs_that_cannot_be_asked_say_why(fake_project: Project) -> None:
    craft = fake_project.craft
    craft("run", "experiments.toml", "training.max_steps=100000", "--detach")
    fake_project.wait_for_step("tiny-001", 2)
    waiting = craft("pause", "other-001")
    assert waiting.returncode == 2
    assert "other-001 is queued and does not train yet, so there is nothing to pause: waiting for" in waiting.stderr
    unchanged = craft("set", "other-001", "optimizer.lr=1")
    assert "'craft stop other-001' takes it out, and 'craft resume other-001 optimizer.lr=1'" in unchanged.stderr

    gone = craft("stop", "--discard", "other-001")
    assert (gone.returncode, gone.stderr) == (0, "other-001 is out of the queue\n")
    ended = craft("checkpoint", "other-001")
    assert (ended.returncode, "'craft resume other-001' goes on with it" in ended.stderr) == (2, True)

    asked = craft("pause", "tiny", "--no-wait")
    assert (asked.returncode, asked.stderr) == (0, "tiny-001 is asked to pause\n")
    # A pattern that also names one that has ended: that one is said, and is no mistake.
    several = craft("pause", "*", "--no-wait")
    assert several.returncode == 0
    assert "other-001 is stopped, so there is nothing to pause" in several.stderr
    assert craft("pause", "tiny", "other", "--no-wait").returncode == 2
    wait_for(lambda: [asked["asked"] for asked in fake_project.events("tiny-001", "request")] == ["pause"] * 3)

    killed = craft("kill", "tiny", "other-001")
    assert killed.returncode == 2
    assert "tiny-001 killed; 'craft resume tiny-001' goes on from step " in killed.stderr
    assert "other-001 is stopped: nothing to kill" in killed.stderr
    assert craft("stop", "tiny", "--now", "--discard").returncode == 2
    assert craft("pause", "nothing-*").returncode == 2
    assert craft("kill").returncode == 2


def test_several_are_stopped_and_none_that_waits_begins(fake_project: Project) -> None:
    craft = fake_project.craft
    craft("run", "experiments.toml", "training.max_steps=100000", "--detach")
    fake_project.wait_for_step("tiny-001", 2)
    done = craft("stop", "*")
    assert done.returncode == 0
    assert "other-001 is out of the queue" in done.stderr
    assert "tiny-001 stopped, saved at step " in done.stderr
    assert not (fake_project.run("other-001").events).exists()


@pytest.fixture
def elsewhere(tmp_path: Path) -> RunFolder:
    """A run that another machine says it trains."""
    run = a_run(tmp_path / "runs")
    owner = {**platform.ProcessIdentity.current().as_json(), "host": "far", "boot_id": "other"}
    run.owner.write_bytes(encode_file(owner))
    writer = StatusWriter(run)
    writer.write(phase="running", host="far", step=7)
    return run


def test_a_run_of_another_machine_is_asked_through_its_folder(fake_project: Project, elsewhere: RunFolder) -> None:
    command = fake_project.start("pause", str(elsewhere.path))
    (asked,) = wait_for(lambda: control.take(elsewhere))
    append_event(elsewhere, "paused", request=asked.id, step=8, saved=True)
    _, said = command.communicate(timeout=60)
    assert said == "exp-001 is trained on far: it is asked through its folder\nexp-001 paused at step 8, saved\n"
    assert command.returncode == 0
    killed = fake_project.craft("kill", str(elsewhere.path))
    assert (killed.returncode, "exp-001 is trained by far: it can be killed only there" in killed.stderr) == (2, True)


def test_a_worker_that_leaves_without_an_answer(fake_project: Project, tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs")
    lock = platform.FileLock(run.lock)
    assert lock.acquire()
    StatusWriter(run).write(phase="running", step=7)
    command = fake_project.start("checkpoint", str(run.path))
    wait_for(lambda: list(run.control.iterdir()))
    lock.release()
    _, said = command.communicate(timeout=60)
    assert (command.returncode, said) == (2, "craft: exp-001 left before it could save: it is interrupted\n")
    assert control.take(run) == [], "the next worker would obey it"
