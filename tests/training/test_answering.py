"""What a worker does that it is asked while it trains, measures, prepares or is paused, and what it says to it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from craft.runs import checkpoints, control
from craft.runs.events import read_events, read_samples
from craft.runs.folder import RunFolder
from craft.runs.jsonl import Record, read_lines
from craft.runs.liveness import observe
from craft.runs.status import Status, read_status
from craft.training import progress
from craft.training.callbacks.base import Callback
from tests.launch.project import wait_for
from tests.training import runs
from tests.training.asking import AskAt, answers, train

LONG: dict[str, Any] = {
    "training": {"max_steps": 1_000_000, "eval_every": 0, "log_every": 5},
    "scheduler": {"type": "constant"},
    "checkpoint": {"every": 0},
    "generation": {"prompts": ["abc"], "max_new_tokens": 5},
}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return runs.write_text(tmp_path / "text.txt")


@pytest.fixture
def worker(tmp_path: Path, text: Path) -> Iterator[tuple[RunFolder, subprocess.Popen[bytes]]]:
    """A real one that trains without end."""
    folder = runs.make_run(tmp_path / "runs", runs.definition(text, **LONG))
    process = runs.start(folder)
    runs.wait_for_step(folder, 5, process)
    yield folder, process
    runs.kill(process)


def status_of(folder: RunFolder) -> Status:
    status = read_status(folder)
    assert status is not None
    return status


def answer_to(folder: RunFolder, request: str) -> Record:
    """What came of a request."""
    found: list[Record] = wait_for(lambda: [event for event in answers(folder) if event["request"] == request])
    assert len(found) == 1
    return found[0]


def ask(folder: RunFolder, kind: str, **arguments: Any) -> Record:
    return answer_to(folder, control.request(folder, kind, **arguments))


def test_a_paused_run_stands_still_and_answers(worker: tuple[RunFolder, subprocess.Popen[bytes]]) -> None:
    folder, process = worker
    paused = ask(folder, "pause")
    step = paused["step"]
    assert (paused["kind"], paused["saved"]) == ("paused", True)
    assert checkpoints.list_checkpoints(folder)[-1].step == step
    before = status_of(folder)
    assert (before.phase, before.step, before.eta_seconds) == ("paused", step, None)
    assert ask(folder, "pause")["step"] == step

    measured = ask(folder, "evaluate")
    assert measured["step"] == step
    assert measured["val/loss"] == pytest.approx(read_lines(folder.metrics)[-1]["val/loss"])
    written = ask(folder, "sample")
    assert (written["step"], written["texts"]) == (step, 1)
    assert [(sample["step"], sample["prompt"]) for sample in read_samples(folder)] == [(step, "abc")]
    changed = ask(folder, "set", values={"optimizer.lr": 0.001})
    assert (changed["kind"], changed["step"]) == ("changed", step)
    assert ask(folder, "checkpoint")["step"] == step
    # Its heart goes on beating, which is all that moves.
    wait_for(lambda: status_of(folder).updated >= before.updated + 2.0)
    after, look = status_of(folder), observe(folder, now=time.time() + 25)
    assert (after.phase, after.step, after.tokens, look.phase) == ("paused", step, before.tokens, "paused")

    continued = ask(folder, "continue")
    assert (continued["kind"], continued["step"]) == ("continued", step)
    assert ask(folder, "continue")["reason"] == "it is not paused"
    runs.wait_for_step(folder, step + 20, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    records = [record for record in read_lines(folder.metrics) if "train/loss" in record]
    later = [record for record in records if record["step"] > step]
    earlier = [record for record in records if record["step"] <= step]
    assert continued["paused_seconds"] > 2.0
    gap = later[0]["time"] - earlier[-1]["time"]
    assert gap < 0.8 * continued["paused_seconds"], "the clock of training went on while it was paused"
    assert (earlier[-1]["train/lr"], later[-1]["train/lr"]) == (0.02, 0.001)


def test_the_clock_of_training_knows_nothing_of_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    tracker = progress.ProgressTracker(max_steps=30)
    tracker.start(0, 0, 5.0)
    clock[0] += 4.0
    tracker.exclude(1.0)
    tracker.pause()
    clock[0] += 1000.0
    tracker.exclude(900.0)  # an evaluation while it is paused
    assert (tracker.seconds, tracker.eta_seconds(10)) == (9.0, 8.0)
    tracker.go_on()
    assert (tracker.seconds, tracker.eta_seconds(10)) == (9.0, 8.0)
    clock[0] += 2.0
    assert tracker.measure(500) == pytest.approx(100.0)  # in the 6 seconds but one
    assert tracker.seconds == 11.0


def test_the_speed_that_people_are_told_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    tracker = progress.ProgressTracker(max_steps=30)
    tracker.start(0, 0, 0.0)
    assert tracker.tokens_per_second is None
    tokens = 0
    for spent in (4.0, *(0.5, 1.5) * 10):  # the first step compiles; then some are three times as fast
        clock[0] += spent
        tokens += 100
        tracker.measure(tokens)
        told = tracker.tokens_per_second
    assert told == pytest.approx(100, rel=0.15)


def test_a_signal_ends_a_pause_and_nothing_is_lost(worker: tuple[RunFolder, subprocess.Popen[bytes]]) -> None:
    folder, process = worker
    step = ask(folder, "pause")["step"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert (status_of(folder).phase, status_of(folder).step) == ("stopped", step)
    assert checkpoints.list_checkpoints(folder)[-1].step == step


def test_leaving_without_saving_names_the_checkpoint_to_go_on_from(
    worker: tuple[RunFolder, subprocess.Popen[bytes]],
) -> None:
    folder, process = worker
    saved = ask(folder, "checkpoint")["step"]
    runs.wait_for_step(folder, saved + 5, process)
    answer = ask(folder, "stop", save=False)
    assert process.wait(timeout=30) == 0
    status = status_of(folder)
    assert (status.phase, status.message) == ("stopped", answer["text"])
    assert status.step > saved
    assert answer["text"] == f"stopped at step {status.step} without saving; a resume goes on from step {saved}"
    assert checkpoints.list_checkpoints(folder)[-1].step == saved


def test_what_was_asked_for_stays_a_while_however_many_follow(tmp_path: Path, text: Path, monkeypatch: Any) -> None:
    config = runs.definition(text, checkpoint={"every": 5, "keep": 1})
    asked = runs.make_run(tmp_path / "runs", config)
    train(asked, config, {7: [("checkpoint", {})]})
    (answer,) = answers(asked)
    assert [info.step for info in checkpoints.list_checkpoints(asked)] == [answer["step"], 40]
    monkeypatch.setattr("craft.training.checkpointing._SPARED_SECONDS", 0.0)
    forgotten = runs.make_run(tmp_path / "runs", config)
    train(forgotten, config, {7: [("checkpoint", {})]})
    assert [info.step for info in checkpoints.list_checkpoints(forgotten)] == [40]


def test_of_two_ways_to_stop_the_last_word_counts(tmp_path: Path, text: Path) -> None:
    class Signal(Callback):
        def on_step_end(self, trainer: Any) -> None:
            if trainer.step == 3:
                trainer.recorder.ask_to_stop()  # as SIGTERM does

    config = runs.definition(text, checkpoint={"every": 0})
    saved, lost = (runs.make_run(tmp_path / "runs", config) for _ in range(2))
    train(saved, config, {3: [("stop", {"save": False})]}, callbacks={"signal": Signal()})
    assert checkpoints.list_checkpoints(saved)[-1].step == 3
    train(lost, config, {3: [("stop", {}), ("stop", {"save": False})]})
    assert checkpoints.list_checkpoints(lost)[-1].step == 0
    assert [status_of(folder).phase for folder in (saved, lost)] == ["stopped", "stopped"]
    assert [answer["asked"] for answer in answers(lost)] == ["stop", "stop"]


def test_what_is_asked_at_once_is_done_in_order(worker: tuple[RunFolder, subprocess.Popen[bytes]]) -> None:
    folder, _ = worker
    kinds = ["checkpoint", "pause", "evaluate", "continue", "pause", "continue", "continue", "checkpoint"]
    made = [control.request(folder, kind) for kind in kinds]
    wait_for(lambda: len(answers(folder)) == len(kinds))
    found = answers(folder)
    assert [event["request"] for event in found] == made
    assert [event["kind"] for event in found] == [
        "answered",
        "paused",
        "answered",
        "continued",
        "paused",
        "continued",
        "refused",
        "answered",
    ]
    assert status_of(folder).phase == "running"


def test_nothing_in_the_folder_can_keep_it_from_working(worker: tuple[RunFolder, subprocess.Popen[bytes]]) -> None:
    folder, process = worker
    draw = random.Random(3)
    kinds: list[Any] = [*control.KINDS[1:], "dance", "\ud800\x1b[2J", "", None, 7, [], "x" * 100_000]
    kinds.remove("continue")
    odd: list[Any] = [None, {}, [], {"values": None}, {"values": {"optimizer.lr": None}}, {"save": 1}, "x"]
    odd += [{"values": {"optimizer.lr": float("inf")}}, {"values": {"\ud800": 1, "a.b": 2}}, {"reason": "\x00" * 99}]
    made = 0
    for number in range(60):
        content = json.dumps({"kind": draw.choice(kinds), "arguments": draw.choice(odd)}).encode()
        if draw.random() < 0.3:
            place = draw.randrange(len(content))
            content = content[:place] + bytes([draw.randrange(256)]) + content[place + draw.randrange(3) :]
        name = os.fsencode(folder.control / f"{number:03d}") + draw.choice([b"", b"\xff", b"\x1b", b"a" * 200])
        with open(name + b".part", "wb") as file:  # noqa: PTH123 - its name is no text
            file.write(content)
        os.replace(name + b".part", name + b".json")  # noqa: PTH105
        made += 1
    last = ask(folder, "checkpoint")
    assert last["kind"] == "answered"
    ask(folder, "continue")
    wait_for(lambda: len(answers(folder)) == made + 2)
    assert len({event["request"] for event in answers(folder)}) == made + 2
    assert process.poll() is None
    assert "Traceback" not in folder.log.read_text()
    runs.wait_for_step(folder, last["step"] + 20, process)


def test_what_is_asked_before_the_first_step_is_kept(tmp_path: Path, text: Path) -> None:
    folder = runs.make_run(tmp_path / "runs", runs.definition(text, **LONG))
    asked = [control.request(folder, kind) for kind in ("pause", "sample", "evaluate", "checkpoint")]
    asked.append(control.request(folder, "set", values={"optimizer.lr": 0.5}))
    process = runs.start(folder)
    try:
        found = [answer_to(folder, request) for request in asked]
        assert [event["step"] for event in found] == [0] * 5
        assert [event["kind"] for event in found] == ["paused", "answered", "answered", "answered", "changed"]
        assert status_of(folder).phase == "paused"
        ask(folder, "continue")
        runs.wait_for_step(folder, 5, process)
        assert read_lines(folder.metrics)[1]["train/lr"] <= 0.5
    finally:
        runs.kill(process)


def test_a_long_evaluation_takes_requests_and_ends_before_they_are_done(tmp_path: Path) -> None:
    text = runs.write_text(tmp_path / "long.txt", words=300_000)
    config = runs.definition(text, data={"val_fraction": 0.9}, training={"max_steps": 2, "eval_every": 0})
    folder = runs.make_run(tmp_path / "runs", config)
    process = runs.start(folder)
    try:
        wait_for(lambda: (read_status(folder) or Status()).phase == "evaluating")
        started = time.monotonic()
        asked = [control.request(folder, kind) for kind in ("pause", "evaluate")]
        wait_for(lambda: [event for event in read_events(folder) if event["kind"] == "request"])
        assert time.monotonic() - started < 5.0
        assert status_of(folder).phase == "evaluating"
        paused, measured = (answer_to(folder, request) for request in asked)
        assert (paused["kind"], measured["kind"], measured["step"]) == ("paused", "answered", 0)
        assert ask(folder, "stop")["phase"] == "stopped"
        assert process.wait(timeout=30) == 0
    finally:
        runs.kill(process)


def test_what_comes_too_late_is_refused(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 3, "eval_every": 0})
    folder = runs.make_run(tmp_path / "runs", config)

    class AskAtTheEnd(AskAt):
        def on_train_end(self, trainer: Any) -> None:
            for kind in ("pause", "checkpoint", "dance"):
                self.made.append(control.request(trainer.recorder.folder, kind))

    late = AskAtTheEnd({3: [("checkpoint", {}), ("evaluate", {})]})
    from craft.training.experiment import Experiment

    experiment = Experiment(config, folder=folder)
    trainer = experiment.setup()
    trainer.callbacks.callbacks["late"] = late
    experiment.run()
    found = {event["request"]: event for event in answers(folder)}
    assert [found[made]["kind"] for made in late.made] == ["answered"] * 2 + ["refused"] * 3
    assert found[late.made[2]]["reason"] == "it came too late: the run is finished"
    assert control.take(folder) == []


def test_pausing_measuring_and_writing_change_no_bit(tmp_path: Path, text: Path) -> None:
    """Also where the schedule, and a callback that stops the run, follow evaluations."""
    config = runs.definition(
        text,
        optimizer={"type": "sgd", "lr": 0.5},
        scheduler={"type": "plateau", "monitor": "val/loss", "patience": 1, "min_delta": 10.0, "factor": 0.5},
        callbacks={"early": {"type": "early_stopping", "patience": 4, "min_delta": 10.0}},
        training={"max_steps": 60, "eval_every": 10, "log_every": 1},
    )
    untouched, asked = (runs.make_run(tmp_path / "runs", config) for _ in range(2))
    train(untouched, config, {})
    everything = [(kind, {}) for kind in ("pause", "evaluate", "sample", "checkpoint", "continue", "evaluate")]
    train(asked, config, dict.fromkeys((3, 4, 7, 10, 12, 23, 24, 33), everything))
    assert status_of(asked).step == status_of(untouched).step < 60, "it is to stop early, at the same step"
    assert runs.final_weights(asked) == runs.final_weights(untouched)
    rates = [{r["step"]: r["train/lr"] for r in read_lines(f.metrics) if "train/lr" in r} for f in (untouched, asked)]
    assert rates[0] == rates[1]
    assert len(set(rates[0].values())) > 1


def test_paused_then_killed_then_resumed_ends_in_the_same_bits(tmp_path: Path, text: Path) -> None:
    training = {"max_steps": 400, "eval_every": 0, "log_every": 100}
    config = runs.definition(text, training=training, checkpoint={"every": 150})
    untouched, killed = (runs.make_run(tmp_path / "runs", config) for _ in range(2))
    process = runs.start(killed)
    runs.wait_for_step(killed, 5, process)
    step = ask(killed, "pause")["step"]
    assert step < 400
    ask(killed, "evaluate")
    runs.kill(process)
    look = observe(killed)
    assert (look.phase, "while paused" in look.reason) == ("interrupted", True)
    train(killed, config, {})
    assert [event["step"] for event in read_events(killed) if event["kind"] == "resumed"] == [step]
    train(untouched, config, {})
    assert runs.final_weights(killed) == runs.final_weights(untouched)


class LongStep(Callback):
    """Asks in the middle of its third step, which lasts until somebody has heard it."""

    def on_step_end(self, trainer: Any) -> None:
        if trainer.step == 3:
            folder = trainer.recorder.folder
            asked = control.request(folder, "checkpoint")
            wait_for(lambda: [event for event in read_events(folder) if event.get("request") == asked])


def test_a_step_without_end_keeps_nobody_from_being_heard(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 4})
    folder = runs.make_run(tmp_path / "runs", config)
    train(folder, config, {}, callbacks={"long": LongStep()})
    (answer,) = answers(folder)
    assert (answer["kind"], answer["step"]) == ("answered", 3)


class Fails(Callback):
    """Writes no sample."""

    def on_sample(self, trainer: Any) -> None:
        raise RuntimeError("out of words")


def test_a_sample_that_fails_ends_nothing(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 4})
    folder = runs.make_run(tmp_path / "runs", config)
    train(folder, config, {2: [("sample", {})]}, callbacks={"fails": Fails()})
    (answer,) = answers(folder)
    assert answer["kind"] == "refused"
    assert "out of words" in answer["reason"]
    assert status_of(folder).phase == "finished"
