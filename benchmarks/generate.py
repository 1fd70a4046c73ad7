"""New tokens a second: Craft against nanoGPT's `generate` and Hugging Face's, and an LSTM against a bare loop, in turn.

    pip install transformers
    python -m benchmarks.generate [--nanogpt PATH] [--checkpoint FOLDER] [--rounds 5] [--threads N]

All write greedily with the same weights: a GPT-2 of 10.7M parameters (6 layers, 6 heads, 384 wide, context 256, 65
tokens), 255 new tokens after one, 1 and 16 texts at once. FOLDER is a Craft checkpoint of that shape
(`model.preset = "gpt2"`); without it the weights are random ones. PATH is a checkout of nanoGPT, from which model.py is
taken as it is. transformers runs with `attn_implementation` "sdpa" and "eager": the faster is what is compared with.

Craft is as `craft generate --precision ...` is. What lower precision costs in loss `craft evaluate --precision ...`
tells. Tokens must be equal to transformers' in fp32; of lower precision the number that agree is printed.

The floor is the time to read each weight once, at the rate at which this process reads as many bytes.

Each contender is a process of its own that is kept alive, and they write in turn (benchmarks/turns.py). Ratios are the
medians of those within a round, with the smallest and the largest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.turns import Child, in_turn, say, spread, told_to_go

LAYERS, HEADS, WIDTH, CONTEXT, VOCAB, NEW = 6, 6, 384, 256, 65, 255
CRAFT, HF = ("fp32", "bf16", "int8"), ("sdpa fp32", "eager fp32", "sdpa bf16", "eager bf16")
Write = Callable[[int], list[list[int]]]
"""Texts at once -> their new tokens."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--loud", action="store_true", help="show what the contenders print")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        contend(arguments)
        return
    names = [f"Craft {precision}" for precision in CRAFT] + [f"transformers {kind}" for kind in HF]
    names += ["nanoGPT fp32"] if arguments.nanogpt else []
    names += ["LSTM: Craft fp32", "LSTM: Craft bf16", "LSTM: bare loop"]
    for texts in arguments.texts:
        compare(names, texts, arguments)
    print(f"\n{floors()}")


def compare(names: list[str], texts: int, arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        passed_on = ["--texts", str(texts), "--tokens", folder]
        for option in ("nanogpt", "checkpoint"):
            if value := getattr(arguments, option):
                passed_on += [f"--{option}", str(value.resolve())]
        passed_on += ["--loud"] if arguments.loud else []
        children = [Child("benchmarks.generate", name, passed_on, arguments.threads) for name in names]
        seconds, _ = in_turn(children, arguments.rounds)
        tokens = {name: json.loads((Path(folder) / f"{name}.json").read_text()) for name in names}
    print(f"\n{texts} text{'s' * (texts > 1)}, {NEW} new tokens each, {arguments.rounds} rounds")
    fastest = {
        dtype: min(
            (f"transformers {kind}" for kind in HF if dtype in kind), key=lambda n: statistics.median(seconds[n])
        )
        for dtype in ("fp32", "bf16")
    }
    for name in names:
        line = f"{name:24s} {texts * NEW / statistics.median(seconds[name]):8.0f} tokens/s"
        if name.startswith("Craft"):
            dtype = "fp32" if "fp32" in name else "bf16"
            against = [fastest["fp32"], fastest[dtype], *(["nanoGPT fp32"] if arguments.nanogpt else [])]
            for other in dict.fromkeys(against):
                line += f"; over {other}: {spread(ratios(seconds, other, name))}"
            line += f"; {agreeing(tokens[fastest['fp32']], tokens[name])} tokens as in fp32"
        elif name.startswith("LSTM: Craft"):
            line += f"; over the bare loop: {spread(ratios(seconds, 'LSTM: bare loop', name))}"
            line += f"; {agreeing(tokens['LSTM: bare loop'], tokens[name])} tokens as in it"
        print(line)


def ratios(seconds: dict[str, list[float]], other: str, name: str) -> list[float]:
    return [them / us for them, us in zip(seconds[other], seconds[name], strict=True)]


def agreeing(wanted: list[list[int]], found: list[list[int]]) -> str:
    """How many tokens come before the first that differs, of all."""
    count = sum(
        next((i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b), len(left))
        for left, right in zip(wanted, found, strict=True)
    )
    return f"{count} of {sum(map(len, wanted))}"


# What runs in the children -----------------------------------------------------------------------------------------


def contend(arguments: argparse.Namespace) -> None:
    """Load, write once each round, and leave the tokens behind."""
    name, [texts] = arguments.child, arguments.texts
    write = maker(name, arguments)
    say(seconds=0.0)
    found: list[list[int]] = []
    while told_to_go():
        started = time.perf_counter()
        found = write(texts)
        say(seconds=time.perf_counter() - started)
    (arguments.tokens / f"{name}.json").write_text(json.dumps(found))
    say(loss=0.0)


def maker(name: str, arguments: argparse.Namespace) -> Write:
    """What a contender does in a round."""
    if name == "LSTM: bare loop":
        return bare_lstm()
    if name.startswith("LSTM: Craft"):
        return craft(lstm(), name.split()[-1])
    weights = gpt2_weights(arguments.checkpoint)
    if name.startswith("Craft"):
        return craft(gpt2(weights), name.split()[-1])
    if name.startswith("transformers"):
        return transformers(weights, *name.split()[1:])
    return nanogpt(weights, arguments.nanogpt)


def gpt2_weights(checkpoint: Path | None) -> dict[str, Any]:
    """Under Craft's names."""
    import torch
    from safetensors.torch import load_file

    if checkpoint is not None:
        return load_file(checkpoint / "model.safetensors")
    torch.manual_seed(1)
    model = gpt2({})
    return {
        name: torch.randn_like(w) * 0.1 + (w if "norm" in name else 0)
        for name, w in model.state_dict().items()
        if name != "head.weight"  # tied
    }


def gpt2(weights: dict[str, Any]) -> Any:
    from craft.config.schema.model import TransformerConfig
    from craft.models import create_model_from_config

    shape = {"num_layers": LAYERS, "num_heads": HEADS, "hidden_size": WIDTH, "preset": "gpt2"}
    model = create_model_from_config(TransformerConfig.model_validate({"type": "transformer", **shape}), VOCAB, CONTEXT)
    model.load_state_dict(weights, strict=False)
    return model.eval()


def craft(model: Any, precision: str) -> Write:
    from craft import platform
    from craft.generation.sampling import draw_tokens
    from craft.models.packed import pack
    from craft.runs.sampling_settings import SamplingSettings

    platform.keep_freed_memory()
    pack(model, precision)  # type: ignore[arg-type]
    settings = SamplingSettings(max_new_tokens=NEW, temperature=0)

    def write(texts: int) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in range(texts)]
        # Prompts that differ: equal ones would be read once.
        for step in draw_tokens(model, [[row % VOCAB] for row in range(texts)], settings):
            for drawn in step:
                found[drawn.row].append(drawn.token)
        return found

    return write


