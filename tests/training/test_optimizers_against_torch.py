"""Craft's optimizers take torch's steps; any of torch's own keeps Craft's promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from craft.config.schema import ExperimentConfig
from craft.errors import CraftError, TrainingError
from craft.models import create_model_from_config
from craft.models.base import BaseModel, LanguageModel, ModelOutput
from craft.training.optimizers import create_optimizer
from craft.training.optimizers.base import Optimizer


def config_of(**optimizer: Any) -> ExperimentConfig:
    model = {"type": "transformer", "num_layers": 2, "num_heads": 2, "hidden_size": 16, "norm": "layernorm"}
    return ExperimentConfig.model_validate({"model": model, "optimizer": optimizer})


def model_of(config: ExperimentConfig) -> BaseModel:
    torch.manual_seed(3)
    model = create_model_from_config(config.model, 11, 8)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model


def train(model: BaseModel, step: Callable[[], None], steps: int, first: int = 0) -> None:
    for number in range(first, first + steps):
        torch.manual_seed(number)
        tokens = torch.randint(11, (4, 9))
        loss = model(tokens[:, :-1], tokens[:, 1:]).loss
        loss.backward()
        step()
        for parameter in model.parameters():
            parameter.grad = None


def groups_of(model: BaseModel, decay: float) -> list[dict[str, Any]]:
    roles, named = model.parameter_roles(), dict(model.named_parameters())
    decayed = [p for n, p in named.items() if roles[n] in ("matrix", "head")]
    kept = [p for n, p in named.items() if roles[n] not in ("matrix", "head")]
    return [{"params": decayed, "weight_decay": decay}, {"params": kept, "weight_decay": 0.0}]


@pytest.mark.parametrize(
    ("settings", "torchs", "arguments"),
    [
        ({"type": "adamw", "weight_decay": 0.2}, "AdamW", {"betas": (0.9, 0.95)}),
        ({"type": "adam", "weight_decay": 0.2}, "Adam", {}),
        ({"type": "sgd", "lr": 0.05, "weight_decay": 0.1}, "SGD", {"momentum": 0.9}),
        ({"type": "sgd", "lr": 0.05, "nesterov": True}, "SGD", {"momentum": 0.9, "nesterov": True}),
        ({"type": "sgd", "lr": 0.05, "momentum": 0.0}, "SGD", {}),
        ({"type": "adafactor", "weight_decay": 0.1}, "Adafactor", {}),
    ],
)
def test_the_steps_are_torchs(settings: dict[str, Any], torchs: str, arguments: dict[str, Any]) -> None:
    config = config_of(**settings)
    ours, theirs = model_of(config), model_of(config)
    own = create_optimizer(config.optimizer, ours)
    lr = config.optimizer.lr
    other = getattr(torch.optim, torchs)(groups_of(theirs, settings.get("weight_decay", 0.0)), lr=lr, **arguments)
    train(ours, own.step, 5)
    train(theirs, other.step, 5)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, msg=name)


def test_lions_step_is_the_papers() -> None:
    config = config_of(type="lion", lr=0.01, weight_decay=0.5)
    model = model_of(config)
    optimizer = create_optimizer(config.optimizer, model)
    name, parameter = next((n, p) for n, p in model.named_parameters() if n.endswith("o_proj.weight"))
    before, momentum = parameter.detach().clone(), torch.zeros_like(parameter)
    for gradient in (torch.randn_like(parameter), torch.randn_like(parameter)):
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        parameter.grad = gradient
        optimizer.step()
        direction = (0.9 * momentum + 0.1 * gradient).sign()
        before = before - 0.01 * (direction + 0.5 * before)
        momentum = 0.99 * momentum + 0.01 * gradient
    torch.testing.assert_close(parameter.detach(), before)
    torch.testing.assert_close(optimizer.state_dict()[f"{name}.momentum"], momentum)


KINDS: list[dict[str, Any]] = [
    *({"type": kind} for kind in ("adamw", "adam", "sgd", "adafactor", "lion", "muon")),
    *({"type": f"torch.optim:{kind}"} for kind in ("RAdam", "Rprop", "NAdam", "Adagrad", "SGD", "ASGD")),
    {"type": "torch.optim:AdamW", "arguments": {"fused": True}},
    {"type": f"{__name__}:CountsInItsGroups"},
]


class CountsInItsGroups(torch.optim.Optimizer):
    """As Prodigy and schedule-free optimizers do, it keeps state in its groups, and numbers of every kind."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr, "calls": 0, "longest": 0.0, "nearest": math.inf, "scale": 1.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["calls"] += 1
            group["trail"] = torch.tensor([group["calls"], 1.0]) + group.get("trail", 0.0)
            for parameter in group["params"]:
                size = parameter.grad.norm().item()
                group["longest"] = max(group["longest"], size)
                state = self.state[parameter]
                state["rested"] = not state.get("rested", True)
                state["nearest"] = min(state.get("nearest", math.inf), size) if state["rested"] else math.inf
                rate = group["lr"] / (group["longest"] * group["calls"] + group["trail"].sum().item())
                parameter.sub_(parameter.grad, alpha=rate if state["rested"] else min(rate, state["nearest"]))


