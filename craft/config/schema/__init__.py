"""The schema of a definition, a module a section. `ExperimentConfig` holds them all."""

from craft.config.schema.experiment import ExperimentConfig

__all__ = ["ExperimentConfig"]
