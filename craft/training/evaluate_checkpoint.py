"""A checkpoint measured anew, with the figures that training's own evaluation gives, to the last digit.

The windows, the batches and the arithmetic are the same: device, precision and threads as the run chose them at its
first start, and the weights as they were saved, which are the averages where a run keeps such. (Training evaluates
uncompiled, so compiling plays no part.) What cannot be repeated here is named in `Conditions.differs`.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from craft.config.corpus import open_corpus
from craft.config.experiments import load_experiments
from craft.config.reading import read_documents
from craft.config.schema import ExperimentConfig
from craft.config.schema.data import PythonDataset, SplitData, TextData, TextFilesData
from craft.data import EvalWindows, PreparedData, TextDataset, TrainBatches, prepare
from craft.data.prepare import SEPARATOR, Say
from craft.data.processors import process
from craft.errors import CheckpointError, DataError, TrainingError, UsageError
from craft.generation.checkpoint import load_checkpoint
from craft.models.packed import PackedLinear, Precision, pack
from craft.runs.folder import RunFolder
from craft.runs.manifest import STEP_FOLDER
from craft.training.checkpointing import VALUES
from craft.training.conditions import take_up_conditions
from craft.training.evaluation import Evaluator, create_evaluator, create_metrics
from craft.training.inference_speed import InferenceSpeed, measure_speed
from craft.training.memory import is_out_of_memory
from craft.training.precision import DTYPES

Advance = Callable[[int, int], None]
"""Takes the batches that are done, and all there are."""

# The longest window that a model from elsewhere is measured in: beyond it the logits of one alone are gigabytes.
_LONGEST_WINDOW = 2048


@dataclass(frozen=True)
class Measured:
    """The figures of one split, or of one text."""

    name: str
    """"train", "val" or "test"; a text's path."""
    is_split: bool
    figures: dict[str, float]
    """As `MetricsCalculator.compute` gives them, and those of a person's own."""
    tokens: int
    """Tokens that were predicted."""
    bytes: int
    """Bytes of text that they stand for; 0 where nobody knows."""
    window: int
    """Tokens that the model sees at most."""
    seconds: float
    recorded: dict[str, float] = field(default_factory=dict)
    """What training itself measured at this step; empty where it did not."""

    @property
    def repeated(self) -> bool | None:
        """Whether these are training's own figures, to the last digit; None where it has none to compare."""
        common = self.recorded.keys() & self.figures.keys()
        return all(_same(self.recorded[name], self.figures[name]) for name in common) if common else None


def _same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


