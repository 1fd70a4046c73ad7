"""A model's weights on disk: `model.safetensors`, which holds them and nothing else. Equal weights, equal files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn

from craft.errors import CheckpointError

FILE = "model.safetensors"
PLAIN = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""What weights are kept in. Others, as float8, mean nothing without scales that lie elsewhere."""


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


def read_tensors(file: Path, *, whole: bool = False) -> dict[str, Tensor]:
    """The tensors of a safetensors file that anybody may have written. Raises CheckpointError when it is damaged.

    The file is read, not mapped into memory: one that another program cuts short meanwhile would end this process.
    whole: a manifest with its hash says that it is; else one that ends in zeros is taken for one that was cut.
    """
    try:
        content = file.read_bytes()
        if not content:
            raise CheckpointError(f"{file}: it is empty; copy it again from where it was made")
        if not whole:  # weights that begin at zero may still be so, and stand last
            _refuse_zeros(file, content)
        return load(content)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: does not load: {error}") from error


def _refuse_zeros(file: Path, content: bytes) -> None:
    """A crash may leave a file of the right size whose end was never written; the format itself has no checksum."""
    end = content[-(len(content) // 8) :]
    if end and not any(end[::997]) and end.count(0) == len(end):
        raise CheckpointError(
            f"{file}: damaged: its last {len(end):,} bytes are nothing but zeros, as a file has that was not written "
            "to its end; copy it again from where it was made"
        )


def load_weights(model: nn.Module, path: Path, device: torch.device) -> None:
    """Load `model.safetensors` of a checkpoint folder into a model. Raises CheckpointError when it does not fit."""
    file = path / FILE
    try:
        saved = load_file(file, device=str(device))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: does not load: {error}") from error
    put_weights(model, saved, file)


def put_weights(model: nn.Module, saved: dict[str, Tensor], file: Path) -> None:
    """Put a model's own weights into it, all of them. Raises CheckpointError, naming `file`, when they do not fit."""
    own = weights(model)
    if own.keys() != saved.keys():
        odd = sorted(own.keys() ^ saved.keys())[0]
        where = "in the file only" if odd in saved else "in the model only"
        raise CheckpointError(f"{file}: holds another model: '{odd}' is {where}")
    for name, tensor in own.items():
        given = saved[name]
        if tensor.shape != given.shape:
            raise CheckpointError(
                f"{file}: holds another model: '{name}' has shape {tuple(given.shape)}, "
                f"the definition gives {tuple(tensor.shape)}"
            )
        if given.dtype != tensor.dtype and given.dtype not in PLAIN:
            raise CheckpointError(f"{file}: '{name}' holds {given.dtype}, and the model {tensor.dtype}")
    model.load_state_dict(saved, strict=False)
