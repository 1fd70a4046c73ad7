"""A model's weights on disk: `model.safetensors`, which holds them and nothing else. Equal weights, equal files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from craft.errors import CheckpointError

FILE = "model.safetensors"


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file. Raises OSError when the disk does not take it, as every other write does."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error


def save_weights(model: nn.Module, folder: Path) -> None:
    """Write the weights into a folder."""
    save_tensors(weights(model), folder / FILE)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights on the CPU, a tied one once, under its first name."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        kept[name] = tensor.detach().cpu().contiguous()
    return kept


def load_weights(model: nn.Module, path: Path, device: torch.device) -> None:
    """Load `model.safetensors` of a checkpoint folder into a model. Raises CheckpointError when it does not fit."""
    file = path / FILE
    try:
        saved = load_file(file, device=str(device))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: does not load: {error}") from error
    own = weights(model)
    if own.keys() != saved.keys():
        odd = sorted(own.keys() ^ saved.keys())[0]
        where = "in the file only" if odd in saved else "in the model only"
        raise CheckpointError(f"{file}: holds another model: '{odd}' is {where}")
    for name, tensor in own.items():
        if tensor.shape != saved[name].shape:
            raise CheckpointError(
                f"{file}: holds another model: '{name}' has shape {tuple(saved[name].shape)}, "
                f"the definition gives {tuple(tensor.shape)}"
            )
    model.load_state_dict(saved, strict=False)