def prompts(texts: int) -> Any:
    """(B, 1) int64."""
    import torch

    return torch.arange(texts)[:, None] % VOCAB


def transformers(weights: dict[str, Any], implementation: str, dtype: str) -> Write:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCAB,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=0,
        attn_implementation=implementation,
    )
    model = GPT2LMHeadModel(config).eval()
    turned = {name: w.T if name.endswith("weight") and is_matrix(name) else w for name, w in theirs(weights).items()}
    missing, unexpected = model.load_state_dict(turned, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    model.to({"fp32": torch.float32, "bf16": torch.bfloat16}[dtype])

    def write(texts: int) -> list[list[int]]:
        x = prompts(texts)
        with torch.inference_mode():
            made = model.generate(
                x, attention_mask=torch.ones_like(x), do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW
            )
        found: list[list[int]] = made[:, 1:].tolist()
        return found

    return write


def nanogpt(weights: dict[str, Any], checkout: Path) -> Write:
    import torch

    sys.path.insert(0, str(checkout))
    from model import GPT, GPTConfig  # type: ignore[import-not-found]

    sys.stdout = sys.stderr
    model = GPT(GPTConfig(CONTEXT, VOCAB, LAYERS, HEADS, WIDTH, dropout=0.0, bias=True)).eval()
    model.load_state_dict(theirs(weights), strict=False)

    def write(texts: int) -> list[list[int]]:
        with torch.inference_mode():
            found: list[list[int]] = model.generate(prompts(texts), NEW, top_k=1)[:, 1:].tolist()
        return found

    return write


def is_matrix(name: str) -> bool:
    """Whether GPT-2's own files have this one as (inputs, outputs)."""
    return any(part in name for part in ("c_attn", "c_proj", "c_fc"))


def theirs(weights: dict[str, Any]) -> dict[str, Any]:
    """Craft's weights under GPT-2's names, matrices as (outputs, inputs)."""
    names = {
        "token_embedding": "wte",
        "position_embedding": "wpe",
        "final_norm": "ln_f",
        "attention_norm": "ln_1",
        "mlp_norm": "ln_2",
        "attention.qkv_proj": "attn.c_attn",
        "attention.o_proj": "attn.c_proj",
        "mlp.up_proj": "mlp.c_fc",
        "mlp.down_proj": "mlp.c_proj",
        "blocks": "h",
    }
    found = {}
    for name, tensor in weights.items():
        if name == "head.weight":
            continue  # tied
        for ours, other in names.items():
            name = name.replace(ours, other)
        found[f"transformer.{name}"] = tensor
    return found


def lstm() -> Any:
    """Two layers of 1,024: 13M parameters."""
    import torch

    from craft.config.schema.model import LSTMConfig
    from craft.models import create_model_from_config

    torch.manual_seed(1)
    config = LSTMConfig.model_validate({"type": "lstm", "num_layers": 2, "hidden_size": 1024})
    model = create_model_from_config(config, VOCAB, CONTEXT).eval()
    torch.nn.init.normal_(model.head.weight, std=0.5)  # type: ignore[arg-type,union-attr]
    return model


def bare_lstm() -> Write:
    """What one writes without Craft: torch's modules, a token at a time, the state carried along."""
    import torch

    model = lstm()

    def write(texts: int) -> list[list[int]]:
        with torch.inference_mode():
            token, state, made = prompts(texts).T, None, []  # (1, B): time comes first
            for _ in range(NEW):
                x, state = model.layers(model.token_embedding(token), state)
                token = model.head(x).argmax(-1)
                made.append(token[0].tolist())
        return [list(row) for row in zip(*made, strict=True)]

    return write


def floors() -> str:
    """Tokens a second if reading the weights were all, by the rate at which torch sums as many bytes here."""
    import torch

    parameters = sum(w.numel() for w in gpt2({}).state_dict().values()) - VOCAB * WIDTH
    line = "floor by memory, one text:"
    for precision, size in (("fp32", 4), ("bf16", 2), ("int8", 1)):
        numbers = torch.ones(parameters * size // 4)
        best = min(timed(lambda n=numbers: n.sum()) for _ in range(30))  # type: ignore[misc]
        line += f" {precision} {1 / best:.0f} tokens/s ({parameters * size / best / 1e9:.0f} GB/s)"
    return line


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
