"""`craft queue` and `craft group` in a terminal and a pipe: what they show fits, and what they refuse is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from craft.config.experiments import load_experiments
from craft.launch.create import create_runs
from craft.launch.queue.entries import Entry, Queue, Wait
from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter
from tests.launch.project import EXPERIMENTS, FAKE

CRAFT = str(Path(sys.executable).with_name("craft"))
LONG = "an_experiment_that_somebody_gave_a_name_of_sixty_characters_"
SWEPT = """
[experiment.swept]
[experiment.swept.sweep]
axes.optimizer.lr = [0.1, 0.2]
seeds = [1, 2]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project whose queue is paused, so that no process is started: seven wait, one for a run that failed."""
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 120)
    file = tmp_path / "experiments.toml"
    file.write_text(EXPERIMENTS + f"[experiment.{LONG}]\n[experiment.broken]\n" + SWEPT)
    folders = create_runs(tmp_path / "runs", load_experiments(file).plan())
    queue = Queue(tmp_path / "runs")
    for folder in folders:
        failed = folder.name == "broken-001"
        StatusWriter(folder).write(phase="failed" if failed else "queued", error="it broke" if failed else None)
        after = (Wait("broken-001"),) if folder.name == "other-001" else ()
        if not failed:
            queue.add([Entry(folder.name, "cpu", 1, 1.0, after)])
    queue.pause()
    return tmp_path


def craft(place: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CRAFT, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(FAKE), **changes},
        capture_output=True,
        text=True,
        timeout=60,
    )


def objects(place: Path, *arguments: str) -> list[dict[str, Any]]:
    done = craft(place, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def at_eighty(place: Path, *arguments: str) -> list[str]:
    child = pexpect.spawn(CRAFT, list(arguments), cwd=str(place), encoding="utf-8", timeout=60, dimensions=(50, 80))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    lines = (child.before or "").replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def test_the_queue_fits_a_terminal_and_says_why_each_waits(place: Path) -> None:
    lines = at_eighty(place, "queue")
    page = " ".join(" ".join(lines).split())
    assert "nothing trains on this machine" in lines
    assert "the queue of runs is PAUSED: 'craft queue go' goes on" in lines
    assert "1 tiny-001 waits (" in page
    assert "2 other-001 waits for broken-001, which failed: 'craft queue retry broken-001' goes on with it" in page
    assert any(line.startswith(f"3  {LONG[:50]}") for line in lines)
    assert lines[-1].startswith("7  swept-004")


def test_the_queue_as_objects(place: Path) -> None:
    facts, *waiting = objects(place, "queue")
    assert facts == {"kind": "queue", "runs_dir": str(place / "runs"), "paused": True, "runner": False, "waiting": 7}
    assert [one["position"] for one in waiting] == list(range(1, 8))
    assert waiting[1]["after"] == [{"run": "broken-001", "whatever": False, "phase": "failed"}]
    assert {one["state"] for one in waiting} == {"paused"}


def test_a_damaged_entry_is_named_and_its_run_is_queued_anew(place: Path) -> None:
    (entry,) = (place / "runs" / ".craft" / "queue").glob("*-tiny-001.json")
    entry.write_text("{")
    done = craft(place, "queue", "--json")
    assert json.loads(done.stdout.splitlines()[0])["waiting"] == 6
    assert done.stderr.splitlines()[-1].endswith(
        "-tiny-001.json is damaged; 'craft queue retry tiny-001' queues it anew"
    )
    assert craft(place, "queue", "retry", "tiny-001").stdout == "tiny-001\n"
    again = craft(place, "queue", "--json")
    assert json.loads(again.stdout.splitlines()[-1])["run"] == "tiny-001"
    assert "damaged" not in again.stderr


def test_each_word_says_what_it_did_and_prints_it(place: Path) -> None:
    done = craft(place, "queue", "move", "other-001", "last", "--json")
    assert json.loads(done.stdout) == {"kind": "moved", "run": "other-001", "position": 7, "waiting": 7}
    assert done.stderr == "other-001 is number 7 of 7 that wait\n"
    (record,) = objects(place, "queue", "slots", "2")
    assert record == {"kind": "slots", "slots": 2, "runs": 7}
    (record,) = objects(place, "queue", "after", "tiny", "broken", "other", "--whatever")
    assert record == {"kind": "after", "run": "tiny-001", "after": ["broken-001", "other-001"], "whatever": True}
    done = craft(place, "queue", "--runs-dir", "runs", "after", "tiny", "none")
    assert "tiny-001 begins when a slot is free" in done.stderr
    assert [one["run"] for one in objects(place, "queue", "rm", "--group", "swept")] == [
        "swept-001",
        "swept-002",
        "swept-003",
        "swept-004",
    ]
    done = craft(place, "queue", "rm", "swept-001", "tiny-001")
    assert done.returncode == 2
    assert "tiny-001 is out of the queue" in done.stderr
    assert "craft: swept-001 does not wait" in done.stderr
    assert len(objects(place, "queue", "rm", "--all")) == 2
    assert objects(place, "queue")[0]["waiting"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["move", "broken", "first"], "broken-001 does not wait in the queue"),
        (["move", "nothing", "first"], "no run 'nothing'"),
        (["after", "tiny", "none", "other"], "'none' stands alone"),
        (["after", "other", "other"], "other-001 cannot wait for itself"),
        (["slots", "0"], "0 is not in the range"),
        (["rm"], "name a run"),
        (["retry", "absent*"], "no run matches 'absent*'"),
        (["frobnicate"], "No such command"),
    ],
)
def test_a_mistake_is_one_message(arguments: list[str], said: str, place: Path) -> None:
    before = objects(place, "queue")
    done = craft(place, "queue", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert objects(place, "queue") == before


def test_reading_commands_say_that_the_queue_is_paused_and_are_not_disturbed(place: Path) -> None:
    done = craft(place, "runs", "--json")
    assert done.returncode == 0
    assert done.stderr == "the queue of runs is paused, and 7 runs wait: 'craft queue go' goes on\n"
    reasons = {json.loads(line)["run"]: json.loads(line)["reason"] for line in done.stdout.splitlines()}
    assert reasons["tiny-001"] == "the queue is paused: 'craft queue go' goes on"
    assert reasons["other-001"].startswith("the queue is paused: 'craft queue go' goes on; it waits for broken-001")


def test_a_run_that_waits_for_another_is_started_from_the_command(place: Path) -> None:
    done = craft(place, "run", "experiments.toml", "tiny", "--after", "broken", "--after", "other-001", "--detach")
    assert (done.returncode, done.stdout) == (0, "tiny-002\n")
    assert [one["run"] for one in objects(place, "queue")[-1]["after"]] == ["broken-001", "other-001"]
    for wrong in (["--after", "absent"], ["--whatever"]):
        refused = craft(place, "run", "experiments.toml", "tiny", "--detach", *wrong)
        assert refused.returncode == 2
        assert refused.stdout == ""
    assert not (place / "runs" / "tiny-003").exists()


def test_runs_that_cannot_be_queued_are_not_made(place: Path) -> None:
    before = sorted(path.name for path in (place / "runs").iterdir())
    groups = sorted(path.name for path in (place / "runs" / ".craft" / "groups").iterdir())
    queue = place / "runs" / ".craft" / "queue"
    queue.rename(queue.with_name("kept"))
    queue.write_text("a file where the folder should be")
    done = craft(place, "run", "experiments.toml", "tiny", "swept", "--detach")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (place / "runs").iterdir()) == before
    assert sorted(path.name for path in (place / "runs" / ".craft" / "groups").iterdir()) == groups


def finish(place: Path, name: str, best: float) -> None:
    folder = RunFolder(place / "runs" / name)
    Queue(place / "runs").drop([name])
    StatusWriter(folder).write(phase="finished", best=best, best_step=20, step=20, max_steps=20)


def test_a_group_is_summed_up(place: Path) -> None:
    for name, best in (("swept-001", 2.0), ("swept-002", 3.0), ("swept-003", 2.25)):
        finish(place, name, best)
    (listed,) = objects(place, "group")
    assert (listed["group"], listed["runs"], listed["best_run"]) == ("swept", 4, "swept-001")
    assert listed["phases"] == {"finished": 3, "queued": 1}
    group, *rest = objects(place, "group", "swept")
    assert group == listed
    assert [one["kind"] for one in rest] == ["run"] * 4 + ["point"] * 2
    assert rest[0]["axes"] == {"optimizer.lr": 0.1, "seed": 1}
    assert (rest[4]["mean"], rest[4]["finished"], rest[5]["mean"], rest[5]["spread"]) == (2.5, 2, 2.25, None)
    lines = at_eighty(place, "group", "swept")
    assert lines[1] == "swept: 4 runs: 3 finished, 1 queued"
    assert "swept-001  0.1     1  finished  20/20         2.000*" in lines
    assert ["0.1", "2/2", "2.500", "0.707", "2.000"] in [line.split() for line in lines]
    assert lines[-1] == "best: swept-001: val/loss 2.000 at step 20  optimizer.lr=0.1  seed=1"
    assert at_eighty(place, "group")[1].split() == ["GROUP", "RUNS", "QUEUED", "FINISHED", "BEST", "AGE"]


def test_a_name_that_is_a_group_too_means_the_newest_run_and_says_so(place: Path) -> None:
    done = craft(place, "status", "swept", "--json")
    assert json.loads(done.stdout)["run"] == "swept-004"
    assert done.stderr.startswith("'swept' is swept-004 here, the newest run of it, one of the group 'swept'; ")
    assert "one of the group" not in craft(place, "status", "swept-004").stderr
    absent = craft(place, "group", "swep")
    assert absent.returncode == 2
    assert "did you mean swept?" in absent.stderr


def test_a_damaged_group_is_named_and_the_others_are_listed(place: Path) -> None:
    groups = place / "runs" / ".craft" / "groups"
    (groups / "bad.json").write_text("{")
    (groups / "begun.json").touch()  # a sweep that was killed while it was made
    done = craft(place, "group", "--json")
    assert done.returncode == 2
    assert [json.loads(line)["group"] for line in done.stdout.splitlines()] == ["swept"]
    assert "bad.json: damaged" in done.stderr
    assert "begun" not in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("craft queue mo", {"move"}),
        ("craft queue move ti", {"tiny-001"}),
        ("craft queue move br", set()),
        ("craft queue move tiny-001 be", {"before"}),
        ("craft queue after tiny-001 br", {"broken-001"}),
        ("craft queue rm swept-00", {f"swept-00{number}" for number in range(1, 5)}),
        ("craft group s", {"swept"}),
    ],
)
def test_the_shell_completes_what_waits(words: str, expected: set[str], place: Path) -> None:
    done = craft(place, _CRAFT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    assert done.returncode == 0, done.stderr
    assert {line.partition(",")[2] for line in done.stdout.split()} == expected
