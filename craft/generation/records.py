"""A finished text as one object: what was written, how, by what."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import torch

from craft import __version__
from craft.data.tokenizers import Tokenizer
from craft.generation.checkpoint import LoadedCheckpoint
from craft.generation.provenance import settings_record
from craft.generation.sampling import Thought
from craft.generation.writing import Prompt, Written
from craft.runs.sampling_settings import SamplingSettings


def origin(loaded: LoadedCheckpoint) -> dict[str, Any]:
    """Which checkpoint it is, and where and how it is computed."""
    return {
        "run": loaded.run,
        "step": loaded.step,
        "checkpoint": str(loaded.path),
        "source": loaded.source,
        "device": str(loaded.model.device),
        "precision": loaded.precision,
    }


def text_record(
    written: Written, prompt: Prompt, settings: SamplingSettings, tokenizer: Tokenizer, *, alternatives: bool
) -> dict[str, Any]:
    """A text with the settings that it was drawn by; `seed` is the text's own. alternatives: with its thoughts."""
    record: dict[str, Any] = {"prompt": prompt.text, "sample": written.sample, "text": written.text}
    if prompt.tokens:
        record["tokens_before"] = list(prompt.tokens)
    record["tokens"] = written.tokens
    if alternatives:
        record["thoughts"] = [thought_record(thought, tokenizer) for thought in written.thoughts]
    record |= {"ended": written.ended, "unread": written.unread, "slides": written.slides}
    return record | settings_record(settings, written.sample)


def thought_record(thought: Thought, tokenizer: Tokenizer) -> dict[str, Any]:
    """What a model thought of one token, with what tokens stand for."""
    return {
        "token": thought.token,
        "text": tokenizer.piece(thought.token),
        "probability": thought.probability,
        "entropy": thought.entropy,
        "alternatives": [
            {"token": token, "text": tokenizer.piece(token), "probability": share}
            for token, share in thought.alternatives
        ],
    }


@cache
def versions() -> dict[str, str]:
    """What wrote a text, beside the weights."""
    return {"craft": __version__, "torch": str(torch.__version__), "python": platform.python_version()}
