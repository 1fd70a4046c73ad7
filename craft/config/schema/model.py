"""`[model]`: the architecture and its size. The one section that has no default."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from craft.config.schema.base import Argument, Count, CountOrOff, OwnCode, Probability, Section, type_tag


def nearest_divisors(number: int, near: int) -> str:
    """The divisors of `number` on either side of `near`, written for an error message."""
    divisors = [d for d in range(1, number + 1) if number % d == 0]
    below = [d for d in divisors if d < near][-1:]
    above = [d for d in divisors if d > near][:1]
    return " or ".join(str(d) for d in below + above)


def check_heads(hidden_size: int, num_heads: int) -> None:
    """Raise ValueError, with the nearest sizes that would do, unless the heads share the width out evenly."""
    if hidden_size % num_heads:
        legal = nearest_divisors(hidden_size, num_heads)
        up = -(-hidden_size // num_heads) * num_heads
        raise ValueError(
            f"hidden_size {hidden_size} is not divisible by num_heads {num_heads}; "
            f"num_heads = {legal}, or hidden_size = {up - num_heads or up} or {up}, would do"
        )


def check_kv_heads(num_heads: int, num_kv_heads: int) -> None:
    """Raise ValueError, with the nearest counts that would do, unless every key head serves as many query heads."""
    if num_heads % num_kv_heads:
        legal = nearest_divisors(num_heads, num_kv_heads)
        raise ValueError(
            f"num_heads {num_heads} is not divisible by num_kv_heads {num_kv_heads}; num_kv_heads = {legal} would do"
        )


PRESETS: dict[str, dict[str, Any]] = {
    # Radford et al. 2019.
    "gpt2": {
        "norm": "layernorm",
        "position": "learned",
        "mlp": "gelu",
        "qk_norm": False,
        "bias": True,
        "tie_embeddings": True,
        "logit_softcap": 0.0,
    },
    # Touvron et al. 2023, arXiv:2302.13971.
    "llama": {
        "norm": "rmsnorm",
        "position": "rotary",
        "mlp": "swiglu",
        "qk_norm": False,
        "bias": False,
        "tie_embeddings": False,
        "logit_softcap": 0.0,
    },
    # Karpathy's nanochat, 2025: as its blocks are, without its value embeddings and sliding windows.
    "nanochat": {
        "norm": "rmsnorm",
        "position": "rotary",
        "rope_theta": 100_000.0,
        "mlp": "relu2",
        "qk_norm": True,
        "bias": False,
        "tie_embeddings": False,
        "logit_softcap": 15.0,
    },
}
"""Well-known shapes of a transformer's block. Sizes are not among them, so that shapes compare at equal sizes."""


