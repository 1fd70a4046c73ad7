"""One way to ask any model: Craft's by Craft's own means, and those that write by themselves in their own way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from craft.config.schema.model import LSTMConfig, TransformerConfig
from craft.data.tokenizers import CharTokenizer, HFTokenizer
from craft.errors import OwnCodeError, TokenizerError, UsageError
from craft.generation import SamplingSettings, TextGenerator, generate_text_sampling
from craft.generation.foreign_tokenizer import FittedTokenizer
from craft.models import LanguageModel, ModelOutput, create_model_from_config
from tests.generation.foreign import (
    CONTEXT,
    VOCAB,
    hub_folder,
    library_model,
    library_text,
    library_tokenizer,
    nanogpt_state,
    save_meta,
    save_nanogpt,
)

LETTERS = CharTokenizer("\n abcdefgh")


def craft_model(kind: str = "transformer") -> LanguageModel:
    torch.manual_seed(0)
    config = TransformerConfig(num_layers=1, num_heads=2, hidden_size=16)
    lstm = LSTMConfig(num_layers=1, hidden_size=16)
    model = create_model_from_config(lstm if kind == "lstm" else config, LETTERS.vocab_size, 16)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


def library_made(**settings: Any) -> tuple[Any, Any]:
    """A model of the transformers library and a tokenizer of it."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=library_tokenizer(), bos_token="<s>", eos_token="</s>"
    )
    return library_model(**settings), tokenizer


# Craft's own -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transformer", "lstm"])
def test_a_model_of_craft_writes_as_everywhere_else(kind: str) -> None:
    model = craft_model(kind)
    generator = TextGenerator(model, LETTERS)
    wanted = generate_text_sampling(model, LETTERS, "abc", max_new_tokens=40, seed=5, top_k=4)
    settings = SamplingSettings(max_new_tokens=40, seed=5, top_k=4)
    assert generator.generate("abc", settings) == wanted
    assert generator.generate("abc", max_new_tokens=40, seed=5, top_k=4) == wanted
    assert generator.generate("abc", settings, seed=6) != wanted
    pieces = list(generator.stream("abc", settings))
    assert ("".join(pieces), len(pieces)) == (wanted, 40)
    assert model.training  # as it was


def test_a_stop_text_and_an_end_token_end_it() -> None:
    model = craft_model()
    whole = generate_text_sampling(model, LETTERS, "abc", max_new_tokens=40, temperature=0)
    stop = whole[3:5]
    found = TextGenerator(model, LETTERS).generate("abc", max_new_tokens=40, temperature=0, stop=stop)
    assert found == whole[: whole.index(stop)]
    ended = TextGenerator(model, LETTERS, end_tokens=frozenset(LETTERS.encode(whole[3])))
    assert ended.generate("abc", max_new_tokens=40, temperature=0) == whole[: whole.index(whole[3])]


def test_what_makes_no_sense_is_answered_before_anything_is_written() -> None:
    generator = TextGenerator(craft_model(), LETTERS)
    with pytest.raises(UsageError, match=r"there is no setting 'temprature' \(did you mean 'temperature'\?\)"):
        generator.stream("abc", temprature=1.0)
    with pytest.raises(UsageError, match="temperature must be 0"):
        generator.stream("abc", temperature=-1.0)
    with pytest.raises(TokenizerError, match="'z'"):
        generator.stream("xyz"[2])


def test_a_models_tokenizer_may_be_another_librarys() -> None:
    made = library_tokenizer()
    model = create_model_from_config(TransformerConfig(num_layers=1, num_heads=2, hidden_size=16), VOCAB, CONTEXT)
    nn.init.normal_(model.get_parameter("head.weight"))
    ours = HFTokenizer(read_json_of(made))
    settings: dict[str, Any] = {"max_new_tokens": 30, "seed": 1}
    generator = TextGenerator(model, made)
    assert generator.tokenizer.encode("the cat") == ours.encode("the cat")
    ids = torch.tensor(generator.tokenizer.encode("the cat"))
    assert ids.max() < VOCAB
    text = generator.generate("the cat", **settings)
    # Bytes that are no whole character come as U+FFFD from both.
    assert text == TextGenerator(model, ours).generate("the cat", **settings)


