"""Measure what a model costs without computing anything: `python -m craft.models.measure`, asked by the estimate.

One JSON object on standard input, one as the last line of standard output. The model is built of torch's fake tensors,
which have shapes, dtypes and a device and no numbers; one step forward, backward and of an evaluation is then played
through them, and every product and every storage is counted. Models of any size fit, and no network is asked.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from craft.config.estimate.parts import FP32, Workload
from craft.config.schema.model import HFConfig, ModelConfig
from craft.errors import CraftError
from craft.models import LanguageModel, create_model_from_config

_FAKE = FakeTensorMode(allow_non_fake_inputs=True)  # one for all: a model may keep tensors from one use to the next
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PARTS = {"embedding": "embeddings", "matrix": "matrices", "head": "head", "scalar": "norms, biases and others"}


class Storages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all storages that were made in this mode and are still there, and the most there were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: dict[int, int] = {}
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._see(leaf, counts=False)  # what was there before, so that views of it are nothing new
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._see(leaf, counts=True)
        return made

    def _see(self, tensor: Tensor, *, counts: bool) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.live:
            return
        self.live[key] = storage.nbytes() if counts else 0
        self.now += self.live[key]
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, key)  # torch keeps one Python object a storage, as long as it lives

    def _gone(self, key: int) -> None:
        self.now -= self.live.pop(key, 0)

    def peak_of(self, work: Callable[[], object]) -> tuple[int, int]:
        """The most that `work` adds at once to what is there, and what is there of it afterwards."""
        before, self.most = self.now, self.now
        kept = work()
        after = self.now
        del kept
        return self.most - before, after - before


@dataclass
class _Step:
    """What one training step takes, in bytes, besides weights and optimizer."""

    kept: int
    """By the forward pass for the backward pass, the loss included."""
    fresh: int
    """At most, when gradients come into being."""
    accumulating: int
    """At most besides gradients that are there already."""


def measure(config: ModelConfig, work: Workload, search: Path | None) -> dict[str, Any]:
    """The parts of a model as `craft.config.estimate.measured` reads them. Raises CraftError."""
    # Whole layers in one kernel, as oneDNN's LSTM, hide their products and what they keep; step by step they are seen.
    # What such a kernel keeps can be more: a step with nn.LSTM took up to 1.75 times the memory that this counts.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.backends.mkldnn.flags(enabled=False), _FAKE:
        model = create_model_from_config(config, work.vocab_size, work.context_length, search=search)
        model.compute_dtype = _DTYPES[work.precision]
        model.gradient_checkpointing = work.recomputes
        tokens = torch.zeros(work.sequences, work.context_length, dtype=torch.int64)
        flops = _products(model, tokens)
        step, evaluation = _step(model, tokens), _evaluation(model, tokens)
    full = FP32 * tokens.numel() * model.vocab_size  # log-probabilities of every token
    before, besides = max(0, step.kept - full), max(0, step.accumulating - step.kept)
    loss = min(besides, 2 * full)
    return {
        "weights": _weights(model),
        "forward_flops": {"products": flops / tokens.numel()},
        # Two stages that give the measured peaks back, whatever lies between them.
        "stages": [
            {"keeps": before, "forward": 0, "backward": step.accumulating - before, "evaluation": evaluation},
            {
                "keeps": step.kept - before,
                "forward": loss,
                "backward": loss,
                "gradients": max(0, step.fresh - step.accumulating),
            },
        ],
    }


def _weights(model: LanguageModel) -> list[dict[str, Any]]:
    roles, stacked = model.parameter_roles(), model.stacked_rows()
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        shape, role = tuple(parameter.shape), roles[name]
        if role == "matrix":
            shape = (shape[0], math.prod(shape[1:]))
        key = (role, shape, tuple(stacked.get(name, ())))
        entry = {"part": _PARTS[role], "shape": shape, "role": role, "copies": 0, "stacked": key[2]}
        found.setdefault(key, entry)["copies"] += 1
    return list(found.values())


def _products(model: LanguageModel, tokens: Tensor) -> int:
    # The counter knows the fused attention of GPUs, and not the CPU's.
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    known: Any = {fused: lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)}  # type: ignore[no-untyped-call]
    with FlopCounterMode(display=False, custom_mapping=known) as counted:
        model(tokens, tokens)
    return int(counted.get_total_flops())


def _step(model: LanguageModel, tokens: Tensor) -> _Step:
    model.train()
    with Storages() as storages:
        kept: list[int] = []

        def train() -> None:
            before = storages.now
            loss = model(tokens, tokens).loss
            kept.append(storages.now - before)
            loss.backward()

        fresh, _ = storages.peak_of(train)
        accumulating, _ = storages.peak_of(train)
        # A cache that the first step fills stays, and is no part of what the second one keeps.
        model.zero_grad()
    return _Step(kept[-1], fresh, accumulating)


def _evaluation(model: LanguageModel, tokens: Tensor) -> int:
    model.eval()
    with Storages() as storages, torch.no_grad():

        def evaluate() -> None:
            for _ in range(2):  # the logits of one batch are there while the next is computed
                logits = model(tokens).logits
                assert logits is not None, "a model gives logits where there are no targets"
                flat = logits.flatten(0, 1).float()
                F.cross_entropy(flat, tokens.flatten(), reduction="sum")
                flat.argmax(-1)
                del flat

        most: int = storages.peak_of(evaluate)[0]
    return most


def _rows_are_single_texts() -> None:
    """Transformers looks at the numbers of positions to see whether rows hold several texts. Ours do not, and here are
    no numbers to see that by."""
    with contextlib.suppress(ImportError, AttributeError):
        from transformers import masking_utils

        masking_utils.find_packed_sequence_indices = lambda position_ids: None


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question, or what is wrong with the model in `error`."""
    config = TypeAdapter(ModelConfig).validate_python(asked["model"])
    search = Path(asked["search"]) if asked["search"] else None
    if isinstance(config, HFConfig):
        _rows_are_single_texts()
    try:
        return {"parts": [measure(config, Workload(*work), search) for work in asked["works"]]}
    except CraftError as error:
        return {"error": str(error)}
    except Exception as error:  # numbers that decide what is computed, or a class that is broken
        first = str(error).strip().splitlines()
        words = f"{type(error).__name__}: {first[0] if first else 'it says no more'}"
        return {"error": f"it cannot be measured without numbers in it ({words})"}


def main() -> None:
    """Answer the question on standard input. Whatever the model prints goes to standard error."""
    told = os.dup(1)
    os.dup2(2, 1)
    reply = answer(json.loads(sys.stdin.read()))
    with os.fdopen(told, "w") as out:
        out.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
