"""`[callbacks]`: a table each, by name, so that a child can change or switch off one.

What steers a run stops it by default when it fails; what only tells of it does not.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from craft.config.schema.base import Count, CountOrOff, OwnCode, Section, type_tag

OnError = Literal["stop", "continue"]
Outcome = Literal["finished", "stopped", "failed"]
PeakRate = Annotated[float, Field(gt=0.0, le=1000.0)]
Factor = Annotated[float, Field(gt=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class Steering(Section):
    """A callback that decides something."""

    enabled: bool = True
    """`false` switches an inherited callback off."""
    on_error: OnError = "stop"
    """Whether the run stops, or goes on with a warning, when this callback raises an error."""


class Telling(Section):
    """A callback that only tells of a run."""

    enabled: bool = True
    """`false` switches an inherited callback off."""
    on_error: OnError = "continue"
    """Whether the run stops, or goes on with a warning, when this callback raises an error."""


class EarlyStoppingConfig(Steering):
    """Stop when the monitored figure has not improved for `patience` evaluations."""

    type: Literal["early_stopping"] = "early_stopping"
    monitor: str = "val/loss"
    """The figure that is watched."""
    mode: Literal["min", "max"] = "min"
    """Whether the figure should be small or large."""
    patience: Count = 5
    """Evaluations without improvement that are waited for."""
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0
    """A smaller change than this is no improvement."""


class LRFinderConfig(Steering):
    """Before the first step, try learning rates from `low` to `high` and suggest one; the model stays untouched."""

    type: Literal["lr_finder"] = "lr_finder"
    low: PeakRate = 1e-5
    """The rate of the first trial step."""
    high: PeakRate = 1.0
    """The rate of the last one; trying ends earlier when the loss runs away."""
    steps: Annotated[int, Field(ge=20, le=10_000)] = 100
    """Trial steps; the rate grows by the same factor from each to the next."""
    then: Literal["stop", "train"] = "stop"
    """End the run with the suggestion, or train from the untouched model with the suggested peak rate."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class SpikeGuardConfig(Steering):
    """When the recorded loss leaps or is no number, go back to the last good checkpoint and on with other batches."""

    type: Literal["spike_guard"] = "spike_guard"
    window: Annotated[int, Field(ge=5, le=100_000)] = 50
    """Records, `training.log_every` steps each, that a new one is compared with."""
    sigmas: Annotated[float, Field(gt=0.0)] = 6.0
    """A leap is this many standard deviations above the mean of the window ..."""
    ratio: Annotated[float, Field(ge=1.0)] = 1.25
    """... and this many times that mean."""
    lr_scale: Factor = 0.5
    """What the learning rate is multiplied by at each return."""
    max_rollbacks: Count = 3
    """Returns; after those the run goes on as it is, and `training.on_nonfinite` says what a loss that is none does."""


class SampleTextConfig(Telling):
    """Write text from fixed prompts now and then, into samples.jsonl."""

    type: Literal["sample_text"] = "sample_text"
    every: CountOrOff = 500
    """Steps between samples; 0 writes them at the end and when asked only."""
    prompts: list[str] = []
    """Texts to go on from; none takes those of `[generation]`."""
    max_new_tokens: Count = 100
    """Tokens to write for each prompt."""
    temperature: Annotated[float, Field(ge=0.0)] = 0.8
    """Sharpness of the sampling: 1 is the model's own distribution, 0 always takes the likeliest token."""
    top_k: CountOrOff = 40
    """Sample from this many of the likeliest tokens; 0 is off."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Sample from the smallest set of tokens that holds this much probability; 1 is off."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The same at every step, so that texts of different steps can be compared."""


class NormsConfig(Telling):
    """Record the norms of weights and gradients, a figure each for every layer."""

    type: Literal["norms"] = "norms"
    every: Count = 100
    """Steps between measurements; each goes into the training record that is due then."""


class SystemConfig(Telling):
    """Record memory, processor and GPU use."""

    type: Literal["system"] = "system"
    every: Seconds = 10.0
    """Seconds between measurements; each goes into the next training record."""


class Writer(Telling):
    """Copies the figures of a run to where another tool shows them."""


class TensorBoardConfig(Writer):
    """Write figures for TensorBoard, in the run's folder: `tensorboard --logdir runs` shows them."""

    type: Literal["tensorboard"] = "tensorboard"


class WandbConfig(Writer):
    """Write figures for Weights & Biases, in the run's folder: `wandb sync` sends what was written offline."""

    type: Literal["wandb"] = "wandb"
    project: Annotated[str, Field(min_length=1)] = "craft"
    """The project's name there."""
    mode: Literal["offline", "online"] = "offline"
    """"online" sends figures at once, which needs an account and a network."""


class TrackioConfig(Writer):
    """Write figures for trackio, where it keeps them on this machine: `trackio show` shows them."""

    type: Literal["trackio"] = "trackio"
    project: Annotated[str, Field(min_length=1)] = "craft"
    """The project's name there."""


class MLflowConfig(Writer):
    """Write figures for MLflow."""

    type: Literal["mlflow"] = "mlflow"
    experiment: Annotated[str, Field(min_length=1)] = "craft"
    """The experiment's name there."""
    tracking_uri: str = ""
    """Where they go, such as `http://localhost:5000` or `sqlite:////home/me/mlflow.db`; empty: files in the run's
    folder."""


class Notifying(Telling):
    """Tells others how a run ended."""

    on: Annotated[list[Outcome], Field(min_length=1)] = ["finished", "stopped", "failed"]
    """The outcomes that are told."""


class WebhookConfig(Notifying):
    """Send a JSON message when the run ends."""

    type: Literal["webhook"] = "webhook"
    url: Annotated[str, Field(pattern=r"^(https?://\S+|\$[A-Za-z_]\w*)$")]
    """`https://...`, or `$NAME` for the environment variable that holds it, so that no secret stands in the file."""
    timeout: Seconds = 10.0
    """Seconds that the other side may take."""


class CommandConfig(Notifying):
    """Run a shell command when the run ends, in the run's folder; CRAFT_PHASE and the like say how."""

    type: Literal["command"] = "command"
    run: Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
    """The command line, for `sh`."""
    timeout: Seconds = 60.0
    """Seconds that it may take; then it is ended, with all that it started."""


class OwnCallback(OwnCode):
    """A callback of one's own: `module:Class`, a `Callback`."""

    enabled: bool = True
    """`false` switches an inherited callback off."""
    on_error: OnError = "stop"
    """Whether the run stops, or goes on with a warning, when this callback raises an error."""


CallbackConfig = Annotated[
    Annotated[EarlyStoppingConfig, Tag("early_stopping")]
    | Annotated[SampleTextConfig, Tag("sample_text")]
    | Annotated[SpikeGuardConfig, Tag("spike_guard")]
    | Annotated[LRFinderConfig, Tag("lr_finder")]
    | Annotated[NormsConfig, Tag("norms")]
    | Annotated[SystemConfig, Tag("system")]
    | Annotated[TensorBoardConfig, Tag("tensorboard")]
    | Annotated[WandbConfig, Tag("wandb")]
    | Annotated[TrackioConfig, Tag("trackio")]
    | Annotated[MLflowConfig, Tag("mlflow")]
    | Annotated[WebhookConfig, Tag("webhook")]
    | Annotated[CommandConfig, Tag("command")]
    | Annotated[OwnCallback, Tag("module:Class")],
    Discriminator(type_tag),
]
