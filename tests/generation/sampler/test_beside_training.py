"""Where the sampler computes while a run trains: told from real locks; which GPU there is, is made up here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from craft import platform
from craft.generation.sampler import beside_training
from craft.generation.sampler.beside_training import Training, place, trainings
from craft.runs.folder import RunFolder, RunIdentity


@pytest.fixture(autouse=True)
def own_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """A run whose lock is held, as by its worker."""
    folder = RunFolder(tmp_path / "small-001")
    folder.path.mkdir()
    with platform.FileLock(folder.lock):
        yield folder


def choose(folder: RunFolder, device: str) -> None:
    folder.run_json.write_bytes(RunIdentity("small", chosen={"device": device}).as_json())


def give_slot(folder: RunFolder, slot: str) -> None:
    platform.slots_dir().mkdir(parents=True)
    (platform.slots_dir() / f"{slot}.json").write_text(json.dumps({"run": str(folder.path)}))


def have_gpus(monkeypatch: pytest.MonkeyPatch, *uuids: str) -> None:
    monkeypatch.setattr(beside_training, "choose_device", lambda wanted: (torch.device("cuda"), "made up"))
    monkeypatch.setattr(beside_training, "_gpus", lambda: list(uuids))


def test_without_a_run_that_trains_all_is_there(tmp_path: Path) -> None:
    assert trainings() == []
    assert (place("cpu").device, place("cpu").threads) == ("cpu", None)


def test_a_run_that_trains_on_the_cpu_leaves_one_thread(run: RunFolder) -> None:
    give_slot(run, "cpu-0")
    assert trainings() == [Training("small-001", "cpu", "cpu-0")], "its slot says so until it has chosen"
    found = place("cpu")
    assert found.threads == 1
    assert found.why == "as asked; one thread at low priority: small-001 trains on the CPU"


def test_a_run_without_a_slot_counts_when_it_is_asked_about(run: RunFolder) -> None:
    choose(run, "cpu")
    assert trainings() == []
    assert place("cpu", run).threads == 1


def test_a_slot_whose_run_has_ended_counts_no_more(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "small-001")
    folder.path.mkdir()
    give_slot(folder, "cpu-0")
    assert trainings(folder) == []


def test_a_gpu_that_trains_is_left_alone(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    have_gpus(monkeypatch, "aa")
    assert place("auto").device == "cuda"
    give_slot(run, "gpu-GPU-aa")
    choose(run, "cuda")
    found = place("auto")
    assert (found.device, found.threads) == ("cpu", None)
    assert found.why == "small-001 trains on the GPU (cuda)"


def test_another_gpu_is_taken_where_there_is_one(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    have_gpus(monkeypatch, "aa", "bb")
    choose(run, "cuda")
    give_slot(run, "gpu-GPU-aa")
    assert (place("auto").device, place("auto").why) == ("cuda:1", "small-001 trains on another GPU")


def test_a_run_whose_gpu_is_not_known_holds_them_all(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    have_gpus(monkeypatch, "aa", "bb")
    choose(run, "cuda")
    assert place("auto", run).device == "cpu"


@pytest.mark.parametrize("note", ["", "[]", '{"run": 3}', '{"other": "x"}', "\x00"])
def test_a_damaged_note_is_nobody(note: str) -> None:
    platform.slots_dir().mkdir(parents=True)
    (platform.slots_dir() / "cpu-0.json").write_text(note)
    assert trainings() == []
