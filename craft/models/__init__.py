"""Architectures: `base.py` says what a model is, and each other file holds one."""

from __future__ import annotations

from craft.config.schema.model import ModelConfig
from craft.models.base import BaseModel, GenerativeModel, LanguageModel, ModelOutput

__all__ = ["BaseModel", "GenerativeModel", "LanguageModel", "ModelOutput", "create_model_from_config"]


def create_model_from_config(config: ModelConfig, vocab_size: int, context_length: int) -> LanguageModel:
    """Build the model that a `[model]` table describes, with fresh weights drawn from torch's global generator."""
    from craft.models.transformer import Transformer

    return Transformer(config, vocab_size, context_length)
