"""Weights that other programs wrote: safetensors, PyTorch files with nothing but data in them, Hugging Face folders.

GPT-2's names are known, as nanoGPT and the transformers library write them, and fit a `transformer` of that shape.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from craft.config.schema.model import PRESETS
from craft.errors import CheckpointError, CraftError
from craft.models.base import LanguageModel
from craft.models.hf import HFModel
from craft.models.transformer import Transformer
from craft.models.weights import read_tensors

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_WRAPPERS = ("_orig_mod.", "module.")  # what torch.compile and DistributedDataParallel put before names
_MASKS = re.compile(r"\.attn\.(bias|masked_bias)$")  # buffers of GPT-2's causal mask, in older files


@dataclass
class Foreign:
    """What was read."""

    files: list[Path]
    tensors: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    """Settings of its model, as it calls them: Hugging Face's config.json, nanoGPT's model_args."""
    beside: dict[str, Any] = field(default_factory=dict)
    """What stands in a PyTorch file beside the weights: nanoGPT's `config` and `iter_num`."""

    @property
    def is_gpt2(self) -> bool:
        """Whether its names are GPT-2's."""
        return any(name.endswith("h.0.attn.c_attn.weight") for name in self.tensors)


# Files -------------------------------------------------------------------------------------------------------------


def download(name: str) -> Path:
    """The folder of a model of the Hugging Face hub on this machine, fetched unless it is there already.

    Raises CraftError without the library, and CheckpointError when the hub does not give it.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise CraftError(
            f"init_from = \"hf:{name}\" needs the huggingface_hub library: pip install 'craft-workbench[hf]'"
        ) from error
    for patterns in (["config.json", "model*.safetensors*"], ["config.json", "pytorch_model*.bin*"]):
        try:
            folder = Path(snapshot_download(name, allow_patterns=patterns))
        except Exception as error:  # a network fails in many ways
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise CheckpointError(
                f'init_from = "hf:{name}": the hub does not give it: {first}; where there is no network, name a '
                "folder that holds its config.json and weights"
            ) from error
        if any(folder.glob(pattern) for pattern in ("*.safetensors", "*.bin")):
            return folder
    raise CheckpointError(f'init_from = "hf:{name}": the hub has no weights of it that can be read')


def read(place: Path) -> Foreign:
    """The tensors of a file or folder. Raises CheckpointError."""
    if place.is_dir():
        files = _files_of(place)
        read_files = [read(file) for file in files]
        tensors = {name: tensor for one in read_files for name, tensor in one.tensors.items()}
        return Foreign(files, tensors, read_json(place / "config.json"))
    with steady(place):
        if place.suffix == ".safetensors":
            return Foreign([place], read_tensors(place), read_json(place.parent / "config.json"))
        return _torch_file(place)


@contextlib.contextmanager
def steady(*files: Path) -> Iterator[None]:
    """Raises CheckpointError where one of the files becomes another while it is read inside."""
    before = [_mark(file) for file in files]

    def changed() -> Path | None:
        return next((file for file, mark in zip(files, before, strict=True) if _mark(file) != mark), None)

    try:
        yield
    except Exception as error:
        if (file := changed()) is None:
            raise
        raise CheckpointError(f"{file}: it changed while it was read; try again once it is written") from error
    if file := changed():
        raise CheckpointError(f"{file}: it changed while it was read; try again once it is written")


def _mark(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _files_of(folder: Path) -> list[Path]:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        shards = read_json(folder / f"{name}.index.json").get("weight_map")
        if isinstance(shards, dict):
            names = sorted(set(map(str, shards.values())))
            if strange := [shard for shard in names if Path(shard).name != shard]:
                raise CheckpointError(f"{folder}: its index names '{strange[0]}', which is no file beside it")
            return [folder / shard for shard in names]
    raise CheckpointError(f"{folder}: it holds no weights that can be read: no {' and no '.join(_WEIGHTS)}")


def _torch_file(file: Path) -> Foreign:
    """A file of `torch.save`. It is a pickle, and only data is ever taken out of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other protocols than torch's own; what matters is raised
            content = torch.load(file, map_location="cpu", weights_only=True)
        _check_sums(file)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file}: it is damaged, or holds more than tensors and plain values, and loading that could run any "
            "code, so it is not loaded; where it was made, write torch.save(model.state_dict(), ...) or safetensors"
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        first = str(error).partition("\n")[0].partition(". ")[0]  # what follows is for torch's developers
        raise CheckpointError(f"{file}: does not load: {type(error).__name__}: {first}") from error
    facts = content.get("model_args") if isinstance(content, dict) else None
    state = content
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            state = content[key]
            break
    tensors = {str(k): v for k, v in state.items() if isinstance(v, Tensor)} if isinstance(state, dict) else {}
    if not tensors:
        raise CheckpointError(f"{file}: there are no tensors by name in it, nor under 'model' or 'state_dict'")
    beside = {key: value for key, value in content.items() if value is not state and key in ("config", "iter_num")}
    return Foreign(
        [file], tensors, facts if isinstance(facts, dict) else read_json(file.parent / "config.json"), beside
    )


