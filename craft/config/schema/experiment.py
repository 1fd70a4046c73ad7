"""A whole experiment, as training sees it: every section, nothing left to defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from craft.config.initial_weights import check_source
from craft.config.schema.base import Section
from craft.config.schema.callbacks import CallbackConfig
from craft.config.schema.data import DataConfig, PythonStdlibData
from craft.config.schema.generation import GenerationConfig
from craft.config.schema.metrics import OwnMetric
from craft.config.schema.model import ModelConfig
from craft.config.schema.optimizer import AdamWConfig, OptimizerConfig
from craft.config.schema.scheduler import CosineSchedule, SchedulerConfig
from craft.config.schema.tokenizer import CharTokenizerConfig, TokenizerConfig
from craft.config.schema.training import CheckpointConfig, TrainingConfig

Task = Literal["language_modeling"]


class ExperimentConfig(Section):
    """One experiment's definition. Its name is not part of it: names influence nothing."""

    description: str = ""
    """What it is, in a line."""
    why: str = ""
    """What it is for."""
    task: Task = "language_modeling"
    """What is learnt; follows from the model unless given."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1337
    """Decides initial weights, the order of the data, and dropout."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward and backward pass; weights are always kept in fp32. "auto" takes what is faster."""
    init_from: Annotated[str, AfterValidator(check_source)] = ""
    """First weights: RUN@STEP, RUN@best, a path (a checkpoint, .safetensors, nanoGPT's ckpt.pt, a Hugging Face folder)
    or hf:OWNER/NAME; what fits by name and shape is taken. Empty: fresh ones."""
    data: DataConfig = PythonStdlibData()
    tokenizer: TokenizerConfig = CharTokenizerConfig()
    model: ModelConfig
    optimizer: OptimizerConfig = AdamWConfig()
    scheduler: SchedulerConfig = CosineSchedule()
    training: TrainingConfig = TrainingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    callbacks: dict[str, CallbackConfig] = {}
    metrics: dict[str, OwnMetric] = {}
    generation: GenerationConfig = GenerationConfig()