def read_json_of(tokenizer: Any) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(tokenizer.to_str())
    return found


def test_what_cannot_write_is_refused() -> None:
    with pytest.raises(
        UsageError, match="a Linear cannot write: it is no LanguageModel of Craft's and has no generate"
    ):
        TextGenerator(nn.Linear(2, 2), LETTERS)
    with pytest.raises(UsageError, match=r"a tokenizer has encode\(\) and decode\(\), and this dict has not"):
        TextGenerator(craft_model(), {})


def test_checkpoints_are_named_by_their_path(tmp_path: Path) -> None:
    save_meta(save_nanogpt(tmp_path / "ckpt.pt", nanogpt_state(bias=True)).parent)
    generator = TextGenerator.from_checkpoint(tmp_path / "ckpt.pt")
    assert len(generator.generate("abc", max_new_tokens=50)) == 50  # longer than the context of 32
    model = library_model()
    hub_folder(tmp_path / "hub", model, library_tokenizer())
    ids = library_tokenizer().encode("the cat").ids
    text = library_tokenizer().decode(library_text(model, ids, 20), skip_special_tokens=False)
    assert (
        TextGenerator.from_checkpoint(str(tmp_path / "hub")).generate("the cat", max_new_tokens=20, temperature=0)
        == text
    )


# The transformers library ------------------------------------------------------------------------------------------


def test_a_library_model_writes_what_it_writes_by_itself() -> None:
    model, tokenizer = library_made()
    generator = TextGenerator(model, tokenizer)
    ids = tokenizer.encode("the cat")
    new = library_text(model, ids, 20)
    wanted = tokenizer.decode(new, skip_special_tokens=True)
    assert generator.generate("the cat", max_new_tokens=20, temperature=0) == wanted
    pieces = list(generator.stream("the cat", max_new_tokens=20, temperature=0))
    assert "".join(pieces) == wanted
    assert len(pieces) > 5


@pytest.mark.parametrize("settings", [{}, {"top_k": 5, "temperature": 0.7}, {"top_p": 0.9, "repetition_penalty": 1.3}])
def test_a_library_model_draws_as_it_does_by_itself(settings: dict[str, Any]) -> None:
    model, tokenizer = library_made()
    row = torch.tensor([tokenizer.encode("the cat")])
    torch.manual_seed(11)
    told = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **settings}
    made = model.generate(
        row, attention_mask=torch.ones_like(row), do_sample=True, max_new_tokens=20, pad_token_id=1, **told
    )
    new = made[0, row.shape[1] :].tolist()
    wanted = tokenizer.decode(new[: new.index(1)] if 1 in new else new, skip_special_tokens=True)
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    assert TextGenerator(model, tokenizer).generate("the cat", max_new_tokens=20, seed=11, **settings) == wanted
    assert torch.equal(torch.random.get_rng_state(), state)  # the generator of all is as it was


def test_a_library_model_with_a_tokenizer_of_craft() -> None:
    model, _ = library_made()
    made = library_tokenizer()
    ours = HFTokenizer(read_json_of(made))
    new = library_text(model, ours.encode("the cat"), 20)
    assert TextGenerator(model, ours).generate("the cat", max_new_tokens=20, temperature=0) == FittedTokenizer(
        ours, VOCAB
    ).decode(new)


def test_an_empty_prompt_begins_with_the_sign_for_it() -> None:
    model, tokenizer = library_made()
    wanted = tokenizer.decode(library_text(model, [0], 10), skip_special_tokens=True)
    assert TextGenerator(model, tokenizer).generate("", max_new_tokens=10, temperature=0) == wanted


def test_a_library_model_stops_writing_when_nobody_listens() -> None:
    model, tokenizer = library_made(n_positions=4096)
    calls = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    before = threading.active_count()
    pieces = TextGenerator(model, tokenizer, end_tokens=frozenset()).stream("the cat", max_new_tokens=4000)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert len(calls) < 4000
    assert threading.active_count() == before


