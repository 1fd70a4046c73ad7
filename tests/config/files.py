"""Experiments files that several tests read."""

from __future__ import annotations

from pathlib import Path

from craft.config.experiments import ExperimentsFile, load_experiments
from craft.errors import ConfigError, Problem

RICH = """\
# Everything that a file can hold.
craft = 1                       # format of this file

[project]
runs_dir = "runs"

[defaults]
seed = 1337
device = "auto"
precision = "auto"
[defaults.data]
type = "python_stdlib"
context_length = 64
[defaults.tokenizer]
type = "char"
[defaults.optimizer]
type = "muon"                   # Muon for the hidden matrices
lr = 0.02
[defaults.scheduler]
type = "warmup_stable_decay"
[defaults.training]
max_steps = 500
batch_size = 12
eval_every = 100
log_every = 10
[defaults.checkpoint]
every = 100
keep = 3
monitor = "val/loss"
[defaults.callbacks]
early_stopping = { monitor = "val/loss", patience = 5, enabled = false }
[defaults.generation]
prompts = ["def "]
max_new_tokens = 200
temperature = 0.8
top_k = 40

[template.small.model]
type = "transformer"
num_layers = 4
num_heads = 4
hidden_size = 128

[experiment.transformer]
extends = "small"
description = "Four blocks over characters"
why = "the baseline that everything else must beat"

[experiment.wide]
extends = "transformer"
unset = ["scheduler"]
model.hidden_size = 256

[experiment.own-text]
extends = ["small", "wide"]
data = { type = "text", path = ["texts", "more/*.txt"], processors = ["lowercase"] }
optimizer = { type = "adamw", lr = 2e-3, betas = [0.9, 0.99] }
tokenizer.type = "byte"
training = { max_epochs = 2, micro_batch_size = 6, compile = false }

[experiment.lr]
extends = "transformer"
[experiment.lr.sweep]
strategy = "grid"
axes.optimizer.lr = [0.005, 0.02]
seeds = [1, 2, 3]

[experiment.list]
extends = "transformer"
[experiment.list.sweep]
strategy = "list"
runs = [{ "optimizer.lr" = 0.01 }, { model.num_layers = 2, optimizer.lr = 0.02 }]

[experiment.random]
extends = "transformer"
[experiment.random.sweep]
strategy = "random"
trials = 5
axes.optimizer.lr = { low = 1e-3, high = 1e-1, log = true }
axes.model.num_layers = { low = 2, high = 6 }
axes.training.batch_size = { choices = [8, 16] }
"""


def load(tmp_path: Path, text: str) -> ExperimentsFile:
    """Write a file and load it."""
    path = tmp_path / "experiments.toml"
    path.write_text(text)
    return load_experiments(path)


def problems_of(tmp_path: Path, text: str) -> list[Problem]:
    """The problems of a file that must have some."""
    try:
        load(tmp_path, text)
    except ConfigError as error:
        return error.problems
    raise AssertionError("the file was accepted")
