"""A checkpoint as something that can be asked: model, tokenizer and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from craft.config.definition import load_definition
from craft.config.schema import ExperimentConfig
from craft.data.tokenizers import Tokenizer, load_tokenizer
from craft.errors import CheckpointError
from craft.generation.sampling import generate_tokens
from craft.generation.settings import SamplingSettings
from craft.models import LanguageModel, create_model_from_config
from craft.models.device import choose_device
from craft.models.weights import load_weights
from craft.runs import checkpoints


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A model that is ready to write, in fp32."""

    path: Path
    config: ExperimentConfig
    model: LanguageModel
    tokenizer: Tokenizer

    def stream(self, prompt: str, settings: SamplingSettings) -> Iterator[str]:
        """Pieces of the text that follows `prompt`, as they come. Raises TokenizerError before the first."""
        ids = self.tokenizer.encode(prompt)
        decoder = self.tokenizer.stream()
        for token in generate_tokens(self.model, ids, settings):
            if piece := decoder.push(token):
                yield piece
        if piece := decoder.flush():
            yield piece


def load_checkpoint(path: Path, device: str = "cpu") -> LoadedCheckpoint:
    """Load a checkpoint folder after verifying it. Raises CheckpointError naming what is wrong."""
    if problems := checkpoints.verify(path):
        raise CheckpointError(f"{path}: damaged: {'; '.join(problems)}")
    _, config = load_definition(path / "experiment.toml")
    search = _code_of(path)
    tokenizer = load_tokenizer(path, search=search)
    model = create_model_from_config(config.model, tokenizer.vocab_size, config.data.context_length, search=search)
    chosen, _ = choose_device(device)
    model.to(chosen)
    load_weights(model, path, chosen)
    model.eval()
    return LoadedCheckpoint(path, config, model, tokenizer)


def _code_of(path: Path) -> Path | None:
    """The copies of a person's own modules that the run of a checkpoint has; None for a checkpoint by itself."""
    code = path.parent.parent / "code"
    return code if code.is_dir() else None
