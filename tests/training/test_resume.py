"""A run that was killed and resumed ends with the same bits as one that was never touched."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from craft.runs import checkpoints
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.jsonl import read_lines
from craft.runs.metrics import MetricsReader
from craft.runs.status import read_status
from craft.training.experiment import Experiment
from tests.training import runs

# It waits for a loss that grows, so it counts every evaluation.
EARLY = {"early_stopping": {"type": "early_stopping", "patience": 50, "mode": "max"}}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return runs.write_text(tmp_path / "text.txt")


def run_here(folder: RunFolder, config: Any, until: int | None = None) -> Experiment:
    """Train in this process, to the end or to a step, and let go of the run as a finished process would."""
    experiment = Experiment(config, folder=folder)
    try:
        trainer = experiment.setup()
        trainer.fit(until=until)
        experiment.close()
    finally:
        assert experiment._lock is not None
        experiment._lock.release()
    return experiment


def disturb_random_state() -> None:
    """What another life would have left behind."""
    random.seed(random.random())
    torch.manual_seed(random.randrange(10**6))


@pytest.mark.parametrize("cut", [1, 5, 17, 39])
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"optimizer": {"type": "adamw"}, "scheduler": {"type": "cosine"}, "tokenizer": {"type": "byte"}},
        {"training": {"max_steps": 0, "max_epochs": 1, "batch_size": 25, "micro_batch_size": 10}},
    ],
    ids=["muon", "adamw", "epochs"],
)
def test_a_restart_changes_no_bit(tmp_path: Path, text: Path, sections: dict[str, Any], cut: int) -> None:
    if "training" in sections:
        sections = {**sections, "training": {**sections["training"], "batch_size": 30, "micro_batch_size": 10}}
    config = runs.definition(text, **sections)
    untouched, cut_short = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    run_here(untouched, config)
    run_here(cut_short, config, until=cut)
    disturb_random_state()
    run_here(cut_short, config)
    assert runs.final_weights(cut_short) == runs.final_weights(untouched)
    ours, theirs = (MetricsReader(folder.metrics) for folder in (cut_short, untouched))
    ours.poll()
    theirs.poll()
    assert ours.series("train/loss") == theirs.series("train/loss")
    assert ours.last("val/loss") == theirs.last("val/loss")


LEFT_OUT = {
    "optimizer": "weights",
    "random": "weights",
    "trainer": "weights",
    "loop": "metrics",
    "callbacks": "callbacks",
}


@pytest.mark.parametrize("part", LEFT_OUT)
def test_leaving_one_state_out_shows(tmp_path: Path, text: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: each state that a checkpoint holds is needed."""
    config = runs.definition(text, callbacks=EARLY)
    untouched, cut_short = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    whole = run_here(untouched, config)
    run_here(cut_short, config, until=17)
    disturb_random_state()

    experiment = Experiment(config, folder=cut_short)
    original = Experiment._restore

    def restore_without(self: Experiment, trainer: Any, *more: Any) -> None:
        manager = trainer.checkpoints
        held = {**manager.tensors, **manager.values}
        monkeypatch.setattr(held[part], "load_state_dict", lambda state: None)
        original(self, trainer, *more)

    monkeypatch.setattr(Experiment, "_restore", restore_without)
    trainer = experiment.setup()
    try:
        trainer.fit()
    finally:
        assert experiment._lock is not None
        experiment._lock.release()
    assert whole.trainer is not None
    match LEFT_OUT[part]:
        case "weights":
            assert runs.final_weights(cut_short) != runs.final_weights(untouched)
        case "metrics":
            assert trainer.loop.tokens != whole.trainer.loop.tokens
        case "callbacks":
            assert trainer.callbacks.state_dict() != whole.trainer.callbacks.state_dict()


def test_every_state_of_a_checkpoint_is_tried(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, callbacks=EARLY)
    experiment = Experiment(config, folder=runs.make_run(tmp_path / "runs", config))
    trainer = experiment.setup()
    held = {*trainer.checkpoints.tensors, *trainer.checkpoints.values}
    # The loss scale is a constant but in fp16 (test_loss_scale), a schedule but for a plateau (test_schedulers).
    assert held - {"loss_scale", "scheduler", "ema"} == set(LEFT_OUT)
    assert experiment._lock is not None
    experiment._lock.release()


def killed_again_and_again(tmp_path: Path, text: Path, kills: int, seed: int) -> None:
    """SIGKILL at random instants, also inside a save; resume each time; compare with an untouched run."""
    rng = random.Random(seed)
    steps = 100 + 15 * kills  # a worker comes some ten steps far before it is killed
    config = runs.definition(text, training={"max_steps": steps, "eval_every": 50}, checkpoint={"every": 3, "keep": 2})
    untouched = runs.make_run(tmp_path / "runs", config)
    assert runs.train(untouched) == 0
    folder = runs.make_run(tmp_path / "runs", config)
    done = inside_a_save = 0
    while done < kills:
        process = runs.start(folder)
        reached = read_status(folder)
        runs.wait_for_step(folder, (reached.step if reached else 0) + 1, process)
        pause = rng.uniform(0, 0.05)
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            pass
        before = {line["step"] for line in read_lines(folder.metrics) if "step" in line}
        runs.kill(process)
        done += 1
        inside_a_save += any(path.name.startswith(".partial") for path in folder.checkpoints.iterdir())
        after = {line["step"] for line in read_lines(folder.metrics) if "step" in line}
        assert before <= after, "a metric that could be read is gone"
        assert checkpoints.newest_valid(folder, lambda info, problems: pytest.fail(f"{info}: {problems}")) is not None
        status = read_status(folder)
        if status is not None and status.phase == "finished":
            pytest.fail("the run ended before it was killed often enough")
    assert runs.train(folder) == 0, folder.log.read_text()
    assert runs.final_weights(folder) == runs.final_weights(untouched)
    assert sum(event["kind"] == "resumed" for event in read_events(folder)) >= kills