def _check_sums(file: Path) -> None:
    """torch writes a checksum of each part, and does not look at it when it reads."""
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as parts:
        summed = [info for info in parts.infolist() if info.CRC]  # whoever saves may leave them out
        for info in summed:
            try:
                with parts.open(info) as part:
                    while part.read(1 << 20):
                        pass
            except (zipfile.BadZipFile, OSError) as error:
                raise CheckpointError(f"{file}: damaged: '{info.filename}' in it is not what was written") from error


def read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def listed(names: Sequence[str], most: int = 4) -> str:
    """Some of many, and how many more there are."""
    return "; ".join(names[:most]) + (f"; and {len(names) - most:,} more" if len(names) > most else "")


# Names ------------------------------------------------------------------------------------------------------------


def translate(read: Foreign, model: LanguageModel, remarks: list[str]) -> dict[str, Tensor]:
    """The tensors under this model's names where those are known, each matrix as (outputs, inputs).

    Raises CheckpointError when they are of a GPT-2 and this is a transformer of another kind.
    """
    tensors = {bare_name(name): tensor for name, tensor in read.tensors.items() if not _MASKS.search(name)}
    if read.is_gpt2:
        tensors = _outputs_first(tensors)
        heads = read.facts.get("n_head")
        own = _heads_of(model)
        if isinstance(heads, int) and own and heads != own:
            remarks.append(f"its model has {heads} heads, this one {own}: equal shapes, another meaning")
        if isinstance(model, Transformer):
            if (family := read.facts.get("model_type", "gpt2")) != "gpt2":
                raise CheckpointError(f"these are weights of a {family}, and not of a GPT-2, which would fit")
            _refuse_other_shapes(model)
            tensors = {_craft_name(name): tensor for name, tensor in tensors.items()}
            if read.facts.get("activation_function") != "gelu_new":
                remarks.append("GELU is computed by its tanh form here: figures differ a little from an exact one's")
    return tensors


def best_names(tensors: dict[str, Tensor], model: LanguageModel) -> dict[str, Tensor]:
    """The tensors as this model calls them: a wrapper's prefix more or less is no other model."""
    own = model.state_dict().keys()
    prefixes = ["", "network."]
    if base := getattr(getattr(model, "network", None), "base_model_prefix", ""):
        prefixes.append(f"network.{base}.")
    ways: list[Callable[[str], str]] = [lambda name, p=prefix: p + name for prefix in prefixes]  # type: ignore[misc]
    ways.append(lambda name: name.removeprefix("network."))
    way = max(ways, key=lambda way: sum(way(name) in own for name in tensors))
    return {way(name): tensor for name, tensor in tensors.items()}


def bare_name(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def _outputs_first(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GPT-2's own files have (inputs, outputs), nanoGPT's the other way: the widest matrix tells."""
    first = next(tensor for name, tensor in tensors.items() if name.endswith("h.0.attn.c_attn.weight"))
    turned = first.ndim == 2 and first.shape[1] == 3 * first.shape[0]
    matrix = re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$")
    return {
        name: tensor.T.contiguous() if turned and matrix.search(name) and tensor.ndim == 2 else tensor
        for name, tensor in tensors.items()
    }


def _heads_of(model: LanguageModel) -> int:
    if isinstance(model, Transformer):
        return model.config.num_heads
    if isinstance(model, HFModel):
        return int(getattr(model.library_config, "num_attention_heads", 0))
    return 0


def _refuse_other_shapes(model: Transformer) -> None:
    """GPT-2's weights mean what they meant only in GPT-2's block."""
    config = model.config
    free = ("bias", "tie_embeddings")  # which shapes tell
    wrong = {key: value for key, value in PRESETS["gpt2"].items() if key not in free and getattr(config, key) != value}
    if config.kv_heads != config.num_heads:
        wrong["num_kv_heads"] = 0
    if wrong:
        mend = ", ".join(f"model.{key} = {json.dumps(value)}" for key, value in wrong.items())
        raise CheckpointError(
            f"these are weights of a GPT-2, and this transformer is none; they fit with {mend}: what "
            'model.preset = "gpt2" gives'
        )


_GPT2_NAMES = {
    "wte": "token_embedding",
    "wpe": "position_embedding",
    "ln_f": "final_norm",
    "ln_1": "attention_norm",
    "ln_2": "mlp_norm",
    "attn.c_attn": "attention.qkv_proj",
    "attn.c_proj": "attention.o_proj",
    "mlp.c_fc": "mlp.up_proj",
    "mlp.c_proj": "mlp.down_proj",
    "lm_head": "head",
}


def _craft_name(name: str) -> str:
    """GPT-2's name of a tensor as craft/models/transformer.py has it. Queries, keys and values lie alike in both."""
    found = re.fullmatch(r"(?:transformer\.)?(?:h\.(\d+)\.)?([\w.]+?)\.(weight|bias)", name)
    if found is None or found[2] not in _GPT2_NAMES:
        return name
    block = f"blocks.{found[1]}." if found[1] else ""
    return f"{block}{_GPT2_NAMES[found[2]]}.{found[3]}"
