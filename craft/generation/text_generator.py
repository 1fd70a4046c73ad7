"""One way to ask any model for text: Craft's own, one of the transformers library, one of somebody's own.

generator = TextGenerator.from_checkpoint("runs/small-001")
generator.generate("def ", max_new_tokens=50, temperature=0.8)

model, tokenizer = AutoModelForCausalLM.from_pretrained(...), AutoTokenizer.from_pretrained(...)
for piece in TextGenerator(model, tokenizer).stream("Once upon"):
    print(piece, end="", flush=True)
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from craft.config.fields import suggestion
from craft.errors import UsageError
from craft.generation.any_tokenizer import as_tokenizer
from craft.generation.checkpoint import load_checkpoint
from craft.generation.own_generate import FIELDS, OwnGenerate, own_generate
from craft.generation.writing import TextStream, Writing
from craft.models.base import LanguageModel
from craft.runs.sampling_settings import SamplingSettings

_DEFAULTS = SamplingSettings()


class TextGenerator:
    """A model and its tokenizer, ready to write.

    A model that has a `generate()` of its own writes by that (own_generate.py says what it is called with); any other
    `LanguageModel` by Craft's.
    """

    def __init__(self, model: Any, tokenizer: Any, *, end_tokens: frozenset[int] | None = None) -> None:
        """tokenizer: Craft's, transformers', tokenizers', or any with encode and decode. end_tokens: those that end a
        text; None: what the model itself says.

        Raises UsageError for a model that cannot write, or what is no tokenizer.
        """
        self.model = model
        self._own = OwnGenerate(model) if own_generate(model) else None
        if self._own is None and not isinstance(model, LanguageModel):
            raise UsageError(
                f"a {type(model).__name__} cannot write: it is no LanguageModel of Craft's and has no generate(); "
                "wrap a module that maps tokens to logits in craft.models.module.ModuleModel"
            )
        size = getattr(model, "vocab_size", None) or getattr(getattr(model, "config", None), "vocab_size", None)
        self.tokenizer = as_tokenizer(tokenizer, size if isinstance(size, int) else None)
        if end_tokens is None:
            end_tokens = self._own.end_tokens if self._own else frozenset()
        self.end_tokens = end_tokens

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu") -> TextGenerator:
        """Of whatever `load_checkpoint` reads. Raises CheckpointError."""
        loaded = load_checkpoint(Path(path), device)
        return cls(loaded.model, loaded.tokenizer, end_tokens=loaded.end_tokens)

    def generate(self, prompt: str, settings: SamplingSettings | None = None, **changes: Any) -> str:
        """What the model writes after a prompt; see `stream`."""
        return "".join(self.stream(prompt, settings, **changes))

    def stream(self, prompt: str, settings: SamplingSettings | None = None, **changes: Any) -> Iterator[str]:
        """Pieces of what the model writes after a prompt, as they come.

        changes: settings of `SamplingSettings` by name; to a model with its own `generate`, also what only that takes.
        Such a model gives its text in one piece, but for those of the transformers library. Raises UsageError for a
        setting that makes no sense or that the model's own `generate` does not take, and TokenizerError for a prompt
        that cannot be encoded, both before anything is written; OwnCodeError when the model's own fails.
        """
        others = {name: value for name, value in changes.items() if name not in FIELDS}
        if others and self._own is None:
            name = next(iter(others))
            raise UsageError(f"there is no setting '{name}' ({suggestion(name, list(FIELDS))})")
        said = {name: value for name, value in changes.items() if name in FIELDS}
        if isinstance(said.get("stop"), str):
            said["stop"] = (said["stop"],)
        chosen = dataclasses.replace(settings or _DEFAULTS, **said)
        if self._own is None:
            return _pieces(Writing(self.model, self.tokenizer, [prompt], chosen, end_tokens=self.end_tokens))
        different = {name for name in FIELDS if getattr(chosen, name) != getattr(_DEFAULTS, name)}
        arguments = self._own.arguments(chosen, frozenset(said.keys() | different), others)
        begin = getattr(self.tokenizer, "begin_token", None) or 0
        ids = self.tokenizer.encode(prompt) or [begin]  # a text has to begin with something
        return self._written(self._own.tokens(ids, arguments, chosen.seed), chosen)

    def _written(self, tokens: Generator[int], settings: SamplingSettings) -> Iterator[str]:
        """The text of tokens as they come, up to a stop text or a token for the end."""
        text = TextStream(self.tokenizer, settings.stop)
        with contextlib.closing(tokens):
            for token in tokens:
                if token in self.end_tokens:
                    break
                if piece := text.push(token):
                    yield piece
                if text.stopped:
                    return
        if piece := text.flush():
            yield piece


def _pieces(writing: Writing) -> Iterator[str]:
    for piece in writing:
        if piece.text:
            yield piece.text
