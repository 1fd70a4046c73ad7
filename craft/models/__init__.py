"""Architectures: `base.py` says what a model is, and each other file holds one."""

from __future__ import annotations

from pathlib import Path

from craft.config.own_code import make_own, must_be
from craft.config.schema.model import HFConfig, LSTMConfig, ModelConfig, OwnModel, RNNConfig, TransformerConfig
from craft.models.base import BaseModel, GenerativeModel, LanguageModel, ModelOutput

__all__ = ["BaseModel", "GenerativeModel", "LanguageModel", "ModelOutput", "create_model_from_config"]


def create_model_from_config(
    config: ModelConfig, vocab_size: int, context_length: int, *, search: Path | None = None
) -> LanguageModel:
    """Build the model that a `[model]` table describes, with fresh weights drawn from torch's global generator.

    search: the folder where a model of one's own is looked for first. Raises OwnCodeError for such a one.
    """
    match config:
        case TransformerConfig():
            from craft.models.transformer import Transformer

            return Transformer(config, vocab_size, context_length)
        case LSTMConfig() | RNNConfig():
            from craft.models.recurrent import Recurrent

            return Recurrent(config, vocab_size, context_length)
        case HFConfig():
            from craft.models.hf import HFModel

            return HFModel(config, vocab_size, context_length)
        case OwnModel():
            own = make_own(config, "model", search, vocab_size=vocab_size, context_length=context_length)
            if isinstance(own, LanguageModel):
                return own
            from torch import nn

            from craft.models.module import ModuleModel

            must_be(own, nn.Module, config, "model")
            return ModuleModel(own, vocab_size, context_length, called=f'model.type = "{config.type}"')
