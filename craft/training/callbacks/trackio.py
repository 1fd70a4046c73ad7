"""Figures for trackio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import TrackioConfig
from craft.training.callbacks.writer import FigureWriter, library

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class Trackio(FigureWriter):
    """Writes where trackio keeps its figures on this machine (TRACKIO_DIR).

    It takes no figure back: steps that come again after a resume or a return are there twice, the later last.
    """

    def __init__(self, config: TrackioConfig) -> None:
        self.config = config
        self._run: Any = None

    def open(self, trainer: Trainer) -> None:
        """See the base class."""
        if self._run is None:
            self._run = library("trackio", "trackio").init(
                project=self.config.project,
                name=trainer.recorder.folder.name,
                config=trainer.config.model_dump(mode="json"),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def write(self, step: int, figures: dict[str, float]) -> None:
        """See the base class."""
        if self._run is not None:
            self._run.log(dict(figures), step=step)

    def close(self, phase: str) -> None:
        """See the base class."""
        if self._run is not None:
            self._run.finish()
            self._run = None
