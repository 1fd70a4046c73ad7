"""Causal models of the `transformers` library, built from its configs with fresh weights. Nothing is downloaded.

Letters: B batch, T time (new positions), V vocabulary.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from craft.config.fields import suggestion
from craft.config.schema.model import HFConfig
from craft.errors import ConfigError, CraftError
from craft.models.base import ModelOutput, Role
from craft.models.module import ModuleModel

# What families call the settings that Craft has a name for, besides what the library itself maps to these names.
_NAMES = {
    "num_layers": ("num_hidden_layers", "n_layers"),
    "num_heads": ("num_attention_heads", "n_heads"),
    "num_kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "hidden_size": ("hidden_size", "d_model"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
}
_CONTEXT = ("max_position_embeddings", "context_length", "max_seq_len")


class _Family:
    """One type of model of the library: its config class, and which settings that has."""

    def __init__(self, model_type: str) -> None:
        transformers = import_transformers()
        from transformers import CONFIG_MAPPING
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        self.version = transformers.__version__
        known = [name for name in CONFIG_MAPPING if name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES]
        if model_type not in known:
            raise ConfigError(
                f'model.model_type = "{model_type}": transformers {self.version} has no causal model of this type '
                f"({suggestion(model_type, known)})"
            )
        self.model_type, self.config_class = model_type, CONFIG_MAPPING[model_type]
        common = inspect.signature(transformers.PretrainedConfig.__init__).parameters
        self.settings = [name for name in inspect.signature(self.config_class).parameters if name not in common]
        if "vocab_size" not in self.settings:
            texts = [name for name in known if name.startswith(model_type) and name.endswith("text")]
            hint = f'; its text model is "{texts[0]}"' if texts else ""
            raise ConfigError(
                f'model.model_type = "{model_type}": its config in transformers is made of several parts{hint}'
            )
        self.defaults = self.config_class()

    def name_of(self, *standard: str) -> str | None:
        """What this family calls a setting; None when it has none."""
        for name in standard:
            own = getattr(self.config_class, "attribute_map", {}).get(name, name)
            if own in self.settings:
                return str(own)
        return None


def import_transformers() -> Any:
    """The library. Raises CraftError when it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise CraftError(
            'model.type = "hf" needs the transformers library, which is not installed: '
            "pip install 'craft-workbench[hf]'"
        ) from error
    return transformers


def library_config(config: HFConfig, vocab_size: int, context_length: int) -> Any:
    """The library's config for a `[model]` table. Raises ConfigError for what the library does not know or refuses."""
    family = _Family(config.model_type)
    values = _sizes(config, family)
    values["vocab_size"] = vocab_size
    if context := family.name_of(*_CONTEXT):
        values[context] = context_length
    _check_arguments(config, family, values)
    dropouts = [
        name for name in family.settings if "drop" in name and isinstance(getattr(family.defaults, name, None), float)
    ]
    if config.dropout and not dropouts:
        raise ConfigError(f"model.dropout: {config.model_type} of transformers has no dropout; leave it out")
    # Dropping whole layers is another thing than dropout.
    values |= {name: 0.0 if "layer" in name else config.dropout for name in dropouts}
    # Tokens with a meaning of their own have numbers of another vocabulary; one for padding would learn nothing.
    own_meaning = [name for name in family.settings if name.endswith("_token_id")]
    values |= {name: None if name == "pad_token_id" else 0 for name in own_meaning}
    if "is_decoder" in family.settings:
        values["is_decoder"] = True
    if config.tie_embeddings != "auto":
        values["tie_word_embeddings"] = config.tie_embeddings
    return family.config_class(**{**values, **config.arguments})


def config_fault(config: HFConfig, context_length: int) -> tuple[tuple[str, ...], str] | None:
    """What the library says against a `[model]` table, and the setting at fault; None when it takes it.

    Nothing is built, so sizes that only building shows not to fit together are not found.
    """
    try:
        with quiet():
            library_config(config, 256, context_length)
    except CraftError as error:
        named = re.match(r"model\.(\w+)(?:: | = \"[^\"]*\":? )", str(error))
        return (("model", named[1]), str(error)[named.end() :]) if named else (("model",), str(error))
    except Exception as error:  # the library checks in many ways
        return ("model",), f"transformers refuses it: {_words(error)}"
    return None


