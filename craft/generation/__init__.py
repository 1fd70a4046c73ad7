"""Text from trained models.

    from craft.generation import batch_generate, load_checkpoint

    loaded = load_checkpoint(Path("runs/small-001/checkpoints/step-00000150"))
    batch_generate(loaded.model, loaded.tokenizer, ["def ", "class "], temperature=0.8, top_k=40)

settings.py          what can be set; free of torch, as is this module until a name is asked of it
sequences.py         texts that grow side by side: states, windows, positions
sampling.py          the distribution, what is drawn from it, what the model thought
writing.py           pieces of text as they come, stop texts
batch_generation.py  one call, one answer
beam_search.py       the likeliest whole texts; beam_tree.py holds all that was looked at
scoring.py           how much a model expected each token of a given text
checkpoint.py        loading one of Craft's; places.py tells what a path leads to, free of torch
foreign_checkpoint.py  loading nanoGPT's and Hugging Face's; foreign_tokenizer.py their tokenizers
text_generator.py    any model asked in one way; own_generate.py those with a generate() of their own, and
                     any_tokenizer.py other libraries' tokenizers
records.py           a finished text as JSON; provenance.py says by what it was written
files/               files of prompts, and what was written from them
server.py            the sampler process, of which sampler/ holds the parts
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "SamplingSettings": "settings",
    "BeamSettings": "settings",
    "Writing": "writing",
    "Prompt": "writing",
    "batch_generate": "batch_generation",
    "beam_search_generate": "beam_search",
    "BeamSearch": "beam_search",
    "score_text": "scoring",
    "generate_text_sampling": "batch_generation",
    "sample_text": "batch_generation",
    "load_checkpoint": "checkpoint",
    "LoadedCheckpoint": "checkpoint",
    "TextGenerator": "text_generator",
}
"""Name -> module of this package that has it, imported when it is asked for."""

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
