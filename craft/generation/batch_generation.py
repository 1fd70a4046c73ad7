"""Text from a model and a tokenizer, for scripts and notebooks: one call, one answer.

generate_text_sampling   one text from one prompt
sample_text              several texts from one prompt, which is read once
batch_generate           one text from each of many prompts of any lengths
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from craft.data.tokenizers import Tokenizer
from craft.generation.writing import Writing, Written
from craft.models.base import LanguageModel
from craft.runs.sampling_settings import SamplingSettings


def generate_text_sampling(model: LanguageModel, tokenizer: Tokenizer, prompt: str, **settings: Any) -> str:
    """What a model writes after a prompt; `settings` are those of `SamplingSettings`, by name.

    Raises UsageError for a setting that makes no sense, TokenizerError for a prompt that cannot be encoded.
    """
    return sample_text(model, tokenizer, prompt, **settings)[0]


def sample_text(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, *, num_samples: int = 1, **settings: Any
) -> list[str]:
    """Several texts after one prompt, with the seeds `seed`, `seed` + 1 and so on. The prompt is read once."""
    writing = Writing(model, tokenizer, [prompt], SamplingSettings(**settings), samples=num_samples)
    return [written.text for written in finish(writing)]


def batch_generate(model: LanguageModel, tokenizer: Tokenizer, prompts: Sequence[str], **settings: Any) -> list[str]:
    """A text after each prompt, in their order. Each is what it would be by itself, with the same seed."""
    if not prompts:
        return []
    return [written.text for written in finish(Writing(model, tokenizer, prompts, SamplingSettings(**settings)))]


def finish(writing: Writing) -> list[Written]:
    """All texts, once they are written."""
    for _ in writing:
        pass
    return writing.texts