def _sizes(config: HFConfig, family: _Family) -> dict[str, Any]:
    values: dict[str, Any] = {}
    own = {field: family.name_of(*names) for field, names in _NAMES.items()}
    for field, name in own.items():
        size = getattr(config, field)
        if size and name is None:
            raise ConfigError(f"model.{field}: {config.model_type} of transformers has no such setting; leave it out")
        if size and name:
            values[name] = size
    defaults, width = family.defaults, config.hidden_size
    if (kv := own["num_kv_heads"]) and config.num_heads and not config.num_kv_heads:
        values[kv] = config.num_heads
    inner = own["intermediate_size"]
    if inner and width and not config.intermediate_size and isinstance(usual := getattr(defaults, inner), int):
        # The family's own proportion, in multiples of 8 as matrix units like it.
        values[inner] = max(8, round(usual / defaults.hidden_size * width / 8) * 8)
    if "head_dim" in family.settings and (width or config.num_heads) and isinstance(defaults.head_dim, int):
        values["head_dim"] = (width or defaults.hidden_size) // (config.num_heads or defaults.num_attention_heads)
    return values


def _check_arguments(config: HFConfig, family: _Family, values: dict[str, Any]) -> None:
    given = {"vocab_size": "the tokenizer", family.name_of(*_CONTEXT): "data.context_length"}
    for field, names in _NAMES.items():
        if getattr(config, field):
            given[family.name_of(*names)] = f"model.{field}"
    for name in config.arguments:
        own = family.name_of(name)
        if own is None:
            raise ConfigError(
                f"model.arguments: '{name}' is no setting of {config.model_type} in transformers {family.version} "
                f"({suggestion(name, family.settings)})"
            )
        if own in given:
            raise ConfigError(f"model.arguments: '{name}' follows from {given[own]}; leave it out")
        values.pop(own, None)


