"""The Trainer: one loop for every task, from the first step to the last checkpoint.

    Trainer                  steps, records, evaluations, checkpoints, requests
      LanguageModelTrainer   says what a batch's loss is and how a split is measured

What happens at a step, in this order: update; record; evaluate; save; answer requests. Steps count from 1;
step 0 is the untouched model, which is evaluated and saved too.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from torch import Tensor

from craft.config.schema import ExperimentConfig
from craft.data.batches import TrainBatches
from craft.data.prefetch import Prefetch
from craft.errors import CheckpointError, NonFiniteLossError
from craft.models.base import BaseModel, LanguageModel
from craft.training.answering import Answering
from craft.training.callbacks.base import CallbackList
from craft.training.checkpointing import CheckpointManager, RandomStates
from craft.training.ema import NoAverage, WeightAverage
from craft.training.evaluation import Evaluator
from craft.training.live_changes import LiveChanges
from craft.training.loss_scale import LossScale
from craft.training.machine import Utilisation
from craft.training.monitor import is_better, require, require_evaluations
from craft.training.optimizers import create_optimizer
from craft.training.precision import Arithmetic
from craft.training.progress import ProgressTracker
from craft.training.recorder import Recorder
from craft.training.recovery import RollBack, roll_back, step_within_memory
from craft.training.schedulers import Plateau, ScheduleState, create_scheduler
from craft.training.training_loop import TrainingLoop

# A save that failed, for want of disk space, is tried again this often (seconds).
SAVE_RETRY_SECONDS = 10.0


class Trainer(ABC):
    """Trains one model by its definition, recording into one run's folder."""

    def __init__(
        self,
        config: ExperimentConfig,
        model: BaseModel,
        batches: TrainBatches,
        evaluators: dict[str, Evaluator],
        recorder: Recorder,
        arithmetic: Arithmetic,
        callbacks: CallbackList,
        corpus_hash: str = "none",
        search: Path | None = None,
        micro_batch_size: int | None = None,
        flops_per_token: float | None = None,
    ) -> None:
        self.config, self.model, self.evaluators = config, model, evaluators
        self.recorder, self.callbacks = recorder, callbacks
        self.max_steps = batches.total_steps(config.training)
        self.windows_per_epoch, self.batch_size = batches.num_windows, config.training.batch_size
        self.data_begins = batches.begins_after
        self.optimizer = create_optimizer(config.optimizer, model, search=search)
        self.scheduler = create_scheduler(config.scheduler, self.max_steps, search=search)
        if isinstance(self.scheduler, Plateau):
            require_evaluations(evaluators, config.training.eval_every, 'scheduler.type = "plateau"')
        setting = config.training.micro_batch_size
        self.micro_may_change = setting == "auto"
        chosen = micro_batch_size or (config.training.batch_size if setting == "auto" else setting)
        self.prefetch = Prefetch(batches, arithmetic.device, self.max_steps)
        self.loop = TrainingLoop(
            model,
            self.compute_loss,
            self.prefetch,
            self.optimizer,
            self.scheduler,
            device=arithmetic.device,
            micro_batch_size=chosen,
            grad_clip=config.training.grad_clip,
            loss_scale=LossScale(enabled=arithmetic.precision == "fp16"),
        )
        decay = config.training.ema_decay
        self.ema = WeightAverage(model, decay) if decay else None
        self.progress = ProgressTracker(self.max_steps)
        self.step = 0
        self.best: float | None = None
        self.best_step: int | None = None
        self.evaluated: dict[str, float] = {}
        self.evaluated_step = self.saved_step = -1
        self.stop_reason: str | None = None
        self.stopped_early = self.discards = False
        self.save_fault = ""
        """Why the last save was none."""
        self.evaluation_owed = True  # step 0's
        self.began_at = 0
        self._utilisation = Utilisation(arithmetic.device, arithmetic.dtype, flops_per_token)
        self.rollbacks = 0
        """How often this process went back to an earlier checkpoint."""
        self._save_asked = self._evaluate_asked = self._sample_asked = False
        self._roll_back_asked: RollBack | None = None
        self._retry_save_at, self._unsaved_step = math.inf, -1
        # The one list of what survives a restart. The schedule and the order of the data are pure functions of
        # seed and step, so the counters hold them; a test leaves out each entry in turn and sees the run go wrong.
        self.checkpoints = CheckpointManager(
            recorder.folder,
            model,
            tensors={
                "optimizer": self.optimizer,
                "random": RandomStates(arithmetic.device),
                "ema": self.ema or NoAverage(model),
            },
            values={
                "trainer": self,
                "loop": self.loop,
                "scheduler": ScheduleState(config.scheduler.type, self.scheduler),
                "loss_scale": self.loop.loss_scale,
                "callbacks": callbacks,
            },
            keep=config.checkpoint.keep,
            mode=config.checkpoint.mode,
            monitor=config.checkpoint.monitor,
            save_tokenizer=recorder.save_tokenizer,
        )
        self.fingerprint = f"{batches.fingerprint}, of text {corpus_hash}"
        self.device = arithmetic.device
        self.answering, self.live = Answering(self), LiveChanges(self)

    @abstractmethod
    def compute_loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a micro-batch, a scalar with a gradient."""

    # Asking, from callbacks and requests -------------------------------------------------------------------------

    def ask_to_stop(self, reason: str, *, finished: bool = False, save: bool = True) -> None:
        """Save, unless told not to, and leave at the end of this step; `finished` when it has reached its own goal."""
        self.stop_reason, self.stopped_early, self.discards = reason, not finished, not save

    def ask_to_save(self) -> None:
        """Save at the end of this step."""
        self._save_asked = True

    def ask_to_evaluate(self) -> None:
        """Evaluate at the end of this step."""
        self._evaluate_asked = True

    def ask_to_sample(self) -> None:
        """Have the callbacks that write samples write them at the end of this step."""
        self._sample_asked = True

    def ask_to_roll_back(self, reason: str, *, before_step: int, lr_scale: float = 1.0) -> None:
        """At the end of this step go back to the newest whole checkpoint of step `before_step` or earlier.

        The learning rate goes on multiplied by `lr_scale`, and with the batches that come next: those in between are
        passed over, but for a run that is bounded by epochs, which sees them again.
        """
        self._roll_back_asked = RollBack(reason, before_step, lr_scale)

    def set_lr_scale(self, scale: float) -> None:
        """Multiply what the schedule gives by this from the next step on; it survives restarts."""
        self.loop.lr_scale = scale

    @property
    def lr_scale(self) -> float:
        """What the schedule's factor is multiplied by."""
        return self.loop.lr_scale

    # The run -----------------------------------------------------------------------------------------------------

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises CheckpointError when it is of another model, corpus or order."""
        # First, because what an optimizer keeps follows from its settings.
        self.live.bring_to(int(path.name.removeprefix("step-")))
        self.checkpoints.restore(path, self.device)

    def fit(self, until: int | None = None) -> None:
        """Train to the end, to step `until`, or until asked to stop. Returns with everything on disk."""
        end = self.max_steps if until is None else min(until, self.max_steps)
        self.began_at = self.step
        self.live.bring_to(self.step)
        self.model.train()
        self.recorder.phase("running", max_steps=self.max_steps)
        self.callbacks.call("on_train_start", self)
        self.progress.start(self.step, self.loop.tokens, self.progress.seconds_before)
        self.look_up()
        if self.evaluation_owed:
            self.evaluate()
            self.saved_step = -1  # the checkpoint of this step is to carry its figures
        if self.saved_step != self.step:
            self.save()
        gc.collect()
        gc.freeze()  # what setting up made is kept for good; later collections need not look at it
        self.answering.answer()  # what was asked while it was prepared
        while self.step < end and self.stop_reason is None:
            self.train_step()
        if (self.step == end and not self.discards) or (self.stop_reason is not None and not self.stopped_early):
            measured = self.evaluated_step
            self.evaluate()
            if self.evaluated_step != measured:
                self.saved_step = -1  # a checkpoint that was due at this very step has none of its figures yet
        if self.discards:
            self.stop_reason = self.answering.what_is_lost()
        else:
            self.save()
            self._wait_for_owed_save()
        self.answering.at_end()
        self.prefetch.close()
        self.callbacks.call("on_train_end", self)

    def train_step(self) -> None:
        """One optimizer step and what is due after it."""
        settings = self.config.training
        epochs = self.epochs_done(self.step)
        if self.step == 0 or epochs > self.epochs_done(self.step - 1):
            self.callbacks.call("on_epoch_start", self, epochs + 1)
        self.step += 1
        self.callbacks.call("on_step_start", self)
        step_within_memory(self)
        if self.ema:
            self.ema.update()
        self.callbacks.call("on_step_end", self)
        if self.step == 1 or self.step % settings.log_every == 0 or self.step == self.max_steps:
            self.record()
        if self._roll_back_asked is not None:
            self._go_back(self._roll_back_asked)
            self._end_of_step()
            return
        if self._evaluate_asked or (settings.eval_every and self.step % settings.eval_every == 0):
            self.evaluate()
        every = self.config.checkpoint.every
        if self._save_asked or self.save_is_owed or (every and self.step % every == 0):
            self.save()
        if self._sample_asked:
            self._sample_asked = False
            self.callbacks.call("on_sample", self)
        if self.epochs_done(self.step) > epochs:
            self.callbacks.call("on_epoch_end", self, self.epochs_done(self.step))
        self._end_of_step()

    def _end_of_step(self) -> None:
        self.live.after_step()
        self.look_up()
        self.answering.answer()

    def _go_back(self, asked: RollBack) -> None:
        bad, self._roll_back_asked = self.step, None
        roll_back(self, asked)
        self.stop_reason, self._save_asked, self._retry_save_at = None, False, math.inf
        self.callbacks.call("on_roll_back", self, bad)

    def epochs_done(self, step: int) -> int:
        """Whole passes over the data after a step; the step that ends one may begin the next as well."""
        most = self.config.training.max_epochs or math.inf
        return int(min((step - self.data_begins) * self.batch_size // self.windows_per_epoch, most))

    def last_step_of_epoch(self, epoch: int) -> int:
        """The step in which a pass over the data ends; `epoch` counts from 1."""
        return self.data_begins - (-epoch * self.windows_per_epoch // self.batch_size)

    def look_up(self) -> None:
        """Take what is asked from outside and move the claim, now and then."""
        self.answering.look_up()

    def claim(self) -> None:
        """Claim what it is about: training, or standing still."""
        if self.answering.paused:
            words = f"it keeps memory and slot; 'craft continue {self.recorder.folder.name}' lets it go on"
            reached = {"step": self.step, "tokens": self.loop.tokens, "seconds": self.progress.seconds}
            self.recorder.phase("paused", **reached, eta_seconds=None, message=words)
        else:
            self.recorder.phase("running")

    def record(self) -> None:
        """Write a training record. Raises NonFiniteLossError when the run is to stop at a loss that is none."""
        record: dict[str, Any] = self.loop.take_record()
        rate = self.progress.measure(self.loop.tokens)
        record["train/tokens_per_second"] = round(rate, 1)
        if (share := self._utilisation.of(rate, self.progress.seconds)) is not None:
            record["train/mfu"] = round(share, 4)
        self.callbacks.call("on_log", self, record)
        self._write(record)
        bad = self.loop.first_nonfinite_step()
        if bad and self._roll_back_asked is None:
            self.recorder.nonfinite(bad)
            if self.config.training.on_nonfinite == "stop":
                raise NonFiniteLossError(
                    f"the loss was not finite at step {bad}; the checkpoints before it are whole. A lower learning "
                    'rate or grad_clip usually mends it; training.on_nonfinite = "continue" goes on regardless'
                )

    def evaluate(self, *, steers: bool = True) -> None:
        """Measure the validation split, once a step. Without `steers`, nothing of the run's course depends on it."""
        self._evaluate_asked = False
        if self.evaluated_step == self.step or not self.evaluators:
            return
        started = time.perf_counter()
        self.recorder.phase("evaluating", step=self.step)
        figures: dict[str, float] = {}
        for split, evaluator in self.evaluators.items():
            with self.averaged():
                measured = evaluator.evaluate(self.model, given_up=self._asked_to_leave)
            if measured is None:  # the resume begins with it, unless nothing depends on it
                self.evaluation_owed = self.evaluation_owed or steers
                return
            figures |= {f"{split}/{name}": value for name, value in measured.items()}
        self.progress.exclude(time.perf_counter() - started)
        self.evaluated, self.evaluated_step, self.evaluation_owed = figures, self.step, False
        settings = self.config.checkpoint
        require(settings.monitor, figures, "checkpoint.monitor")
        if is_better(figures[settings.monitor], self.best, settings.mode):
            self.best, self.best_step = figures[settings.monitor], self.step
        self._write(dict(figures))
        self.recorder.evaluated(self.step, figures, best=self.best)
        self.claim()
        if steers:
            self.scheduler.on_evaluate(figures)
        self.callbacks.call("on_evaluate", self, figures, steering=steers)

    def _asked_to_leave(self) -> bool:
        """Look up in the middle of something long; True when it should be left."""
        self.look_up()
        return self.stop_reason is not None and self.stopped_early

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Inside, the model holds what is measured, saved and sampled: the weights' average, where one is kept."""
        return self.ema.in_place() if self.ema else contextlib.nullcontext()

    @property
    def save_is_owed(self) -> bool:
        """Whether it is time to try again what could not be saved."""
        return time.monotonic() >= self._retry_save_at

    def save(self) -> None:
        """Force a checkpoint to disk, once a step. A full disk is said and tried again; training goes on."""
        self._save_asked = False
        if self.saved_step == self.step:
            return
        self.recorder.require_folder()
        started = time.perf_counter()
        if (bad := self.loop.first_nonfinite_step()) and not self.loop.weights_are_finite():
            self._retry_save_at = math.inf
            self.save_fault = f"its weights are not finite, since step {bad}"
            self.recorder.warn(f"step {self.step} is not saved: {self.save_fault}")
            return
        monitored = self.evaluated.get(self.config.checkpoint.monitor) if self.evaluated_step == self.step else None
        self.recorder.sync()
        try:
            with self.averaged():
                path = self.checkpoints.save(self.step, monitored)
        except OSError as error:
            self._retry_save_at = time.monotonic() + SAVE_RETRY_SECONDS
            self.save_fault = error.strerror or str(error)
            if self._unsaved_step != self.step:  # the last step of a run is tried every second
                self._unsaved_step = self.step
                self.recorder.warn(
                    f"step {self.step} is not saved: {error.strerror or error}; training goes on, and the next save "
                    f"is tried in {SAVE_RETRY_SECONDS:g} s"
                )
            return
        finally:
            self.progress.exclude(time.perf_counter() - started)
        self._retry_save_at = math.inf
        self.saved_step = self.step
        self.recorder.saved(self.step, path)
        self.callbacks.call("on_save", self, path)

    def _wait_for_owed_save(self) -> None:
        """At the end of a run whose last state is not on disk: try every second until it is, or until told to leave."""
        while self._retry_save_at < math.inf and not self.recorder.leaving:
            self.recorder.wait(1.0)
            self.save()

    def _write(self, figures: dict[str, Any]) -> None:
        self.recorder.metrics(
            {
                "step": self.step,
                "time": round(self.progress.seconds, 4),
                "tokens": self.loop.tokens,
                **figures,
            },
            tokens_per_second=self.progress.tokens_per_second,
        )

    # State -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Counters, and what the corpus and its order were."""
        return {
            "step": self.step,
            "seconds": self.progress.seconds,
            "best": self.best,
            "best_step": self.best_step,
            "monitor": [self.config.checkpoint.monitor, self.config.checkpoint.mode],
            "evaluated": self.evaluated,
            "evaluated_step": self.evaluated_step,
            "evaluation_owed": self.evaluation_owed,
            "max_steps": self.max_steps,
            # A run that reached its own goal has reached it after a restart too, unless it is to train longer.
            "finished_early": None if self.stopped_early else self.stop_reason,
            "fingerprint": self.fingerprint,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the counters back. Raises CheckpointError when the corpus or its order is another one."""
        if state["fingerprint"] != self.fingerprint:
            raise CheckpointError(
                f"the text is not the one this run was trained on: it is {self.fingerprint} now, and was "
                f"{state['fingerprint']}; start a new run for other data"
            )
        self.step, self.best = state["step"], state["best"]
        self.saved_step, self.evaluation_owed = self.step, state["evaluation_owed"]
        self.evaluated, self.evaluated_step = state["evaluated"], state["evaluated_step"]
        self.best_step = state["best_step"]
        judged_by = [self.config.checkpoint.monitor, self.config.checkpoint.mode]
        if state.get("monitor", judged_by) != judged_by:
            self.best = self.best_step = None  # values of another figure compare with nothing
        if state["max_steps"] == self.max_steps:
            self.stop_reason = state["finished_early"]
        self.progress.seconds_before = state["seconds"]


class LanguageModelTrainer(Trainer):
    """Trains a model to predict the next token."""

    model: LanguageModel

    def compute_loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats a token. inputs, targets: (B, T)."""
        loss = self.model(inputs, targets).loss
        assert isinstance(loss, Tensor)
        return loss
