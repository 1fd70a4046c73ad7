"""Sampling: the distribution is followed, the filters filter, a seed holds, and a long text goes on."""

from __future__ import annotations

import math

import pytest
import torch

from craft.config.schema.model import TransformerConfig
from craft.errors import UsageError
from craft.generation import sample_text
from craft.generation.sampling import Draws, Penalties, choose_token, draw_tokens, filtered, generate_tokens, thoughts
from craft.generation.sequences import Sequences
from craft.models.transformer import Transformer
from craft.runs.sampling_settings import SamplingSettings
from tests.children import child
from tests.generation.models import LETTERS, make

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
        {"min_p": -0.1},
        {"min_p": 1.1},
        {"repetition_penalty": 0.0},
        {"frequency_penalty": math.inf},
        {"stop": ("",)},
        {"seed": -1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SamplingSettings(**wrong)  # type: ignore[arg-type]


# Exactly the distribution that is described --------------------------------------------------------------------------


def described(logits: list[float], settings: SamplingSettings) -> list[float]:
    """The distribution by the words of `SamplingSettings`, without a tensor."""
    powers = [math.exp((one - max(logits)) / settings.temperature) for one in logits]
    kept = dict(enumerate(powers))
    if settings.top_k:
        least = sorted(kept.values(), reverse=True)[: settings.top_k][-1]
        kept = {token: power for token, power in kept.items() if power >= least}
    total, held, smallest = sum(kept.values()), 0.0, 0.0
    for power in sorted(kept.values(), reverse=True):
        if held / total >= settings.top_p:
            break
        held, smallest = held + power, power
    kept = {token: power for token, power in kept.items() if power >= smallest}
    kept = {token: power for token, power in kept.items() if power >= settings.min_p * max(kept.values())}
    return [kept.get(token, 0.0) / sum(kept.values()) for token in range(len(logits))]


# One in a thousand is larger, by degrees of freedom (the quantiles of the chi-squared distribution).
CHI_SQUARED = [0, 10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59, 31.26]


@pytest.mark.parametrize(
    "settings",
    [
        SamplingSettings(temperature=1.0),
        SamplingSettings(temperature=0.6, seed=1),
        SamplingSettings(temperature=2.5, seed=2),
        SamplingSettings(top_k=4, seed=3),
        SamplingSettings(top_p=0.8, seed=4),
        SamplingSettings(min_p=0.15, seed=5),
        SamplingSettings(temperature=1.5, top_k=7, top_p=0.9, min_p=0.05, seed=6),
        SamplingSettings(temperature=0.8, top_k=9, min_p=0.1, seed=7),
    ],
)
def test_draws_follow_what_is_described(settings: SamplingSettings) -> None:
    logits = (torch.randn(12, generator=torch.Generator().manual_seed(settings.seed)) * 1.5).tolist()
    expected = torch.tensor(described(logits, settings), dtype=torch.float64)
    counts = draws(torch.tensor(logits), settings, 50_000)
    assert (counts[expected == 0] == 0).all()
    wanted = expected[expected > 0] * counts.sum()
    chi_squared = ((counts[expected > 0] - wanted) ** 2 / wanted).sum().item()
    assert chi_squared < CHI_SQUARED[int((expected > 0).sum()) - 1]
    found = torch.softmax(filtered(torch.tensor([logits]), settings), -1)[0].double()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_texts_follow_the_models_distribution(model: Transformer) -> None:
    """Two tokens of many texts, each with a seed of its own, as often as the model expects them."""
    count = 4000
    settings = SamplingSettings(2, temperature=1.2)
    tokens: list[list[int]] = [[] for _ in range(count)]
    for drawn in draw_tokens(model, [[1, 2]] * count, settings, seeds=range(count)):
        for one in drawn:
            tokens[one.row].append(one.token)
    with torch.inference_mode():
        first = (model(torch.tensor([[1, 2]])).logits[0, -1] / 1.2).double().softmax(-1)
        pairs = torch.tensor([[1, 2, token] for token in range(VOCAB)])
        second = (model(pairs).logits[:, -1] / 1.2).double().softmax(-1)
    expected = (first[:, None] * second).flatten() * count  # (V V,)
    found = torch.zeros(VOCAB * VOCAB, dtype=torch.float64)
    for before, after in tokens:
        found[before * VOCAB + after] += 1
    common = expected >= 5
    assert common.sum() >= 10
    observed = torch.cat((found[common], found[~common].sum()[None]))
    wanted = torch.cat((expected[common], expected[~common].sum()[None]))
    degrees = len(wanted) - 1
    # Wilson and Hilferty's approximation of the quantile of one in ten thousand (3.72 deviations).
    limit = degrees * (1 - 2 / (9 * degrees) + 3.72 * math.sqrt(2 / (9 * degrees))) ** 3
    assert ((observed - wanted) ** 2 / wanted).sum() < limit


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_out_is_what_transformers_leaves_out(seed: int) -> None:
    library = pytest.importorskip("transformers.generation.logits_process")
    logits = torch.randn(6, 200, generator=torch.Generator().manual_seed(seed)) * 3
    tokens = torch.zeros(6, 1, dtype=torch.int64)
    warpers = [
        (SamplingSettings(temperature=0.7), [library.TemperatureLogitsWarper(0.7)]),
        (SamplingSettings(top_k=9), [library.TopKLogitsWarper(9)]),
        (SamplingSettings(top_p=0.9), [library.TopPLogitsWarper(0.9)]),
        (SamplingSettings(min_p=0.1), [library.MinPLogitsWarper(0.1)]),
        (
            SamplingSettings(temperature=1.6, top_k=50, top_p=0.8, min_p=0.02),
            [
                library.TemperatureLogitsWarper(1.6),
                library.TopKLogitsWarper(50),
                library.TopPLogitsWarper(0.8),
                library.MinPLogitsWarper(0.02),
            ],
        ),
    ]
    for settings, steps in warpers:
        wanted = logits
        for step in steps:
            wanted = step(tokens, wanted)
        found = torch.softmax(filtered(logits, settings), -1)
        torch.testing.assert_close(found, torch.softmax(wanted, -1), atol=1e-6, rtol=1e-5)
        assert torch.equal(found == 0, torch.isinf(wanted))


@pytest.mark.parametrize("penalty", [1.3, 0.8])
def test_a_repeated_token_is_penalised_as_in_transformers(model: Transformer, penalty: float) -> None:
    library = pytest.importorskip("transformers.generation.logits_process")
    texts = [[1, 2, 3, 3], [5, 5, 5, 5], [0, 12, 7, 1]]
    logits = torch.randn(3, VOCAB, generator=torch.Generator().manual_seed(1)) * 3
    sequences = Sequences(model, texts, 5)
    found = Penalties(SamplingSettings(repetition_penalty=penalty), VOCAB).apply(logits, sequences)
    wanted = library.RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor(texts), logits)
    torch.testing.assert_close(found, wanted)
    assert not torch.equal(found, logits)


