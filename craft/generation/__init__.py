"""Text from trained models.

    from craft.generation import batch_generate, load_checkpoint

    loaded = load_checkpoint(Path("runs/small-001/checkpoints/step-00000150"))
    batch_generate(loaded.model, loaded.tokenizer, ["def ", "class "], temperature=0.8, top_k=40)

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
files/               what was written from files of prompts, which craft/runs/prompts_file.py reads
server.py            the sampler process, of which sampler/ holds the parts

What can be set is `craft/runs/sampling_settings.py`, which programs without torch use too; this module is free of torch
until a name is asked of it.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "SamplingSettings": "craft.runs.sampling_settings",
    "BeamSettings": "craft.runs.sampling_settings",
    "Writing": "craft.generation.writing",
    "Prompt": "craft.generation.writing",
    "batch_generate": "craft.generation.batch_generation",
    "beam_search_generate": "craft.generation.beam_search",
    "BeamSearch": "craft.generation.beam_search",
    "score_text": "craft.generation.scoring",
    "generate_text_sampling": "craft.generation.batch_generation",
    "sample_text": "craft.generation.batch_generation",
    "load_checkpoint": "craft.generation.checkpoint",
    "LoadedCheckpoint": "craft.generation.checkpoint",
    "TextGenerator": "craft.generation.text_generator",
}
"""Name -> module that has it, imported when it is asked for."""

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_NAMES[name]), name)