def test_a_stop_text_ends_a_library_model_too() -> None:
    model, tokenizer = library_made()
    generator = TextGenerator(model, tokenizer)
    whole = generator.generate("the cat", max_new_tokens=20, temperature=0)
    stop = whole[6:8]
    found = generator.generate("the cat", max_new_tokens=20, temperature=0, stop=(stop,))
    assert found == whole[: whole.index(stop)]


def test_beams_of_the_librarys_own() -> None:
    model, tokenizer = library_made()
    row = torch.tensor([tokenizer.encode("the cat")])
    made = model.generate(
        row, attention_mask=torch.ones_like(row), num_beams=3, do_sample=False, max_new_tokens=10, pad_token_id=1
    )
    new = made[0, row.shape[1] :].tolist()
    wanted = tokenizer.decode(new[: new.index(1)] if 1 in new else new, skip_special_tokens=True)
    generator = TextGenerator(model, tokenizer)
    assert generator.generate("the cat", max_new_tokens=10, temperature=0, num_beams=3) == wanted


def test_what_the_library_does_not_take_is_said() -> None:
    generator = TextGenerator(*library_made())
    for settings in ({"frequency_penalty": 0.5}, {"beam_with": 3}):
        name = next(iter(settings))
        with pytest.raises(UsageError, match=rf"GPT2LMHeadModel.generate\(\) of this model does not take {name}"):
            generator.stream("the cat", **settings)


def test_what_fails_in_the_library_is_said_with_the_reason() -> None:
    generator = TextGenerator(*library_made())
    with pytest.raises(OwnCodeError, match=r"generate\(\) failed: .*more than its 32 positions"):
        generator.generate("the cat", max_new_tokens=100, temperature=0)


# Somebody's own ----------------------------------------------------------------------------------------------------


class Counter(nn.Module):
    """Goes on counting; with a temperature it begins anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.told: dict[str, Any] = {}

    def generate(self, input_ids: Tensor, max_new_tokens: int = 100, **kwargs: Any) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.told = kwargs
        generated = input_ids.clone()
        step = int(torch.randint(1, 9, ())) if kwargs.get("do_sample") else 1
        for _ in range(max_new_tokens):
            generated = torch.cat([generated, (generated[:, -1:] + step) % LETTERS.vocab_size], dim=1)
        return generated


class NanoStyle(Counter):
    """Takes what nanoGPT's takes, and nothing else."""

    def generate(  # type: ignore[override]
        self, idx: Tensor, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None
    ) -> Tensor:
        assert temperature > 0
        assert top_k is None or top_k > 0
        made = super().generate(idx, max_new_tokens)
        self.told = {"temperature": temperature, "top_k": top_k}
        return made


def test_a_class_of_ones_own_writes_by_itself() -> None:
    model = Counter().train()
    generator = TextGenerator(model, LETTERS)
    assert generator.generate("a", max_new_tokens=3) == "bcd"
    assert list(generator.stream("a", max_new_tokens=3)) == ["b", "c", "d"]
    assert model.told == {}  # what was not chosen is its own to choose
    assert model.training
    assert generator.generate("a", max_new_tokens=8, stop="ef") == "bcd"


def test_a_class_of_ones_own_is_told_what_was_chosen() -> None:
    model = Counter()
    generator = TextGenerator(model, LETTERS)
    texts = {generator.generate("a", max_new_tokens=5, temperature=0.8, seed=seed) for seed in range(6)}
    assert model.told == {"do_sample": True, "temperature": 0.8}
    assert len(texts) > 1
    again = {generator.generate("a", max_new_tokens=5, temperature=0.8, seed=seed) for seed in range(6)}
    assert texts == again
    generator.generate("a", max_new_tokens=5, temperature=0, mirostat=2)
    assert model.told == {"do_sample": False, "temperature": 0.0, "mirostat": 2}