class KeepsAList(torch.optim.SGD):
    """Its state is no tensor."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        super().step()
        for parameter in self.param_groups[0]["params"]:
            self.state[parameter]["history"] = [1.0]


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings["type"])
def test_a_restored_state_goes_on_with_the_same_bits(settings: dict[str, Any]) -> None:
    config = config_of(**settings)
    whole = model_of(config)
    optimizer = create_optimizer(config.optimizer, whole)
    train(whole, optimizer.step, 6)

    first = model_of(config)
    half = create_optimizer(config.optimizer, first)
    train(first, half.step, 3)
    saved = {name: tensor.clone() for name, tensor in half.state_dict().items()}
    second = model_of(config)
    second.load_state_dict(first.state_dict())
    rest = create_optimizer(config.optimizer, second)
    rest.load_state_dict(saved)
    again = rest.state_dict()
    assert {name: (t.dtype, t.tolist()) for name, t in again.items()} == {
        name: (t.dtype, t.tolist()) for name, t in saved.items()
    }
    train(second, rest.step, 3, first=3)
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", ["adamw", "sgd", "adafactor", "lion", "muon"])
def test_rates_of_single_parameters(kind: str) -> None:
    ratios = {"blocks.0.*": 0.0, "blocks.1.mlp.*": 0.5}
    config, plain = config_of(type=kind, lr_ratios=ratios), config_of(type=kind)
    one, other = model_of(config), model_of(plain)
    before = {name: p.detach().clone() for name, p in one.named_parameters()}
    train(one, create_optimizer(config.optimizer, one).step, 1)
    train(other, create_optimizer(plain.optimizer, other).step, 1)
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        moved, normal = (a - before[name]).norm().item(), (b - before[name]).norm().item()
        if name.startswith("blocks.0."):
            assert moved == 0
        elif name.startswith("blocks.1.mlp."):
            assert math.isclose(moved, 0.5 * normal, rel_tol=0.02)
        else:
            assert math.isclose(moved, normal, rel_tol=1e-5)


def test_a_pattern_that_fits_nothing_is_an_error() -> None:
    config = config_of(type="adamw", lr_ratios={"layers.*": 0.1})
    with pytest.raises(TrainingError, match=r'optimizer.lr_ratios: no parameter fits "layers.\*"; this model has'):
        create_optimizer(config.optimizer, model_of(config))


def test_no_decay_spares_what_it_names() -> None:
    config = config_of(type="adamw", no_decay=["head.*"])
    groups = create_optimizer(config.optimizer, model_of(config)).groups  # type: ignore[attr-defined]
    [spared] = [group for group in groups if "head.weight" in group.named]
    assert spared.weight_decay == 0.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"type": "torch.optim:LBFGS"}, "closure"),
        ({"type": "torch.optim:RAdam", "arguments": {"speed": 1}}, "unexpected keyword argument 'speed'"),
        ({"type": "torch.optim:RAdam", "arguments": {"betas": [2.0, 0.9]}}, "Invalid beta parameter"),
        ({"type": "torch:Tensor"}, "it raised TypeError"),
        (
            {"type": f"{__name__}:KeepsAList"},
            "keeps 'history', a list, for each parameter, which no checkpoint can hold",
        ),
    ],
)
def test_what_torch_says_is_named(settings: dict[str, Any], said: str) -> None:
    config = config_of(**settings)
    model = model_of(config)
    with pytest.raises(CraftError) as raised:
        optimizer: Optimizer = create_optimizer(config.optimizer, model)
        train(model, optimizer.step, 1)
    assert said in str(raised.value)


def test_torchs_own_decays_matrices_only() -> None:
    config = config_of(type="torch.optim:SGD", lr=0.1, arguments={"weight_decay": 0.5})
    model = model_of(config)
    optimizer = create_optimizer(config.optimizer, model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name, role in model.parameter_roles().items() if role in ("matrix", "head")}


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd", "adafactor", "lion", "muon"])
def test_what_has_no_gradient_stays(kind: str) -> None:
    config = config_of(type=kind, weight_decay=0.1)
    model = model_of(config)
    optimizer = create_optimizer(config.optimizer, model)
    train(model, optimizer.step, 2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.grad = None if name.startswith("blocks.1.") else torch.randn_like(parameter)
    optimizer.step()
    stayed = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    assert stayed == {name for name in before if name.startswith("blocks.1.")}


@pytest.mark.parametrize("kind", ["adamw", "adam", "adafactor", "lion", "muon"])
def test_no_step_waits_for_the_device(kind: str) -> None:
    """On the device "meta" there are no numbers, and reading one back raises. SGD is one kernel, which it has not."""
    config = config_of(type=kind, weight_decay=0.1)
    with torch.device("meta"):
        model = create_model_from_config(config.model, 11, 8)
    for parameter in model.parameters():
        parameter.grad = torch.empty_like(parameter)
    create_optimizer(config.optimizer, model).step()


@pytest.mark.parametrize("kind", ["adamw", "sgd", "torch.optim:RAdam", "muon"])
def test_a_model_that_takes_no_gradients_is_an_error(kind: str) -> None:
    config = config_of(type=kind)
    model = model_of(config).requires_grad_(False)
    with pytest.raises(TrainingError, match="there is nothing to train"):
        create_optimizer(config.optimizer, model)


def test_the_recorded_rate_is_the_setting_times_the_schedule() -> None:
    for kind in ("adamw", "muon"):
        config = config_of(type=kind, lr=0.01, lr_ratios={"blocks.0.*": 0.0})
        optimizer = create_optimizer(config.optimizer, model_of(config))
        optimizer.lr_factor = 0.5
        assert optimizer.lr == 0.005


def test_a_momentum_may_begin_and_end_on_a_resume() -> None:
    with_one, without = config_of(type="sgd", momentum=0.9), config_of(type="sgd", momentum=0.0)
    model = model_of(with_one)
    moving, plain = create_optimizer(with_one.optimizer, model), create_optimizer(without.optimizer, model)
    train(model, moving.step, 1)
    plain.load_state_dict(moving.state_dict())
    moving.load_state_dict(plain.state_dict())
    assert moving.state_dict().keys() == {f"{name}.momentum" for name, _ in model.named_parameters()}


class Kernels(LanguageModel):
    """Convolutions over the text so far, whose kernels have three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.vocab_size, self.context_length = 11, 8
        self.table, self.head = nn.Embedding(11, 6), nn.Linear(20, 11)
        self.wide, self.tall = nn.Conv1d(6, 12, 3, padding=2), nn.Conv1d(12, 20, 1)

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor | None = None, state: Any = None) -> ModelOutput:
        hidden = self.tall(self.wide(self.table(tokens).mT)[..., :-2]).mT
        logits = self.head(hidden)
        return ModelOutput(logits, None if targets is None else self.next_token_loss(logits, targets), None)

    def init_state(self, batch_size: int, max_length: int) -> None:
        return None


@pytest.mark.parametrize("kind", ["adamw", "adafactor", "lion", "muon"])
def test_kernels_of_three_dimensions_are_trained(kind: str) -> None:
    torch.manual_seed(0)
    model, config = Kernels(), config_of(type=kind)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(model, create_optimizer(config.optimizer, model).step, 2)
    moved = model.wide.weight.detach() - before["wide.weight"]
    assert moved.norm() > 0
    if kind == "muon":  # each of two updates is near a semi-orthogonal 12 x 18, whose singular values are near 1
        assert torch.linalg.svdvals(moved.flatten(1)).max() < 2 * 1.3 * 0.02
