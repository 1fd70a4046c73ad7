"""Craft's own checkpoints: found by a run, a folder or a file, and named where they are not whole."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from craft.errors import CheckpointError
from craft.generation import SamplingSettings
from craft.generation.checkpoint import LoadedCheckpoint, load_checkpoint
from craft.generation.places import DEFINITION, TOKENIZER, WEIGHTS, find_checkpoint
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from tests.training.runs import definition, make_run, train, write_text

GREEDY = SamplingSettings(max_new_tokens=20, temperature=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that ended at step 40, and keeps three checkpoints."""
    place = tmp_path_factory.mktemp("trained")
    folder = make_run(place / "runs", definition(write_text(place / "text.txt")))
    assert train(folder) == 0
    return folder


@pytest.fixture
def run(trained: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy that a test may spoil."""
    shutil.copytree(trained.path, tmp_path / trained.name)
    return RunFolder(tmp_path / trained.name)


def written(loaded: LoadedCheckpoint) -> str:
    return "".join(loaded.stream("ab", GREEDY))


def newest(run: RunFolder) -> Path:
    return checkpoints.list_checkpoints(run)[-1].path


def test_a_run_its_checkpoint_and_its_weights_are_the_same(run: RunFolder, tmp_path: Path) -> None:
    step = newest(run)
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in (WEIGHTS, DEFINITION, TOKENIZER):
        shutil.copy(step / name, copied)
    (copied / WEIGHTS).rename(copied / "mine.safetensors")
    shutil.copytree(step, tmp_path / "alone")
    places = [run.path, run.checkpoints, step, step / WEIGHTS, tmp_path / "alone", copied / "mine.safetensors", copied]
    found = [load_checkpoint(place) for place in places]
    assert len({written(loaded) for loaded in found}) == 1
    assert [loaded.path for loaded in found] == [step] * 4 + [tmp_path / "alone"] + [copied / "mine.safetensors"] * 2
    of_the_run, alone, bare = found[0], found[4], found[5]
    assert (of_the_run.run, of_the_run.step, of_the_run.source) == (run.name, 40, f"checkpoint of {run.name}, step 40")
    assert (alone.run, alone.step, alone.source) == (None, 40, "checkpoint of step 40")
    assert (bare.run, bare.step, bare.source) == (None, None, "weights in mine.safetensors")
    config = of_the_run.config
    assert config is not None
    assert (of_the_run.context_length, of_the_run.end_tokens) == (config.data.context_length, frozenset())
    assert of_the_run.num_bytes == 4 * of_the_run.model.num_parameters()


def test_a_run_whose_newest_checkpoint_is_damaged_gives_the_one_before(run: RunFolder) -> None:
    file = newest(run) / WEIGHTS
    file.write_bytes(file.read_bytes()[:-4])
    assert load_checkpoint(run.path).step == 35
    with pytest.raises(CheckpointError, match=rf"{newest(run)}: damaged: {WEIGHTS}: .* bytes where .* were written"):
        load_checkpoint(newest(run))


def test_a_run_without_a_checkpoint_says_so(run: RunFolder) -> None:
    shutil.rmtree(run.checkpoints)
    with pytest.raises(CheckpointError, match=f"{run.name} has no checkpoint yet"):
        load_checkpoint(run.path)


@pytest.mark.parametrize("name", [WEIGHTS, DEFINITION, TOKENIZER, "manifest.json"])
@pytest.mark.parametrize("how", ["cut", "zeros", "gone", "folder"])
def test_a_checkpoint_that_is_not_whole_is_refused(run: RunFolder, name: str, how: str) -> None:
    place = newest(run)
    file = place / name
    content = file.read_bytes()
    file.unlink()
    if how == "folder":
        file.mkdir()
    elif how != "gone":
        file.write_bytes(content[: len(content) // 2] if how == "cut" else bytes(len(content)))
    for path in (place, place / WEIGHTS):
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        assert str(place) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ((TOKENIZER,), r"weights alone write no text: tokenizer\.json is missing beside them"),
        ((DEFINITION, TOKENIZER), r"weights alone are no model: experiment\.toml and tokenizer\.json are missing"),
        ((DEFINITION,), r"weights alone are no model: experiment\.toml"),
    ],
)
def test_weights_by_themselves_say_what_is_missing(
    run: RunFolder, tmp_path: Path, lacks: tuple[str, ...], words: str
) -> None:
    for name in {WEIGHTS, DEFINITION, TOKENIZER} - set(lacks):
        shutil.copy(newest(run) / name, tmp_path)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(tmp_path / WEIGHTS)


@pytest.mark.parametrize("fault", ["missing", "more", "shape", "ints", "cut", "zeros"])
def test_copied_weights_that_do_not_fit_are_named(run: RunFolder, tmp_path: Path, fault: str) -> None:
    for name in (WEIGHTS, DEFINITION, TOKENIZER):
        shutil.copy(newest(run) / name, tmp_path)
    file, name = tmp_path / WEIGHTS, "blocks.0.mlp.up_proj.weight"
    tensors = load_file(file)
    match fault:
        case "missing":
            del tensors[name]
        case "more":
            tensors[name.replace(".0.", ".1.")] = torch.ones(2)
        case "shape":
            tensors[name] = torch.ones(2, 2)
        case "ints":
            tensors[name] = torch.ones_like(tensors[name], dtype=torch.int32)
    save_file(tensors, file)
    if fault in ("cut", "zeros"):
        content = file.read_bytes()
        half = len(content) // 2
        file.write_bytes(content[:half] + (bytes(half) if fault == "zeros" else b""))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(file)
    assert str(file) in str(caught.value)
    assert fault in ("cut", "zeros") or "blocks." in str(caught.value)


def test_weights_of_half_the_size_are_weights(run: RunFolder, tmp_path: Path) -> None:
    for name in (DEFINITION, TOKENIZER):
        shutil.copy(newest(run) / name, tmp_path)
    tensors = load_file(newest(run) / WEIGHTS)
    save_file({name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, tmp_path / WEIGHTS)
    loaded = load_checkpoint(tmp_path / WEIGHTS)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}


def test_training_state_is_no_model(run: RunFolder) -> None:
    other = next(file for file in newest(run).glob("*.safetensors") if file.name != WEIGHTS)
    with pytest.raises(CheckpointError, match="holds another model"):
        load_checkpoint(other)


def test_a_checkpoint_that_is_tidied_up_meanwhile_is_another_by_then(run: RunFolder, tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(newest(run), files, ignore=shutil.ignore_patterns("manifest.json"))
    over = threading.Event()

    def train_on() -> None:
        for step in itertools.count(41):
            checkpoints.commit_checkpoint(run, step, lambda place: copy_files(files, place))
            checkpoints.prune(run, keep=1)
            if over.is_set():
                return

    thread = threading.Thread(target=train_on)
    thread.start()
    try:
        steps: list[int] = []
        while len(set(steps)) < 5:  # it goes on until it was tidied up under our hands often enough
            steps.append(load_checkpoint(run.path).step or 0)
    finally:
        over.set()
        thread.join()
    assert steps == sorted(steps)


def copy_files(source: Path, target: Path) -> None:
    for file in source.iterdir():
        shutil.copy(file, target)


def test_weights_that_are_written_over_while_they_are_read_are_said(run: RunFolder, tmp_path: Path) -> None:
    for name in (WEIGHTS, DEFINITION, TOKENIZER):
        shutil.copy(newest(run) / name, tmp_path)
    file, over = tmp_path / WEIGHTS, threading.Event()
    content = file.read_bytes()

    def write_on() -> None:
        while not over.is_set():
            file.write_bytes(content[: len(content) // 3])
            file.write_bytes(content)

    thread = threading.Thread(target=write_on)
    thread.start()
    found: set[str] = set()
    try:
        while not any("it changed while it was read; try again once it is written" in text for text in found):
            try:
                load_checkpoint(file)
            except CheckpointError as error:
                found.add(str(error))
    finally:
        over.set()
        thread.join()
    assert all(str(file) in text for text in found)


@pytest.mark.parametrize("name", ["nowhere", "no\0thing", "x" * 5000, "~nobody/x.safetensors"])
def test_names_that_lead_nowhere_are_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_what_is_neither_file_nor_folder_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(CheckpointError, match="it is neither a file nor a folder"):
        load_checkpoint(tmp_path / "pipe.safetensors")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o000)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
        load_checkpoint(tmp_path / "locked")


def test_a_place_is_told_without_loading_it(run: RunFolder) -> None:
    place = find_checkpoint(run.path)
    assert (place.kind, place.run, place.step) == ("checkpoint", run.name, 40)
    assert place.definition == newest(run) / DEFINITION