class HFModel(ModuleModel):
    """A causal model of the transformers library.

    Layers of GPT-2's kind `Conv1D`, which keep their matrices as (inputs, outputs), become linear layers, so that
    every matrix of Craft is (outputs, inputs) for whoever orthogonalises, stacks or loads it.
    """

    def __init__(self, config: HFConfig, vocab_size: int, context_length: int) -> None:
        import_transformers()
        from transformers import AutoModelForCausalLM

        with quiet():
            try:
                self.library_config = library_config(config, vocab_size, context_length)
                network = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                    self.library_config, dtype=torch.float32
                )
            except CraftError:
                raise
            except Exception as error:  # the library checks in many ways, and some sizes it only stumbles over
                raise ConfigError(
                    f'model.model_type = "{config.model_type}": transformers cannot build it: {_words(error)}'
                ) from error
        self._wrap(network, vocab_size, context_length, f'model.model_type = "{config.model_type}"')

    @classmethod
    def around(cls, network: nn.Module, context_length: int, *, called: str) -> HFModel:
        """A model of the library that is there already. Raises ConfigError for one that is not causal."""
        model = cls.__new__(cls)
        library: Any = network
        model.library_config = library.config
        model._wrap(network, library.get_input_embeddings().weight.shape[0], context_length, called)
        return model

    def _wrap(self, network: nn.Module, vocab_size: int, context_length: int, called: str) -> None:
        turned = turn_conv1d(network)
        super().__init__(network, vocab_size, context_length, called=called)
        self.turned = frozenset(f"network.{name}.weight" for name in turned)
        """Parameters whose matrix lies the other way round in the library's own files."""
        # A model that is only measured holds no numbers.
        fake = any(p.is_meta or isinstance(p, FakeTensor) for p in network.parameters())
        self.has_cache = not fake and self._try_out()

    @torch.no_grad()
    def _try_out(self) -> bool:
        """Whether the library's cache gives what reading the whole text gives, tried on a few tokens: some recurrent
        families keep their state elsewhere, or take one position a time from it.

        Raises ConfigError for a family that reads text both ways: it would learn to look, not to predict.
        """
        text = torch.zeros(2, min(6, self.context_length), dtype=torch.int64)
        text[1, -1] = min(1, self.vocab_size - 1)
        self.network.eval()
        try:
            whole = self._read(text).logits
        except Exception as error:  # sizes that do not fit together show in many ways
            raise ConfigError(f"{self.called}: transformers cannot run it: {_words(error)}") from error
        if not _alike(whole[0, :-1], whole[1, :-1]):
            raise ConfigError(f"{self.called}: this family sees the tokens that it is to predict; take a causal one")
        try:
            cache = self._empty_cache()
            parts = [
                self.network(input_ids=part, use_cache=True, past_key_values=cache) for part in torch.split(text, 2, 1)
            ]
            return _alike(torch.cat([part.logits for part in parts], dim=1), whole)
        except Exception:  # it takes no such cache, and says so in some way of its own
            return False
        finally:
            self.network.train()

    @property
    def gradient_checkpointing(self) -> bool:
        """See `BaseModel`: here it is the library's own switch. Raises ConfigError for a family that has none."""
        return self._gradient_checkpointing

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, wanted: bool) -> None:
        if wanted == self._gradient_checkpointing:
            return
        library: Any = self.network
        if not getattr(library, "supports_gradient_checkpointing", False):
            raise ConfigError(
                f"training.gradient_checkpointing: {self.called}: transformers has none for this family; leave it out, "
                "or set training.micro_batch_size to hold less at once"
            )
        # The library renamed it in version 5.
        name = "activation" if hasattr(library, "activation_checkpointing_enable") else "gradient"
        if wanted:
            arguments = {f"{name}_checkpointing_kwargs": {"use_reentrant": False}}
            getattr(library, f"{name}_checkpointing_enable")(**arguments)
        else:
            getattr(library, f"{name}_checkpointing_disable")()
        self._gradient_checkpointing = wanted

    def _empty_cache(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.library_config)

    def parameter_roles(self) -> dict[str, Role]:
        """As for any module, with the head that the library names."""
        roles = super().parameter_roles()
        library: Any = self.network
        weight = getattr(library.get_output_embeddings(), "weight", None)
        for name, parameter in self.named_parameters():
            if roles[name] == "head":
                roles[name] = "matrix"
            if parameter is weight and roles[name] != "embedding":
                roles[name] = "head"
        return roles

    def stacked_rows(self) -> dict[str, list[int]]:
        """GPT-2 keeps query, key and value in one matrix, one above the other."""
        shapes = {name: parameter.shape for name, parameter in self.named_parameters() if name in self.turned}
        return {n: [s[0] // 3] * 3 for n, s in shapes.items() if n.endswith("attn.c_attn.weight") and s[0] == 3 * s[1]}

    def init_state(self, batch_size: int, max_length: int) -> Any:
        """The library's own cache, where the model takes one."""
        if not self.has_cache:
            return super().init_state(batch_size, max_length)
        return self._empty_cache()

    def select_state(self, state: Any, rows: list[int]) -> Any:
        """Some texts of the library's cache, which holds texts of one length."""
        if not self.has_cache:
            return super().select_state(state, rows)
        state.batch_select_indices(torch.tensor(rows, device=self.device))
        return state

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
        """See `LanguageModel.forward`; the library's cache is extended in place."""
        if state is not None and not self.has_cache:
            return super().forward(tokens, targets, state)
        with self._arithmetic(tokens.device):
            if state is None:
                output = self._read(tokens)
            else:
                output = self.network(input_ids=tokens, use_cache=True, past_key_values=state)
        logits = self._checked(output, tokens)  # (B, T, V)
        loss = None if targets is None else self.next_token_loss(logits, targets)
        return ModelOutput(logits, loss, state)

    def _read(self, text: Tensor) -> Any:
        return self.network(input_ids=text, use_cache=False)


def turn_conv1d(network: nn.Module) -> list[str]:
    """Put a linear layer in place of every `Conv1D`; returns their names."""
    from transformers.pytorch_utils import Conv1D

    found = [name for name, module in network.named_modules() if isinstance(module, Conv1D)]
    for name in found:
        layer: Any = network.get_submodule(name)
        inputs, outputs = layer.weight.shape
        linear = nn.Linear(inputs, outputs, device="meta")  # there it draws no random numbers
        linear.weight = nn.Parameter(layer.weight.detach().T.contiguous())
        linear.bias = layer.bias
        network.set_submodule(name, linear)
    return found


def _alike(found: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(found, wanted, rtol=1e-3, atol=1e-4)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip() or 'it says no more'}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the library's remarks and bars: what it says of vocabularies and token ids is ours to choose."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