def test_a_few_kills_change_no_bit(tmp_path: Path, text: Path) -> None:
    killed_again_and_again(tmp_path, text, kills=3, seed=1)


@pytest.mark.slow
def test_twenty_kills_change_no_bit(tmp_path: Path, text: Path) -> None:
    killed_again_and_again(tmp_path, text, kills=20, seed=2)


@pytest.mark.parametrize("fault", ["flip", "cut", "zeros", "missing"])
@pytest.mark.parametrize("file", ["model.safetensors", "training.safetensors", "training.json", "manifest.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    tmp_path: Path, text: Path, fault: str, file: str
) -> None:
    config = runs.definition(text, training={"max_steps": 20})
    untouched, folder = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    run_here(untouched, config)
    run_here(folder, config, until=15)
    path = checkpoints.step_folder(folder, 15) / file
    content = bytearray(path.read_bytes())
    match fault:
        case "flip":
            content[len(content) // 2] ^= 1
        case "cut":
            del content[len(content) // 2 :]
        case "zeros":
            content[-len(content) // 4 :] = bytes(len(content) // 4 + 1)
        case "missing":
            path.unlink()
    if fault != "missing":
        path.write_bytes(content)
    run_here(folder, config)
    warnings = [event["text"] for event in read_events(folder) if event["kind"] == "warning"]
    assert any("step 15" in words and file in words for words in warnings), warnings
    assert [event["step"] for event in read_events(folder) if event["kind"] == "resumed"] == [10]
    assert runs.final_weights(folder) == runs.final_weights(untouched)


def test_with_every_checkpoint_damaged_the_run_says_so(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 10})
    folder = runs.make_run(tmp_path / "runs", config)
    run_here(folder, config)
    for info in checkpoints.list_checkpoints(folder):
        (info.path / "model.safetensors").write_bytes(b"")
    assert runs.train(folder) == 1
    status = read_status(folder)
    assert status is not None
    assert status.phase == "failed"
    assert status.error is not None
    assert "every checkpoint is damaged" in status.error


def test_another_text_is_refused(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 10})
    folder = runs.make_run(tmp_path / "runs", config)
    run_here(folder, config)
    runs.write_text(text, words=2000)
    assert runs.train(folder) == 1
    status = read_status(folder)
    assert status is not None
    assert status.error is not None
    assert "not the one this run was trained on" in status.error


def test_equal_weights_are_equal_files(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 5})
    first, second = runs.make_run(tmp_path / "a", config), runs.make_run(tmp_path / "b", config, name="other")
    run_here(first, config)
    run_here(second, config)
    assert runs.final_weights(first) == runs.final_weights(second)
    tensors = load_file(checkpoints.step_folder(first, 5) / "model.safetensors")
    assert "head.weight" in tensors


def test_a_copied_folder_can_be_read_anywhere(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 5})
    folder = runs.make_run(tmp_path / "runs", config)
    run_here(folder, config)
    text.unlink()
    shutil.copytree(folder.path, tmp_path / "elsewhere")
    from craft.generation.checkpoint import load_checkpoint
    from craft.runs.sampling_settings import SamplingSettings

    copied = RunFolder(tmp_path / "elsewhere")
    loaded = load_checkpoint(checkpoints.resolve(copied, "latest").path)
    written = "".join(loaded.stream("a", SamplingSettings(max_new_tokens=5, temperature=0)))
    assert len(written) == 5


def test_a_restart_at_step_0_measures_nothing_twice(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, callbacks={"early_stopping": {"type": "early_stopping", "patience": 1}})
    untouched, cut_short = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    run_here(untouched, config)
    run_here(cut_short, config, until=0)
    run_here(cut_short, config)
    reader = MetricsReader(cut_short.metrics)
    reader.poll()
    assert reader.series("val/loss")[0][:2] == [0, 10]
    assert runs.final_weights(cut_short) == runs.final_weights(untouched)


def test_an_early_stop_holds_after_a_restart_but_not_for_a_longer_run(tmp_path: Path, text: Path) -> None:
    early = {"early_stopping": {"type": "early_stopping", "patience": 1, "mode": "max"}}
    config = runs.definition(text, callbacks=early)
    folder = runs.make_run(tmp_path / "runs", config)
    assert run_here(folder, config).trainer.step == 10  # type: ignore[union-attr]
    assert run_here(folder, config).trainer.step == 10  # type: ignore[union-attr]
    longer = config.model_copy(update={"training": config.training.model_copy(update={"max_steps": 60})})
    assert run_here(folder, longer).trainer.step > 10  # type: ignore[union-attr]


def test_kept_gaussian_numbers_survive(tmp_path: Path) -> None:
    import numpy as np

    from craft.training.checkpointing import RandomStates

    random.seed(1)
    np.random.seed(1)
    random.gauss()
    np.random.randn()
    states = RandomStates(torch.device("cpu"))
    saved = {name: tensor.clone() for name, tensor in states.state_dict().items()}
    expected = (random.gauss(), np.random.randn(), random.random(), np.random.rand())
    disturb_random_state()
    np.random.rand(5)
    states.load_state_dict(saved)
    assert (random.gauss(), np.random.randn(), random.random(), np.random.rand()) == expected