class TransformerConfig(Section):
    """A decoder-only transformer.

    The defaults are the modern small model: RMSNorm, rotary positions, QK-norm, squared ReLU. `preset` gives the
    shape of a well-known one.
    """

    type: Literal["transformer"] = "transformer"
    preset: Literal["none", "gpt2", "llama", "nanochat"] = "none"
    """The block of a well-known model: what is not set besides is as it has it (norm, position, mlp, qk_norm, bias,
    tie_embeddings, logit_softcap)."""
    num_layers: Count = 4
    """Blocks, each attention and an MLP."""
    num_heads: Count = 4
    """Query heads; `hidden_size` must be divisible by it."""
    num_kv_heads: CountOrOff = 0
    """Key and value heads, shared by groups of query heads; 0 means as many as `num_heads`."""
    hidden_size: Count = 128
    """Width of the residual stream."""
    intermediate_size: CountOrOff = 0
    """Width of the MLP; 0 means 4 times `hidden_size`, or 8/3 of it rounded up to a multiple of 8 for swiglu."""
    mlp: Literal["relu2", "gelu", "swiglu"] = "relu2"
    """The MLP's activation: squared ReLU, GELU, or SwiGLU (gated, a third matrix)."""
    norm: Literal["rmsnorm", "layernorm"] = "rmsnorm"
    """Normalisation before attention, before the MLP and before the head."""
    position: Literal["rotary", "learned", "none"] = "rotary"
    """How a token knows its place; "learned" limits generation to a window of `context_length`."""
    rope_theta: Annotated[float, Field(gt=0.0)] = 10_000.0
    """Base of the rotary frequencies."""
    qk_norm: bool = True
    """RMS-normalise queries and keys before their product."""
    tie_embeddings: bool = False
    """Use the token embedding as the output head as well."""
    bias: bool = False
    """Add biases to the linear layers and to layernorm."""
    dropout: Probability = 0.0
    """Dropout on embeddings, attention weights and both branches' outputs."""
    logit_softcap: Annotated[float, Field(ge=0.0)] = 0.0
    """Squash logits smoothly into plus or minus this value; 0 is off."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_preset(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("preset"), str):
            return {**PRESETS.get(values["preset"], {}), **values}
        return values

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        check_heads(self.hidden_size, self.num_heads)
        if self.num_kv_heads:
            check_kv_heads(self.num_heads, self.num_kv_heads)
        if self.position == "rotary" and self.head_size % 2:
            raise ValueError(
                f"rotary positions need an even head size, and hidden_size / num_heads is {self.head_size}; "
                f"hidden_size = {self.num_heads * (self.head_size + 1)} would do"
            )
        return self

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.hidden_size // self.num_heads

    @property
    def kv_heads(self) -> int:
        """Key and value heads, with 0 resolved."""
        return self.num_kv_heads or self.num_heads

    @property
    def mlp_size(self) -> int:
        """Width of the MLP, with 0 resolved."""
        if self.intermediate_size:
            return self.intermediate_size
        if self.mlp == "swiglu":
            return -(-self.hidden_size * 8 // 3 // 8) * 8
        return 4 * self.hidden_size


class HFConfig(Section):
    """A causal model of the transformers library (`pip install 'craft-workbench[hf]'`), built with fresh weights.

    Sizes that are 0 are the family's own. Vocabulary and context length come from the tokenizer and the data.
    """

    type: Literal["hf"] = "hf"
    model_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=64)] = "gpt2"
    """The library's name of the family: gpt2, llama, qwen3, mistral, gpt_neox and every other causal one."""
    num_layers: CountOrOff = 0
    """Blocks."""
    num_heads: CountOrOff = 0
    """Query heads."""
    num_kv_heads: CountOrOff = 0
    """Key and value heads; 0 means as many as `num_heads` where that is set."""
    hidden_size: CountOrOff = 0
    """Width of the residual stream."""
    intermediate_size: CountOrOff = 0
    """Width of the MLP; 0 keeps the family's proportion to `hidden_size`."""
    tie_embeddings: Literal["auto"] | bool = "auto"
    """Use the token embedding as the output head as well; "auto" does as the family does."""
    dropout: Probability = 0.0
    """Every dropout that the family has."""
    arguments: dict[str, Argument | dict[str, Argument]] = {}
    """Other settings of the library's config, by its own names."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size and self.num_heads and "head_dim" not in self.arguments:
            check_heads(self.hidden_size, self.num_heads)
        if self.num_heads and self.num_kv_heads:
            check_kv_heads(self.num_heads, self.num_kv_heads)
        return self


class RecurrentConfig(Section):
    """What recurrent models have in common."""

    num_layers: Count = 2
    """Layers of cells, one above the other."""
    hidden_size: Count = 256
    """Width of each layer's state."""
    embedding_size: CountOrOff = 0
    """Width of the token embedding; 0 means as wide as `hidden_size`."""
    tie_embeddings: bool = False
    """Use the token embedding as the output head as well."""
    dropout: Probability = 0.0
    """Dropout on the embedding, between layers and before the head; never from step to step."""

    @model_validator(mode="after")
    def _tied_are_alike(self) -> Self:
        if self.tie_embeddings and self.input_size != self.hidden_size:
            raise ValueError(
                f"tie_embeddings needs an embedding as wide as the state: embedding_size is {self.embedding_size} and "
                f"hidden_size {self.hidden_size}; embedding_size = 0 would do"
            )
        return self

    @property
    def input_size(self) -> int:
        """Width of the embedding, with 0 resolved."""
        return self.embedding_size or self.hidden_size


class LSTMConfig(RecurrentConfig):
    """A long short-term memory, the classic model over characters."""

    type: Literal["lstm"] = "lstm"


class RNNConfig(RecurrentConfig):
    """A recurrent network of simpler cells: gated recurrent units, or the simple RNN."""

    type: Literal["rnn"] = "rnn"
    cell: Literal["gru", "tanh", "relu"] = "gru"
    """The gated recurrent unit, or the simple cell with this activation."""


def said_by_preset(preset: object) -> dict[str, Any]:
    """The switches of a preset, those that it leaves to the defaults included; "none" says the defaults."""
    switches = dict.fromkeys(key for says in PRESETS.values() for key in says)
    defaults = {key: TransformerConfig.model_fields[key].default for key in switches}
    return {**defaults, **(PRESETS.get(preset, {}) if isinstance(preset, str) else {})}


class OwnModel(OwnCode):
    """A model of one's own: `module:Class`, a `LanguageModel` or any module that turns tokens into logits.

    Besides its arguments the class is given `vocab_size` and `context_length`.
    """


ModelConfig = Annotated[
    Annotated[TransformerConfig, Tag("transformer")]
    | Annotated[LSTMConfig, Tag("lstm")]
    | Annotated[RNNConfig, Tag("rnn")]
    | Annotated[HFConfig, Tag("hf")]
    | Annotated[OwnModel, Tag("module:Class")],
    Discriminator(type_tag),
]