def test_a_written_token_is_penalised_by_how_often_it_was_written(model: Transformer) -> None:
    """The prompt does not count."""
    sequences = Sequences(model, [[1, 2], [3, 3]], 5)
    for tokens in ([1, 4], [1, 3], [2, 4]):
        assert sequences.logits.shape == (2, VOCAB)
        sequences.push(tokens)
    logits = torch.zeros(2, VOCAB)
    found = Penalties(SamplingSettings(frequency_penalty=0.5), VOCAB).apply(logits, sequences)
    wanted = torch.zeros(2, VOCAB)
    wanted[0, 1], wanted[0, 2], wanted[1, 4], wanted[1, 3] = -1.0, -0.5, -1.0, -0.5
    assert torch.equal(found, wanted)
    assert not logits.any()  # what the model thought stays


def test_equal_tokens_at_the_border_all_stay() -> None:
    """Which of them would be left out is nobody's to say."""
    logits = torch.log(torch.tensor([0.3, 0.2, 0.2, 0.2, 0.1]))
    all_but_the_last = [True, True, True, True, False]
    for settings in (SamplingSettings(top_k=2), SamplingSettings(top_p=0.4), SamplingSettings(min_p=0.6)):
        assert (draws(logits, settings) > 0).tolist() == all_but_the_last
    assert (draws(torch.zeros(5), SamplingSettings(top_k=1)) > 0).all()
    assert (draws(logits, SamplingSettings(top_k=1)) > 0).tolist() == [True, False, False, False, False]
    assert draws(torch.zeros(5), SamplingSettings(temperature=0), 10).tolist() == [10, 0, 0, 0, 0]


@pytest.mark.parametrize("temperature", [1e-3, 1e-38, 1e-45, 5e-324])
def test_the_smallest_temperature_takes_the_likeliest(temperature: float) -> None:
    logits = torch.tensor([[0.1, 300.0, 299.9, -1000.0, -math.inf]])
    found = choose_token(
        logits, SamplingSettings(temperature=temperature), torch.tensor([0.9999999], dtype=torch.float64)
    )
    assert found.tolist() == [1]


def test_a_large_temperature_draws_from_all() -> None:
    counts = draws(torch.tensor([5.0, 0.0, -5.0, -math.inf]), SamplingSettings(temperature=1e9), 30_000)
    assert (counts[:3] > 9_500).all()
    assert counts[3] == 0


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_an_impossible_token_is_never_drawn(uniform: float) -> None:
    logits = torch.tensor([[-math.inf, 1.0, -math.inf, 2.0, -math.inf]])
    found = choose_token(logits, SamplingSettings(), torch.tensor([uniform], dtype=torch.float64))
    assert found.item() in (1, 3)