class CheckpointEvaluation:
    """A checkpoint that is loaded to be measured. How many threads torch uses is set for the whole process."""

    def __init__(
        self,
        path: Path,
        *,
        overrides: Sequence[str] = (),
        device: str | None = None,
        precision: str | None = None,
        progress: Say | None = None,
        warn: Say | None = None,
    ) -> None:
        """path: whatever `load_checkpoint` reads. overrides: `path=value`, for where the data is by now. device and
        precision: instead of those that the run chose; "int8" too. progress, warn: as for `prepare`.

        Raises CheckpointError, and ConfigError or UsageError for overrides.
        """
        self._progress, self._warn, self._overridden = progress, warn, bool(overrides)
        self.loaded = load_checkpoint(path)
        self.place = place = self.loaded.path if self.loaded.path.is_dir() else self.loaded.path.parent
        self.run = _run_of(place)
        self._trainer = _trainer_state(place)
        if not place.is_dir():
            raise CheckpointError(f"{place}: it was tidied up while it was read")
        self.config = _definition(self.run, place, overrides) if self.loaded.config is not None else None
        if self.config is None and overrides:
            raise UsageError(f"{overrides[0]}: {place} has no definition that it could change; --text names a text")
        self.search = self.run.code if self.run is not None and self.run.code.is_dir() else None
        self.conditions = take_up_conditions(self.config, self.run, device, precision)
        self.model, self._timed = self.loaded.model, False
        with self._within_memory():
            self.model.to(self.conditions.device).eval()
            self._take_precision()

    def _take_precision(self) -> None:
        if self.conditions.precision != "int8":
            self.model.compute_dtype = DTYPES[self.conditions.precision]
            return
        pack(self.model, "int8")
        if not any(isinstance(module, PackedLinear) for module in self.model.modules()):
            raise UsageError("--precision int8: this model uses its layers' weights in ways of its own; take another")

    @property
    def step(self) -> int | None:
        """The checkpoint's; None for one from elsewhere."""
        found = STEP_FOLDER.fullmatch(self.place.resolve().name)
        return int(found[1]) if found else None

    @property
    def title(self) -> str:
        """What is measured, in a few words."""
        return f"{self.run.name}, step {self.step}" if self.run is not None else str(self.loaded.path)

    def require(self, split: str) -> None:
        """Look whether the run's data has a split. Raises DataError where it has not, or is other data by now."""
        there = self.data.splits
        if split in there:
            return
        assert self.config is not None
        data = self.config.data
        why = f"data.{split}_fraction holds none out" if isinstance(data, SplitData) else f"{data.type} has none"
        raise DataError(
            f"{self.title}: there is no {split} split: {why}. There is {' and '.join(there)}; --text measures any text"
        )

    def measure(self, split: str, advance: Advance = lambda done, of: None) -> Measured:
        """Measure a split of the run's data. Raises DataError as `require` does."""
        self.require(split)
        assert self.config is not None
        evaluator = create_evaluator(self.config, self.data, split, self.conditions.device, search=self.search)
        return self._measured(split, evaluator, advance)

    def measure_text(self, file: Path, advance: Advance = lambda done, of: None) -> Measured:
        """Measure any text, in windows side by side. Raises DataError, and TokenizerError for what has no token."""
        tokenizer, window = self.loaded.tokenizer, self.model.context_length
        parts = list(tokenizer.encode_parts(self._text_of(file)))
        row = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint8)
        if len(row) < 2:
            count = f"{len(row)} token{'' if len(row) == 1 else 's'}"
            raise DataError(f"{file}: the text is {count}, and there is nothing to predict; it takes two at least")
        if self.config is None:
            window = min(window, _LONGEST_WINDOW, len(row) - 1)
        dataset = TextDataset(row, window, token_bytes=tokenizer.token_bytes(), identity=str(file))
        windows = EvalWindows(dataset, window, self.model.vocab_size)
        metrics = create_metrics(self.config.metrics, search=self.search) if self.config is not None else {}
        return self._measured(str(file), Evaluator(windows, self.conditions.device, metrics), advance, is_split=False)

    def measure_speed(self, batch_size: int) -> InferenceSpeed:
        """Time the model as `craft generate` would use it in this precision, with `batch_size` texts at once.

        Its weights are laid out for writing then, so no text can be measured afterwards.
        """
        with self._within_memory():
            if not self._timed and (precision := self.conditions.precision) in ("fp32", "bf16"):
                pack(self.model, cast(Precision, precision))
            self._timed = True
            return measure_speed(self.model, batch_size)

    def _measured(self, name: str, evaluator: Evaluator, advance: Advance, *, is_split: bool = True) -> Measured:
        assert not self._timed, "the arithmetic is another after a timing"
        windows, done = evaluator.windows, 0

        def one_more() -> bool:
            nonlocal done
            done += 1
            advance(done, len(windows))
            return False

        started = time.perf_counter()
        with self._within_memory():
            figures = evaluator.evaluate(self.model, given_up=one_more)
        assert figures is not None
        seconds = time.perf_counter() - started
        return Measured(
            name=name,
            is_split=is_split,
            figures=figures,
            tokens=windows.num_tokens,
            bytes=windows.num_bytes,
            window=windows.dataset.context_length,
            seconds=seconds,
            recorded=self._recorded(name) if is_split else {},
        )

    @contextlib.contextmanager
    def _within_memory(self) -> Iterator[None]:
        """Say what ran out of memory: a training run may hold most of a GPU."""
        try:
            yield
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            device = self.conditions.device
            mend = "free some, or measure it with --device cpu" if device.type != "cpu" else "free some"
            raise TrainingError(f"{self.title}: memory ran out on {device}; {mend}") from error

    # The data --------------------------------------------------------------------------------------------------------

    @cached_property
    def data(self) -> PreparedData:
        """The run's data. Raises DataError when it is not what the checkpoint was trained on."""
        if self.config is None:
            raise DataError(
                f"{self.loaded.path}: a checkpoint from elsewhere has no data of its own; --text names a text"
            )
        data = prepare(self.config, progress=self._progress, warn=self._warn, search=self.search)
        known = self._trainer.get("fingerprint")
        # Where a dataset of a person's own reads is an argument, and arguments are all that is known of its content.
        told = isinstance(self.config.data, PythonDataset) and self._overridden
        if known is not None and not told:
            batches = TrainBatches(
                data.splits["train"],
                batch_size=1,
                shuffle=self.config.data.shuffle,
                seed=self.config.seed,
            )
            found = f"{batches.fingerprint}, of text {data.corpus_hash}"
            if found != known:
                raise DataError(
                    f"the data is not what {self.title} was trained on: it is {found} now, and was {known}; give its "
                    "place as data.path=..., or measure any text with --text"
                )
        elif data.tokenizer.state_dict() != self.loaded.tokenizer.state_dict():
            raise DataError(
                f"the data gives another tokenizer than {self.title} was trained with, so it is other data; give its "
                "place as data.path=..., or measure any text with --text"
            )
        elif self._warn is not None:
            self._warn(f"whether {self.title} was trained on this very data is not known: nothing here tells")
        return data

    def _text_of(self, file: Path) -> Iterator[str]:
        """A text in parts, as the run's own would pass."""
        own = self.config.data if self.config is not None else None
        processors = own.processors if isinstance(own, TextData) else []
        data = TextFilesData(path=str(file.absolute()), processors=processors)
        corpus, done = open_corpus(data), 0

        def advance(size: int) -> None:
            nonlocal done
            done += size
            if self._progress is not None:
                self._progress(f"{file}: {done / 1e6:,.1f} of {corpus.num_bytes / 1e6:,.1f} MB read")

        documents = read_documents(data, corpus, advance)
        for number, document in enumerate(process(documents, processors, self.search)):
            if number:
                yield SEPARATOR
            yield from document

    def _recorded(self, split: str) -> dict[str, float]:
        """What training measured at the checkpoint's own step."""
        if self._trainer.get("evaluated_step") != self._trainer.get("step"):
            return {}
        prefix, evaluated = f"{split}/", self._trainer.get("evaluated", {})
        return {name.removeprefix(prefix): value for name, value in evaluated.items() if name.startswith(prefix)}


