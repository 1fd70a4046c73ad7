"""Figures for MLflow."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import MLflowConfig
from craft.config.toml_values import leaves
from craft.runs.folder import read_identity
from craft.training.callbacks.writer import FigureWriter, library

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

FOLDER, TAG = "mlruns", "craft.id"
_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
_PARAMETER_LENGTH = 500  # what every version of its stores takes


class MLflow(FigureWriter):
    """Writes into files of the run's folder, or to a server or database. A resume goes on with the same MLflow run.

    It takes no figure back: steps that come again after a resume or a return are there twice, the later last.
    """

    def __init__(self, config: MLflowConfig) -> None:
        self.config = config
        self._client: Any = None
        self._run = ""

    def open(self, trainer: Trainer) -> None:
        """Find the MLflow run by this run's id, or begin one."""
        if self._client is not None:
            return
        folder = trainer.recorder.folder
        if not self.config.tracking_uri:
            # It prefers databases now and takes files only when told so; those need no server and no other library.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        client = library("mlflow.tracking", "mlflow").MlflowClient(
            tracking_uri=self.config.tracking_uri or (folder.path / FOLDER).as_uri()
        )
        known = client.get_experiment_by_name(self.config.experiment)
        experiment = known.experiment_id if known else client.create_experiment(self.config.experiment)
        identifier = read_identity(folder).id
        found = client.search_runs([experiment], filter_string=f"tags.`{TAG}` = '{identifier}'", max_results=1)
        if found:
            self._run = found[0].info.run_id
            client.update_run(self._run, status="RUNNING")
        else:
            self._run = client.create_run(experiment, run_name=folder.name, tags={TAG: identifier}).info.run_id
            settings = leaves(trainer.config.model_dump(mode="json"))
            entities = library("mlflow.entities", "mlflow")
            parameters = [
                entities.Param(".".join(path), str(value)[:_PARAMETER_LENGTH])
                for path, value in settings.items()
                if value != {}
            ]
            for first in range(0, len(parameters), 100):  # the most that one call takes
                client.log_batch(self._run, params=parameters[first : first + 100])
        self._client = client

    def write(self, step: int, figures: dict[str, float]) -> None:
        """See the base class."""
        if self._client is not None and figures:
            made_by, now = library("mlflow.entities", "mlflow").Metric, int(time.time() * 1000)
            metrics = [made_by(name, value, now, step) for name, value in figures.items()]
            for first in range(0, len(metrics), 1000):  # the most that one call takes
                self._client.log_batch(self._run, metrics=metrics[first : first + 1000])

    def close(self, phase: str) -> None:
        """See the base class."""
        if self._client is not None:
            self._client.set_terminated(self._run, _STATUS[phase])
            self._client = None
