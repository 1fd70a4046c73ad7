"""What training makes of a person's own code, `craft validate` never refuses; each section calls it in another way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from craft.config.experiments import load_experiments
from craft.config.schema import ExperimentConfig
from craft.data.own_dataset import _make
from craft.data.tokenizers import ByteTokenizer
from craft.data.tokenizers.own import train_own
from craft.models import create_model_from_config
from craft.training.callbacks import create_callbacks
from craft.training.evaluation import create_metrics
from craft.training.optimizers import create_optimizer
from craft.training.own_code import own_code_problems
from craft.training.own_types import describe_class
from craft.training.schedulers import create_scheduler

SOURCE = """
import functools
from dataclasses import dataclass
import torch
from torch import nn
from craft.data.tokenizers import ByteTokenizer
from craft.training.callbacks import Callback
from craft.training.evaluation import Metric
from craft.training.optimizers import Adam, Optimizer
from craft.training.schedulers import Scheduler

# Each takes what another section is given, such as `split` or `max_steps`, as an argument of its own.

class Seq(nn.Sequential):
    def __init__(self, vocab_size, context_length, split, *, tokenizer="t", texts=()):
        super().__init__(nn.Embedding(vocab_size, 4), nn.Linear(4, vocab_size))
def seq(vocab_size, context_length, split, max_steps=3): return Seq(vocab_size, context_length, split)
part = functools.partial(seq, split="x")
class Maker:
    def __call__(self, split, self_=1, **given): return Seq(given["vocab_size"], given["context_length"], split)
maker = Maker()

class Rows:
    def __init__(self, tokenizer, context_length, vocab_size, *, split, texts="t"): self.n = context_length
    def __len__(self): return 0
    def __getitem__(self, index): raise IndexError
    def __call__(self): ...
def rows(**given): return Rows(**given)
@dataclass
class Kept:
    split: str
    tokenizer: object
    context_length: int
    lr: float
    params: list = ()
    def __len__(self): return 0
    def __getitem__(self, index): raise IndexError
class Stack(nn.Sequential):
    def __init__(self, split, tokenizer, context_length, vocab_size=3): super().__init__()
some_rows = functools.partial(Rows, vocab_size=3)

class Words(ByteTokenizer):
    def __init__(self, hidden=None): super().__init__()
    @classmethod
    def train(cls, texts, vocab_size, split="x", model=""): return cls()
class Wide(ByteTokenizer):
    @classmethod
    def train(cls, texts, **more): return cls()

class Sgd(torch.optim.SGD):
    def __init__(self, parameters, lr, max_steps, model=""): super().__init__(parameters, lr)
class Own(Optimizer):
    lr = 0.1
    def __init__(self, model, lr, max_steps=100, split="x"): ...
    def step(self): ...
    def state_dict(self): ...
def own(model, lr, max_steps=100, split="x"): return Own(model, lr)
some_own = functools.partial(own, split="y")
def any_own(**more): return Own(**more)

class Steps(Scheduler):
    def __init__(self, max_steps, lr, model="m"): ...
def steps(lr, **more): return Steps(lr=lr, **more)
@dataclass
class Held(Scheduler):
    max_steps: int
    split: str = "x"

class Called(Callback):
    def __init__(self, model, lr, split="x"): ...
def called(texts, *, max_steps: int = 0.5): return Called(texts, max_steps)

class Figure(Metric):
    def __init__(self, vocab_size=3, **more): ...
    def reset(self): ...
    def update(self, logits, targets): ...
    def compute(self): return 0.0
def figure(model, lr, context_length): return Figure()
class Torchs(Metric):
    def __init__(self, self_="x"): ...
    def reset(self): ...
    def update(self, logits, targets): ...
    def compute(self): return 0.0
