"""A decoder-only transformer, from the GPT-2 shape to the modern small model, by switches of its config.

Letters: B batch, T time (new positions), S time in the cache and now, D width, H query heads, K key/value heads,
C head width, V vocabulary.

Sources. Block and GPT-2 shape: Radford et al. 2019. RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467.
Rotary positions: Su et al. 2021, arXiv:2104.09864. Grouped heads: Ainslie et al. 2023, arXiv:2305.13245.
QK-norm: Henry et al. 2020, arXiv:2010.04245. Squared ReLU: So et al. 2021, arXiv:2109.08668. SwiGLU: Shazeer 2020,
arXiv:2002.05202. Soft-cap: Gemma 2, arXiv:2408.00118.
Initialisation: matrices uniform with variance 1 / fan-in (LeCun et al. 1998); the two matrices that write into the
residual stream, and an untied head, start at zero, so that every block begins as the identity and the first loss
is exactly ln V (Zhang et al. 2019, arXiv:1901.09321; the zero head as in muP practice, Yang et al. 2022,
arXiv:2203.03466). Embeddings: normal, deviation 1, or 0.02 where they are the head as well (GPT-2).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from craft.config.schema.model import TransformerConfig
from craft.models.base import LanguageModel, ModelOutput, Role
from craft.models.kv_cache import KVCache
from craft.models.linear import Linear
from craft.models.loss import is_large, linear_cross_entropy

NORM_EPS = 1e-5  # GPT-2's; large enough for bf16


class RMSNormalise(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) over the last dimension.

    On a CPU torch composes its own from a dozen operations; with its backward pass written out this one takes a
    third of the time (docs/measurements.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square() / x.shape[-1]
        scale = torch.rsqrt(mean_square + NORM_EPS).to(x.dtype)
        normal = x * scale
        ctx.save_for_backward(normal, scale)
        return normal

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        normal, scale = ctx.saved_tensors
        (gradient,) = gradients
        along = (gradient * normal).mean(dim=-1, keepdim=True)
        return torch.addcmul(gradient, normal, along, value=-1).mul_(scale)  # d/dx = (g - n mean(g n)) scale


def rms_normalise(x: Tensor) -> Tensor:
    """RMS-normalise the last dimension, by the fastest way that its device has."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        normal: Tensor = RMSNormalise.apply(x)  # type: ignore[no-untyped-call]
        return normal
    return F.rms_norm(x, (x.shape[-1],), eps=NORM_EPS)


class SquaredReLU(torch.autograd.Function):
    """relu(x)^2, whose backward pass needs its root and nothing else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        root = F.relu(x)
        ctx.save_for_backward(root)
        return root * root

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        (gradient,) = gradients
        slope: Tensor = gradient * root
        return slope.mul_(2)


class Norm(nn.Module):
    """RMSNorm, or LayerNorm with an optional bias, over the last dimension.

    RMSNorm has no gain: a linear layer follows each norm, and its matrix holds the gain as well.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.size = (config.hidden_size,)
        self.centred = config.norm == "layernorm"
        self.weight = nn.Parameter(torch.ones(config.hidden_size)) if self.centred else None
        self.bias = nn.Parameter(torch.zeros(config.hidden_size)) if self.centred and config.bias else None

    def forward(self, x: Tensor) -> Tensor:
        if self.weight is None:
            return rms_normalise(x)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.layer_norm(x, self.size, self.weight.to(x.dtype), bias, eps=NORM_EPS)


class Rotate(torch.autograd.Function):
    """Turn each pair (x[i], x[i + C/2]) by its position's angle: x cos + swap(x) sin, where sin has its signs.

    x: (B, T, heads, C); cos, sin: (T, heads, C), the same for all heads. Written out, and with the angles repeated
    for every head, it takes half the time on a CPU (docs/measurements.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return torch.addcmul(x * cos, swap_halves(x), sin)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        (gradient,) = gradients
        return swap_halves(gradient * sin).addcmul_(gradient, cos), None, None


def swap_halves(x: Tensor) -> Tensor:
    """The two halves of the last dimension, the other way round."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((right, left), dim=-1)


@lru_cache(maxsize=4)
def hidden_future(new: int, total: int, dtype: torch.dtype) -> Tensor:
    """What is added to the scores of the last `new` of `total` positions: minus infinity for what comes later."""
    with torch.inference_mode(False):  # made while evaluating perhaps, and used in training
        return torch.full((new, total), float("-inf"), dtype=dtype).triu(total - new + 1)  # (T, S)


