"""The estimate against torch, for every switch of every model: parameters, products, memory."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from craft.config.estimate import transformer
from craft.config.estimate.memory import matrices, training_memory
from craft.config.estimate.parts import ModelParts, Workload
from craft.config.schema.model import TransformerConfig
from craft.config.schema.optimizer import MuonConfig
from craft.models import create_model_from_config
from tests.config.estimate.measured import build, evaluation_peak, peak_bytes, training_peak
from tests.config.estimate.shapes import SWITCHES, Case, cases

CASES = [pytest.param(case, id=case.name) for case in cases()]
NO_SWITCH = {"type", "preset", "num_layers", "num_heads", "hidden_size", "rope_theta"}
PARTS = {
    "token embedding": "token_embedding",
    "position embedding": "position_embedding",
    "attention": "attention",
    "mlp": "mlp",
    "head": "head",
}


def described(case: Case, sequences: int | None = None) -> ModelParts:
    work = case.work if sequences is None else case.work._replace(sequences=sequences)
    return transformer.describe(case.model, work)


def part_of_parameter(name: str) -> str:
    """The estimate's part that a parameter of the model belongs to."""
    modules = name.split(".")[:-1]
    if any(module.endswith("norm") for module in modules):
        return "norms"
    return next(part for part, word in PARTS.items() if word in modules)


def test_no_switch_is_left_out() -> None:
    assert SWITCHES.keys() | NO_SWITCH == TransformerConfig.model_fields.keys()


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_the_models_own(case: Case) -> None:
    model, optimizer = build(case)
    counted: dict[tuple[str, str], int] = {}
    for name, parameter in model.named_parameters():
        key = (part_of_parameter(name), model.parameter_roles()[name])
        counted[key] = counted.get(key, 0) + parameter.numel()
    estimated: dict[tuple[str, str], int] = {}
    parts = described(case)
    for weights in parts.weights:
        key = (weights.part, weights.role)
        estimated[key] = estimated.get(key, 0) + weights.numbers
    assert estimated == counted
    memory = training_memory(parts, parts, case.work, case.optimizer, batch_size=case.batch_size)
    assert memory.weights == sum(p.nbytes for p in model.parameters())
    # AdamW also counts its updates, in one number a parameter.
    assert memory.optimizer == sum(state.nbytes for state in optimizer.state_dict().values() if state.ndim)
    if isinstance(case.optimizer, MuonConfig):
        stacks = [tuple(s.shape) for n, s in optimizer.state_dict().items() if n.startswith("matrices.")]
        shapes = matrices(parts.weights).items()
        assert stacks == [(n, c, r) if tall else (n, r, c) for (r, c, tall), n in shapes]


@pytest.mark.parametrize("case", CASES)
def test_products_are_what_torch_counts(case: Case) -> None:
    work = case.work
    with torch.device("meta"):  # on a CPU the counter gives the fused attention kernel no FLOPs at all
        model = create_model_from_config(case.model, work.vocab_size, work.context_length)
        tokens = torch.zeros(work.sequences, work.context_length, dtype=torch.int64)
    forward, both = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with both:
        with forward:
            loss = model(tokens, tokens).loss
        loss.backward()
    flops = described(case).forward_flops
    assert 3 * sum(flops.values()) * work.tokens == pytest.approx(both.get_total_flops(), rel=0.01)
    assert sum(flops.values()) * work.tokens == pytest.approx(forward.get_total_flops(), rel=0.01)


def test_products_written_out_count_as_the_fused_kernel() -> None:
    model = TransformerConfig(num_layers=2, num_heads=4, num_kv_heads=2, hidden_size=64)
    work = Workload(65, 64, 2, "bf16", "cpu")
    real = create_model_from_config(model, work.vocab_size, work.context_length)
    real.compute_dtype = torch.bfloat16
    tokens = torch.zeros(work.sequences, work.context_length, dtype=torch.int64)
    with FlopCounterMode(display=False) as counted:
        real(tokens, tokens).loss.backward()
    flops = transformer.describe(model, work).forward_flops
    assert 3 * sum(flops.values()) * work.tokens == pytest.approx(counted.get_total_flops(), rel=0.01)


@pytest.mark.parametrize("case", CASES)
def test_the_peak_of_a_training_step_is_what_torch_allocates(case: Case) -> None:
    parts = described(case)
    memory = training_memory(parts, parts, case.work, case.optimizer, batch_size=case.batch_size)
    assert memory.peak == pytest.approx(training_peak(case), rel=0.2)


@pytest.mark.parametrize("case", CASES)
def test_the_peak_of_an_evaluation_is_what_torch_allocates(case: Case) -> None:
    sequences = 2 * case.batch_size
    memory = training_memory(
        described(case), described(case, sequences), case.work, case.optimizer, batch_size=case.batch_size
    )
    assert memory.evaluation == pytest.approx(evaluation_peak(case, sequences), rel=0.2)


def test_a_measured_peak_is_the_same_each_time() -> None:
    case = cases()[0]
    assert training_peak(case) == training_peak(case)


def test_what_is_measured_is_what_was_allocated() -> None:
    def work() -> torch.Tensor:
        first = torch.ones(1000)
        second = torch.ones(3000)
        del first
        return second + 1

    assert peak_bytes(work) == pytest.approx(4 * 6000, abs=1000)
