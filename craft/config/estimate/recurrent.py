"""The weights, products and memory of recurrent models: craft/models/recurrent.py, in numbers.

Letters: N tokens in memory at once, E width of the embedding, H hidden width, G gates of a cell, V vocabulary.

What torch's kernels hold inside was measured (tests/config/estimate holds it to 20 %), in numbers of N x H a layer.
"""

from __future__ import annotations

from typing import NamedTuple

from craft.config.estimate.head import goes_in_pieces, logits_at_once, loss_in_pieces
from craft.config.estimate.parts import FP32, ModelParts, Stage, Weights, Workload
from craft.config.schema.model import LSTMConfig, RNNConfig


class _Kernel(NamedTuple):
    """What a kernel holds of each layer, in numbers of N x H; of pairs the first is for fp32."""

    gates: int
    keeps: tuple[float, float]
    """Kept until the backward pass."""
    weight_copies: tuple[float, float]
    """Copies of a layer's weights that are kept besides."""
    backward: float
    """The most that the backward pass holds besides."""
    evaluation: float
    """The most that is held where nothing is kept."""


# oneDNN's LSTM keeps a workspace; the others are composed step by step and keep each step's gates.
_KERNELS = {
    "lstm": _Kernel(4, (15.3, 20.0), (1.2, 3.6), 3.0, 5.1),
    "gru": _Kernel(3, (8.0, 8.0), (0.0, 1.0), 3.0, 5.0),
    "tanh": _Kernel(1, (2.0, 2.0), (0.0, 1.0), 1.0, 3.0),
    "relu": _Kernel(1, (2.0, 2.0), (0.0, 1.0), 1.0, 3.0),
}


def describe(model: LSTMConfig | RNNConfig, work: Workload) -> ModelParts:
    """See `Architecture.describe`."""
    kernel = _KERNELS["lstm" if isinstance(model, LSTMConfig) else model.cell]
    return ModelParts(_weights(model, kernel, work), _forward_flops(model, kernel, work), _stages(model, kernel, work))


def _weights(model: LSTMConfig | RNNConfig, kernel: _Kernel, work: Workload) -> list[Weights]:
    width, rows = model.hidden_size, kernel.gates * model.hidden_size
    stacked = (width,) * kernel.gates
    found = [Weights("token embedding", (work.vocab_size, model.input_size), "embedding")]
    for layer in range(model.num_layers):
        columns = width if layer else model.input_size
        found += [
            Weights("cells", (rows, columns), "matrix", stacked=stacked),
            Weights("cells", (rows, width), "matrix", stacked=stacked),
            Weights("cells", (rows,), "scalar", 2),
        ]
    if not model.tie_embeddings:
        found.append(Weights("head", (work.vocab_size, width), "head"))
    return found


def _forward_flops(model: LSTMConfig | RNNConfig, kernel: _Kernel, work: Workload) -> dict[str, float]:
    width = model.hidden_size
    columns = model.input_size + (2 * model.num_layers - 1) * width
    return {"cells": 2.0 * kernel.gates * width * columns, "head": 2.0 * width * work.vocab_size}


def _stages(model: LSTMConfig | RNNConfig, kernel: _Kernel, work: Workload) -> list[Stage]:
    narrow = work.width < FP32
    number = float(work.tokens * work.width)
    stream, found = number * model.hidden_size, number * model.input_size
    logits = number * work.vocab_size
    wide = FP32 / work.width
    dropped = (1.0 if work.device == "cpu" else 1.0 / work.width) if model.dropout else 0.0
    table = FP32 * work.vocab_size * model.input_size
    embedding = Stage(
        keeps=found + found * dropped,
        forward=found * wide,
        backward=found * wide + table * (2 if model.tie_embeddings else 1),
        gradients=table,
        evaluation=found * (1 + wide) + logits,
    )
    layers = []
    cells = sum(w.numbers for w in _weights(model, kernel, work) if w.part == "cells")
    for layer in range(model.num_layers):
        columns = model.hidden_size if layer else model.input_size
        weights = kernel.gates * model.hidden_size * (columns + model.hidden_size + 2)
        copies = kernel.weight_copies[narrow] * weights * work.width
        held = kernel.evaluation * stream + number * columns
        kept = kernel.keeps[narrow] * stream
        if isinstance(model, LSTMConfig):
            # oneDNN reorders what comes in, and the weights.
            wider = number * max(0, columns - model.hidden_size)
            held += 2 * wider + 1.2 * weights * work.width
            kept += (7 if narrow else 3) * wider
            more = 4 * wider
        else:
            # Each step's gradient of the inner matrix, and the sum of those before it.
            more = 2.0 * kernel.gates * model.hidden_size**2 * work.width
        layers.append(
            Stage(
                keeps=kept + copies + stream * dropped,
                forward=2 * stream,
                backward=kernel.backward * stream + copies + more,
                gradients=FP32 * weights,
                evaluation=held + cells * work.width * narrow + logits,
            )
        )
    head_table = FP32 * work.vocab_size * model.hidden_size
    head = Stage(
        keeps=stream * dropped + (work.vocab_size * model.hidden_size * work.width if narrow else 0),
        forward=stream + logits,
        backward=logits + stream + head_table,
        gradients=0 if model.tie_embeddings else head_table,
        waits=head_table if model.tie_embeddings else 0,
        evaluation=2 * stream + 2 * logits,
    )
    full = logits * wide
    measuring = logits + FP32 * logits_at_once(work) * (2 if narrow else 1)
    if goes_in_pieces(work):
        head = Stage(keeps=stream * dropped, forward=stream, backward=stream, evaluation=head.evaluation)
        loss = loss_in_pieces(
            work, model.hidden_size, tied=model.tie_embeddings, softcap=False, held=stream, evaluation=measuring
        )
    else:
        loss = Stage(
            keeps=full,
            forward=stream + logits + (full if narrow else 0.0),
            backward=2 * full,
            evaluation=measuring,
        )
    return [embedding, *layers, head, loss]
