"""Models of every kind, so small that a test takes no time, with weights that make some tokens likelier than others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from craft.config.schema.model import HFConfig, LSTMConfig, RNNConfig, TransformerConfig
from craft.data.tokenizers import CharTokenizer
from craft.models import LanguageModel, create_model_from_config
from craft.models.base import ModelOutput
from craft.models.module import ModuleModel

LETTERS = CharTokenizer.train("abcdefghijklm")
VOCAB = LETTERS.vocab_size


def randomise(model: nn.Module, seed: int = 0, std: float = 0.5) -> None:
    """Draw all matrices anew, and change the rest: many begin as zeros, which would hide mistakes behind them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * std
            parameter.copy_(drawn if parameter.ndim > 1 else parameter + 0.2 * drawn)


class Plain(nn.Module):
    """A network of someone's own: it looks at the sum of all tokens so far, and at the newest."""

    def __init__(self, vocab_size: int = VOCAB) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(vocab_size, 8), nn.Linear(8, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        logits: Tensor = self.head(2 * torch.sin(x + 2 * x.cumsum(1)))
        return logits


class Own(LanguageModel):
    """A language model of someone's own whose state nobody else can part: a list, changed in place."""

    def __init__(self, vocab_size: int = VOCAB, context_length: int = 12) -> None:
        super().__init__()
        self.vocab_size, self.context_length = vocab_size, context_length
        self.network = Plain(vocab_size)

    def init_state(self, batch_size: int, max_length: int) -> Any:
        return []

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
        text = tokens if state is None else torch.cat([*state, tokens], dim=1)
        if state is not None:
            state.append(tokens)
        logits = self.network(text)[:, -tokens.shape[1] :]
        loss = None if targets is None else self.next_token_loss(logits, targets)
        return ModelOutput(logits, loss, state)


KINDS = ["rotary", "learned", "grouped", "lstm", "gru", "rnn", "hf", "plain", "own"]


def make(kind: str, context: int = 12, vocab_size: int = VOCAB, seed: int = 1) -> LanguageModel:
    """One of `KINDS`."""
    torch.manual_seed(seed)
    sizes = {"num_layers": 1, "hidden_size": 16}
    match kind:
        case "own":
            model: LanguageModel = Own(vocab_size, context)
        case "plain":
            model = ModuleModel(Plain(vocab_size), vocab_size, context, called="plain")
        case "lstm":
            model = create_model_from_config(LSTMConfig(**sizes), vocab_size, context)
        case "gru" | "rnn":
            cell = "tanh" if kind == "rnn" else "gru"
            model = create_model_from_config(RNNConfig(cell=cell, **sizes), vocab_size, context)
        case "hf":
            pytest.importorskip("transformers")
            model = create_model_from_config(HFConfig(model_type="gpt2", num_heads=2, **sizes), vocab_size, context)
        case "grouped":
            config = TransformerConfig(preset="llama", num_heads=4, num_kv_heads=2, **{**sizes, "num_layers": 2})
            model = create_model_from_config(config, vocab_size, context)
        case _:
            config = TransformerConfig(num_heads=2, position=kind, **sizes)
            model = create_model_from_config(config, vocab_size, context)
    randomise(model, seed)
    return model.eval()
