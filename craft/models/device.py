"""Which device a model lies on."""

from __future__ import annotations

import re

import torch

from craft.errors import TrainingError, UsageError


def choose_device(wanted: str) -> tuple[torch.device, str]:
    """The device for a `device` setting. Raises TrainingError when it is not there, UsageError for none at all."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,4})?", wanted):  # on a command line it can be anything
        raise UsageError(f'device = "{wanted}": no device; there are auto, cpu, cuda, cuda:1 and mps')
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda"), f"device cuda: {torch.cuda.get_device_name()} is there"
        if torch.backends.mps.is_available():
            return torch.device("mps"), "device mps: Apple's GPU is there"
        return torch.device("cpu"), "device cpu: no GPU that this torch can use"
    if wanted.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = int(wanted.partition(":")[2] or 0)
        if index >= count:
            built = "" if torch.version.cuda else f"; torch {torch.__version__} is built without CUDA"
            raise TrainingError(
                f'device = "{wanted}": {count} CUDA devices are visible{built}; '
                'set device = "auto" or "cpu", or install a torch with CUDA'
            )
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise TrainingError('device = "mps": this machine or this torch has no Metal; set device = "auto" or "cpu"')
    return torch.device(wanted), f"device {wanted}: as set"
