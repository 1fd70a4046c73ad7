"""A checkpoint that is measured anew gives the figures that training recorded, to the last digit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from craft.config.schema import ExperimentConfig
from craft.data import TextDataset, create_dataset_from_config
from craft.data.batches import EvalWindows
from craft.errors import CheckpointError, DataError, TokenizerError, TrainingError, UsageError
from craft.runs import checkpoints
from craft.runs.folder import RunFolder, read_identity, update_identity
from craft.runs.metrics import MetricsReader
from craft.training.evaluate_checkpoint import CheckpointEvaluation, Measured
from craft.training.evaluation import Evaluator
from craft.training.experiment import Experiment
from tests.training import runs
from tests.training.test_resume import run_here

SHORT = {"max_steps": 20, "batch_size": 4, "eval_every": 5, "log_every": 5}
SMALL: dict[str, Any] = {"num_layers": 1, "hidden_size": 16, "dropout": 0.1}

KINDS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "averaged": {"training": {**SHORT, "ema_decay": 0.9}},
    "lstm": {"model": {"type": "lstm", **SMALL}},
    "rnn, bf16": {"model": {"type": "rnn", **SMALL}, "precision": "bf16"},
    "gpt2 of transformers": {"model": {"type": "hf", "model_type": "gpt2", "num_heads": 2, **SMALL}},
    "pieces": {"tokenizer": {"type": "bpe", "vocab_size": 290}},
    "bytes": {
        "tokenizer": {"type": "byte"},
        "model": {"type": "transformer", "preset": "gpt2", "num_heads": 2, **SMALL},
    },
}


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Measuring sets how many threads torch uses."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(tmp_path: Path, **sections: Any) -> tuple[RunFolder, ExperimentConfig, Experiment]:
    text = runs.write_text(tmp_path / "text.txt", words=1500)
    config = runs.definition(text, **{"training": SHORT, **sections})
    folder = runs.make_run(tmp_path / "runs", config)
    return folder, config, run_here(folder, config)


def recorded(folder: RunFolder, step: int) -> dict[str, float]:
    reader = MetricsReader(folder.metrics)
    reader.poll()
    (record,) = [record for record in reader.records if record["step"] == step and "val/loss" in record]
    return {name.removeprefix("val/"): value for name, value in record.items() if name.startswith("val/")}


@pytest.mark.parametrize("sections", KINDS.values(), ids=KINDS)
def test_every_figure_is_training_s_own(tmp_path: Path, sections: dict[str, Any]) -> None:
    folder, _, _ = trained(tmp_path, **sections)
    torch.set_num_threads(1)
    for info in checkpoints.list_checkpoints(folder):
        evaluation = CheckpointEvaluation(info.path)
        found = evaluation.measure("val")
        assert found.figures == recorded(folder, info.step)
        assert found.repeated is True
        assert (evaluation.step, evaluation.conditions.differs) == (info.step, ())
    assert len(found.figures) == 4, "loss, perplexity, accuracy, bits_per_byte"


@pytest.mark.slow  # two threads that spin beside other work take long
def test_as_many_threads_as_in_training(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path, training={**SHORT, "threads": 2})
    torch.set_num_threads(1)
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)
    assert evaluation.conditions.threads == 2
    assert evaluation.measure("val").figures == recorded(folder, 20)


def test_another_process_measured_the_same(tmp_path: Path) -> None:
    config = runs.definition(runs.write_text(tmp_path / "text.txt"), precision="bf16", training=SHORT)
    folder = runs.make_run(tmp_path / "runs", config)
    assert runs.train(folder) == 0, folder.log.read_text()
    found = CheckpointEvaluation(checkpoints.resolve(folder, "best").path).measure("val")
    assert found.figures == recorded(folder, checkpoints.resolve(folder, "best").step)


@pytest.mark.slow
def test_compiling_plays_no_part(tmp_path: Path) -> None:
    config = runs.definition(runs.write_text(tmp_path / "text.txt"), training={**SHORT, "compile": True})
    folder = runs.make_run(tmp_path / "runs", config)
    assert runs.start(folder).wait(timeout=280) == 0, folder.log.read_text()
    assert read_identity(folder).chosen["compile"], folder.log.read_text()
    found = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path).measure("val")
    assert found.figures == recorded(folder, 20)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_each_split_is_measured_as_training_would(tmp_path: Path, split: str) -> None:
    data = {"context_length": 16, "val_fraction": 0.1, "test_fraction": 0.15}
    folder, config, experiment = trained(tmp_path, data=data, training={**SHORT, "ema_decay": 0.5})
    trainer = experiment.trainer
    assert trainer is not None
    windows = EvalWindows(create_dataset_from_config(config, split), 16, trainer.model.vocab_size)  # type: ignore[arg-type]
    with trainer.averaged():
        wanted = Evaluator(windows, torch.device("cpu")).evaluate(trainer.model)
    found = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path).measure(split)
    assert found.figures == wanted
    assert found.tokens == windows.num_tokens
    assert found.repeated is (True if split == "val" else None), "training measures the validation split only"


def test_a_figure_of_one_s_own(tmp_path: Path) -> None:
    config = runs.definition(
        runs.write_text(tmp_path / "text.txt"), metrics={"worst": {"type": "my_worst:Worst"}}, training=SHORT
    )
    folder = runs.make_run(tmp_path / "runs", config)
    folder.code.mkdir()
    (folder.code / "my_worst.py").write_text(
        "from torch.nn import functional as F\n"
        "from craft.training.evaluation import Metric\n"
        "class Worst(Metric):\n"
        "    def reset(self):\n"
        "        self.worst = 0.0\n"
        "    def update(self, logits, targets):\n"
        "        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction='none')\n"
        "        self.worst = max(self.worst, float(losses.max()))\n"
        "    def compute(self):\n"
        "        return self.worst\n"
    )
    run_here(folder, config)
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)
    found = evaluation.measure("val")
    assert found.figures == recorded(folder, 20)
    assert found.figures["worst"] > found.figures["loss"]
    text = tmp_path / "other.txt"
    text.write_text("ab cd " * 20)
    assert evaluation.measure_text(text).figures["worst"] > 0


# Any text ---------------------------------------------------------------------------------------------------------


def test_a_text_is_measured_in_the_same_windows(tmp_path: Path) -> None:
    folder, config, _ = trained(tmp_path)
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)
    held_out = create_dataset_from_config(config, "val")
    assert isinstance(held_out, TextDataset)
    file = tmp_path / "held-out.txt"
    file.write_text(evaluation.loaded.tokenizer.decode(held_out.tokens))
    found = evaluation.measure_text(file)
    of_split = evaluation.measure("val")
    assert found.figures == of_split.figures
    assert (found.tokens, found.bytes, found.window) == (of_split.tokens, of_split.bytes, 16)
    assert (found.is_split, found.repeated) == (False, None)


def test_a_text_goes_through_the_run_s_processors(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path, data={"processors": ["lowercase"]})
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)
    lower, upper = tmp_path / "lower.txt", tmp_path / "upper.txt"
    lower.write_text("abc def fed cba\n" * 9)
    upper.write_text("ABC def FED cba\n" * 9)
    assert evaluation.measure_text(upper).figures == evaluation.measure_text(lower).figures


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", DataError, "0 tokens, and there is nothing to predict"),
        (b"a", DataError, "1 token, and there is nothing to predict"),
        (b"abc \xff\xfe", DataError, "not UTF-8"),
        ("abc é".encode(), TokenizerError, "U+00E9"),
    ],
)
def test_a_text_that_cannot_be_measured(tmp_path: Path, content: bytes, error: type[Exception], words: str) -> None:
    folder, _, _ = trained(tmp_path)
    file = tmp_path / "other.txt"
    file.write_bytes(content)
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)
    with pytest.raises(error, match="(?s)" + words.replace("+", "\\+")):
        evaluation.measure_text(file)


def test_a_model_from_elsewhere_is_measured_on_a_text(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel

    file = runs.write_text(tmp_path / "text.txt", words=300)
    folder = tmp_path / "gpt2"
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "a": 1, "b": 2, "c": 3, " ": 4}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=5, n_positions=32, n_embd=16, n_layer=1, n_head=2)).eval()
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = tokenizer.encode(file.read_text()).ids

    evaluation = CheckpointEvaluation(folder)
    found = evaluation.measure_text(file)
    nats = 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, 32):
            window = torch.tensor([ids[start : start + 33]])
            logits = model(window[:, :-1]).logits[0].double()
            nats += float(torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum"))
    assert (found.tokens, found.window) == (len(ids) - 1, 32)
    assert found.figures["loss"] == pytest.approx(nats / found.tokens, rel=1e-6)
    assert evaluation.measure_speed(4).prompt_tokens == 16
    with pytest.raises(DataError, match="--text names a text"):
        CheckpointEvaluation(folder).measure("val")
    with pytest.raises(UsageError, match="no definition that it could change"):
        CheckpointEvaluation(folder, overrides=["data.path=x"])


def test_weights_beside_their_definition(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    path = checkpoints.resolve(folder, "latest").path
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("model.safetensors", "experiment.toml", "tokenizer.json"):
        shutil.copy(path / name, alone)
    evaluation = CheckpointEvaluation(alone / "model.safetensors")
    assert evaluation.measure("val").figures == recorded(folder, 20)
    assert (evaluation.run, evaluation.step, evaluation.measure("val").recorded) == (None, None, {})
    other = tmp_path / "other.txt"
    other.write_text("not the same abcdefgh " * 200)
    with pytest.raises(DataError, match="another tokenizer"):
        CheckpointEvaluation(alone, overrides=[f"data.path={other}"]).measure("val")


# Where the data is --------------------------------------------------------------------------------------------------


def copied(tmp_path: Path, folder: RunFolder) -> Path:
    """The newest checkpoint of a copy of the run; its text has gone elsewhere."""
    shutil.copytree(tmp_path / "runs", tmp_path / "elsewhere" / "runs")
    shutil.move(tmp_path / "text.txt", tmp_path / "elsewhere" / "moved.txt")
    return checkpoints.resolve(RunFolder(tmp_path / "elsewhere" / "runs" / folder.name), "latest").path


def test_a_copied_run_is_told_where_its_data_is(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    path = copied(tmp_path, folder)
    with pytest.raises(DataError, match=r"text\.txt"):
        CheckpointEvaluation(path).measure("val")
    moved = CheckpointEvaluation(path, overrides=[f"data.path={tmp_path / 'elsewhere' / 'moved.txt'}"])
    assert moved.measure("val").figures == recorded(folder, 20)
    other = tmp_path / "other.txt"
    other.write_text("not the same abcdefgh " * 200)
    with pytest.raises(DataError, match=r"not what tiny-001, step 20 was trained on.*--text"):
        CheckpointEvaluation(path, overrides=[f"data.path={other}"]).measure("val")


def test_a_resume_that_moved_the_data_is_known(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    moved = Path(shutil.move(tmp_path / "text.txt", tmp_path / "moved.txt"))
    text = folder.definition.read_text()
    folder.definition.write_text(text.replace(str(tmp_path / "text.txt"), str(moved)))
    assert CheckpointEvaluation(checkpoints.resolve(folder, "latest").path).measure("val").repeated


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.batch_size=2", "measured as it was trained"),
        ("data.val_fraction=0.5", "measured as it was trained"),
        ("model.hidden_size=32", "measured as it was trained"),
        ("device=cpu", "--device"),
        ("precision=bf16", "--precision"),
    ],
)
def test_an_override_that_would_make_another_run_is_refused(tmp_path: Path, override: str, words: str) -> None:
    folder, _, _ = trained(tmp_path)
    with pytest.raises(UsageError, match=words):
        CheckpointEvaluation(checkpoints.resolve(folder, "latest").path, overrides=[override])


def test_a_split_that_nothing_is_held_out_for(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)
    with pytest.raises(DataError, match=r"no test split: data\.test_fraction holds none out\. There is train and val"):
        evaluation.measure("test")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    path = checkpoints.resolve(folder, "latest").path
    weights = path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        CheckpointEvaluation(path)


# Where it cannot be repeated ----------------------------------------------------------------------------------------


def measured_anew(folder: RunFolder, **settings: Any) -> tuple[CheckpointEvaluation, Measured]:
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path, **settings)
    return evaluation, evaluation.measure("val")


def test_another_arithmetic_is_named(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    evaluation, found = measured_anew(folder, precision="bf16")
    assert evaluation.conditions.differs == ("it was trained in fp32, and is measured in bf16",)
    assert found.repeated is False
    assert found.figures["loss"] == pytest.approx(found.recorded["loss"], abs=0.01)


def test_weights_in_whole_numbers_are_measured(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    evaluation, found = measured_anew(folder, precision="int8")
    assert evaluation.conditions.differs == ("it was trained in fp32, and is measured in int8",)
    assert found.repeated is False
    assert found.figures["loss"] == pytest.approx(found.recorded["loss"], abs=0.02)
    assert evaluation.measure_speed(1).token_ms > 0


def test_a_device_that_is_not_here_is_named(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    chosen = {**read_identity(folder).chosen, "device": "cuda:77"}
    update_identity(folder, chosen=chosen)
    evaluation, found = measured_anew(folder)
    device = evaluation.conditions.device
    assert evaluation.conditions.differs == (f"it was trained on cuda:77, and is measured on {device}",)
    assert found.figures["loss"] == pytest.approx(found.recorded["loss"], abs=0.01)
    with pytest.raises(UsageError, match="cuda:77"):
        measured_anew(folder, device="cuda:77")


def test_another_torch_and_another_machine_are_named(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    owner = json.loads(folder.owner.read_text())
    folder.owner.write_text(json.dumps({**owner, "host": "elsewhere"}))
    update_identity(folder, versions={"torch": "1.13.0"})
    evaluation, _ = measured_anew(folder)
    first, second = evaluation.conditions.differs
    assert first.startswith("it was trained with torch 1.13.0")
    assert second.startswith("it was trained on the machine elsewhere")


@pytest.mark.parametrize("overridden", [False, True])
def test_a_trainer_that_measures_in_its_own_way_is_named(tmp_path: Path, overridden: bool) -> None:
    config = runs.definition(
        runs.write_text(tmp_path / "text.txt"), training={**SHORT, "trainer": f"my_trainer_{overridden}:Own"}
    )
    folder = runs.make_run(tmp_path / "runs", config)
    folder.code.mkdir()
    (folder.code / f"my_trainer_{overridden}.py").write_text(
        "from craft.training.trainer import LanguageModelTrainer\n"
        "class Own(LanguageModelTrainer):\n"
        f"    def {'evaluate' if overridden else 'another'}(self):\n"
        "        super().evaluate()\n"
    )
    run_here(folder, config)
    evaluation, found = measured_anew(folder)
    named = [reason for reason in evaluation.conditions.differs if "my_trainer_True:Own" in reason]
    assert len(named) == overridden
    assert found.figures == recorded(folder, 20)


def test_a_checkpoint_by_itself_is_measured_by_its_definition(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path)
    alone = Path(shutil.copytree(checkpoints.resolve(folder, "latest").path, tmp_path / "alone"))
    evaluation = CheckpointEvaluation(alone)
    assert evaluation.run is None
    assert "not known" in evaluation.conditions.differs[0]
    assert evaluation.measure("val").figures == recorded(folder, 20)


def test_weights_that_are_still_zero_are_measured(tmp_path: Path) -> None:
    """As a last layer's are that begins at zero; the manifest says that the file is whole."""
    config = runs.definition(
        runs.write_text(tmp_path / "text.txt"), model={"type": "my_zeros:Net"}, training=SHORT, checkpoint={"keep": 9}
    )
    folder = runs.make_run(tmp_path / "runs", config)
    folder.code.mkdir()
    (folder.code / "my_zeros.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, vocab_size, context_length):\n"
        "        super().__init__()\n"
        "        self.embedding = nn.Embedding(vocab_size, 16)\n"
        "        self.output = nn.Linear(16, vocab_size)\n"
        "        nn.init.zeros_(self.output.weight)\n"
        "        nn.init.zeros_(self.output.bias)\n"
        "    def forward(self, tokens):\n"
        "        return self.output(self.embedding(tokens))\n"
    )
    run_here(folder, config)
    found = CheckpointEvaluation(checkpoints.resolve(folder, "0").path).measure("val")
    assert found.figures == recorded(folder, 0)


