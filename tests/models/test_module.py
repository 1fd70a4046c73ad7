"""A plain module of one's own as a language model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from craft.config.schema.model import OwnModel
from craft.errors import OwnCodeError
from craft.generation.sampling import generate_tokens
from craft.models import LanguageModel, create_model_from_config
from craft.models.module import ModuleModel
from craft.runs.sampling_settings import SamplingSettings

VOCAB, CONTEXT = 7, 8
CODE = """
from types import SimpleNamespace
import torch
from torch import nn

class Averages(nn.Module):
    \"\"\"Each position sees the mean of what came up to it.\"\"\"

    def __init__(self, vocab_size, context_length, width=16, kind="logits"):
        super().__init__()
        self.kind = kind
        self.table = nn.Embedding(vocab_size, width)
        self.mix = nn.Linear(width, width)
        self.kernel = nn.Conv1d(width, width, 1)
        self.out = nn.Linear(width, vocab_size)

    def forward(self, tokens):
        x = self.table(tokens)
        count = torch.arange(1, tokens.shape[1] + 1, device=x.device)[:, None]
        x = torch.tanh(self.mix(x.cumsum(1) / count))
        logits = self.out(self.kernel(x.mT).mT)
        return {"logits": logits, "object": SimpleNamespace(logits=logits), "last": logits[:, -1],
                "turned": logits.mT, "pair": (logits, None), "ids": logits.argmax(-1)}[self.kind]

class NoModule:
    def __init__(self, vocab_size, context_length):
        pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain_models.py").write_text(CODE)
    return tmp_path


def make(folder: Path, kind: str = "logits", name: str = "Averages") -> LanguageModel:
    torch.manual_seed(0)
    arguments = {"kind": kind} if name == "Averages" else {}
    return create_model_from_config(
        OwnModel(type=f"plain_models:{name}", arguments=arguments), VOCAB, CONTEXT, search=folder
    )


def tokens() -> torch.Tensor:
    return torch.randint(VOCAB, (2, CONTEXT), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["logits", "object"])
def test_a_module_that_gives_logits_is_a_model(folder: Path, kind: str) -> None:
    model = make(folder, kind)
    output = model(tokens(), tokens())
    assert output.logits.shape == (2, CONTEXT, VOCAB)
    assert torch.equal(output.loss, LanguageModel.next_token_loss(output.logits, tokens()))
    output.loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    model.compute_dtype = torch.bfloat16
    assert model(tokens()).logits.dtype == torch.bfloat16


def test_reading_in_pieces_gives_the_same_logits(folder: Path) -> None:
    model = make(folder).eval()
    state, parts = model.init_state(2, CONTEXT), []
    for piece in tokens().split([3, 1, 4], dim=1):
        output = model(piece, state=state)
        state = output.state
        parts.append(output.logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens()).logits)


def test_it_writes_what_reading_everything_each_time_would_write(folder: Path) -> None:
    model = make(folder).eval()
    text = [1, 2]
    written = list(generate_tokens(model, text, SamplingSettings(max_new_tokens=5, temperature=0)))
    for token in written:
        assert token == int(model(torch.tensor([text])).logits[0, -1].argmax())
        text.append(token)
    assert len(list(generate_tokens(model, text, SamplingSettings(max_new_tokens=3 * CONTEXT)))) == 3 * CONTEXT


def test_only_two_dimensions_make_a_matrix(folder: Path) -> None:
    roles = make(folder).parameter_roles()
    assert roles == {
        "network.table.weight": "embedding",
        "network.mix.weight": "matrix",
        "network.mix.bias": "scalar",
        "network.kernel.weight": "scalar",
        "network.kernel.bias": "scalar",
        "network.out.weight": "head",
        "network.out.bias": "scalar",
    }


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("last", "a tensor of shape (2, 7)"),
        ("turned", "a tensor of shape (2, 7, 8)"),
        ("pair", "it made tuple"),
        ("ids", "a tensor of shape (2, 8)"),
    ],
)
def test_an_output_of_another_shape_is_named(folder: Path, kind: str, found: str) -> None:
    with pytest.raises(OwnCodeError) as caught:
        make(folder, kind)(tokens())
    assert str(caught.value).startswith('model.type = "plain_models:Averages": from tokens of shape (2, 8) it made ')
    assert found in str(caught.value)
    assert "must give logits of shape (2, 8, 7)" in str(caught.value)


def test_what_is_no_module_is_refused(folder: Path) -> None:
    with pytest.raises(OwnCodeError, match="is no Module"):
        make(folder, name="NoModule")


def test_a_module_without_matrices_has_roles() -> None:
    table = torch.nn.Embedding(VOCAB, VOCAB)
    model = ModuleModel(table, VOCAB, CONTEXT, called="bigram")
    assert model.parameter_roles() == {"network.weight": "embedding"}
    assert model(tokens()).logits.shape == (2, CONTEXT, VOCAB)