def test_top_p_of_a_large_vocabulary_is_that_of_all_of_it() -> None:
    """Where the first thousand tokens do not hold it, all are looked at."""
    settings = SamplingSettings(top_p=0.9)
    logits = torch.stack((torch.zeros(5000), torch.arange(5000) * -0.01))
    logits[0, 1234] = 1.0
    kept = torch.isfinite(filtered(logits, settings))
    shares = torch.softmax(logits.double(), -1)
    assert (shares * kept).sum(-1).ge(0.9).all()
    assert kept[1].sum() == 231  # 1 - e^(-0.01 n) reaches 0.9 there
    assert kept[0].all()  # equal ones at the border all stay


@pytest.mark.parametrize(
    "settings",
    [
        SamplingSettings(top_k=3),
        SamplingSettings(top_p=0.5),
        SamplingSettings(top_p=0.999),
        SamplingSettings(min_p=0.05),
        SamplingSettings(temperature=1.5, top_k=2000, top_p=0.9, min_p=0.001),
        SamplingSettings(top_k=9_900),
        SamplingSettings(),
    ],
)
def test_of_a_large_vocabulary_the_same_is_drawn_as_of_all_of_it(settings: SamplingSettings) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(64, 10_000, generator=generator) * torch.linspace(0.5, 5, 64)[:, None]
    logits[3] = 0.0  # all are equal
    logits[4] = logits[4].round()  # many are
    uniform = torch.rand(64, generator=generator, dtype=torch.float64)
    found = choose_token(logits, settings, uniform)
    cumulative = torch.softmax(filtered(logits, settings).double(), -1).cumsum(-1)
    wanted = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)[:, 0]
    # A number may lie so near to a border that the last digit of a sum decides.
    assert (found == wanted).sum() >= 63
    assert torch.isfinite(filtered(logits, settings)).gather(-1, found[:, None]).all()


def test_thoughts_know_the_entropy() -> None:
    logits = torch.stack(
        (torch.zeros(8), torch.tensor([50.0, *[-math.inf] * 7]), torch.tensor([1.0, 1.0, *[-99.0] * 6]))
    )
    even, certain, two = thoughts(logits, torch.tensor([3, 0, 1]), 8)
    assert even.entropy == pytest.approx(math.log(8))
    assert (certain.entropy, certain.probability) == (0.0, 1.0)
    assert two.entropy == pytest.approx(math.log(2))
    for one in (even, certain, two):
        assert sum(share for _, share in one.alternatives) == pytest.approx(1, abs=1e-12)
    assert len(thoughts(logits, torch.tensor([0, 0, 0]), 3)[0].alternatives) == 3


def test_numbers_that_were_drawn_before_are_left_out() -> None:
    whole = Draws([7, 8])
    numbers = torch.stack([whole.next() for _ in range(600)], dim=1)  # (2, 600)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    later = Draws([7, 8], [300, 5])
    for place in range(290):
        assert later.next().tolist() == [numbers[0, 300 + place], numbers[1, 5 + place]]
    later.select([1])
    assert later.next().tolist() == [numbers[1, 295]]


WRITE = """
import sys
import torch
from craft.generation import sample_text
from tests.generation.models import LETTERS, make
torch.manual_seed(int(sys.argv[1]))  # nothing depends on what else is drawn
torch.rand(int(sys.argv[1]))
print(sample_text(make("learned"), LETTERS, "abc", num_samples=2, seed=4, max_new_tokens=40, temperature=1.5))
"""


def test_a_seed_gives_the_same_text_in_another_process() -> None:
    with child(WRITE, 5) as process:
        printed = process.communicate()[0]
    here = sample_text(make("learned"), LETTERS, "abc", num_samples=2, seed=4, max_new_tokens=40, temperature=1.5)
    assert printed == f"{here}\n"
    assert len(set(here)) == 2


@pytest.mark.parametrize(
    "penalty", [{"frequency_penalty": 1e39}, {"repetition_penalty": 1e-40}, {"repetition_penalty": 1e39}]
)
def test_a_penalty_beyond_fp32_still_compares(penalty: dict[str, float]) -> None:
    torch.manual_seed(0)
    config = TransformerConfig(num_layers=1, num_heads=2, hidden_size=16)
    model = Transformer(config, VOCAB, context_length=32).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    tokens = list(generate_tokens(model, [1], SamplingSettings(VOCAB - 2, temperature=0, **penalty)))  # type: ignore[arg-type]
    if "frequency_penalty" in penalty:
        assert len(set(tokens)) == len(tokens), "what was written is never written again while anything else is left"
    assert tokens != [VOCAB - 1] * len(tokens)
