"""What a run takes of the machine."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import psutil

from craft.config.schema.callbacks import SystemConfig
from craft.training.callbacks.base import Callback
from craft.training.callbacks.nvml import GpuWatch

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

GIB = 2**30


class System(Callback):
    """Adds `system/...` to a training record every so many seconds."""

    def __init__(self, config: SystemConfig) -> None:
        self.config = config
        self._process = psutil.Process()
        self._gpu: GpuWatch | None = None
        self._measured = -math.inf

    def on_train_start(self, trainer: Trainer) -> None:
        """Begin to count processor time, and find the GPU."""
        self._process.cpu_percent()
        if self._gpu is None and trainer.device.type == "cuda":
            try:
                self._gpu = GpuWatch.of(trainer.device)
            except ImportError:
                trainer.recorder.warn(
                    "the GPU is not watched: that needs nvidia-ml-py; pip install 'craft-workbench[gpu]'"
                )

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Measure, when it is time."""
        now = time.monotonic()
        if now < self._measured + self.config.every:
            return
        self._measured = now
        record["system/memory_gib"] = round(self._process.memory_info().rss / GIB, 4)
        record["system/available_gib"] = round(psutil.virtual_memory().available / GIB, 4)
        record["system/cpu_percent"] = self._process.cpu_percent()
        if self._gpu is not None:
            record |= self._gpu.figures()
