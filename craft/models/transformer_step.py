"""One new token of each sequence through a transformer: what generation does most, with nothing that training needs.

The same numbers as `Transformer.forward` gives, by fewer operations: at one position a small model's time is that of
reading its weights and of starting operations (docs/measurements.md).

Letters: B sequences, S positions so far and now, D width, H query heads, K key/value heads, G = H / K, C head width,
V vocabulary.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from craft.models.kv_cache import KVCache
from craft.models.packed import PackedLinear
from craft.models.transformer import NORM_EPS, Attention, Block, Transformer

# From this many sequences on a product and a sum beat a batched product of single rows.
_MANY = 8


def step(model: Transformer, tokens: Tensor, cache: KVCache) -> Tensor:
    """The logits after one more token of each sequence: (B,) int64 -> (B, V). The cache is extended in place."""
    config, dtype = model.config, model.compute_dtype
    even = cache.even
    places = None if even else cache.places()  # (B,)
    x = F.embedding(tokens, model.token_embedding.weight).to(dtype)  # (B, D)
    if config.position == "learned":
        positions = model.position_embedding.weight
        x = x + (positions[cache.length] if places is None else positions[places]).to(dtype)
    angles = None
    if config.position == "rotary":
        cos, sin = model.rotary_angles(0, cache.length + 1)  # (S, H + K, C) each
        angles = (cos[-1], sin[-1]) if places is None else (cos[places], sin[places])  # (H + K, C) or (B, H + K, C)
    hidden = None
    if places is not None:
        hidden = torch.arange(cache.length + 1, device=x.device) > places[:, None]  # (B, S)
    for block in model.blocks:
        x = _through(cast("Block", block), x, angles, cache, places, hidden)
    cache.advance(1)
    logits = model.head(_normal(model.final_norm, x))  # (B, V)
    if cap := config.logit_softcap:
        logits = cap * torch.tanh(logits / cap)
    return cast(Tensor, logits)


def _through(
    block: Block,
    x: Tensor,
    angles: tuple[Tensor, Tensor] | None,
    cache: KVCache,
    places: Tensor | None,
    hidden: Tensor | None,
) -> Tensor:
    """One block. x: (B, D) -> (B, D)."""
    attention, mlp = block.attention, block.mlp
    mixed = _attend(attention, _normal(block.attention_norm, x), angles, cache, places, hidden)
    x = _add(x, attention.o_proj, mixed)
    normal = _normal(block.mlp_norm, x)
    match mlp.activation:
        case "gelu":
            up: nn.Module = mlp.up_proj
            wide = up.gelu(normal) if isinstance(up, PackedLinear) else F.gelu(up(normal), approximate="tanh")
        case "relu2":
            wide = F.relu(mlp.up_proj(normal)).square_()
        case _:
            wide = F.silu(mlp.gate_proj(normal)).mul_(mlp.up_proj(normal))
    return _add(x, mlp.down_proj, wide)


def _attend(
    attention: Attention,
    x: Tensor,
    angles: tuple[Tensor, Tensor] | None,
    cache: KVCache,
    places: Tensor | None,
    hidden: Tensor | None,
) -> Tensor:
    """What the new position of each sequence takes from all of them. x: (B, D) -> (B, H C)."""
    batch, size, heads, kv_heads = len(x), attention.head_size, attention.heads, attention.kv_heads
    made = attention.qkv_proj(x).view(batch, heads + 2 * kv_heads, size)  # (B, H + 2K, C)
    if attention.qk_norm or angles is not None:
        turned, value = made[:, : heads + kv_heads], made[:, heads + kv_heads :]
        if attention.qk_norm:
            turned = _rms(turned)
        if angles is not None:
            left, right = turned.chunk(2, dim=-1)
            turned = torch.addcmul(turned * angles[0], torch.cat((right, left), dim=-1), angles[1])
        made = torch.cat((turned, value), dim=1)
    made = made.to(cache.pairs.dtype)
    keys, values = cache.put(attention.layer, made[:, heads:].view(batch, 2, kv_heads, size), places)  # (B, K, S, C)
    query = made[:, :heads]  # (B, H, C)
    if keys.device.type != "cpu":
        mask = None if hidden is None else ~hidden[:, None, None]
        grouped = heads != kv_heads
        mixed = F.scaled_dot_product_attention(query[:, :, None], keys, values, attn_mask=mask, enable_gqa=grouped)
        return mixed.reshape(batch, heads * size)
    total, scale = keys.shape[2], size**-0.5
    # Query heads that share keys are rows of one product.
    rows = query.reshape(batch * kv_heads, heads // kv_heads, size)  # (B K, G, C)
    keys, values = keys.flatten(0, 1), values.flatten(0, 1)  # (B K, S, C), still views
    if batch >= _MANY and heads == kv_heads:
        scores = torch.linalg.vecdot(keys, rows * scale)[:, None]  # (B K, 1, S)
    else:
        scores = torch.baddbmm(rows.new_empty(1, 1, 1), rows, keys.mT, beta=0, alpha=scale)  # (B K, G, S)
    if hidden is not None:
        scores.view(batch, heads, total).masked_fill_(hidden[:, None], float("-inf"))
    mixed = torch.bmm(torch.softmax(scores, dim=-1), values)  # (B K, G, C)
    return mixed.view(batch, heads * size).to(x.dtype)


def _add(x: Tensor, linear: nn.Module, wide: Tensor) -> Tensor:
    return linear.add_to(x, wide) if isinstance(linear, PackedLinear) else x + linear(wide)


def _normal(norm: nn.Module, x: Tensor) -> Tensor:
    if norm.weight is None:
        return _rms(x)
    return cast(Tensor, norm(x))


def _rms(x: Tensor) -> Tensor:
    """RMS-normalise the last dimension: the operations of training, without what their gradient needs."""
    mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square() / x.shape[-1]
    return x * torch.rsqrt(mean_square + NORM_EPS).to(x.dtype)
