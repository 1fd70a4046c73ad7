"""What the first model was held to, over every component: no restart changes a bit, no damage is silent."""

from __future__ import annotations

import random
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from craft.config.definition import dump_definition, load_definition
from craft.config.estimate import estimate
from craft.config.schema.training import TrainingConfig
from craft.generation.checkpoint import load_checkpoint
from craft.runs import checkpoints
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsReader
from craft.runs.sampling_settings import SamplingSettings
from craft.runs.status import read_status
from craft.training.callbacks.base import Callback, CallbackList
from craft.training.experiment import Experiment
from craft.training.trainer import Trainer
from tests.faults.components import (
    COMPONENTS,
    PARTS,
    SECTIONS,
    WAYS,
    definition,
    every_component,
    fit_together,
    known_types,
    pairwise,
)
from tests.training import runs

COMPARED = ("train/loss", "train/lr", "val/loss")


class StopAt(Callback):
    """Asks to leave after a step, as a person would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            trainer.ask_to_stop("cut short")


def run_here(folder: RunFolder, config: Any, until: int | None = None) -> None:
    """Train in this process, to the end or to a step, and let go of the run as a stopped process would."""
    experiment = Experiment(config, folder=folder)
    try:
        trainer = experiment.setup()
        if until is not None:
            trainer.callbacks = CallbackList({**trainer.callbacks.callbacks, "stop": StopAt(until)})
        trainer.fit()
        experiment.close()
    finally:
        assert experiment._lock is not None
        experiment._lock.release()


def figures(folder: RunFolder) -> set[tuple[str, float, float]]:
    """What a run has recorded: name, step, value."""
    reader = MetricsReader(folder.metrics)
    reader.poll()
    return {(name, step, value) for name in COMPARED for step, value in zip(*reader.series(name), strict=True)}


def twins(tmp_path: Path, config: Any) -> tuple[RunFolder, RunFolder]:
    """Two runs of one definition."""
    return runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_type_has_an_entry(section: str) -> None:
    assert set(COMPONENTS[section]) == set(known_types(section))


def test_every_setting_of_training_is_tried() -> None:
    tried = {name for way in WAYS.values() for name in way.get("training", {})}
    everywhere = {"max_steps", "batch_size", "grad_clip", "eval_every", "log_every"}
    elsewhere = {
        "max_epochs",  # tests/training/test_epochs.py
        "compile",  # takes a minute each
        "threads",  # one, in all tests
        "trainer",  # tests/test_extending.py
        "on_nonfinite",  # tests/training/test_worker.py
    }
    assert set(TrainingConfig.model_fields) == tried | everywhere | elsewhere


def test_every_two_components_meet() -> None:
    met = {frozenset(pair) for choice in pairwise() for pair in combinations(choice.items(), 2)}
    everything = list(every_component())
    wanted = {
        frozenset((one, two)) for one, two in combinations(everything, 2) if one[0] != two[0] and fit_together(one, two)
    }
    assert met == wanted


@pytest.mark.parametrize(("section", "kind"), list(every_component()))
def test_a_definition_reads_back_and_is_estimated(tmp_path: Path, section: str, kind: str) -> None:
    config = definition(tmp_path / "files", {section: kind})
    path = tmp_path / "experiment.toml"
    path.write_text(dump_definition("tried", config, runs_dir=None))
    assert load_definition(path) == ("tried", config)
    found = estimate(config)
    assert found.total_parameters.low > 0
    assert found.flops_per_token.low > 0
    assert found.peak.low > 0


@pytest.mark.slow
@pytest.mark.parametrize(("section", "kind"), list(every_component()))
def test_a_restart_changes_no_bit(tmp_path: Path, section: str, kind: str) -> None:
    config = definition(tmp_path / "files", {section: kind})
    untouched, cut_short = twins(tmp_path, config)
    run_here(untouched, config)
    for cut in (1, 17, 39):
        run_here(cut_short, config, until=cut)
        random.seed(random.random())  # what another life would have left behind
        torch.manual_seed(random.randrange(10**6))
    run_here(cut_short, config)
    assert runs.final_weights(cut_short) == runs.final_weights(untouched)
    assert figures(untouched) == figures(cut_short)


@pytest.mark.slow
@pytest.mark.parametrize(("section", "kind"), list(every_component()))
def test_its_checkpoint_writes_and_damage_is_named(tmp_path: Path, section: str, kind: str) -> None:
    config = definition(tmp_path / "files", {section: kind})
    folder, _ = twins(tmp_path, config)
    run_here(folder, config)
    found = checkpoints.list_checkpoints(folder)
    settings = SamplingSettings(max_new_tokens=40, temperature=0.7, seed=3)  # beyond the context
    prompt = "" if section == "data" else "1 2 3" if kind == "ids" else "abc"
    first, again = ("".join(load_checkpoint(found[-1].path).stream(prompt, settings)) for _ in range(2))
    assert first
    assert first == again
    for path in sorted(found[-1].path.iterdir()):
        if not path.stat().st_size:
            continue
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        whole = path.read_bytes()
        path.write_bytes(content)
        named: list[str] = []
        usable = checkpoints.newest_valid(folder, lambda info, problems, named=named: named.extend(problems))
        assert usable is not None
        assert usable.step < found[-1].step
        assert any(path.name in words for words in named)
        path.write_bytes(whole)
    assert checkpoints.newest_valid(folder, lambda info, problems: None) == found[-1]


@pytest.mark.slow
@pytest.mark.parametrize("choice", pairwise(), ids=lambda choice: "-".join(choice[part] for part in PARTS))
def test_kills_change_no_bit(tmp_path: Path, choice: dict[str, str]) -> None:
    """SIGKILL at random instants, three times, and once with the newest checkpoint damaged."""
    config = definition(tmp_path / "files", choice, max_steps=60)
    untouched, killed = twins(tmp_path, config)
    assert runs.train(untouched) == 0, untouched.log.read_text()
    rng = random.Random(str(choice))
    for number in range(3):
        process = runs.start(killed)
        reached = read_status(killed)
        try:
            runs.wait_for_step(killed, (reached.step if reached else 0) + rng.randint(1, 12), process)
            time.sleep(rng.uniform(0, 0.03))
        finally:
            runs.kill(process)
        present = checkpoints.list_checkpoints(killed)
        if number == 1 and len(present) > 1:
            weights = present[-1].path / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-1])
    assert runs.train(killed) == 0, killed.log.read_text()
    assert runs.final_weights(killed) == runs.final_weights(untouched)
    assert figures(killed) == figures(untouched)
    warned = [event["text"] for event in read_events(killed) if event["kind"] == "warning"]
    assert any("is damaged and not used" in words for words in warned) or len(present) <= 1
