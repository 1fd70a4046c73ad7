"""What the machine can do, and what is decided by it: utilisation, compiling, batches made early."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from craft.config.schema.training import TrainingConfig
from craft.data.batches import TrainBatches
from craft.data.datasets import TextDataset
from craft.data.prefetch import Prefetch
from craft.runs.events import read_events
from craft.runs.folder import read_identity
from craft.runs.metrics import MetricsReader
from craft.training import compiling
from craft.training.compiling import choose_compile
from craft.training.machine import matmul_rate
from tests.training import runs
from tests.training.test_resume import run_here

CPU = torch.device("cpu")


def test_a_rate_is_measured_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert matmul_rate(CPU, torch.float32, measure=False) is None
    rate = matmul_rate(CPU, torch.float32)
    assert rate is not None
    assert 1e9 < rate < 1e14
    monkeypatch.setattr("craft.training.machine._measured", lambda *_: pytest.fail("measured again"))
    assert matmul_rate(CPU, torch.float32) == pytest.approx(rate, rel=1e-6)
    assert matmul_rate(CPU, torch.bfloat16, measure=False) is None


def test_utilisation_is_recorded_where_the_rate_is_known(tmp_path: Path) -> None:
    rate = matmul_rate(CPU, torch.float32)
    config = runs.definition(runs.write_text(tmp_path / "text.txt"))
    folder = runs.make_run(tmp_path / "runs", config)
    trainer = run_here(folder, config).trainer
    assert trainer is not None
    assert rate is not None
    reader = MetricsReader(folder.metrics)
    reader.poll()
    _, shares = reader.series("train/mfu")
    _, tokens = reader.series("train/tokens_per_second")
    width, layers, vocabulary, context = 16, 1, trainer.model.vocab_size, 16
    forward = 2 * (layers * (12 * width**2 + 2 * context * width) + width * vocabulary)
    assert shares[-1] == pytest.approx(tokens[-1] * 3 * forward / rate, abs=1e-4)


@pytest.mark.parametrize(
    ("wanted", "flops", "rate", "compiled", "said"),
    [
        ("auto", 1e9, None, False, "not known here yet"),
        ("auto", None, 1e12, False, "not known here yet"),
        ("auto", 1e12, 1e12, False, "it saves 0, and costs 40"),
        ("auto", 1e16, 1e12, True, "compile on: of some 33,333 s of training it saves 1,587, and costs 40"),
        (True, None, None, True, "compile on: as set"),
        (False, 1e16, 1e12, False, "compile off: as set"),
    ],
)
def test_auto_compiles_where_it_pays(wanted: Any, flops: Any, rate: Any, compiled: bool, said: str) -> None:
    found, reason = choose_compile(wanted, CPU, flops, rate)
    assert found is compiled
    assert said in reason


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda _: None)
    for wanted in ("auto", True):
        compiled, reason = choose_compile(wanted, CPU, 1e16, 1e12)
        assert not compiled
        assert "no C++ compiler" in reason


@pytest.mark.slow
def test_a_compiled_run_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    config = runs.definition(runs.write_text(tmp_path / "text.txt"), training={"compile": True, "max_steps": 12})
    untouched, cut_short = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    assert runs.train(untouched) == 0, untouched.log.read_text()
    process = runs.start(cut_short)
    runs.wait_for_step(cut_short, 6, process)
    runs.kill(process)
    assert runs.train(cut_short) == 0, cut_short.log.read_text()
    assert read_identity(cut_short).chosen["compile"] is True
    assert not [event for event in read_events(cut_short) if event["kind"] == "warning"]
    assert runs.final_weights(cut_short) == runs.final_weights(untouched)
    eager = runs.definition(tmp_path / "text.txt", training={"compile": False, "max_steps": 12})
    plain = runs.make_run(tmp_path / "runs", eager)
    assert runs.train(plain) == 0
    losses = []
    for folder in (plain, untouched):
        reader = MetricsReader(folder.metrics)
        reader.poll()
        losses.append(reader.last("val/loss"))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_compiler_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: torch.nn.Module) -> None:
        raise RuntimeError("no such instruction\nand a page of more")

    monkeypatch.setattr(torch.nn.Module, "compile", broken)
    text = runs.write_text(tmp_path / "text.txt")
    config = runs.definition(text, training={"compile": True})
    folder, plain = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    run_here(folder, config)
    warned = [event["text"] for event in read_events(folder) if event["kind"] == "warning"]
    assert warned == ["the model is not compiled: RuntimeError: no such instruction"]
    assert read_identity(folder).chosen["compile"] is False
    eager = runs.definition(text)
    run_here(plain, eager)
    assert runs.final_weights(folder) == runs.final_weights(plain), "the trial left nothing behind"


def test_batches_made_early_are_the_same(tmp_path: Path) -> None:
    np.arange(5000, dtype=np.uint16).tofile(tmp_path / "tokens.bin")
    mapped = np.memmap(tmp_path / "tokens.bin", dtype=np.uint16, mode="r")
    for tokens, early in ((mapped, True), (np.array(mapped), False)):
        batches = TrainBatches(TextDataset(tokens[:4000], 8), batch_size=4, shuffle=True, seed=3)
        prefetch = Prefetch(batches, CPU, last=9)
        before = threading.active_count()
        for step in (1, 2, 3, 7, 8, 9, 2, 9):
            for ours, theirs in zip(prefetch.batch(step), batches.batch(step), strict=True):
                assert torch.equal(ours, theirs)
        assert (threading.active_count() > before) is early
        prefetch.close()
        assert threading.active_count() == before


def test_the_setting_says_what_it_means() -> None:
    assert "pays" in (TrainingConfig.model_fields["compile"].description or "")
