"""A checkpoint as something that can be asked: model, tokenizer and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from craft.config.definition import load_definition
from craft.config.schema import ExperimentConfig
from craft.data.tokenizers import Tokenizer, load_tokenizer
from craft.errors import CheckpointError, ConfigError, CraftError, TokenizerError
from craft.generation.places import DEFINITION, TOKENIZER, CheckpointPlace, find_checkpoint
from craft.generation.writing import Writing
from craft.models import LanguageModel, create_model_from_config
from craft.models.device import choose_device
from craft.models.foreign import steady
from craft.models.packed import Precision, choose_precision, num_bytes, pack
from craft.models.weights import put_weights, read_tensors
from craft.runs import manifest
from craft.runs.sampling_settings import SamplingSettings

_TRIES = 10


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A model that is ready to write."""

    path: Path
    """The checkpoint's folder, or the file that was read."""
    config: ExperimentConfig | None
    """The definition; None for what another program wrote."""
    model: LanguageModel
    tokenizer: Tokenizer
    source: str = ""
    """What it is, in words: "checkpoint of small-001, step 500", "nanoGPT's ckpt.pt"."""
    run: str | None = None
    step: int | None = None
    end_tokens: frozenset[int] = frozenset()
    """Tokens with which the model says that its text is over; a model of Craft's own has none."""
    remarks: tuple[str, ...] = ()
    """What a person should know of what was read, such as that there is no tokenizer."""
    precision: Precision = "fp32"
    """Of the weights."""

    @property
    def context_length(self) -> int:
        """Tokens that the model sees at most."""
        return self.model.context_length

    @property
    def num_bytes(self) -> int:
        """Memory that the model holds."""
        return num_bytes(self.model)

    def stream(self, prompt: str, settings: SamplingSettings) -> Iterator[str]:
        """Pieces of the text that follows `prompt`, as they come. Raises TokenizerError before the first."""
        for piece in Writing(self.model, self.tokenizer, [prompt], settings, end_tokens=self.end_tokens):
            if piece.text:
                yield piece.text


def load_checkpoint(path: Path, device: str = "cpu", precision: str | None = None) -> LoadedCheckpoint:
    """Load whatever holds a language model: a run (its newest whole checkpoint), a checkpoint's folder, its weights
    with the definition and the tokenizer beside them, a Hugging Face folder, nanoGPT's ckpt.pt, their files.

    precision: "auto", "fp32", "bf16" or "int8" lays the weights out for generation, in place, so that the model writes
    faster and does nothing else; None leaves it as training builds it, in fp32.

    Raises CheckpointError naming what is wrong, UsageError for a precision that the device has not. Nothing in a file
    is ever run, but a run's own code.
    """
    for tries_left in reversed(range(_TRIES)):
        place = find_checkpoint(path)
        try:
            loaded = _load(place, device)
            break
        except CraftError:
            # A run that trains on tidies up meanwhile: then its newest is another by now.
            if place.path == path or place.path.exists() or not tries_left:
                raise
    if precision is None:
        return loaded
    chosen, _ = choose_precision(precision, loaded.model.device)
    pack(loaded.model, chosen)
    return replace(loaded, precision=chosen)


def _load(place: CheckpointPlace, device: str) -> LoadedCheckpoint:
    chosen, _ = choose_device(device)
    if place.kind == "foreign":
        from craft.generation.foreign_checkpoint import load_foreign

        found = load_foreign(place.path)
        found.model.to(chosen).eval()
        remarks = (*found.remarks, *_remarks(found.model))
        return LoadedCheckpoint(
            place.path,
            None,
            found.model,
            found.tokenizer,
            found.source,
            step=found.step,
            end_tokens=found.end_tokens,
            remarks=remarks,
        )
    folder, weights = place.folder, place.weights
    _require_whole(place)
    with steady(weights, folder / DEFINITION, folder / TOKENIZER):
        if place.kind == "checkpoint" and (problems := manifest.verify(folder)):
            raise CheckpointError(f"{folder}: damaged: {'; '.join(problems)}")
        try:
            _, config = load_definition(folder / DEFINITION)
        except ConfigError as error:
            raise CheckpointError(str(error)) from error
        search = _code_of(folder)
        try:
            tokenizer = load_tokenizer(folder, search=search)
        except TokenizerError as error:
            raise CheckpointError(str(error)) from error
        model = create_model_from_config(config.model, tokenizer.vocab_size, config.data.context_length, search=search)
        put_weights(model, read_tensors(weights, whole=place.kind == "checkpoint"), weights)
    model.to(chosen).eval()
    remarks = _remarks(model)
    return LoadedCheckpoint(place.path, config, model, tokenizer, place.title, place.run, place.step, remarks=remarks)


def _remarks(model: LanguageModel) -> tuple[str, ...]:
    """What is wrong with weights that loaded all the same."""
    broken = [name for name, parameter in model.named_parameters() if not bool(parameter.isfinite().all())]
    if not broken:
        return ()
    return (f"its weights hold NaN or infinity, {broken[0]} first: training diverged, and what it writes is noise",)


def _require_whole(place: CheckpointPlace) -> None:
    """Raise CheckpointError when what belongs to weights is not beside them."""
    if place.kind == "checkpoint":
        return  # its manifest says
    if not (place.folder / TOKENIZER).is_file():
        raise CheckpointError(
            f"{place.path}: weights alone write no text: {TOKENIZER} is missing beside them; copy it from the "
            "checkpoint's folder"
        )


def _code_of(path: Path) -> Path | None:
    """The copies of a person's own modules that the run of a checkpoint has; None for a checkpoint by itself."""
    code = path.parent.parent / "code"
    return code if code.is_dir() else None
