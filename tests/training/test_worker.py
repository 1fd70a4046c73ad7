"""The worker process: its signals, its requests, a full disk, a loss that is none, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from craft import platform
from craft.analysis.comparison.runs import read_compared
from craft.runs import checkpoints, control
from craft.runs.events import read_events
from craft.runs.folder import RunFolder, read_identity
from craft.runs.jsonl import read_lines
from craft.runs.liveness import observe
from craft.runs.status import Status, StatusWriter, read_status
from tests.training import runs

LONG: dict[str, Any] = {"training": {"max_steps": 1_000_000, "eval_every": 0}, "checkpoint": {"every": 0}}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return runs.write_text(tmp_path / "text.txt")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def status_of(folder: RunFolder) -> Status:
    status = read_status(folder)
    assert status is not None
    return status


def kinds(folder: RunFolder) -> list[str]:
    return [event["kind"] for event in read_events(folder)]


def warnings(folder: RunFolder) -> str:
    return "\n".join(event["text"] for event in read_events(folder) if event["kind"] == "warning")


def test_a_run_leaves_everything_behind(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text))
    assert runs.train(folder) == 0, folder.log.read_text()
    status = status_of(folder)
    assert (status.phase, status.step, status.max_steps) == ("finished", 40, 40)
    results = json.loads(folder.results.read_text())
    assert {name: getattr(status, name) for name in ("step", "tokens", "seconds")}.items() <= results.items()
    assert read_identity(folder).parameters == results["parameters"] > 0
    records = read_lines(folder.metrics)
    assert all("step" in record and "time" in record for record in records)
    steps = [record["step"] for record in records if "train/loss" in record]
    assert steps == [1, *range(3, 40, 3), 40]
    assert [record["step"] for record in records if "val/loss" in record] == [0, 10, 20, 30, 40]
    assert records[-1]["tokens"] == 40 * 4 * 16
    assert kinds(folder)[0] == "started"
    assert kinds(folder)[-1] == "finished"
    assert [c.step for c in checkpoints.list_checkpoints(folder)][-3:] == [30, 35, 40]
    assert not observe(folder).held
    chosen = read_identity(folder).chosen
    assert (chosen["device"], chosen["precision"]) == ("cpu", "fp32")


@pytest.mark.parametrize("how", ["signal", "request"])
def test_stop_finishes_the_step_saves_and_leaves(tmp_path: Path, text: Path, how: str) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text, **LONG))
    process = runs.start(folder)
    runs.wait_for_step(folder, 20, process)
    if how == "signal":
        process.send_signal(signal.SIGTERM)
    else:
        control.request(folder, "stop", reason="enough")
    assert process.wait(timeout=30) == 0
    status = status_of(folder)
    assert status.phase == "stopped"
    newest = checkpoints.newest_valid(folder, lambda info, problems: None)
    assert newest is not None
    assert newest.step == status.step >= 20
    assert observe(folder).phase == "stopped"


def test_checkpoint_on_request_is_answered_by_an_event(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text, **LONG))
    process = runs.start(folder)
    runs.wait_for_step(folder, 20, process)
    identifier = control.request(folder, "checkpoint")
    deadline = time.monotonic() + 30
    while kinds(folder).count("checkpoint") < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert any(event.get("request") == identifier for event in read_events(folder))
    assert kinds(folder).count("checkpoint") == 2
    runs.kill(process)
    assert observe(folder).phase == "interrupted"


def test_how_far_it_came_is_claimed_with_its_seconds_also_between_two_records(tmp_path: Path, text: Path) -> None:
    rarely = {**LONG, "training": {**LONG["training"], "log_every": 1_000_000}}
    folder = runs.make_run(tmp_path / "runs", runs.definition(text, **rarely))
    process = runs.start(folder)
    runs.wait_for_step(folder, 20, process)
    runs.kill(process)
    status, (*_, last) = status_of(folder), read_lines(folder.metrics)
    assert last["step"] == 1 and status.seconds is not None and status.seconds > last["time"]
    assert (found := read_compared(folder, "train/loss").figures)["seconds"] == status.seconds
    assert found["tokens"] == status.step * 4 * 16 and found["tokens_per_second"] == found["tokens"] / status.seconds
    assert found["parameters"] and found["parameters"] == read_identity(folder).parameters


def test_a_second_worker_is_refused(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text, **LONG))
    process = runs.start(folder, anew=True)
    runs.wait_for_step(folder, 5, process)
    second = runs.start(folder, anew=True)
    assert second.wait(timeout=30) == 3
    assert f"process {process.pid}" in folder.log.read_text()
    assert process.poll() is None
    runs.kill(process)


def test_a_second_signal_leaves_at_once(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text, **LONG))
    process = runs.start(folder)
    runs.wait_for_step(folder, 5, process)
    os.kill(process.pid, signal.SIGSTOP)  # so that both arrive before the step ends
    process.send_signal(signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    # The kernel may merge the two into one; then the run stops in the ordinary way.
    assert process.wait(timeout=30) in (0, 128 + signal.SIGTERM)
    assert not observe(folder).held


def diverging(text: Path, **training: Any) -> Any:
    """A definition whose loss overflows within a few steps: fp16 on a huge learning rate."""
    return runs.definition(
        text,
        precision="fp16",
        optimizer={"type": "adamw", "lr": 1000.0},
        model={"norm": "layernorm", "dropout": 0.0},
        training={"grad_clip": 0.0, "log_every": 1, **training},
    )


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", diverging(text))
    assert runs.train(folder) == 1
    status = status_of(folder)
    assert status.phase == "failed"
    assert status.error is not None
    assert "not finite at step" in status.error
    bad = [record for record in read_lines(folder.metrics) if "nonfinite" in record]
    assert bad
    assert bad[0]["train/loss"] is None
    assert "train/loss" in bad[0]["nonfinite"]
    assert "nonfinite" in kinds(folder)
    assert checkpoints.newest_valid(folder, lambda info, problems: None) is not None


def test_unless_told_otherwise(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", diverging(text, on_nonfinite="continue", max_steps=20))
    assert runs.train(folder) == 0, folder.log.read_text()
    assert status_of(folder).step == 20
    assert "not finite" in warnings(folder)
    # Saved while the weights are numbers, and never with weights that are none.
    newest = checkpoints.newest_valid(folder, lambda info, problems: None)
    assert newest is not None
    tensors = load_file(newest.path / "model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_a_full_disk_is_said_survived_and_caught_up_with(text: Path, small_disk: Path) -> None:
    config = runs.definition(
        text, training={"max_steps": 1_000_000, "eval_every": 0, "log_every": 1}, checkpoint={"every": 50, "keep": 1}
    )
    folder = runs.make_run(small_disk / "runs", config)
    process = runs.start(folder)
    runs.wait_for_step(folder, 60, process)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    deadline = time.monotonic() + 30
    while "is not saved" not in folder.log.read_text() + warnings(folder) and time.monotonic() < deadline:
        assert process.poll() is None, (status_of(folder), folder.log.read_text()[-1500:])
        time.sleep(0.05)
    before = len(read_lines(folder.metrics))
    time.sleep(0.5)  # some records must come while it is full
    ballast.unlink()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    status = status_of(folder)
    assert status.phase == "stopped"
    newest = checkpoints.newest_valid(folder, lambda info, problems: None)
    assert newest is not None
    assert newest.step == status.step
    steps = [record["step"] for record in read_lines(folder.metrics) if "train/loss" in record]
    assert len(steps) > before
    assert steps == list(range(1, status.step + 1)), "a record is missing"


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "no text"), ("abcdefgh" * 30, "windows"), ("ab", "context_length")],
    ids=["empty", "too short for a batch", "too short for a window"],
)
def test_a_text_that_is_too_short_is_said(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "text.txt"
    path.write_text(content)
    definition = runs.definition(path, training={"batch_size": 50, "micro_batch_size": "auto"})
    folder = runs.make_run(tmp_path / "runs", definition)
    assert runs.train(folder) == 1
    status = status_of(folder)
    assert status.error is not None
    assert message in status.error
    assert "Traceback" not in folder.log.read_text()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "craft.training.worker", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "not a run" in answer.stderr


def test_a_stop_does_not_wait_for_a_long_evaluation(tmp_path: Path) -> None:
    text = runs.write_text(tmp_path / "long.txt", words=250_000)
    config = runs.definition(text, data={"val_fraction": 0.9, "context_length": 16}, training={"max_steps": 2})
    folder = runs.make_run(tmp_path / "runs", config)
    process = runs.start(folder)
    deadline = time.monotonic() + 60
    while (status := read_status(folder)) is None or status.phase != "evaluating":
        assert time.monotonic() < deadline, folder.log.read_text()
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert status_of(folder).phase == "stopped"
    assert not any("val/loss" in record for record in read_lines(folder.metrics)), "it was measured to the end"
    assert [c.step for c in checkpoints.list_checkpoints(folder)] == [0]
    assert runs.train(folder) == 0, folder.log.read_text()
    steps = [record["step"] for record in read_lines(folder.metrics) if "val/loss" in record]
    assert steps == [0, 2], "the resume begins with the evaluation that was left"


def test_a_deleted_folder_ends_the_run(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 1_000_000, "eval_every": 0}, checkpoint={"every": 50})
    folder = runs.make_run(tmp_path / "runs", config)
    process = runs.start(folder)
    runs.wait_for_step(folder, 60, process)
    shutil.rmtree(folder.path, ignore_errors=True)
    shutil.rmtree(folder.path, ignore_errors=True)
    assert process.wait(timeout=60) == 1


def test_a_deleted_folder_ends_the_run_that_waits_for_a_slot(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text))
    StatusWriter(folder).write(phase="queued")
    slot = platform.FileLock(tmp_path / "slot.lock")
    with slot:
        process = runs.start(folder, CRAFT_SLOT=str(slot.path))
        while "waiting for a slot" not in (status_of(folder).message or ""):
            assert process.poll() is None
            time.sleep(0.02)
        folder.path.rename(tmp_path / "gone")
        assert process.wait(timeout=60) == 1
    said = (tmp_path / "gone" / folder.log.name).read_text()
    assert said == f"{folder.path}: the run's folder is gone, so nothing of it can be saved any more\n"


def test_a_worker_from_the_queue_leaves_alone_what_another_one_ended_meanwhile(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text))
    StatusWriter(folder).write(phase="stopped", message="stopped while this one was on its way")
    assert runs.start(folder, CRAFT_SLOT=str(tmp_path / "slot.lock")).wait(timeout=30) == 3
    assert status_of(folder).phase == "stopped"
    assert read_events(folder) == []
    assert "does not wait for a worker" in folder.log.read_text()
