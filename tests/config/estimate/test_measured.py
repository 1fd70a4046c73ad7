"""Models that are measured: the estimate against torch, as for those that a module describes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from craft.config.estimate import estimate
from craft.config.estimate import measured as asking
from craft.config.estimate.measured import MeasuredModel, measure
from craft.config.estimate.memory import training_memory
from craft.config.estimate.parts import ModelParts, Workload
from craft.config.schema import ExperimentConfig
from craft.config.schema.model import HFConfig, OwnModel
from craft.config.schema.optimizer import MuonConfig
from craft.errors import ConfigError, NotMeasuredError, OwnCodeError
from craft.models import create_model_from_config
from tests.config.estimate import measured as real
from tests.config.estimate.shapes import Case

CODE = """
import torch
from torch import nn
from torch.nn import functional as F

class Blocks(nn.Module):
    def __init__(self, vocab_size, context_length, width=64, fail=""):
        super().__init__()
        print("a model may print")
        if fail == "in init":
            raise ValueError("seven is too many")
        self.fail = fail
        self.table = nn.Embedding(vocab_size, width)
        self.mixes = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.head = nn.Linear(width, vocab_size, bias=False)

    def forward(self, tokens):
        x = self.table(tokens)
        if self.fail == "numbers" and x.sum() > 0:
            x = x + 1
        for mix, norm in zip(self.mixes, self.norms):
            q, k, v = mix(norm(x)).chunk(3, dim=-1)
            x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(x)
"""
HF = HFConfig(num_layers=2, num_heads=4, hidden_size=64, dropout=0.1)
OWN = OwnModel(type="measured_blocks:Blocks")
WORKS = [Workload(65, 64, 12, "fp32", "cpu"), Workload(2000, 32, 8, "bf16", "cpu")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "measured_blocks.py").write_text(CODE)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def known(folder: Path, cache: Path) -> Iterator[dict[tuple[str, Workload], ModelParts]]:
    """Both models at both workloads and at those of their evaluations, each measured in one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRAFT_CACHE_DIR", str(cache))
        works = [*WORKS, *(work._replace(sequences=2 * work.sequences) for work in WORKS)]
        yield {
            (model.type, work): parts
            for model in (HF, OWN)
            for work, parts in measure(model, works, source_dir=folder).items()
        }


@pytest.mark.parametrize("work", WORKS, ids=["fp32", "bf16"])
@pytest.mark.parametrize("model", [HF, OWN], ids=["hf", "own"])
def test_what_is_measured_is_what_torch_takes(
    model: MeasuredModel,
    work: Workload,
    folder: Path,
    known: dict[tuple[str, Workload], ModelParts],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = known[model.type, work]
    evaluated = known[model.type, work._replace(sequences=2 * work.sequences)]

    def made(*arguments: object) -> object:
        return create_model_from_config(*arguments, search=folder)  # type: ignore[arg-type]

    monkeypatch.setattr(real, "create_model_from_config", made)
    case = Case(model, work, work.sequences, MuonConfig())  # type: ignore[arg-type]
    counted: dict[str, int] = {}
    built, _ = real.build(case)
    for name, role in built.parameter_roles().items():
        counted[role] = counted.get(role, 0) + built.get_parameter(name).numel()
    estimated: dict[str, int] = {}
    for weights in parts.weights:
        estimated[weights.role] = estimated.get(weights.role, 0) + weights.numbers
    assert estimated == counted

    # Products by hand: GPT-2's block has 12 D^2 weights, this one 3 D^2; each query meets each key, twice.
    layers, matrices = (2, 12 * 64**2) if model is HF else (3, 3 * 64**2)
    products = layers * (2 * matrices + 2 * 2 * work.context_length * 64) + 2 * 64 * work.vocab_size
    assert sum(parts.forward_flops.values()) == pytest.approx(products, rel=0.01)

    memory = training_memory(parts, evaluated, work, case.optimizer, batch_size=work.sequences)
    assert memory.peak == pytest.approx(real.training_peak(case), rel=0.2)
    assert memory.evaluation == pytest.approx(real.evaluation_peak(case, 2 * work.sequences), rel=0.2)
    halves = work._replace(sequences=2 * work.sequences), 4 * work.sequences
    accumulating = training_memory(evaluated, evaluated, halves[0], case.optimizer, batch_size=halves[1])
    twice = real.training_peak(Case(model, *halves, MuonConfig()))  # type: ignore[arg-type]
    assert accumulating.peak == pytest.approx(twice, rel=0.2)


def test_blocks_that_are_computed_again_are_measured_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(cache))
    deep = HF.model_copy(update={"num_layers": 8})
    work = WORKS[0]._replace(recomputes=True)
    parts = measure(deep, [work])[work]
    case = Case(deep, work, work.sequences, MuonConfig())  # type: ignore[arg-type]
    memory = training_memory(parts, parts, work, case.optimizer, batch_size=work.sequences)
    taken = real.training_peak(case)
    assert memory.peak == pytest.approx(taken, rel=0.2)
    assert taken < 0.5 * real.training_peak(case._replace(work=WORKS[0]))


def test_an_answer_is_kept_until_the_code_changes(
    folder: Path, cache: Path, known: dict[tuple[str, Workload], ModelParts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(cache))
    monkeypatch.setattr(asking, "_ask", None)  # it would raise when it is called
    found = measure(OWN, WORKS, source_dir=folder)
    assert found == {work: known[OWN.type, work] for work in WORKS}
    file = folder / "measured_blocks.py"
    file.write_text(CODE + "\n")
    with pytest.raises(NotMeasuredError, match="has to be measured first"):
        measure(OWN, WORKS, source_dir=folder, run=False)
    file.write_text(CODE)
    assert measure(OWN, WORKS, source_dir=folder, run=False) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fail", "words"),
    [("in init", "it raised ValueError: seven is too many"), ("numbers", "cannot be measured without numbers in it")],
)
def test_a_model_that_cannot_be_measured_says_why(folder: Path, fail: str, words: str) -> None:
    model = OwnModel(type=OWN.type, arguments={"fail": fail})
    with pytest.raises(OwnCodeError, match=words) as caught:
        measure(model, WORKS[:1], source_dir=folder)
    assert str(caught.value).startswith('model.type = "measured_blocks:Blocks": ')


@pytest.mark.slow
def test_the_librarys_words_reach_the_estimate(folder: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'gpt2'"):
        measure(HFConfig(model_type="gptt2"), WORKS[:1])


def test_an_estimate_measures_or_says_that_it_would_have_to(folder: Path) -> None:
    (folder / "text.txt").write_text("abcd" * 1000)
    config = ExperimentConfig.model_validate(
        {
            "precision": "fp32",
            "data": {"type": "text", "path": str(folder / "text.txt"), "context_length": 16},
            "tokenizer": {"type": "byte"},
            "model": {"type": OWN.type},
            "training": {"max_steps": 40, "batch_size": 4},
        }
    )
    with pytest.raises(NotMeasuredError):
        estimate(config, source_dir=folder, measure=False)
    said: list[str] = []
    found = estimate(config, source_dir=folder, say=said.append)
    assert len(said) == 1
    model = create_model_from_config(config.model, 256, 16, search=folder)
    assert found.total_parameters == (model.num_parameters(), model.num_parameters())
    assert found == estimate(config, source_dir=folder, measure=False)
