"""All figures of a definition. What is not known before a run, such as a vocabulary that was never counted, makes
each figure that follows from it a range."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from craft.config.estimate import measured, recurrent, transformer
from craft.config.estimate.machine import measured_precision
from craft.config.estimate.measured import is_measured
from craft.config.estimate.memory import Memory, training_memory
from craft.config.estimate.parts import Architecture, ModelParts, Workload
from craft.config.logits import evaluation_windows
from craft.config.schema import ExperimentConfig
from craft.config.schema.data import SplitData, TokensData
from craft.config.token_cache import expected_tokens_range, expected_vocab_range, find_tokens
from craft.config.token_files import token_files

ARCHITECTURES: dict[str, Architecture] = {"transformer": transformer, "lstm": recurrent, "rnn": recurrent}
"""The module that describes each type of model; the others are measured."""

BACKWARD = 2
"""The backward pass has two products for each of the forward pass: one for what came in, one for the weight."""

Device = Literal["cpu", "cuda", "mps"]


class Range(NamedTuple):
    """A figure between two bounds; exact where they are equal."""

    low: float
    high: float

    @property
    def is_exact(self) -> bool:
        """Whether there is one value only."""
        return self.low == self.high

    @classmethod
    def of(cls, values: Iterable[float]) -> Range:
        """The range that some values span."""
        found = list(values)
        return cls(min(found), max(found))


@dataclass(frozen=True)
class Estimate:
    """What is known of a run before it starts. Counts are numbers, memory is bytes on the device."""

    device: Device
    precisions: tuple[str, ...]
    """The arithmetic of forward and backward pass; two where `precision = "auto"` is only decided by measuring."""
    source: str
    """In words: where the prepared text came from; empty while there is none, and sizes of it are expected ones."""
    vocab_size: Range
    corpus_tokens: Range | None
    """Tokens of the whole text; None where only the person's own dataset knows."""
    parameters: dict[str, Range]
    """By part."""
    total_parameters: Range
    forward_flops: dict[str, Range]
    """Of the forward pass, for one token, by part: 2 FLOPs for each multiplication and addition of a product. The
    scores of attention are counted whole, without the half that the mask hides; everything that is no product of
    matrices is not counted. This is what torch's FlopCounterMode counts."""
    flops_per_token: Range
    """Of training: forward and backward pass, without what gradient checkpointing computes again."""
    memory: dict[str, Range]
    """The fields of `Memory`, for one step in micro-batches of `micro_batch_size`."""
    micro_batch_size: int
    batch_size: int
    steps: Range | None
    """Optimizer steps of the run; None where they depend on a dataset of the person's own."""
    tokens_seen: Range | None
    """Tokens that the run trains on, counted each time that they are seen."""
    epochs: Range | None
    """Passes over the training split."""
    tokens_per_parameter: Range | None
    """Tokens seen for each parameter."""
    total_flops: Range | None
    """Of all training steps, without evaluations."""

    @property
    def is_prepared(self) -> bool:
        """Whether the text was read and its sizes are known."""
        return bool(self.source)

    @property
    def peak(self) -> Range:
        """The most memory at once, in a training step or an evaluation."""
        step, evaluation = self.memory["peak"], self.memory["evaluation"]
        return Range(max(step.low, evaluation.low), max(step.high, evaluation.high))

    def as_json(self) -> dict[str, Any]:
        """All figures; a range is a list of its two bounds."""
        return {**asdict(self), "is_prepared": self.is_prepared, "peak": self.peak}


class _Case(NamedTuple):
    """The figures for one vocabulary and one arithmetic."""

    parts: ModelParts
    memory: Memory
    parameters: int
    flops: float


def flops_per_token(config: ExperimentConfig, vocab_size: int) -> float | None:
    """FLOPs of training on one token, forward and backward; None for a model that would have to be measured."""
    architecture = ARCHITECTURES.get(config.model.type)
    if architecture is None:
        return None
    parts = architecture.describe(config.model, Workload(vocab_size, config.data.context_length, 1, "fp32", "cpu"))
    return (1 + BACKWARD) * sum(parts.forward_flops.values())


