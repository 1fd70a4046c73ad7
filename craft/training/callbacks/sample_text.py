"""Text that the model writes on its way, always from the same prompts."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from craft.config.schema.callbacks import SampleTextConfig
from craft.data.tokenizers import Tokenizer, load_tokenizer
from craft.errors import TokenizerError, TrainingError
from craft.generation.sampling import generate_tokens
from craft.models.base import LanguageModel
from craft.runs.sampling_settings import SamplingSettings
from craft.training.callbacks.base import Callback

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class SampleText(Callback):
    """Writes to samples.jsonl every so many steps, at the end, and when asked. It draws from a generator of its own."""

    def __init__(self, config: SampleTextConfig) -> None:
        self.config = config
        self.settings = SamplingSettings(
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            seed=config.seed,
        )
        self._tokenizer: Tokenizer | None = None
        self._prompts: dict[str, list[int]] = {}
        self._written = -1

    def on_train_start(self, trainer: Trainer) -> None:
        """Read the prompts; one that the tokenizer cannot encode is named and left out."""
        if not isinstance(trainer.model, LanguageModel):
            raise TrainingError("only a language model can write text")
        self._tokenizer = _tokenizer_of(trainer)
        for prompt in self.config.prompts or trainer.config.generation.prompts:
            try:
                self._prompts[prompt] = self._tokenizer.encode(prompt)
            except TokenizerError as error:
                trainer.recorder.warn(f"no text is sampled from the prompt {prompt!r}: {error}")

    def on_step_end(self, trainer: Trainer) -> None:
        """Write when it is time."""
        if self.config.every and trainer.step % self.config.every == 0:
            self.on_sample(trainer)

    def on_train_end(self, trainer: Trainer) -> None:
        """Write once more, unless the run is asked to leave."""
        if trainer.step and not trainer.stopped_early:
            self.on_sample(trainer)

    def on_sample(self, trainer: Trainer) -> None:
        """Write a text from each prompt, once a step. Dropout is off, and the model is as it was afterwards."""
        if self._written == trainer.step or not self._prompts:
            return
        model, started = trainer.model, time.perf_counter()
        assert isinstance(model, LanguageModel)
        was_training = model.training
        model.eval()
        try:
            with trainer.averaged(), _uncompiled(model):
                texts = {prompt: self._continue(trainer, model, ids) for prompt, ids in self._prompts.items()}
        finally:
            model.train(was_training)
            trainer.progress.exclude(time.perf_counter() - started)
        if trainer.recorder.leaving:
            return
        self._written = trainer.step
        for prompt, text in texts.items():
            trainer.recorder.sample(trainer.step, prompt, text, **_drawn(self.settings))
        trainer.recorder.event("sampled", step=trainer.step, texts=len(texts))

    def on_roll_back(self, trainer: Trainer, from_step: int) -> None:
        """The steps that come are new ones."""
        self._written = -1

    def _continue(self, trainer: Trainer, model: LanguageModel, ids: list[int]) -> str:
        """What follows a prompt; cut short when the run is asked to leave."""
        assert self._tokenizer is not None
        decoder = self._tokenizer.stream()
        pieces = []
        for token in generate_tokens(model, ids, self.settings):
            pieces.append(decoder.push(token))
            if trainer.recorder.leaving:
                break
        return "".join([*pieces, decoder.flush()])


def _tokenizer_of(trainer: Trainer) -> Tokenizer:
    """The run's tokenizer, by way of what its checkpoints hold."""
    with TemporaryDirectory() as place:
        trainer.recorder.save_tokenizer(Path(place))
        return load_tokenizer(Path(place), search=trainer.recorder.folder.code)


def _uncompiled(model: LanguageModel) -> contextlib.AbstractContextManager[Any]:
    """Inside, a compiled model runs as written: each new length of text would be compiled anew otherwise."""
    if getattr(model, "_compiled_call_impl", None) is None:
        return contextlib.nullcontext()
    return torch.compiler.set_stance("force_eager")  # type: ignore[no-any-return]


def _drawn(settings: SamplingSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in ("temperature", "top_k", "top_p", "seed")}
