"""One new token of each sequence through a transformer: what generation does most, with nothing that training needs.

The same numbers as `Transformer.forward` gives, by fewer operations and calls: at one position a small model's time is
that of reading its weights and of starting operations (docs/measurements.md).

Letters: B sequences, S positions so far and now, D width, H query heads, K key/value heads, G = H / K, C head width,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from craft.models.kv_cache import KVCache
from craft.models.packed import PackedLinear
from craft.models.transformer import NORM_EPS, Block, Norm, Transformer

# From this many sequences on a product and a sum beat a batched product of single rows.
_MANY = 8

Function = Callable[[Tensor], Tensor]
Addition = Callable[[Tensor, Tensor], Tensor]
"""(residual, what is given to a layer) -> residual and what the layer makes of it."""


class _Layer(NamedTuple):
    """A block, as the functions that it is made of."""

    attention_norm: Function
    qkv: Function
    output: Addition
    mlp_norm: Function
    up: Function
    """As far as the activation."""
    down: Addition


class Places(NamedTuple):
    """Where the new position of each sequence lies."""

    each: Tensor | None
    """(B,) int64; None where all are of one length."""
    hidden: Tensor | None
    """(B, S) bool: what lies beyond a shorter sequence."""
    angles: tuple[Tensor, Tensor] | None
    """Cosines and signed sines, (H + K, C) or (B, H + K, C)."""


class TransformerStep:
    """The layers of a model as they are when this is made, ready to take one token after another."""

    def __init__(self, model: Transformer) -> None:
        self.model, self.config, self.dtype = model, model.config, model.compute_dtype
        self.heads, self.kv_heads, self.size = model.config.num_heads, model.config.kv_heads, model.config.head_size
        self.scale = self.size**-0.5
        self.layers = [self._layer(cast(Block, block)) for block in model.blocks]
        self.final_norm, self.head = self._norm(model.final_norm), _linear(model.head, self.dtype)

    def __call__(self, tokens: Tensor, cache: KVCache) -> Tensor:
        """The logits after one more token of each sequence: (B,) int64 -> (B, V). The cache is extended in place."""
        x = F.embedding(tokens, self.model.token_embedding.weight).to(self.dtype)  # (B, D)
        places = self._places(cache)
        if self.config.position == "learned":
            positions = self.model.position_embedding.weight
            x = x + (positions[cache.length] if places.each is None else positions[places.each]).to(self.dtype)
        for number, layer in enumerate(self.layers):
            mixed = self._attend(layer.qkv(layer.attention_norm(x)), number, cache, places)
            x = layer.output(x, mixed)
            x = layer.down(x, layer.up(layer.mlp_norm(x)))
        cache.advance(1)
        logits = self.head(self.final_norm(x))  # (B, V)
        cap = self.config.logit_softcap
        return cap * torch.tanh(logits / cap) if cap else logits

    def _places(self, cache: KVCache) -> Places:
        each = None if cache.even else torch.tensor(cache.lengths, device=cache.pairs.device)
        angles = None
        if self.config.position == "rotary":
            cos, sin = self.model.rotary_angles(0, cache.length + 1)  # (S, H + K, C) each
            angles = (cos[-1], sin[-1]) if each is None else (cos[each], sin[each])
        if each is None:
            return Places(None, None, angles)
        return Places(each, torch.arange(cache.length + 1, device=each.device) > each[:, None], angles)

    def _attend(self, made: Tensor, number: int, cache: KVCache, places: Places) -> Tensor:
        """What the new position of each sequence takes from all of them. made: (B, (H + 2K) C) -> (B, H C)."""
        batch, size, heads, kv_heads = len(made), self.size, self.heads, self.kv_heads
        dtype = made.dtype
        made = made.view(batch, heads + 2 * kv_heads, size)
        if self.config.qk_norm or places.angles is not None:
            turned, value = made[:, : heads + kv_heads], made[:, heads + kv_heads :]
            if self.config.qk_norm:
                turned = rms(turned)
            if places.angles is not None:
                left, right = turned.chunk(2, dim=-1)
                turned = torch.addcmul(turned * places.angles[0], torch.cat((right, left), dim=-1), places.angles[1])
            made = torch.cat((turned, value), dim=1)
        if cache.pairs.dtype != dtype:
            made = made.to(cache.pairs.dtype)
        keys, values = cache.put(number, made[:, heads:].view(batch, 2, kv_heads, size), places.each)  # (B K, S, C)
        query = made[:, :heads]  # (B, H, C)
        if batch == 1 or made.device.type != "cpu":
            mixed = self._fused(query, keys, values, places)
        else:
            mixed = self._products(query, keys, values, places)
        mixed = mixed.view(batch, heads * size)
        return mixed if mixed.dtype == dtype else mixed.to(dtype)

    def _products(self, query: Tensor, keys: Tensor, values: Tensor, places: Places) -> Tensor:
        """Attention of several sequences on a CPU, where torch's fused kernel is slow at a single position."""
        batch, groups = len(query), self.heads // self.kv_heads
        rows = query.reshape(batch * self.kv_heads, groups, self.size)  # heads that share keys are rows of one product
        if batch >= _MANY and groups == 1:
            scores = torch.linalg.vecdot(keys, rows * self.scale)[:, None]  # (B K, 1, S)
        else:
            none = rows.new_empty(1, 1, 1)
            scores = torch.baddbmm(none, rows, keys.mT, beta=0, alpha=self.scale)  # (B K, G, S)
        if places.hidden is not None:
            scores.view(batch, self.heads, -1).masked_fill_(places.hidden[:, None], float("-inf"))
        return torch.bmm(torch.softmax(scores, dim=-1), values)  # (B K, G, C)

    def _fused(self, query: Tensor, keys: Tensor, values: Tensor, places: Places) -> Tensor:
        """The same by torch's fused kernel."""
        shape = (len(query), self.kv_heads, *keys.shape[1:])  # (B, K, S, C)
        mask = None if places.hidden is None else ~places.hidden[:, None, None]
        return F.scaled_dot_product_attention(
            query.unsqueeze(2),
            keys.view(shape),
            values.view(shape),
            attn_mask=mask,
            enable_gqa=self.heads != self.kv_heads,
        ).contiguous()

    # What it is made of ----------------------------------------------------------------------------------------------

    def _layer(self, block: Block) -> _Layer:
        attention, mlp, dtype = block.attention, block.mlp, self.dtype
        up, gate, form = _linear(mlp.up_proj, dtype), None, mlp.gelu_form
        match mlp.activation:
            case "gelu" if isinstance(mlp.up_proj, PackedLinear):
                activated: Function = partial(mlp.up_proj.gelu, form=form)
            case "gelu":
                activated = lambda x: F.gelu(up(x), approximate=form)  # noqa: E731
            case "relu2":
                activated = lambda x: F.relu(up(x)).square_()  # noqa: E731
            case _:
                gate = _linear(mlp.gate_proj, dtype)
                activated = lambda x: F.silu(gate(x)).mul_(up(x))  # noqa: E731
        return _Layer(
            self._norm(block.attention_norm),
            _linear(attention.qkv_proj, dtype),
            _addition(attention.o_proj, dtype),
            self._norm(block.mlp_norm),
            activated,
            _addition(mlp.down_proj, dtype),
        )

    def _norm(self, norm: Norm) -> Function:
        if norm.weight is None:
            return rms
        size, weight = norm.size, norm.weight.to(self.dtype)
        bias = None if norm.bias is None else norm.bias.to(self.dtype)
        return lambda x: torch.layer_norm(x, size, weight, bias, NORM_EPS, False)


def _linear(module: nn.Module, dtype: torch.dtype) -> Function:
    if isinstance(module, PackedLinear):
        return module.forward  # without the hooks that a module's call looks for
    linear: Any = module
    weight = linear.weight.to(dtype)
    bias = None if linear.bias is None else linear.bias.to(dtype)
    return lambda x: F.linear(x, weight, bias)


def _addition(module: nn.Module, dtype: torch.dtype) -> Addition:
    if isinstance(module, PackedLinear):
        return module.add_to
    linear = _linear(module, dtype)
    return lambda residual, x: linear(x).add_(residual)


def rms(x: Tensor) -> Tensor:
    """RMS-normalise the last dimension: the operations of training, without what their gradient needs."""
    mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_().div_(x.shape[-1])
    scale: Tensor = mean_square.add_(NORM_EPS).rsqrt_()
    return x * scale.to(x.dtype)
