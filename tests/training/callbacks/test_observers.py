"""Samples, norms and the machine's use: what they record, and that they change no bit of the run."""

from __future__ import annotations

import math
import types
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from craft.runs import control
from craft.runs.events import read_samples
from craft.runs.folder import RunFolder
from craft.training.callbacks.norms import layer_of
from craft.training.callbacks.nvml import GpuWatch
from tests.children import wait_until
from tests.training import runs
from tests.training.callbacks.here import events_of, make, records_with, train, warnings_of

TRAINING = {"max_steps": 30, "batch_size": 4, "micro_batch_size": 2, "eval_every": 10, "log_every": 3}
OBSERVERS: dict[str, dict[str, Any]] = {
    "sample_text": {"every": 7, "prompts": ["ab", ""], "max_new_tokens": 25},
    "norms": {"every": 6},
    "system": {"every": 0.001},
    "early_stopping": {"patience": 50},
}


def test_observers_change_no_bit(tmp_path: Path) -> None:
    """The model has dropout, so a random number drawn or a mode left wrong would change the weights."""
    watched, config = make(tmp_path, OBSERVERS, training=TRAINING)
    trainer = train(watched, config)
    assert trainer.model.training
    assert len(read_samples(watched)) == 10
    plain, config = make(tmp_path, {}, training=TRAINING)
    train(plain, config)
    assert runs.final_weights(watched) == runs.final_weights(plain)


# Samples ----------------------------------------------------------------------------------------------------------


def test_samples_are_written_when_due_and_at_the_end(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"sample_text": OBSERVERS["sample_text"]}, training=TRAINING)
    train(folder, config)
    samples = read_samples(folder)
    assert [(s["step"], s["prompt"]) for s in samples] == [(n, p) for n in (7, 14, 21, 28, 30) for p in ("ab", "")]
    assert all(len(s["text"]) == 25 for s in samples)
    assert {(s["temperature"], s["top_k"], s["top_p"], s["seed"]) for s in samples} == {(0.8, 40, 1.0, 0)}
    assert [event["step"] for event in events_of(folder, "sampled")] == [7, 14, 21, 28, 30]


def test_samples_come_again_the_same_after_a_restart(tmp_path: Path) -> None:
    whole, config = make(tmp_path, {"sample_text": OBSERVERS["sample_text"]}, training=TRAINING)
    train(whole, config)
    cut, config = make(tmp_path, {"sample_text": OBSERVERS["sample_text"]}, training=TRAINING)
    train(cut, config, until=16)
    train(cut, config)
    texts = [[(s["step"], s["prompt"], s["text"]) for s in read_samples(folder)] for folder in (whole, cut)]
    assert set(texts[0]) <= set(texts[1])


def test_samples_are_of_the_averaged_weights_where_they_are_kept(tmp_path: Path) -> None:
    settings = {"sample_text": {"every": 0, "prompts": ["ab"], "max_new_tokens": 40, "temperature": 0.0}}
    folder, config = make(tmp_path, settings, training={**TRAINING, "ema_decay": 0.99})
    trainer = train(folder, config)
    (averaged,) = read_samples(folder)
    with trainer.averaged():
        again = texts_now(trainer, folder)
    assert again == averaged["text"]


def texts_now(trainer: Any, folder: RunFolder) -> str:
    from craft.generation.sampling import generate_tokens

    sampler = trainer.callbacks.callbacks["sample_text"]
    trainer.model.eval()
    return str(
        sampler._tokenizer.decode(list(generate_tokens(trainer.model, sampler._prompts["ab"], sampler.settings)))
    )


def test_a_prompt_that_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    settings = {"sample_text": {"every": 10, "prompts": ["ab", "\x1b[2J"], "max_new_tokens": 5}}
    folder, config = make(tmp_path, settings, training=TRAINING)
    train(folder, config)
    assert {sample["prompt"] for sample in read_samples(folder)} == {"ab"}
    (said,) = warnings_of(folder)
    assert "no text is sampled from the prompt '\\x1b[2J'" in said


def test_samples_are_written_when_asked_for(tmp_path: Path) -> None:
    """Of a run that lives, by a request in its folder."""
    settings = {"sample_text": {"every": 0, "prompts": ["a"], "max_new_tokens": 5}}
    long = {**TRAINING, "max_steps": 1_000_000, "eval_every": 0}
    folder, _ = make(tmp_path, settings, training=long, checkpoint={"every": 0})
    process = runs.start(folder)
    try:
        runs.wait_for_step(folder, 1, process)
        asked = control.request(folder, "sample")
        wait_until(lambda: read_samples(folder))
        assert [event["request"] for event in events_of(folder, "request")] == [asked]
    finally:
        runs.kill(process)


@pytest.mark.slow
def test_a_compiled_model_writes_without_compiling_anew(tmp_path: Path) -> None:
    settings = {"sample_text": {"every": 3, "prompts": ["ab"], "max_new_tokens": 30}, "norms": {"every": 3}}
    training = {**TRAINING, "max_steps": 6, "compile": True}
    watched, _ = make(tmp_path, settings, training=training)
    plain, _ = make(tmp_path, {}, training=training)
    for folder in (watched, plain):
        assert runs.start(folder, anew=True, TORCH_LOGS="recompiles").wait(timeout=280) == 0, folder.log.read_text()
    assert len(read_samples(watched)) == 2
    assert watched.log.read_text().count("Recompiling") == plain.log.read_text().count("Recompiling")
    assert runs.final_weights(watched) == runs.final_weights(plain)


