"""How fast a model reads and writes, timed through generation's own loop."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Tensor

from craft.config.schema.model import LSTMConfig, ModelConfig, TransformerConfig
from craft.models import LanguageModel, create_model_from_config
from craft.models.base import ModelOutput
from craft.training.inference_speed import BATCH_SIZES, lengths_for, measure_speed

READING, STEP = 0.02, 0.002


class Sleeper(LanguageModel):
    """Takes a known time to read a prompt, and another for each token after it."""

    vocab_size, context_length, unbounded = 5, 32, True

    def init_state(self, batch_size: int, max_length: int) -> int:
        return 0

    def select_state(self, state: int, rows: list[int]) -> int:
        return state

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
        time.sleep(READING if tokens.shape[1] > 1 else STEP)
        return ModelOutput(torch.zeros(*tokens.shape, 5), None, 0)


def test_reading_and_writing_are_told_apart() -> None:
    found = measure_speed(Sleeper().eval(), 4)
    assert (found.batch_size, found.prompt_tokens, found.new_tokens) == (4, 16, 16)
    assert found.first_token_ms >= 1000 * READING
    assert 1000 * STEP <= found.token_ms <= found.token_ms_p95
    assert found.token_ms < found.first_token_ms
    assert found.prompt_tokens_per_second == pytest.approx(4 * 16 / (found.first_token_ms / 1000))
    assert 0 < found.new_tokens_per_second <= 4 / STEP


@pytest.mark.parametrize(
    "config",
    [TransformerConfig(num_layers=1, num_heads=2, hidden_size=16), LSTMConfig(num_layers=1, hidden_size=16)],
    ids=["transformer", "lstm"],
)
@pytest.mark.parametrize("context", [1, 2, 48])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_model_is_timed(config: ModelConfig, context: int, dtype: torch.dtype) -> None:
    model = create_model_from_config(config, 11, context).eval()
    model.compute_dtype = dtype
    for batch_size in BATCH_SIZES:
        found = measure_speed(model, batch_size)
        assert (found.prompt_tokens, found.new_tokens) == lengths_for(model)
        assert found.prompt_tokens + found.new_tokens <= max(2, context)
        assert 0 < found.token_ms <= found.token_ms_p95
        assert found.peak_memory_bytes is None or found.peak_memory_bytes > 10_000_000