def estimate(
    config: ExperimentConfig,
    *,
    device: Device | None = None,
    source_dir: Path | None = None,
    measure: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Estimate:
    """The figures of a definition.

    `device` is what "auto" means on this machine, a CPU unless given. `source_dir` is the experiments file's folder,
    where text processors and models of one's own lie. Reads no text; memory is that of torch's own tensors, without
    `training.compile`. A model that no module here describes is measured once, in a process of its own that takes some
    seconds, which `say` is told; without `measure` there is a NotMeasuredError instead. A model that cannot be built
    raises ConfigError or OwnCodeError then.
    """
    where = device or _device_of(config.device)
    precisions = _precisions(config.precision, where)
    known = find_tokens(config.data, config.tokenizer, source_dir)
    vocabularies = (
        Range(known.vocab_size, known.vocab_size) if known else Range(*expected_vocab_range(config.tokenizer))
    )
    corpus = Range(known.num_tokens, known.num_tokens) if known else _expected_tokens(config)
    works = [_workload(config, int(vocab), precision, where) for vocab in {*vocabularies} for precision in precisions]
    if is_measured(config.model):
        asked = [one for work in works for one in (work, _evaluated(work))]
        describe = measured.measure(config.model, asked, source_dir=source_dir, run=measure, say=say).__getitem__
    else:
        describe = partial(ARCHITECTURES[config.model.type].describe, config.model)
    cases = [_case(config, work, describe) for work in works]
    parameters = Range.of(case.parameters for case in cases)
    flops = Range.of(case.flops for case in cases)
    epoch = _windows(config, corpus)
    steps = _steps(config, epoch)
    seen = _tokens_seen(config, steps, epoch)
    return Estimate(
        device=where,
        precisions=precisions,
        source=known.source if known else "",
        vocab_size=vocabularies,
        corpus_tokens=corpus,
        parameters=_ranges([_by_part(case.parts) for case in cases]),
        total_parameters=parameters,
        forward_flops=_ranges([case.parts.forward_flops for case in cases]),
        flops_per_token=flops,
        memory=_ranges([asdict(case.memory) for case in cases]),
        micro_batch_size=_micro_batch(config),
        batch_size=config.training.batch_size,
        steps=steps,
        tokens_seen=seen,
        epochs=_divided(seen, epoch and Range(*(bound * config.data.context_length for bound in epoch))),
        tokens_per_parameter=_divided(seen, parameters),
        total_flops=seen and Range(seen.low * flops.low, seen.high * flops.high),
    )


def _workload(config: ExperimentConfig, vocab_size: int, precision: str, device: Device) -> Workload:
    recomputes = config.training.gradient_checkpointing
    return Workload(vocab_size, config.data.context_length, _micro_batch(config), precision, device, recomputes)


def _evaluated(work: Workload) -> Workload:
    return work._replace(sequences=evaluation_windows(work.context_length, work.vocab_size))


def _case(config: ExperimentConfig, work: Workload, describe: Callable[[Workload], ModelParts]) -> _Case:
    parts, evaluated = describe(work), describe(_evaluated(work))
    batch_size, averaged = config.training.batch_size, config.training.ema_decay > 0
    memory = training_memory(parts, evaluated, work, config.optimizer, batch_size=batch_size, averaged=averaged)
    parameters = sum(weights.numbers for weights in parts.weights)
    return _Case(parts, memory, parameters, (1 + BACKWARD) * sum(parts.forward_flops.values()))


def _by_part(parts: ModelParts) -> dict[str, float]:
    found: dict[str, float] = {}
    for weights in parts.weights:
        found[weights.part] = found.get(weights.part, 0) + weights.numbers
    return found


def _ranges(cases: list[dict[str, float]]) -> dict[str, Range]:
    return {name: Range.of(case[name] for case in cases) for name in cases[0]}


def _device_of(wanted: str) -> Device:
    return "cuda" if wanted.startswith("cuda") else "mps" if wanted == "mps" else "cpu"


def _precisions(wanted: str, device: Device) -> tuple[str, ...]:
    """What `precision` can come to mean (craft/training/precision.py decides): on a CPU "auto" measures."""
    if wanted != "auto":
        return (wanted,)
    if device == "cpu" and (measured := measured_precision()):
        return (measured,)
    return {"cpu": ("fp32", "bf16"), "cuda": ("bf16",), "mps": ("fp32",)}[device]


def _micro_batch(config: ExperimentConfig) -> int:
    micro = config.training.micro_batch_size
    return config.training.batch_size if micro == "auto" else micro


# The run ---------------------------------------------------------------------------------------------------------


def _expected_tokens(config: ExperimentConfig) -> Range | None:
    found = expected_tokens_range(config.data)
    return Range(*found) if found else None


def _windows(config: ExperimentConfig, corpus: Range | None) -> Range | None:
    """Training windows of one epoch, as craft/data cuts them."""
    if corpus is None or not isinstance(config.data, SplitData):
        return None
    share = 1 - Fraction(str(config.data.val_fraction)) - Fraction(str(config.data.test_fraction))
    if isinstance(config.data, TokensData) and "train" in (files := token_files(config.data)):
        corpus, share = Range(*[files["train"].num_tokens] * 2), Fraction(1)
    found = []
    for tokens in corpus:
        # The last token is a target only; shuffled, one window less leaves room to begin elsewhere each epoch.
        windows = (int(tokens * share) - 1) // config.data.context_length
        found.append(max(1, windows - 1 if config.data.shuffle and windows >= 8 else windows))
    return Range(*found)


def _steps(config: ExperimentConfig, windows: Range | None) -> Range | None:
    training = config.training
    limit = training.max_steps or float("inf")
    if not training.max_epochs:
        return Range(limit, limit)
    if windows is None:
        return None
    # -(-a // b) rounds up: the last batch may be short.
    by_epochs = (-(-bound * training.max_epochs // training.batch_size) for bound in windows)
    return Range(*(min(limit, bound) for bound in by_epochs))


def _tokens_seen(config: ExperimentConfig, steps: Range | None, windows: Range | None) -> Range | None:
    if steps is None:
        return None
    a_step = config.training.batch_size * config.data.context_length
    seen = [bound * a_step for bound in steps]
    if config.training.max_epochs and windows:
        whole = [bound * config.training.max_epochs * config.data.context_length for bound in windows]
        seen = [min(pair) for pair in zip(seen, whole, strict=True)]
    return Range(*seen)


def _divided(top: Range | None, bottom: Range | None) -> Range | None:
    return Range(top.low / bottom.high, top.high / bottom.low) if top and bottom else None
