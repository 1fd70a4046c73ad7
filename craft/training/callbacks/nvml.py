"""NVIDIA's management library, by its Python bindings (nvidia-ml-py): the few calls that a watch over one GPU needs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

GIB = 2**30


class GpuWatch:
    """Reads one GPU. What it does not tell, as some do not tell their power, is left out."""

    def __init__(self, library: Any, uuid: str) -> None:
        self._library = library
        library.nvmlInit()
        self._handle = library.nvmlDeviceGetHandleByUUID(uuid)

    @classmethod
    def of(cls, device: torch.device) -> GpuWatch:
        """The watch over a device of torch's; its UUID, as numbers may differ by CUDA_VISIBLE_DEVICES.

        Raises ImportError without the bindings, and an error of theirs when the driver does not answer.
        """
        return cls(importlib.import_module("pynvml"), f"GPU-{torch.cuda.get_device_properties(device).uuid}")

    def figures(self) -> dict[str, float]:
        """Memory in GiB and use in percent of the whole GPU, its temperature in degrees and its power in watts."""
        library, handle = self._library, self._handle
        readings: dict[str, Callable[[], float]] = {
            "system/gpu_memory_gib": lambda: library.nvmlDeviceGetMemoryInfo(handle).used / GIB,
            "system/gpu_percent": lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu,
            "system/gpu_celsius": lambda: library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU),
            "system/gpu_watts": lambda: library.nvmlDeviceGetPowerUsage(handle) / 1000,
        }
        figures = {}
        for name, read in readings.items():
            try:
                figures[name] = round(float(read()), 4)
            except library.NVMLError:
                continue
        return figures
