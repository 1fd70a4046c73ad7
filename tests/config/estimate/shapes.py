"""Shapes of models, of runs and of their data, such that every two settings meet somewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from craft.config.estimate.parts import Workload
from craft.config.schema.model import TransformerConfig
from craft.config.schema.optimizer import (
    AdafactorConfig,
    AdamWConfig,
    LionConfig,
    MuonConfig,
    OptimizerConfig,
    SGDConfig,
)

SWITCHES: dict[str, list[Any]] = {
    "mlp": list(get_args(TransformerConfig.model_fields["mlp"].annotation)),
    "norm": list(get_args(TransformerConfig.model_fields["norm"].annotation)),
    "position": list(get_args(TransformerConfig.model_fields["position"].annotation)),
    "tie_embeddings": [False, True],
    "bias": [False, True],
    "num_kv_heads": [0, 2],
    "qk_norm": [False, True],
    "dropout": [0.0, 0.1],
    "logit_softcap": [0.0, 15.0],
    "intermediate_size": [0, 48],
}
"""Every switch of the transformer with its values."""

SIZES = {
    # (layers, heads, width), (vocabulary, context, batch): what takes the memory is another thing in each.
    "activations": ((2, 4, 64), (65, 64, 12)),
    "weights": ((3, 4, 128), (65, 16, 2)),
    "logits": ((2, 4, 32), (2000, 32, 8)),
    "scores": ((1, 4, 32), (65, 256, 4)),
    "one head": ((2, 1, 64), (65, 64, 8)),
}
RUN: dict[str, list[Any]] = {
    "size": list(SIZES),
    "precision": ["fp32", "bf16"],
    "optimizer": [AdamWConfig(), MuonConfig(), SGDConfig(), AdafactorConfig(), LionConfig()],
    "micro_batches": [1, 2],
}


class Case(NamedTuple):
    """One shape of model and run."""

    model: TransformerConfig
    work: Workload
    batch_size: int
    optimizer: OptimizerConfig

    @property
    def name(self) -> str:
        """What differs from the defaults, for pytest."""
        own = self.model.model_dump(exclude_defaults=True)
        changed = [f"{key}={own[key]}" for key in SWITCHES if key in own]
        size = f"V{self.work.vocab_size}T{self.work.context_length}B{self.batch_size}"
        return ",".join([size, self.work.precision, self.optimizer.type, *changed])


def cases() -> list[Case]:
    """A few dozen cases that hold every pair of two settings' values."""
    return [_case(row) for row in _pairwise({**SWITCHES, **RUN})]


def _case(row: dict[str, Any]) -> Case:
    (layers, heads, width), (vocab, context, batch) = SIZES[row["size"]]
    switches = {name: row[name] for name in SWITCHES}
    if switches["num_kv_heads"] > heads:
        switches["num_kv_heads"] = 0
    model = TransformerConfig(num_layers=layers, num_heads=heads, hidden_size=width, **switches)
    work = Workload(vocab, context, batch // row["micro_batches"], row["precision"], "cpu")
    return Case(model, work, batch, row["optimizer"])


def _pairwise(factors: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Rows of the factors' values that cover every pair, built greedily and the same each time."""
    names = list(factors)
    values = {name: range(len(factors[name])) for name in names}
    open_pairs = {((a, i), (b, j)) for a, b in itertools.combinations(names, 2) for i in values[a] for j in values[b]}
    while open_pairs:
        row = dict(min(open_pairs, key=lambda pair: [(names.index(name), i) for name, i in pair]))
        for name in names:
            if name not in row:
                gains = [_gain({**row, name: i}, name, names, open_pairs) for i in values[name]]
                row[name] = gains.index(max(gains))
        ordered = [(name, row[name]) for name in names]
        open_pairs -= set(itertools.combinations(ordered, 2))
        yield {name: factors[name][i] for name, i in ordered}


def _gain(row: dict[str, int], added: str, names: list[str], open_pairs: set[Any]) -> int:
    """How many open pairs a row covers with its newest value."""
    one = (added, row[added])
    others = [(name, row[name]) for name in names if name in row and name != added]
    at = names.index(added)
    return sum(((one, o) if names.index(o[0]) > at else (o, one)) in open_pairs for o in others)
