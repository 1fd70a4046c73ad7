"""The choices inside a step that were made by measuring, each against what it replaced, in turn in this process.

    python -m benchmarks.kernels

Shapes are those of the small recipe: 24 sequences of 64 tokens, width 128. Figures are the faster quarter's bound.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from craft.models.transformer import RMSNormalise, Rotate, hidden_future


def microseconds(work: Callable[[], object], rounds: int = 200) -> float:
    """The time under which a quarter of the rounds stayed."""
    for _ in range(10):
        work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return sorted(times)[rounds // 4] * 1e6


def forward_and_backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], object]:
    x = x.requires_grad_()
    gradient = torch.randn_like(function(x))
    return lambda: torch.autograd.grad(function(x), x, gradient)


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    mine, its = microseconds(ours), microseconds(theirs)
    print(f"{name:52s} {mine:8.0f} us against {its:8.0f} us: {its / mine:.2f} times as fast")


def rotate_plainly(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, left * sin + right * cos), dim=-1)


STEP = """
import resource, sys, time
from pathlib import Path
from craft import platform
if sys.argv[1] == "keep":
    platform.keep_freed_memory()
import torch
from craft.config.experiments import load_experiments
from craft.models import create_model_from_config
from craft.training.optimizers import create_optimizer
config = load_experiments(Path("experiments.toml")).plan(["small"])[0].config
model = create_model_from_config(config.model, 96, 64)
model.compute_dtype = getattr(torch, sys.argv[2])
optimizer = create_optimizer(config.optimizer, model)
tokens = torch.randint(96, (24, 65))
times = []
for _ in range(120):
    started = time.perf_counter()
    model(tokens[:, :-1], tokens[:, 1:]).loss.backward()
    optimizer.step()
    for parameter in model.parameters():
        parameter.grad = None
    times.append(time.perf_counter() - started)
print(sorted(times[20:])[25] * 1e6)
"""


def step_microseconds(*arguments: str) -> float:
    """A training step of the small recipe in a fresh process."""
    found = subprocess.run([sys.executable, "-c", STEP, *arguments], capture_output=True, text=True, check=True)
    return float(found.stdout)


OPTIMIZER = """
import sys, time, torch
weights = [torch.nn.Parameter(torch.ones(2, 2))]
started = time.perf_counter()
if sys.argv[1] == "torch":
    torch.optim.AdamW(weights)
else:
    from craft.training.optimizers import AdamW
    from craft.training.optimizers.base import Group
    AdamW([Group({"a": weights[0]}, 0.1)], 0.1, betas=(0.9, 0.95), eps=1e-8)
print((time.perf_counter() - started) * 1e6)
"""


def optimizer_microseconds(whose: str) -> float:
    """Making the first optimizer of a process."""
    found = subprocess.run([sys.executable, "-c", OPTIMIZER, whose], capture_output=True, text=True, check=True)
    return float(found.stdout)


def main() -> None:
    torch.manual_seed(0)
    for dtype in (torch.bfloat16, torch.float32):
        name = str(dtype).removeprefix("torch.")
        x = torch.randn(24, 64, 4, 64, dtype=dtype)
        compare(
            f"RMS norm of heads, {name}, against F.rms_norm",
            forward_and_backward(lambda y: RMSNormalise.apply(y), x),
            forward_and_backward(lambda y: F.rms_norm(y, (64,), eps=1e-5), x.clone()),
        )
        angles = torch.randn(64, 1, 32)
        half = (angles.cos().to(dtype), angles.sin().to(dtype))
        whole = tuple(
            torch.cat(pair, -1).expand(-1, 4, -1).to(dtype).contiguous()
            for pair in ((angles.cos(), angles.cos()), (-angles.sin(), angles.sin()))
        )
        compare(
            f"rotary positions, {name}, against plain operations",
            forward_and_backward(lambda y, w=whole: Rotate.apply(y, *w), x.clone()),
            forward_and_backward(lambda y, h=half: rotate_plainly(y, *h), x.clone()),
        )
    query = torch.randn(24, 2, 64, 64, dtype=torch.bfloat16)

    def explicit(q: Tensor) -> Tensor:
        return F.softmax((q * 0.125) @ q.mT + hidden_future(64, 64, q.dtype), dim=-1) @ q

    compare(
        "attention, bfloat16, against SDPA",
        forward_and_backward(explicit, query),
        forward_and_backward(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), query.clone()),
    )
    mine, its = optimizer_microseconds("craft"), optimizer_microseconds("torch")
    print(f"{'first optimizer, against torch.optim.AdamW':52s} {mine:8.0f} us against {its:8.0f} us")
    kept, given_back = step_microseconds("keep", "bfloat16"), step_microseconds("give", "bfloat16")
    print(f"{'step, freed memory kept, against given back':52s} {kept:8.0f} us against {given_back:8.0f} us")
    fp32 = step_microseconds("keep", "float32")
    print(f"{'step, bfloat16 against float32':52s} {kept:8.0f} us against {fp32:8.0f} us: {fp32 / kept:.2f} times")


if __name__ == "__main__":
    main()