def test_what_training_did_not_measure_is_not_compared(tmp_path: Path) -> None:
    folder, _, _ = trained(tmp_path, checkpoint={"every": 3, "keep": 30})
    unmeasured = CheckpointEvaluation(checkpoints.resolve(folder, "18").path).measure("val")
    assert (unmeasured.recorded, unmeasured.repeated) == ({}, None)
    assert np.isfinite(unmeasured.figures["loss"])


# How fast it writes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_it_is_timed_as_it_would_write(tmp_path: Path, precision: str) -> None:
    folder, _, _ = trained(tmp_path, precision=precision)
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)
    evaluation.measure("val")
    found = evaluation.measure_speed(4)
    assert (found.batch_size, found.prompt_tokens, found.new_tokens) == (4, 8, 8)
    assert 0 < found.token_ms <= found.token_ms_p95
    with pytest.raises(AssertionError, match="after a timing"):
        evaluation.measure("val")


def test_memory_that_runs_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, _ = trained(tmp_path)
    evaluation = CheckpointEvaluation(checkpoints.resolve(folder, "latest").path)

    def forward(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(evaluation.model, "forward", forward)
    with pytest.raises(TrainingError, match="tiny-001, step 20: memory ran out on cpu"):
        evaluation.measure("val")
    with pytest.raises(TrainingError, match="tiny-001, step 20: memory ran out on cpu"):
        evaluation.measure_speed(1)