def _run_of(place: Path) -> RunFolder | None:
    """The run that a checkpoint's folder lies in; None for one by itself."""
    folder = RunFolder(place.resolve().parent.parent)
    return folder if place.resolve().parent == folder.checkpoints and folder.run_json.is_file() else None


def _trainer_state(place: Path) -> dict[str, Any]:
    """The Trainer's values beside the weights; empty where only the weights are."""
    try:
        state = json.loads((place / VALUES).read_bytes())["trainer"]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return state if isinstance(state, dict) else {}


# What a checkpoint follows: where its data is by now, and which figures are wanted.
_MAY_CHANGE = ("data.path", "tokenizer.path", "metrics.")


def _definition(run: RunFolder | None, place: Path, overrides: Sequence[str]) -> ExperimentConfig:
    """The definition with the overrides. A run's own knows best where its data is: a resume may have moved it."""
    file = run.definition if run is not None and run.definition.is_file() else place / "experiment.toml"
    experiments = load_experiments(file)
    (plain,) = experiments.plan()
    if not overrides:
        return plain.config
    (changed,) = experiments.plan([plain.experiment], overrides)
    own = isinstance(plain.config.data, PythonDataset)
    may_change = (*_MAY_CHANGE, "data.arguments.") if own else _MAY_CHANGE
    for path in (override.partition("=")[0].strip() for override in overrides):
        if not path.startswith(may_change):
            options = {"device": "; --device says it", "precision": "; --precision says it"}
            raise UsageError(
                f"{path}: a checkpoint is measured as it was trained; an override says where the data is now "
                f"({', '.join(may_change[:2])}) or adds a figure (metrics.NAME){options.get(path, '')}"
            )
    return changed.config
