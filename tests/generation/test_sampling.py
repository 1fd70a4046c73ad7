"""Sampling: the distribution is followed, the filters filter, a seed holds, and a long text goes on."""

from __future__ import annotations

import math

import pytest
import torch

from craft.config.schema.model import TransformerConfig
from craft.errors import UsageError
from craft.generation.sampling import choose_token, generate_tokens
from craft.generation.settings import SamplingSettings
from craft.models.transformer import Transformer

VOCAB = 13


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(0)
    model = Transformer(TransformerConfig(num_layers=2, num_heads=2, hidden_size=16), VOCAB, context_length=16)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def draws(logits: torch.Tensor, settings: SamplingSettings, count: int = 20_000) -> torch.Tensor:
    uniform = torch.rand(count, generator=torch.Generator().manual_seed(settings.seed), dtype=torch.float64)
    chosen = choose_token(logits.expand(count, -1), settings, uniform)
    return torch.bincount(chosen, minlength=len(logits))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_distribution(temperature: float) -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, 0.5, 0.3])
    counts = draws(logits, SamplingSettings(temperature=temperature, seed=3))
    expected = torch.softmax(logits / temperature, 0) * counts.sum()
    chi_squared = ((counts - expected) ** 2 / expected).sum().item()
    assert chi_squared < 20.5  # 5 degrees of freedom: one in a thousand


def test_zero_temperature_takes_the_likeliest() -> None:
    counts = draws(torch.tensor([0.1, 0.3, 0.2]), SamplingSettings(temperature=0), 100)
    assert counts.tolist() == [0, 100, 0]


def test_top_k_and_top_p_keep_the_likeliest() -> None:
    logits = torch.log(torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05]))
    assert (draws(logits, SamplingSettings(top_k=2)) > 0).tolist() == [True, True, False, False, False]
    assert (draws(logits, SamplingSettings(top_p=0.6)) > 0).tolist() == [True, True, False, False, False]
    assert (draws(logits, SamplingSettings(top_p=1e-9)) > 0).tolist() == [True, False, False, False, False]
    assert (draws(logits, SamplingSettings(top_k=99)) > 0).all()
    assert (draws(logits, SamplingSettings(top_k=4, top_p=0.7)) > 0).sum() == 2


def test_a_seed_gives_the_same_text(model: Transformer) -> None:
    texts = [list(generate_tokens(model, [1, 2], SamplingSettings(40, seed=seed))) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_the_cache_changes_nothing(model: Transformer) -> None:
    """Greedy tokens equal those of reading the whole text anew for each, inside the context."""
    found = list(generate_tokens(model, [3, 1, 4], SamplingSettings(13, temperature=0)))
    text = [3, 1, 4]
    for _ in range(13):
        with torch.inference_mode():
            text.append(int(model(torch.tensor([text])).logits[0, -1].argmax()))
    assert found == text[3:]


@pytest.mark.parametrize("position", ["rotary", "learned", "none"])
def test_text_goes_on_past_the_context(position: str) -> None:
    config = TransformerConfig(num_layers=1, num_heads=2, hidden_size=16, position=position)
    model = Transformer(config, VOCAB, context_length=8).eval()
    for prompt in ([], [1], list(range(8)), [1] * 50):
        tokens = list(generate_tokens(model, prompt, SamplingSettings(30)))
        assert len(tokens) == 30
        assert all(0 <= token < VOCAB for token in tokens)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.5},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SamplingSettings(**wrong)  # type: ignore[arg-type]