def attend(query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
    """Causal attention of the last T of S positions. query (B, H, T, C); key, value (B, K, S, C) -> (B, H, T, C).

    torch's fused kernel everywhere but in bf16 on a CPU, where its backward pass takes six times as long as the
    plain products below (docs/measurements.md).
    """
    new, total = query.shape[2], key.shape[2]
    grouped = query.shape[1] != key.shape[1]
    if query.device.type != "cpu" or query.dtype == torch.float32:
        if new == total:
            return F.scaled_dot_product_attention(
                query, key, value, is_causal=True, dropout_p=dropout, enable_gqa=grouped
            )
        mask = None if new == 1 else torch.ones(new, total, dtype=torch.bool, device=query.device).tril(total - new)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, enable_gqa=grouped)
    if grouped:
        repeats = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    scores = (query * query.shape[-1] ** -0.5) @ key.mT  # (B, H, T, S)
    if new > 1:
        scores = scores + hidden_future(new, total, scores.dtype)
    weights = F.softmax(scores, dim=-1)
    if dropout:
        weights = F.dropout(weights, dropout)
    return weights @ value


class Attention(nn.Module):
    """Causal self-attention with grouped heads."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads, self.head_size = config.num_heads, config.kv_heads, config.head_size
        self.rotary, self.qk_norm, self.dropout = config.position == "rotary", config.qk_norm, config.dropout
        width = config.hidden_size
        self.rows = [self.heads * self.head_size, self.kv_heads * self.head_size, self.kv_heads * self.head_size]
        self.qkv_proj = Linear(width, sum(self.rows), bias=config.bias)
        self.o_proj = Linear(width, width, bias=config.bias)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor] | None, cache: KVCache | None) -> Tensor:
        batch, time, _ = x.shape
        heads = self.qkv_proj(x).view(batch, time, -1, self.head_size)  # (B, T, H + 2K, C)
        turned = heads[:, :, : self.heads + self.kv_heads]  # queries and keys are treated alike: one pass for both
        if self.qk_norm:
            turned = rms_normalise(turned)
        if angles is not None:
            turned = Rotate.apply(turned, *angles)  # type: ignore[no-untyped-call]
        query = turned[:, :, : self.heads].transpose(1, 2)  # (B, H, T, C)
        key = turned[:, :, self.heads :].transpose(1, 2)  # (B, K, T, C)
        value = heads[:, :, self.heads + self.kv_heads :].transpose(1, 2)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
            query = query.to(key.dtype)
        mixed = attend(query, key, value, self.dropout if self.training else 0.0).to(x.dtype)
        return cast(Tensor, self.o_proj(mixed.transpose(1, 2).reshape(batch, time, -1)))


class MLP(nn.Module):
    """The position-wise network."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.activation = config.mlp
        self.gelu_form = "tanh"  # GPT-2's; "none" is the exact one, which nanoGPT's weights were trained with
        if config.mlp == "swiglu":
            self.gate_proj = Linear(config.hidden_size, config.mlp_size, bias=config.bias)
        self.up_proj = Linear(config.hidden_size, config.mlp_size, bias=config.bias)
        self.down_proj = Linear(config.mlp_size, config.hidden_size, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        match self.activation:
            case "relu2":
                hidden: Tensor = SquaredReLU.apply(self.up_proj(x))  # type: ignore[no-untyped-call]
            case "gelu":
                hidden = F.gelu(self.up_proj(x), approximate=self.gelu_form)
            case "swiglu":
                hidden = F.silu(self.gate_proj(x)) * self.up_proj(x)
        return cast(Tensor, self.down_proj(hidden))


class Block(nn.Module):
    """Attention and MLP, each on a normalised copy of the residual stream."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = Norm(config), Attention(config, layer)
        self.mlp_norm, self.mlp = Norm(config), MLP(config)
        self.dropout = config.dropout

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor] | None, cache: KVCache | None) -> Tensor:
        x = x + F.dropout(self.attention(self.attention_norm(x), angles, cache), self.dropout, self.training)
        return x + F.dropout(self.mlp(self.mlp_norm(x)), self.dropout, self.training)


class Transformer(LanguageModel):
    """A decoder-only transformer over a vocabulary of `vocab_size` tokens."""

    can_recompute = True
    joins_states = True

    def __init__(self, config: TransformerConfig, vocab_size: int, context_length: int) -> None:
        super().__init__()
        self.config, self.vocab_size, self.context_length = config, vocab_size, context_length
        self.token_embedding = nn.Embedding(vocab_size, config.hidden_size)
        if config.position == "learned":
            self.position_embedding = nn.Embedding(context_length, config.hidden_size)
            self.max_length = context_length
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.final_norm = Norm(config)
        self.head = Linear(config.hidden_size, vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.token_embedding.weight
        self.angles: tuple[Tensor, Tensor] | None = None
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02 if self.config.tie_embeddings else 1.0)
            elif isinstance(module, nn.Linear) and module is not self.head:
                bound = math.sqrt(3.0 / module.in_features)  # variance 1 / fan-in
                nn.init.uniform_(module.weight, -bound, bound)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.zeros_(block.attention.o_proj.weight)
            nn.init.zeros_(block.mlp.down_proj.weight)
        if not self.config.tie_embeddings:
            nn.init.zeros_(self.head.weight)

    def parameter_roles(self) -> dict[str, Role]:
        """As the base class says, with an untied head told apart."""
        roles = super().parameter_roles()
        if "head.weight" in roles:
            roles["head.weight"] = "head"
        return roles

    def stacked_rows(self) -> dict[str, list[int]]:
        """Query, key and value matrices lie in one parameter."""
        return {
            f"blocks.{i}.attention.qkv_proj.weight": block.attention.rows
            for i, block in enumerate(self.blocks)
            if isinstance(block, Block)
        }

    def init_state(self, batch_size: int, max_length: int) -> KVCache:
        """An empty cache for `max_length` positions."""
        config, like = self.config, self.token_embedding.weight
        sizes = (config.num_layers, batch_size, config.kv_heads, max_length, config.head_size)
        return KVCache.empty(*sizes, dtype=self.compute_dtype, device=like.device)

    def select_state(self, state: KVCache, rows: list[int]) -> KVCache:
        """See `LanguageModel.select_state`."""
        return state.select(rows)

    def join_states(self, states: list[KVCache]) -> KVCache:
        """See `LanguageModel.join_states`."""
        return KVCache.join(states)

    def rotary_angles(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines for positions start to stop, (T, H + K, C) each; made once per length and dtype."""
        config, device, dtype = self.config, self.token_embedding.weight.device, self.compute_dtype
        made = self.angles
        if made is None or len(made[0]) < stop or made[0].device != device or made[0].dtype != dtype:
            length = max(stop, self.context_length)
            with torch.inference_mode(False):  # an evaluation may be the first to ask, and training goes on with them
                pairs = torch.arange(0, config.head_size, 2, device=device) / config.head_size
                turn = torch.outer(torch.arange(length, device=device), config.rope_theta**-pairs)  # (T, C/2)
                both = (torch.cat((turn.cos(), turn.cos()), -1), torch.cat((-turn.sin(), turn.sin()), -1))
                heads = config.num_heads + config.kv_heads
                cos, sin = (x[:, None].expand(-1, heads, -1).to(dtype).contiguous() for x in both)
                made = self.angles = (cos, sin)
        return made[0][start:stop], made[1][start:stop]

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: KVCache | None = None) -> ModelOutput:
        """See `LanguageModel.forward`; the state is a `KVCache`, extended in place."""
        x = self._hidden(tokens, state)
        if targets is not None and state is None and self.training and is_large(targets, self.vocab_size):
            return ModelOutput(
                None, linear_cross_entropy(x, self.head.weight, targets, self.config.logit_softcap), None
            )
        logits = self._logits(x)
        loss = None if targets is None else self.next_token_loss(logits, targets)
        return ModelOutput(logits, loss, state)

    def read(self, tokens: Tensor, state: KVCache) -> tuple[Tensor, KVCache]:
        """See `LanguageModel.read`: a single token takes the short way; of several, only the last reaches the head."""
        if tokens.shape[1] == 1 and not self.training and not torch.is_grad_enabled():
            if state.step is None:
                from craft.models.transformer_step import TransformerStep  # it is made of the parts of this file

                state.step = TransformerStep(self)
            return state.step(tokens[:, 0], state), state
        return self._logits(self._hidden(tokens, state)[:, -1:])[:, 0], state

    def _hidden(self, tokens: Tensor, state: KVCache | None) -> Tensor:
        """What comes out of the last block, normalised. tokens: (B, T) -> (B, T, D)."""
        start = state.length if state is not None else 0
        stop = start + tokens.shape[1]
        x = self.token_embedding(tokens).to(self.compute_dtype)  # (B, T, D)
        if self.config.position == "learned":
            x = x + self.position_embedding.weight[start:stop].to(self.compute_dtype)
        x = F.dropout(x, self.config.dropout, self.training)
        angles = self.rotary_angles(start, stop) if self.config.position == "rotary" else None
        recomputes = self.gradient_checkpointing and self.training and state is None and torch.is_grad_enabled()
        for block in self.blocks:
            x = checkpoint(block, x, angles, None, use_reentrant=False) if recomputes else block(x, angles, state)
        if state is not None:
            state.advance(tokens.shape[1])
        return cast(Tensor, self.final_norm(x))

    def _logits(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, V)."""
        logits: Tensor = self.head(x)
        cap = self.config.logit_softcap
        return cap * torch.tanh(logits / cap) if cap else logits
