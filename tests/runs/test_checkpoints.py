"""Checkpoints: every damage is named, and the one before is used."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from craft.errors import CheckpointError
from craft.runs import checkpoints
from craft.runs.checkpoints import CheckpointInfo
from craft.runs.folder import RunFolder
from tests.runs.make import a_run

FILES = {
    "model.safetensors": bytes(range(256)) * 40,
    "training.json": b'{"step": 1}',
    "experiment.toml": b"craft = 1\n",
    "empty": b"",
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path / "runs")


def commit(folder: RunFolder, step: int, monitor_value: float | None = None, mode: str = "min") -> Path:
    def write(path: Path) -> None:
        for name, content in FILES.items():
            (path / name).write_bytes(content)

    return checkpoints.commit_checkpoint(folder, step, write, monitor_value=monitor_value, mode=mode)


def newest(folder: RunFolder) -> tuple[int | None, list[str]]:
    """The step that would be loaded, and what was said about those passed over."""
    said: list[str] = []

    def report(info: CheckpointInfo, problems: list[str]) -> None:
        said.extend(f"step {info.step}: {problem}" for problem in problems)

    found = checkpoints.newest_valid(folder, report)
    return (found.step if found else None), said


def steps(folder: RunFolder) -> list[int]:
    return [info.step for info in checkpoints.list_checkpoints(folder)]


def pointer(folder: RunFolder, name: str) -> int:
    return int(json.loads((folder.checkpoints / f"{name}.json").read_bytes())["step"])


def test_a_checkpoint_is_its_files_and_a_manifest_that_holds(folder: RunFolder) -> None:
    path = commit(folder, 500, monitor_value=1.5)
    assert path == folder.checkpoints / "step-00000500"
    assert {p.name: p.read_bytes() for p in path.iterdir() if p.name != "manifest.json"} == FILES
    manifest = json.loads((path / "manifest.json").read_bytes())
    assert (manifest["format"], manifest["layout"], manifest["step"]) == (1, "single", 500)
    assert manifest["files"]["empty"]["size"] == 0
    assert set(manifest["files"]) == set(FILES)
    assert checkpoints.verify(path) == []
    assert newest(folder) == (500, [])
    assert pointer(folder, "latest") == pointer(folder, "best") == 500


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "first bit": lambda content: flip(content, 0),
    "middle bit": lambda content: flip(content, len(content) // 2),
    "last bit": lambda content: flip(content, len(content) - 1),
    "cut": lambda content: content[:-1],
    "cut in half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeroed tail": lambda content: content[:-5] + bytes(5),
    "zeros": lambda content: bytes(len(content)),
    "longer": lambda content: content + b"\0",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", [*(name for name in FILES if name != "empty"), "manifest.json"])
def test_damage_is_named_and_the_one_before_is_used(folder: RunFolder, file: str, damage: str) -> None:
    commit(folder, 1)
    path = commit(folder, 2) / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    step, said = newest(folder)
    assert step == 1
    assert len(said) == 1
    assert said[0].startswith(f"step 2: {file}: ")
    assert checkpoints.resolve(folder, "latest").step == 1
    with pytest.raises(CheckpointError, match=rf"step-00000002: damaged: {file}: .*Other steps of this run: 1"):
        checkpoints.resolve(folder, "2")


def test_every_single_bit_of_a_manifest_counts(folder: RunFolder) -> None:
    folder_path = commit(folder, 2, monitor_value=1.5e-05)
    path = folder_path / "manifest.json"
    content = path.read_bytes()
    with path.open("r+b", buffering=0) as file:  # in place: a file that is cut and written anew waits for the disk
        for place, byte in enumerate(content):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ (1 << bit)]), place)
                problems = checkpoints.verify(folder_path)
                assert len(problems) == 1, content[place : place + 20]
                assert problems[0].startswith("manifest.json: ")
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert checkpoints.verify(folder_path) == []


@pytest.mark.parametrize("file", [*FILES, "manifest.json"])
@pytest.mark.parametrize("instead", ["nothing", "a folder", "a pipe", "a dangling link"])
def test_what_is_missing_or_no_file_is_named(folder: RunFolder, file: str, instead: str) -> None:
    commit(folder, 1)
    path = commit(folder, 2) / file
    path.unlink()
    match instead:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a dangling link":
            path.symlink_to("nowhere")
    step, said = newest(folder)
    assert step == 1
    assert said[0].startswith(f"step 2: {file}: ")


def test_a_folder_by_another_steps_name_is_not_believed(folder: RunFolder) -> None:
    shutil.copytree(commit(folder, 100), checkpoints.step_folder(folder, 900))
    assert newest(folder) == (100, ["step 900: manifest.json: is of step 100"])


def test_a_newer_format_is_said_to_be_one(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("craft.runs.manifest.FORMAT", 2)
        commit(folder, 1)
    assert newest(folder) == (
        None,
        ["step 1: manifest.json: format 2, layout single, and this Craft reads format 1, layout single"],
    )


def test_what_is_not_ours_is_ignored(folder: RunFolder) -> None:
    path = commit(folder, 5, monitor_value=1.0)
    (path / "notes.txt").write_text("mine")
    (folder.checkpoints / "notes.txt").write_text("mine")
    (folder.checkpoints / "step-7").mkdir()
    (folder.checkpoints / "step-00000009.bak").mkdir()
    (folder.checkpoints / "step-00000011").write_text("a file")
    (folder.checkpoints / ".hidden").mkdir()
    assert steps(folder) == [5]
    assert newest(folder) == (5, [])
    commit(folder, 6)
    checkpoints.prune(folder, 1)
    assert {path.name for path in folder.checkpoints.iterdir()} >= {"notes.txt", ".hidden", "step-7"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"step": 777}', b'{"step": "x"}', None])
@pytest.mark.parametrize("name", ["latest", "best"])
def test_a_damaged_pointer_misleads_nobody(folder: RunFolder, name: str, content: bytes | None) -> None:
    commit(folder, 1, monitor_value=0.5)
    commit(folder, 2, monitor_value=0.9)
    path = folder.checkpoints / f"{name}.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert checkpoints.resolve(folder, "latest").step == 2
    assert checkpoints.resolve(folder, "best").step == 1
    commit(folder, 3, monitor_value=0.7)
    assert (pointer(folder, "latest"), pointer(folder, "best")) == (3, 1)


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("min", [3.0, 1.0, 2.0], 1),
        ("max", [3.0, 1.0, 2.0], 0),
        ("min", [2.0, 2.0, 2.0], 0),
        ("min", [math.nan, 5.0, 6.0], 1),
        ("max", [math.inf, 5.0, 6.0], 2),
        ("min", [None, 5.0, None], 1),
    ],
)
def test_the_best_is_kept(folder: RunFolder, mode: str, values: list[float | None], best: int) -> None:
    for step, value in enumerate(values):
        commit(folder, step, value, mode)
        checkpoints.prune(folder, 1)
    assert checkpoints.best_step(folder) == pointer(folder, "best") == checkpoints.resolve(folder, "best").step == best
    assert steps(folder) == sorted({best, len(values) - 1})


def test_pruning_keeps_the_newest(folder: RunFolder) -> None:
    for step in range(6):
        commit(folder, step)
    checkpoints.prune(folder, 3)
    assert steps(folder) == [3, 4, 5]
    checkpoints.prune(folder, 1, spared=[4])
    assert steps(folder) == [4, 5]
    checkpoints.prune(folder, 0)
    assert steps(folder) == [5]


def test_a_step_saved_again_takes_the_place_of_the_old_one(folder: RunFolder) -> None:
    path = commit(folder, 1, monitor_value=0.1)
    (path / "empty").write_bytes(b"damaged")
    (path / "extra").write_bytes(b"")
    commit(folder, 1, monitor_value=0.9)
    assert {p.name for p in path.iterdir()} == {*FILES, "manifest.json"}
    assert newest(folder) == (1, [])
    assert not [p for p in folder.checkpoints.iterdir() if p.name.startswith(".")]


def test_a_writer_that_fails_changes_nothing(folder: RunFolder) -> None:
    def fail(path: Path) -> None:
        (path / "model.safetensors").write_bytes(b"half")
        raise RuntimeError("no memory")

    commit(folder, 1, monitor_value=1.0)
    for step in (1, 2):
        with pytest.raises(RuntimeError, match="no memory"):
            checkpoints.commit_checkpoint(folder, step, fail)
    assert newest(folder) == (1, [])
    assert {p.name for p in folder.checkpoints.iterdir()} == {"step-00000001", "latest.json", "best.json"}


def test_a_name_for_a_checkpoint_that_is_not_there_says_what_is(folder: RunFolder) -> None:
    with pytest.raises(CheckpointError, match="exp-001 has no checkpoint yet"):
        checkpoints.resolve(folder, "latest")
    commit(folder, 100)
    commit(folder, 200)
    assert checkpoints.resolve(folder, "100").step == 100
    for name, words in {
        "150": "no checkpoint of step 150; there are: 100, 200",
        "best": "no checkpoint was measured yet",
        "newest": "@newest: not a checkpoint; write @latest, @best or a step such as @200",
        "\u0663": "not a checkpoint",
        "": "not a checkpoint",
        "9" * 5000: "not a checkpoint",
    }.items():
        with pytest.raises(CheckpointError, match=words):
            checkpoints.resolve(folder, name)
    for info in checkpoints.list_checkpoints(folder):
        (info.path / "empty").unlink()
    with pytest.raises(CheckpointError, match=r"every checkpoint is damaged: step 200: empty: .*step 100"):
        checkpoints.resolve(folder, "latest")


def test_reading_changes_nothing(folder: RunFolder) -> None:
    commit(folder, 1)
    place = commit(folder, 2)
    place.rename(folder.checkpoints / ".old-step-00000002")  # a crash between the two renames of a replacement
    (folder.checkpoints / ".partial-step-00000002").mkdir()
    before = sorted(folder.checkpoints.iterdir())
    assert newest(folder) == (2, [])
    assert checkpoints.resolve(folder, "2").step == 2
    assert sorted(folder.checkpoints.iterdir()) == before
    checkpoints.prune(folder, 5)
    assert steps(folder) == [1, 2]
    assert place.is_dir()
    assert not (folder.checkpoints / ".partial-step-00000002").exists()


def test_a_run_that_was_deleted_does_not_come_back_as_a_stump(folder: RunFolder) -> None:
    shutil.rmtree(folder.checkpoints)
    commit(folder, 1)
    shutil.rmtree(folder.path)
    with pytest.raises(FileNotFoundError):
        commit(folder, 2)
    assert not folder.path.exists()


def test_values_of_another_figure_compare_with_nothing(folder: RunFolder) -> None:
    def write(path: Path) -> None:
        (path / "model.safetensors").write_bytes(b"weights")

    for step, (monitor, value) in enumerate([("val/loss", 0.1), ("val/top_5", 0.9), ("val/top_5", 0.8)], 1):
        checkpoints.commit_checkpoint(folder, step, write, monitor_value=value, mode="min", monitor=monitor)
    assert checkpoints.best_step(folder) == 3
