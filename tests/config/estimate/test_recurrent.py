"""The estimate of recurrent models against torch: parameters, products, memory."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from craft.config.estimate import recurrent
from craft.config.estimate.memory import matrices, training_memory
from craft.config.estimate.parts import Workload
from craft.config.schema.model import LSTMConfig, RNNConfig
from craft.config.schema.optimizer import AdamWConfig, MuonConfig
from tests.config.estimate.measured import build, evaluation_peak, training_peak
from tests.config.estimate.shapes import Case

MODELS: list[LSTMConfig | RNNConfig] = [
    LSTMConfig(num_layers=2, hidden_size=64),
    LSTMConfig(num_layers=1, hidden_size=96, embedding_size=32, dropout=0.1),
    LSTMConfig(num_layers=3, hidden_size=48, tie_embeddings=True),
    LSTMConfig(num_layers=1, hidden_size=48, embedding_size=96),
    RNNConfig(num_layers=2, hidden_size=64),
    RNNConfig(num_layers=1, hidden_size=96, embedding_size=32, dropout=0.1),
    RNNConfig(cell="tanh", num_layers=2, hidden_size=64),
    RNNConfig(cell="relu", num_layers=1, hidden_size=128, tie_embeddings=True),
]
WORK = [
    Workload(65, 64, 8, "fp32", "cpu"),
    Workload(65, 64, 16, "bf16", "cpu"),
    Workload(500, 32, 8, "fp32", "cpu"),
    Workload(65, 64, 1, "fp32", "cpu"),  # the weights weigh more than what is computed with them
    Workload(65, 32, 2, "bf16", "cpu"),
]


def named(value: Any) -> str:
    if isinstance(value, Workload):
        return f"V{value.vocab_size}T{value.context_length}B{value.sequences}{value.precision}"
    return "-".join(f"{part}" for part in value.model_dump(exclude_defaults=True).values()) or value.type


CASES = [
    pytest.param(Case(model, work, work.sequences, optimizer), id=f"{named(model)}-{named(work)}-{optimizer.type}")  # type: ignore[arg-type]
    for (model, work), optimizer in zip(
        itertools.product(MODELS, WORK), itertools.cycle([AdamWConfig(), MuonConfig()]), strict=False
    )
]


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_the_models_own(case: Case) -> None:
    model, optimizer = build(case)
    parts = recurrent.describe(case.model, case.work)  # type: ignore[arg-type]
    counted: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        role = model.parameter_roles()[name]
        counted[role] = counted.get(role, 0) + parameter.numel()
    estimated: dict[str, int] = {}
    for weights in parts.weights:
        estimated[weights.role] = estimated.get(weights.role, 0) + weights.numbers
    assert estimated == counted
    if isinstance(case.optimizer, MuonConfig):
        stacks = {tuple(s.shape) for n, s in optimizer.state_dict().items() if n.startswith("matrices.")}
        shapes = matrices(parts.weights).items()
        assert stacks == {(n, c, r) if tall else (n, r, c) for (r, c, tall), n in shapes}


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_products_are_what_a_loop_over_the_steps_takes(model: LSTMConfig | RNNConfig) -> None:
    work = WORK[0]
    built, _ = build(Case(model, work, 1, AdamWConfig()))  # type: ignore[arg-type]
    layers: Any = built.layers
    head: Any = built.head
    with FlopCounterMode(display=False) as counted:
        x = torch.randn(5, layers.input_size)
        for layer in range(layers.num_layers):
            state = torch.randn(5, layers.hidden_size)
            x @ getattr(layers, f"weight_ih_l{layer}").T
            state @ getattr(layers, f"weight_hh_l{layer}").T
            x = state
        x @ head.weight.T
    flops = recurrent.describe(model, work).forward_flops
    assert 5 * sum(flops.values()) == pytest.approx(counted.get_total_flops(), rel=0.01)


@pytest.mark.parametrize("case", CASES)
def test_the_peak_of_a_training_step_is_what_torch_allocates(case: Case) -> None:
    parts = recurrent.describe(case.model, case.work)  # type: ignore[arg-type]
    memory = training_memory(parts, parts, case.work, case.optimizer, batch_size=case.batch_size)
    assert memory.peak == pytest.approx(training_peak(case), rel=0.2)


@pytest.mark.parametrize("case", CASES)
def test_the_peak_of_an_evaluation_is_what_torch_allocates(case: Case) -> None:
    sequences = 2 * case.batch_size
    parts = recurrent.describe(case.model, case.work)  # type: ignore[arg-type]
    evaluated = recurrent.describe(case.model, case.work._replace(sequences=sequences))  # type: ignore[arg-type]
    memory = training_memory(parts, evaluated, case.work, case.optimizer, batch_size=case.batch_size)
    assert memory.evaluation == pytest.approx(evaluation_peak(case, sequences), rel=0.2)
