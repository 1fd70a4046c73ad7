"""Listing and finding runs, among folders that hold anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from craft.analysis.past_speed import past_speeds
from craft.errors import RunError, UnknownRunError
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.runs.status import StatusWriter
from craft.runs.store import RunStore
from tests.runs.make import a_run
from workbench.watch import RunsReader


def test_runs_are_listed_with_what_is_known_of_them(tmp_path: Path) -> None:
    second = a_run(tmp_path, "b", created=2_000.0, group="sweep")
    first = a_run(tmp_path, "a", created=1_000.0)
    with hold_run_lock(second):
        StatusWriter(second).write(
            phase="running",
            step=40,
            max_steps=100,
            best=1.5,
            train_loss=1.7,
            val_loss=1.6,
            tokens_per_second=900.0,
            eta_seconds=60.0,
        )
        queued, running = RunStore(tmp_path).list()
    assert (queued.name, queued.phase, queued.step, queued.best, queued.updated) == ("a-001", "queued", 0, None, 0.0)
    assert (running.name, running.experiment, running.group, running.phase) == ("b-001", "b", "sweep", "running")
    assert (running.step, running.max_steps, running.best) == (40, 100, 1.5)
    assert (running.train_loss, running.val_loss) == (1.7, 1.6)
    assert (running.tokens_per_second, running.eta_seconds) == (900.0, 60.0)
    assert running.created == 2_000.0
    assert running.updated > 1e9
    assert running.path == second.path
    assert queued.fault is running.fault is None
    assert queued.path == first.path


def test_no_runs_and_no_folder_are_an_empty_list(tmp_path: Path) -> None:
    assert RunStore(tmp_path).list() == []
    assert RunStore(tmp_path / "none").list() == []


def test_what_is_no_run_is_not_listed(tmp_path: Path) -> None:
    a_run(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".craft" / "queue").mkdir(parents=True)
    half_made = a_run(tmp_path)
    half_made.run_json.unlink()
    assert [run.name for run in RunStore(tmp_path).list()] == ["exp-001"]


def test_a_run_that_lost_its_identity_is_listed_as_damaged_and_refused(tmp_path: Path) -> None:
    a_run(tmp_path)
    for traces in (["metrics.jsonl"], ["checkpoints/latest.json"], ["status.json"]):
        robbed = a_run(tmp_path, "robbed")
        robbed.run_json.unlink()
        for name in traces:
            (robbed.path / name).write_text("")
        with pytest.raises(RunError, match=r"its run\.json is gone; put it back from a copy"):
            RunStore(tmp_path).find(robbed.name)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "status.json").write_text("{}")
    names = [f"robbed-{number:03d}" for number in (1, 2, 3)]
    found = {run.name: run for run in RunStore(tmp_path).list()}
    assert found.keys() == {"exp-001", *names} and [folder.name for folder in RunStore(tmp_path).robbed()] == names
    assert {found[name].shown_phase for name in names} == {"damaged"} and found["exp-001"].fault is None
    assert all("its run.json is gone" in found[name].reason for name in names)
    assert [folder.name for folder in RunStore(tmp_path).folders()] == ["exp-001"], "nothing acts on the others"
    assert {run.name: run.shown_phase for run in RunsReader(tmp_path).read()} == {
        name: run.shown_phase for name, run in found.items()
    }
    assert past_speeds(list(found.values())) == []


FAULTS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "zeros": lambda path: path.write_bytes(bytes(100)),
    "not an object": lambda path: path.write_bytes(b"[1, 2]"),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "too deep": lambda path: path.write_bytes(b"[" * 200_000),
    "long numbers": lambda path: path.write_bytes(
        b'{"experiment": "a", "phase": "running", "x": ' + b"1" * 9999 + b"}"
    ),
    "wrong types": lambda path: path.write_bytes(
        b'{"experiment": [], "created": {}, "seed": "x", "phase": ["running"], "step": null, "updated": "x"}'
    ),
    "wild numbers": lambda path: path.write_bytes(
        b'{"experiment": "exp", "created": 1e999, "phase": "running", "updated": -1e300, "clock": 1e30}'
    ),
    "too large": lambda path: path.write_bytes(b" " * 5_000_000),
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "itself": lambda path: path.symlink_to(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (name, fault)
        for name in ("run.json", "status.json")
        for fault in FAULTS
        if (name, fault) != ("status.json", "dangling link")  # a claim that is not there is no fault
    ],
)
def test_a_damaged_run_is_listed_with_its_fault(tmp_path: Path, name: str, fault: str) -> None:
    sound, damaged = a_run(tmp_path, created=1.0), a_run(tmp_path, created=2.0)
    for folder in (sound, damaged):
        StatusWriter(folder).write(phase="finished", step=10)
    path = damaged.path / name
    if fault in ("folder", "pipe", "dangling link", "itself", "device"):
        path.unlink()
    FAULTS[fault](path)
    runs = {run.name: run for run in RunStore(tmp_path).list()}
    assert set(runs) == {"exp-001", "exp-002"}
    assert (runs["exp-001"].fault, runs["exp-001"].phase, runs["exp-001"].step) == (None, "finished", 10)
    assert runs["exp-002"].fault is not None
    assert runs["exp-002"].fault.startswith(f"{name} is damaged: ")
    assert runs["exp-002"].reason == runs["exp-002"].fault
    assert runs["exp-002"].experiment == "exp"
    if name == "run.json":
        assert runs["exp-002"].phase == "finished"


def test_both_files_damaged_are_both_named(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    folder.run_json.write_bytes(b"")
    folder.status.write_bytes(b"")
    (run,) = RunStore(tmp_path).list()
    assert run.fault == "run.json is damaged: empty; status.json is damaged: empty"


def test_runs_are_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_run(tmp_path / "runs")
    store = RunStore(tmp_path / "runs")
    assert store.find("exp-001") == folder
    assert store.find(folder.path) == folder
    monkeypatch.chdir(tmp_path)
    assert store.find("runs/exp-001") == store.find("./runs/exp-001") == folder
    monkeypatch.chdir(folder.path)
    assert store.find(".") == folder
    monkeypatch.chdir(folder.path.parent)
    assert RunStore(tmp_path / "elsewhere").find("exp-001") == folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exp-01", "no run 'exp-01' in .*: did you mean exp-001"),
        ("something else", "there are 2 runs; `craft runs` lists them"),
        ("", "no run '' in"),
        ("x" * 300, "there are 2 runs"),
    ],
)
def test_an_unknown_run_is_told_what_there_is(tmp_path: Path, name: str, words: str) -> None:
    a_run(tmp_path)
    a_run(tmp_path)
    with pytest.raises(UnknownRunError, match=words):
        RunStore(tmp_path).find(name)


def test_a_folder_that_is_no_run_and_an_empty_store_say_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownRunError, match="there is none there yet"):
        RunStore(tmp_path).find("a")
    (tmp_path / "plain").mkdir()
    with pytest.raises(RunError, match=r"plain: not a run: it has no run\.json"):
        RunStore(tmp_path).find("plain")
    with pytest.raises(RunError, match="no such folder"):
        RunStore(tmp_path).find("some/where")


def test_a_run_may_be_a_link(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "elsewhere")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(folder.path)
    assert [run.name for run in RunStore(tmp_path / "runs").list()] == ["linked"]
    assert RunStore(tmp_path / "runs").find("linked") == RunFolder(tmp_path / "runs" / "linked")


def test_an_experiment_whose_name_no_folder_can_bear_is_found_by_it(tmp_path: Path) -> None:
    long = "an experiment " * 8
    made = {name: a_run(tmp_path, name) for name in ("Wide", "wide (two)", long)}
    store = RunStore(tmp_path)
    for name, folder in made.items():
        assert store.find(name) == folder
    with pytest.raises(UnknownRunError):
        store.find("WIDE")
