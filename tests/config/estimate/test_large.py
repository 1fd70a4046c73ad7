"""The estimate of large vocabularies and of blocks that are computed again, against torch."""

from __future__ import annotations

import itertools

import pytest

from craft.config.estimate import recurrent, transformer
from craft.config.estimate.head import goes_in_pieces
from craft.config.estimate.memory import Memory, training_memory
from craft.config.estimate.parts import Workload
from craft.config.schema.model import LSTMConfig, RNNConfig, TransformerConfig
from craft.config.schema.optimizer import AdamWConfig
from tests.config.estimate.measured import evaluation_peak, training_peak
from tests.config.estimate.shapes import SIZES, Case, cases

LARGE = [
    TransformerConfig(num_layers=1, num_heads=2, hidden_size=16),
    TransformerConfig(num_layers=1, num_heads=2, hidden_size=32, tie_embeddings=True, logit_softcap=15.0),
    TransformerConfig(num_layers=1, num_heads=2, hidden_size=16, norm="layernorm"),
    LSTMConfig(num_layers=1, hidden_size=32),
    RNNConfig(num_layers=1, hidden_size=16, tie_embeddings=True),
]
AMOUNTS = [(50_257, 64, 8, 8), (20_000, 64, 8, 16)]  # vocabulary, context, sequences at once, batch
LARGE_CASES = [
    Case(model, Workload(vocab, context, sequences, precision, "cpu"), batch, AdamWConfig())  # type: ignore[arg-type]
    for model, (vocab, context, sequences, batch), precision in itertools.product(LARGE, AMOUNTS, ["fp32", "bf16"])
]
# As many blocks as make them the most of it.
DEEP_CASES = [
    case._replace(model=case.model.model_copy(update={"num_layers": 6}), work=case.work._replace(recomputes=True))
    for case in cases()
]


def name(case: Case) -> str:
    return f"{case.name},{case.model.type}"


def is_one_of_two(case: Case) -> bool:
    """One amount in one precision, the other in the other: with them each model has had all four."""
    return (case.work.vocab_size == AMOUNTS[0][0]) == (case.work.precision == "fp32")


def memory(case: Case, sequences: int | None = None) -> Memory:
    describe = transformer.describe if isinstance(case.model, TransformerConfig) else recurrent.describe
    parts = describe(case.model, case.work)  # type: ignore[operator]
    evaluated = describe(case.model, case.work._replace(sequences=sequences or case.work.sequences))  # type: ignore[operator]
    return training_memory(parts, evaluated, case.work, case.optimizer, batch_size=case.batch_size)


@pytest.mark.parametrize("case", [pytest.param(c, id=name(c)) for c in LARGE_CASES if is_one_of_two(c)])
def test_a_step_of_a_large_vocabulary_takes_what_torch_allocates(case: Case) -> None:
    assert goes_in_pieces(case.work)
    assert memory(case).peak == pytest.approx(training_peak(case), rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(c, id=name(c)) for c in LARGE_CASES if not is_one_of_two(c)])
def test_so_do_the_other_amounts_in_the_other_precision(case: Case) -> None:
    test_a_step_of_a_large_vocabulary_takes_what_torch_allocates(case)


@pytest.mark.parametrize("case", [pytest.param(c, id=name(c)) for c in LARGE_CASES[::3]])
def test_an_evaluation_of_a_large_vocabulary_takes_what_torch_allocates(case: Case) -> None:
    sequences = 2 * case.work.sequences
    assert memory(case, sequences).evaluation == pytest.approx(evaluation_peak(case, sequences), rel=0.2)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in DEEP_CASES])
def test_a_step_that_computes_blocks_again_takes_what_torch_allocates(case: Case) -> None:
    assert memory(case).peak == pytest.approx(training_peak(case), rel=0.2)


def test_computing_blocks_again_takes_a_fraction_of_the_activations() -> None:
    (_, heads, width), (vocab, context, batch) = SIZES["activations"]
    model = TransformerConfig(num_layers=12, num_heads=heads, hidden_size=width)
    case = Case(model, Workload(vocab, context, batch, "fp32", "cpu"), batch, AdamWConfig())
    again = case._replace(work=case.work._replace(recomputes=True))
    assert memory(again).activations < memory(case).activations / 8
    assert training_peak(again) < training_peak(case) / 2