def test_a_generate_with_few_settings_gets_those_that_it_has() -> None:
    model = NanoStyle()
    generator = TextGenerator(model, LETTERS)
    assert generator.generate("a", max_new_tokens=3) == "bcd"
    assert model.told == {"temperature": 1.0, "top_k": None}
    generator.generate("a", max_new_tokens=3, temperature=0.5, top_k=4)
    assert model.told == {"temperature": 0.5, "top_k": 4}
    generator.generate("a", max_new_tokens=3, top_k=0)
    assert model.told == {"temperature": 1.0, "top_k": None}
    generator.generate("a", max_new_tokens=3, temperature=0)  # would be divided by
    assert model.told == {"temperature": 1.0, "top_k": 1}
    with pytest.raises(UsageError) as caught:
        generator.stream("a", top_p=0.9)
    assert "NanoStyle.generate() of this model does not take top_p; leave it out" in str(caught.value)
    assert "those that it has: idx, max_new_tokens, temperature, top_k" in str(caught.value)


class OwnLanguageModel(LanguageModel):
    """A language model that has a way of its own to write."""

    def __init__(self) -> None:
        super().__init__()
        self.vocab_size, self.context_length = LETTERS.vocab_size, 16
        self.table = nn.Embedding(self.vocab_size, self.vocab_size)

    def init_state(self, batch_size: int, max_length: int) -> Any:
        return ()

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
        return ModelOutput(self.table(tokens), None, state)

    def generate(self, input_ids: Tensor, max_new_tokens: int) -> list[list[int]]:
        return [[*row, *range(3, 3 + max_new_tokens)] for row in input_ids.tolist()]


def test_a_language_model_with_its_own_generate_writes_by_that() -> None:
    generator = TextGenerator(OwnLanguageModel(), LETTERS)
    assert generator.generate("a", max_new_tokens=4) == "bcde"
    with pytest.raises(UsageError, match="does not take temperature"):
        generator.generate("a", temperature=0.5)


class Recurrent(nn.Module):
    """As a model of one's own often is: a loss only where targets are, and the likeliest token always."""

    def __init__(self, vocab_size: int, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.output = nn.Linear(width, vocab_size)

    def forward(self, x: Tensor, targets: Tensor | None = None) -> Any:
        logits = self.output(self.lstm(self.embedding(x))[0])
        if targets is None:
            return logits
        return logits, nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def generate(self, input_ids: Tensor, max_new_tokens: int = 100, **kwargs: Any) -> Tensor:
        for _ in range(max_new_tokens):
            input_ids = torch.cat([input_ids, self(input_ids)[:, -1:].argmax(-1)], dim=1)
        return input_ids


def test_a_plain_module_with_its_own_generate_writes_by_it() -> None:
    torch.manual_seed(1)
    model = Recurrent(LETTERS.vocab_size)
    made = model.generate(torch.tensor([LETTERS.encode("abc")]), 20)
    wanted = LETTERS.decode(made[0, 3:])
    assert TextGenerator(model, LETTERS).generate("abc", max_new_tokens=20) == wanted
    assert TextGenerator(model, LETTERS).generate("abc", max_new_tokens=20, temperature=0) == wanted


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (torch.zeros(1, 2), r"gave a tensor of shape \(1, 2\)"),
        (torch.zeros(2, 5, dtype=torch.int64), r"gave a tensor of shape \(2, 5\)"),
        ("bcd", "gave str"),
        (None, "gave NoneType"),
        (torch.tensor([[7, 7, 7]]), "the tokens of the prompt and of what follows it"),
    ],
)
def test_a_generate_that_gives_something_else_is_said(made: Any, words: str) -> None:
    class Strange:
        def generate(self, input_ids: Tensor, max_new_tokens: int) -> Any:
            return made

    with pytest.raises(OwnCodeError, match=words):
        TextGenerator(Strange(), LETTERS).generate("a", max_new_tokens=3)


def test_a_generate_that_raises_is_said() -> None:
    class Broken:
        def generate(self, input_ids: Tensor, max_new_tokens: int) -> Any:
            raise KeyError("weights")

    with pytest.raises(OwnCodeError, match=r"Broken\.generate\(\) failed: KeyError: 'weights'"):
        TextGenerator(Broken(), LETTERS).generate("a", max_new_tokens=3)