"""

CASES = {
    "model": {
        "Seq": "split = 'x', texts = ['a']",
        "seq": "split = 'x', max_steps = 4",
        "part": "max_steps = 4",
        "maker": "split = 'x', any = 1",
    },
    "data": {
        "Rows": "vocab_size = 3, texts = 'u'",
        "rows": "vocab_size = 3",
        "Kept": "lr = 0.5, params = [1]",
        "Stack": "vocab_size = 4",
        "some_rows": "texts = 'u'",
    },
    "tokenizer": {"Words": "vocab_size = 3, model = 'm'", "Wide": "hidden = 2, split = 'x'"},
    "optimizer": {
        "Sgd": "max_steps = 100, model = 'm'",
        "Own": "max_steps = 100, split = 'y'",
        "own": "max_steps = 100, split = 'y'",
        "some_own": "max_steps = 100",
        "any_own": "split = 'y'",
    },
    "scheduler": {"Steps": "lr = 0.1, model = 'n'", "steps": "lr = 0.1, model = 'n'", "Held": "split = 'y'"},
    "callbacks.one": {"Called": "model = 'm', lr = 0.1", "called": "texts = [], max_steps = 1.5"},
    "metrics.one": {
        "Figure": "vocab_size = 3, tokenizer = 't'",
        "figure": "model = 'm', lr = 0.1, context_length = 8",
        "Torchs": "self_ = 'y'",
    },
}


def made(section: str, config: ExperimentConfig, search: Path) -> Any:
    """What training makes of the section."""
    config_of: Any = getattr(config, section.partition(".")[0])
    makers: dict[str, Callable[[], Any]] = {
        "model": lambda: create_model_from_config(config_of, 11, 8, search=search),
        "data": lambda: _make(config_of, _imported(config_of.type, search), "train", ByteTokenizer(), "id"),
        "tokenizer": lambda: train_own(config_of, ["text"], search),
        "optimizer": lambda: create_optimizer(config_of, create_model_from_config(config.model, 11, 8), search=search),
        "scheduler": lambda: create_scheduler(config_of, 100, search=search),
        "callbacks.one": lambda: create_callbacks(config_of, search=search),
        "metrics.one": lambda: create_metrics(config_of, search=search),
    }
    return makers[section]()


def _imported(reference: str, search: Path) -> Any:
    from craft.config.own_code import import_named

    return import_named(reference, "type", search)


@pytest.mark.parametrize("section", CASES)
def test_what_training_makes_is_not_refused(tmp_path: Path, section: str) -> None:
    (tmp_path / "mine_here.py").write_text(SOURCE)
    more = {"optimizer": ", lr = 0.1", "data": ", context_length = 8"}.get(section, "")
    text = "craft = 1\n" + "".join(
        f'[experiment.{name}]\n{section} = {{ type = "mine_here:{name}"{more}, arguments = {{ {arguments} }} }}\n'
        + ('model = { type = "rnn", hidden_size = 4 }\n' if section != "model" else "")
        for name, arguments in CASES[section].items()
    )
    (tmp_path / "experiments.toml").write_text(text)
    runs = load_experiments(tmp_path / "experiments.toml").plan()
    torch.manual_seed(1)
    for run in runs:
        assert made(section, run.config, tmp_path) is not None, run.experiment
    assert [str(problem) for problem in own_code_problems(runs)] == []


def test_what_training_refuses_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "mine_here.py").write_text(SOURCE)
    (tmp_path / "experiments.toml").write_text(
        'craft = 1\n[defaults.model]\ntype = "rnn"\nhidden_size = 4\n'
        '[experiment.a]\noptimizer = { type = "mine_here:own", lr = 0.1, arguments = { texts = 3 } }\n'
        '[experiment.b]\nmodel = { type = "mine_here:seq" }\n'
        '[experiment.c]\ntokenizer = { type = "mine_here:own" }\n'
    )
    runs = load_experiments(tmp_path / "experiments.toml").plan()
    found = {one.experiment: str(one) for one in own_code_problems(runs)}
    assert "optimizer.arguments.texts: unknown key" in found["a"]
    assert "model.arguments: missing (mine_here:seq needs it)" in found["b"]
    assert "has no class method train" in found["c"]


def test_an_object_that_does_not_want_to_be_looked_at_is_not_known() -> None:
    class Shy:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert describe_class(Shy(), "mine:Shy").arguments == {}
