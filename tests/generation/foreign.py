"""Small models as other programs save them: nanoGPT's ckpt.pt, folders of the transformers library, tokenizers."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

CONTEXT, VOCAB = 32, 300
WORDS = "the cat sat on the mat, and the dog sat on the cat. " * 20
CHARACTERS = "\n abcdefgh"


def library_model(family: str = "gpt2", seed: int = 0, **settings: Any) -> Any:
    """A tiny causal model of the library, with weights that make it choose."""
    transformers = pytest.importorskip("transformers")
    sizes: dict[str, dict[str, Any]] = {
        "gpt2": {"n_positions": CONTEXT, "n_embd": 16, "n_layer": 2, "n_head": 2},
        "llama": {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": CONTEXT,
        },
    }
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
    values = {"vocab_size": VOCAB, **ends, **sizes[family], **settings}
    config = transformers.CONFIG_MAPPING[family](**values)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3)
        elif name.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    return model


def library_tokenizer(*, begins: bool = False) -> Any:
    """Byte-level pairs of the tokenizers library; `begins`: with a sign that it puts before a text."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=280, special_tokens=["<s>", "</s>"], show_progress=False, initial_alphabet=alphabet
    )
    made.train_from_iterator([WORDS], trainer)
    if begins:
        made.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return made


def hub_folder(folder: Path, model: Any, tokenizer: Any = None, **saving: Any) -> Path:
    """The folder that the library saves, with its tokenizer.json."""
    model.save_pretrained(folder, **saving)
    if tokenizer is not None:
        tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def library_text(model: Any, ids: list[int], new: int) -> list[int]:
    """What the library writes, the likeliest token always."""
    row = torch.tensor([ids])
    made = model.generate(row, attention_mask=torch.ones_like(row), max_new_tokens=new, do_sample=False, pad_token_id=1)
    found: list[int] = made[0, len(ids) :].tolist()
    return found[: found.index(1)] if 1 in found else found


# nanoGPT -----------------------------------------------------------------------------------------------------------


def nanogpt_state(*, bias: bool, vocab_size: int = len(CHARACTERS), seed: int = 0) -> dict[str, Tensor]:
    """The tensors of a nanoGPT of two blocks, width 16, under its names."""
    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    state = {"transformer.wte.weight": some(vocab_size, 16), "transformer.wpe.weight": some(CONTEXT, 16)}
    for layer in range(2):
        shapes = {
            "attn.c_attn": (48, 16),
            "attn.c_proj": (16, 16),
            "mlp.c_fc": (64, 16),
            "mlp.c_proj": (16, 64),
        }
        for name in ("ln_1", "ln_2"):
            state[f"transformer.h.{layer}.{name}.weight"] = 1 + some(16)
            if bias:
                state[f"transformer.h.{layer}.{name}.bias"] = some(16)
        for name, shape in shapes.items():
            state[f"transformer.h.{layer}.{name}.weight"] = some(*shape)
            if bias:
                state[f"transformer.h.{layer}.{name}.bias"] = some(shape[0])
    state["transformer.ln_f.weight"] = 1 + some(16)
    if bias:
        state["transformer.ln_f.bias"] = some(16)
    return {**state, "lm_head.weight": state["transformer.wte.weight"]}


def nanogpt_logits(state: dict[str, Tensor], tokens: Tensor, heads: int = 2) -> Tensor:
    """What a nanoGPT of these weights computes, written out from its description. tokens (B, T) -> (B, T, V)."""
    functional = nn.functional
    batch, time = tokens.shape

    def norm(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (16,), state[f"{name}.weight"], state.get(f"{name}.bias"), 1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    x = state["transformer.wte.weight"][tokens] + state["transformer.wpe.weight"][:time]
    for layer in range(2):
        block = f"transformer.h.{layer}"
        parts = linear(norm(x, f"{block}.ln_1"), f"{block}.attn.c_attn").split(16, dim=-1)
        query, key, value = (part.view(batch, time, heads, -1).transpose(1, 2) for part in parts)
        scores = query @ key.mT / (16 // heads) ** 0.5
        scores = scores.masked_fill(torch.ones(time, time).triu(1).bool(), float("-inf"))
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, time, 16)
        x = x + linear(mixed, f"{block}.attn.c_proj")
        hidden = linear(norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc")
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))  # exact GELU
        x = x + linear(hidden, f"{block}.mlp.c_proj")
    return norm(x, "transformer.ln_f") @ state["lm_head.weight"].T


def save_nanogpt(
    file: Path, state: dict[str, Tensor], *, prefix: str = "_orig_mod.", dataset: str = "tiny", **args: Any
) -> Path:
    """A ckpt.pt with the keys that nanoGPT writes."""
    sizes = {
        "n_layer": 2,
        "n_head": 2,
        "n_embd": 16,
        "block_size": CONTEXT,
        "bias": "transformer.ln_f.bias" in state,
        "vocab_size": len(state["lm_head.weight"]),
        "dropout": 0.0,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "model": {prefix + name: tensor for name, tensor in state.items()},
        "optimizer": {"state": {0: {"step": torch.tensor(5.0)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
        "model_args": {**sizes, **args},
        "iter_num": 250,
        "best_val_loss": torch.tensor(1.5),
        "config": {"dataset": dataset, "out_dir": "out", "compile": True},
    }
    torch.save(content, file)
    return file


def save_meta(folder: Path, characters: str = CHARACTERS) -> Path:
    """nanoGPT's table of characters."""
    folder.mkdir(parents=True, exist_ok=True)
    meta = {"vocab_size": len(characters), "itos": dict(enumerate(characters))}
    (folder / "meta.pkl").write_bytes(pickle.dumps({**meta, "stoi": {c: i for i, c in enumerate(characters)}}))
    return folder / "meta.pkl"


def edit_json(file: Path, **changes: Any) -> None:
    """Change some values of a JSON file; None takes one out."""
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