# Norms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("micro", [4, 2, 1])
def test_the_norms_of_all_layers_make_the_whole(tmp_path: Path, micro: int) -> None:
    folder, config = make(
        tmp_path, {"norms": {"every": 6}}, training={**TRAINING, "micro_batch_size": micro, "grad_clip": 0.1}
    )
    trainer = train(folder, config)
    records = records_with(folder, "norms/gradient/head")
    assert list(records) == [1, 6, 12, 18, 24, 30]
    for record in records.values():
        gradients = [value for name, value in record.items() if name.startswith("norms/gradient/")]
        assert math.hypot(*gradients) == pytest.approx(record["train/grad_norm"], rel=1e-5)
        assert {name.rsplit("/", 1)[1] for name in record if name.startswith("norms/")} == {
            "token_embedding",
            "blocks.0",
            "head",
        }
    weights = [value for name, value in records[30].items() if name.startswith("norms/weight/")]
    whole = torch.linalg.vector_norm(torch.cat([p.detach().flatten() for p in trainer.model.parameters()]))
    assert math.hypot(*weights) == pytest.approx(float(whole), rel=1e-5)
    assert not any(p._post_accumulate_grad_hooks for p in trainer.model.parameters()), "no hook is left"


@pytest.mark.parametrize(
    ("log_every", "every", "max_steps", "steps"),
    [
        (10, 100, 250, [1, 100, 200]),
        (10, 25, 100, [1, 30, 50, 80, 100]),  # the record at or after each
        (10, 1, 25, [1, 10, 20, 25]),
        (1, 3, 8, [1, 3, 6]),
        (50, 20, 120, [1, 50, 100, 120]),
    ],
)
def test_norms_are_due_with_the_record_at_or_after(
    log_every: int, every: int, max_steps: int, steps: list[int]
) -> None:
    from craft.config.schema.callbacks import NormsConfig
    from craft.training.callbacks.norms import Norms

    training = types.SimpleNamespace(log_every=log_every)
    config = types.SimpleNamespace(training=training)
    norms = Norms(NormsConfig(every=every))
    due = [
        step
        for step in range(1, max_steps + 1)
        if norms._is_due(types.SimpleNamespace(step=step, max_steps=max_steps, config=config))  # type: ignore[arg-type]
    ]
    assert due == steps


@pytest.mark.parametrize(
    ("parameter", "layer"),
    [
        ("blocks.3.attention.qkv.weight", "blocks.3"),
        ("model.transformer.h.0.attn.c_attn.weight", "model.transformer.h.0"),
        ("transformer.wte.weight", "transformer.wte"),
        ("head.weight", "head"),
        ("scale", "scale"),
    ],
)
def test_the_layer_of_a_parameter(parameter: str, layer: str) -> None:
    assert layer_of(parameter) == layer


# The machine ------------------------------------------------------------------------------------------------------


def test_the_machine_is_watched(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"system": {"every": 0.001}}, training=TRAINING)
    train(folder, config)
    records = records_with(folder, "system/memory_gib")
    assert len(records) == 11
    last = records[30]
    assert last["system/memory_gib"] == pytest.approx(psutil.Process().memory_info().rss / 2**30, rel=0.5)
    assert 0 < last["system/available_gib"] < psutil.virtual_memory().total / 2**30
    assert last["system/cpu_percent"] >= 0
    assert not any("gpu" in name for name in last), "there is none here"


def test_the_machine_is_watched_no_more_often_than_set(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"system": {"every": 3600.0}}, training=TRAINING)
    train(folder, config)
    assert list(records_with(folder, "system/memory_gib")) == [1]


class FakeError(Exception):
    pass


class FakeNVML:
    """What nvidia-ml-py has of one GPU, which is not to be had here. It does not tell its power."""

    NVMLError = FakeError
    NVML_TEMPERATURE_GPU = 0

    def nvmlInit(self) -> None:  # noqa: N802 - the library's names
        self.begun = True

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        assert self.begun
        return f"handle of {uuid}"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:  # noqa: N802
        assert handle == "handle of GPU-1"
        return types.SimpleNamespace(total=8 * 2**30, used=3 * 2**30)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:  # noqa: N802
        return types.SimpleNamespace(gpu=97, memory=40)

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        assert sensor == self.NVML_TEMPERATURE_GPU
        return 65

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        raise FakeError("Not Supported")


def test_a_gpu_tells_what_it_tells() -> None:
    assert GpuWatch(FakeNVML(), "GPU-1").figures() == {
        "system/gpu_memory_gib": 3.0,
        "system/gpu_percent": 97.0,
        "system/gpu_celsius": 65.0,
    }


def test_the_real_library_has_what_is_called() -> None:
    pynvml = pytest.importorskip("pynvml")
    called = [name for name in vars(FakeNVML) if name.lower().startswith("nvml")]
    assert len(called) == 8
    assert all(hasattr(pynvml, name) for name in called)
