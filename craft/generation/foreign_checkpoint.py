"""Models that other programs trained, as language models of Craft: nanoGPT's ckpt.pt, Hugging Face folders and files.

What has the shape of GPT-2 becomes a `Transformer`, which writes fastest; any other family of the transformers library
becomes an `HFModel`. All of the weights fit, or nothing is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from craft.config.schema.model import TransformerConfig
from craft.data.tokenizers import IdsTokenizer, Tokenizer
from craft.errors import CheckpointError, ConfigError, CraftError, TokenizerError
from craft.generation.foreign_tokenizer import beside, of_nanogpt
from craft.models import LanguageModel
from craft.models.foreign import Foreign, bare_name, listed, read, read_json
from craft.models.hf import HFModel, quiet
from craft.models.initial import load_whole
from craft.models.transformer import MLP, NORM_EPS, Transformer
from craft.models.weights import PLAIN

_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len", "context_length")
_LONGEST_TEXT = 300  # of another library's complaint
_USUAL_CONTEXT = 2048  # for families that name none, as recurrent ones


@dataclass(frozen=True)
class ForeignCheckpoint:
    """What was loaded, on the CPU in fp32."""

    model: LanguageModel
    tokenizer: Tokenizer
    source: str
    step: int | None = None
    end_tokens: frozenset[int] = frozenset()
    remarks: tuple[str, ...] = ()


def load_foreign(path: Path) -> ForeignCheckpoint:
    """Load a folder or a file of another program. Raises CheckpointError, also where the weights do not fit whole, and
    CraftError where it takes a library that is not installed."""
    found = read(path)
    _refuse_what_is_no_weight(found, path)
    try:
        if found.facts.get("model_type") is not None:
            return _hugging_face(path, found)
        if found.is_gpt2:
            return _nanogpt(path, found)
    except (ConfigError, TokenizerError) as error:
        text = str(error).removeprefix("tokenizer.path: ")  # nobody has set it here
        raise CheckpointError(text if str(path) in text else f"{path}: {text}") from error
    folder = path if path.is_dir() else path.parent
    if any(re.match(r"(network\.|blocks\.\d+\.|cells?\.)", name) for name in found.tensors):
        raise CheckpointError(
            f"{path}: weights alone are no model: experiment.toml and tokenizer.json are missing beside them; copy "
            "them from the checkpoint's folder, or name that folder"
        )
    if (folder / "config.json").exists():
        raise CheckpointError(f"{folder / 'config.json'}: it does not say its model_type, so the weights have no model")
    raise CheckpointError(
        f"{path}: weights alone are no model, and nothing beside them says what they are of: config.json is missing "
        "(a Hugging Face model), or experiment.toml and tokenizer.json (Craft's)"
    )


def _refuse_what_is_no_weight(found: Foreign, path: Path) -> None:
    if found.facts.get("quantization_config"):
        raise CheckpointError(f"{path}: its weights are quantised, which is not read; take the model they were made of")
    odd = [
        f"{name} holds {tensor.dtype}"
        for name, tensor in found.tensors.items()
        if tensor.dtype not in PLAIN and "weight" in name.rpartition(".")[2]
    ]
    if odd:
        raise CheckpointError(f"{path}: weights of a kind that is not read: {listed(odd)}; floating-point ones are")


# GPT-2's shape -----------------------------------------------------------------------------------------------------


def _nanogpt(path: Path, found: Foreign) -> ForeignCheckpoint:
    # nanoGPT computes GELU exactly; its weights may have been turned into safetensors, without what it calls them.
    model = _gpt2(path, found, found.facts.get("n_head"), tanh=False)
    config = found.beside.get("config")
    tokenizer, remark = of_nanogpt(path, config.get("dataset") if isinstance(config, dict) else None, model.vocab_size)
    step = found.beside.get("iter_num")
    step = step if isinstance(step, int) else None
    source = f"nanoGPT's {path.name}" + ("" if step is None else f", step {step}")
    return ForeignCheckpoint(model, tokenizer, source, step, remarks=(remark,) if remark else ())


def _gpt2(path: Path, found: Foreign, heads: object, *, tanh: bool) -> Transformer:
    """A transformer with these weights, whose sizes are those of the tensors."""
    tensors = {bare_name(name).removeprefix("transformer."): tensor for name, tensor in found.tensors.items()}
    wte, wpe = tensors.get("wte.weight"), tensors.get("wpe.weight")
    inner = tensors.get("h.0.mlp.c_fc.weight")
    parts = [part for part in (wte, wpe, inner) if part is not None and part.ndim == 2 and part.numel()]
    if wte is None or wpe is None or inner is None or len(parts) < 3:
        raise CheckpointError(f"{path}: it is no whole GPT-2: wte, wpe or h.0.mlp.c_fc is missing")
    (vocab_size, width), context = wte.shape, wpe.shape[0]
    if isinstance(heads, bool) or not isinstance(heads, int) or heads < 1 or width % heads:
        raise CheckpointError(
            f"{path}: how many heads its model has is not said (found {heads!r}), and the weights do not show it: "
            "model_args with n_head in a PyTorch file, or config.json beside it"
        )
    layers = {int(match[1]) for name in tensors if (match := re.match(r"h\.(\d+)\.", name))}
    _refuse_other_sizes(path, found, len(layers), vocab_size, context, width)
    head = tensors.get("lm_head.weight")
    config = TransformerConfig(
        preset="gpt2",
        num_layers=len(layers),
        num_heads=heads,
        hidden_size=width,
        intermediate_size=inner.numel() // width,
        bias="h.0.attn.c_attn.bias" in tensors,
        tie_embeddings=head is None or torch.equal(head, wte),
    )
    model = Transformer(config, vocab_size, context)
    load_whole(model, found, str(path))
    if not tanh:
        for module in model.modules():
            if isinstance(module, MLP):
                module.gelu_form = "none"
    return model


def _refuse_other_sizes(path: Path, found: Foreign, layers: int, vocab_size: int, context: int, width: int) -> None:
    """The settings say what the shapes do, or weights are missing, or are of another model."""
    says = {
        "n_layer": layers,
        "vocab_size": vocab_size,
        "block_size": context,
        "n_positions": context,
        "n_embd": width,
    }
    wrong = [
        f"{name} is {found.facts[name]} in its settings and {size} in its weights"
        for name, size in says.items()
        if isinstance(found.facts.get(name), int) and found.facts[name] != size
    ]
    if wrong:
        raise CheckpointError(f"{path}: {'; '.join(wrong)}: some are missing, or belong to another model")


def _is_plain_gpt2(facts: dict[str, Any]) -> bool:
    """Whether a GPT-2 of the library computes what a `Transformer` does."""
    return bool(
        facts.get("model_type") == "gpt2"
        and facts.get("activation_function", "gelu_new") in ("gelu_new", "gelu_pytorch_tanh", "gelu")
        and facts.get("layer_norm_epsilon", NORM_EPS) == NORM_EPS
        and facts.get("scale_attn_weights", True)
        and not facts.get("scale_attn_by_inverse_layer_idx", False)
        and not facts.get("add_cross_attention", False)
    )


# Hugging Face ------------------------------------------------------------------------------------------------------


def _hugging_face(path: Path, found: Foreign) -> ForeignCheckpoint:
    folder, family = path if path.is_dir() else path.parent, str(found.facts["model_type"])
    model: LanguageModel
    if _is_plain_gpt2(found.facts) and found.is_gpt2:
        tanh = found.facts.get("activation_function", "gelu_new") != "gelu"
        model = _gpt2(path, found, found.facts.get("n_head", 12), tanh=tanh)
    else:
        model = _of_the_library(path, found, family)
    tokenizer, remarks = beside(folder, model.vocab_size), []
    if tokenizer is None:
        tokenizer = IdsTokenizer(model.vocab_size)
        remarks.append(
            f"no tokenizer: {folder} holds no tokenizer.json and no tokenizer.model. Until one is there a prompt is "
            "token ids with blanks between them, and so is what it writes"
        )
    end_tokens = _end_tokens(folder, found.facts, model.vocab_size)
    source = f"Hugging Face {family} in {path.name}"
    return ForeignCheckpoint(model, tokenizer, source, end_tokens=end_tokens, remarks=tuple(remarks))


def _of_the_library(path: Path, found: Foreign, family: str) -> HFModel:
    """The library's own model with these weights."""
    try:
        from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING
        from transformers import __version__ as version
    except ImportError as error:
        raise CraftError(
            f"{path}: a model of type {family} needs the transformers library, which is not installed: "
            "pip install 'craft-workbench[hf]'"
        ) from error
    with quiet():
        if family not in CONFIG_MAPPING or (config_class := CONFIG_MAPPING[family]) not in MODEL_FOR_CAUSAL_LM_MAPPING:
            own = "; code that comes with a model is never run" if "auto_map" in found.facts else ""
            raise CheckpointError(f"{path}: transformers {version} has no causal model of type '{family}'{own}")
        try:
            config = config_class.from_dict(found.facts)
            _refuse_impossible_sizes(config.get_text_config(), found)
            model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[config_class]
            network, loaded = model_class.from_pretrained(
                None,
                config=config,
                state_dict={bare_name(name): tensor for name, tensor in found.tensors.items()},
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        except Exception as error:  # the library checks in many ways
            text = " ".join(str(error).split())[:_LONGEST_TEXT]
            raise CheckpointError(f"{path}: transformers cannot build it: {type(error).__name__}: {text}") from error
        _require_all(path, loaded)
        return HFModel.around(network.eval(), _context_of(config), called=str(path))


def _refuse_impossible_sizes(config: Any, found: Foreign) -> None:
    """What is built of settings that are damaged could take all memory, and for ever. Raises ValueError."""
    layers = getattr(config, "num_hidden_layers", 0)
    if isinstance(layers, int) and layers > len(found.tensors):
        raise ValueError(f"its config.json says {layers:,} layers, and there are {len(found.tensors):,} tensors")
    sizes = {size for tensor in found.tensors.values() for size in tensor.shape}
    for name in ("vocab_size", "hidden_size"):
        size = getattr(config, name, None)
        if isinstance(size, int) and size not in sizes:
            raise ValueError(f"its config.json says {name} {size:,}, and no tensor has that size")


def _require_all(path: Path, loaded: dict[str, Any]) -> None:
    """Raise CheckpointError unless every weight has found its place."""
    wrong = [f"{name} is missing" for name in sorted(loaded["missing_keys"])]
    wrong += [
        f"{name} has shape {tuple(there)}, the settings give {tuple(here)}"
        for name, there, here in sorted(loaded["mismatched_keys"])
    ]
    wrong += [f"{name} has no place in the model" for name in sorted(loaded["unexpected_keys"])]
    wrong += [str(message).partition("\n")[0] for message in loaded.get("error_msgs", [])]
    if wrong:
        raise CheckpointError(f"{path}: the weights are not those of its config.json: {listed(wrong)}")


def _context_of(config: Any) -> int:
    """Tokens that the model sees at most."""
    sizes = (getattr(part, name, None) for part in (config, config.get_text_config()) for name in _CONTEXT)
    return next((size for size in sizes if isinstance(size, int) and size > 0), _USUAL_CONTEXT)


def _end_tokens(folder: Path, facts: dict[str, Any], vocab_size: int) -> frozenset[int]:
    """The tokens with which the model ends a text."""
    text_part = facts.get("text_config")
    for settings in (read_json(folder / "generation_config.json"), facts, text_part):
        ends = settings.get("eos_token_id") if isinstance(settings, dict) else None
        ends = ends if isinstance(ends, list) else [ends]
        if found := [end for end in ends if isinstance(end, int) and 0 <= end < vocab_size]:
            return frozenset(found)
    return frozenset()
