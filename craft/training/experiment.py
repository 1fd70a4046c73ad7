"""One experiment in this process: from a definition to a trained model, with everything recorded in a run's folder.

Experiment(config).run()                        # from a script
python -m craft.training.worker RUN_DIR         # what `craft run` starts; the same engine
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import craft
from craft import platform
from craft.config.corpus import text_signature
from craft.config.definition import definition_hash, dump_definition
from craft.config.estimate import estimate, flops_per_token
from craft.config.own_code import import_named
from craft.config.schema import ExperimentConfig
from craft.data import PreparedData, TrainBatches, prepare
from craft.data.tokenizers import Tokenizer
from craft.errors import CheckpointError, CraftError, OwnCodeError, TrainingError
from craft.models import LanguageModel, create_model_from_config
from craft.models.device import choose_device
from craft.models.initial import load_initial
from craft.runs import checkpoints
from craft.runs.folder import (
    RunFolder,
    RunIdentity,
    create_run,
    definition_fault,
    read_identity,
    update_identity,
)
from craft.runs.lock import hold_run_lock
from craft.training.callbacks import create_callbacks, tell_unstarted
from craft.training.compiling import choose_compile, compile_model
from craft.training.evaluation import create_evaluator
from craft.training.inherited import inherited
from craft.training.machine import matmul_rate
from craft.training.precision import DTYPES, Arithmetic, choose_arithmetic
from craft.training.recorder import Recorder
from craft.training.trainer import LanguageModelTrainer, Trainer


@dataclass(frozen=True)
class ExperimentResults:
    """What came of a run."""

    folder: RunFolder
    phase: str
    step: int
    metrics: dict[str, float] = field(default_factory=dict)
    best: float | None = None


class StoppedEarlyError(TrainingError):
    """A run was asked to stop before it began to train."""

    def __init__(self) -> None:
        super().__init__("the run was asked to stop while it was being prepared")


class Experiment:
    """An experiment that trains in this process. `folder` continues an existing run instead of making a new one."""

    def __init__(
        self,
        config: ExperimentConfig,
        *,
        name: str = "experiment",
        runs_dir: Path = Path("runs"),
        folder: RunFolder | None = None,
        lock: platform.FileLock | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.config, self.name, self.runs_dir = config, name, runs_dir
        self._folder, self._lock, self.recorder = folder, lock, recorder
        self.trainer: Trainer | None = None
        self._compile = False
        self._micro_batch_size: int | None = None

    @property
    def folder(self) -> RunFolder:
        """The run's folder, made when it is first asked for."""
        if self._folder is None:
            identity = RunIdentity(
                experiment=self.name,
                seed=self.config.seed,
                created=time.time(),
                definition_hash=definition_hash(self.config),
                versions={"craft": craft.__version__, "torch": torch.__version__},
            )
            definition = dump_definition(self.name, self.config, runs_dir=self.runs_dir.resolve())
            self._folder = create_run(
                self.runs_dir.resolve(), experiment=self.name, definition_toml=definition, identity=identity
            )
        return self._folder

    def setup(self) -> Trainer:
        """Take the run's lock, prepare the data, build everything, and restore the newest checkpoint if there is one.

        Raises RunBusyError when another process trains the run, and any other CraftError of its parts.
        """
        self._lock = self._lock or hold_run_lock(self.folder)
        if self.recorder is None:
            self.recorder = Recorder(self.folder)
            self.recorder.start()
        if fault := definition_fault(self.folder, read_identity(self.folder)):
            self.recorder.warn(fault)
        torch.manual_seed(self.config.seed)
        random.seed(self.config.seed)
        np.random.seed(self.config.seed % 2**32)
        arithmetic = self._choose()
        self.recorder.phase("preparing")
        data = prepare(self.config, progress=self._preparing, warn=self.recorder.warn, search=self.folder.code)
        self.recorder.save_tokenizer = data.tokenizer.save
        fork = inherited(self.folder, self.config, data)
        self.trainer = create_trainer_from_config(
            self.config,
            data,
            self.recorder,
            arithmetic,
            search=self.folder.code,
            start_from=lambda model: self._take_first_weights(model, data.tokenizer),
            micro_batch_size=self._micro_batch_size,
            data_begins=fork.data_begins if fork else 0,
        )
        if self._compile:
            self._compile_now(self.trainer)
        self.recorder.say(
            f"{self.trainer.model.num_parameters():,} parameters, a vocabulary of {data.tokenizer.vocab_size}, "
            f"{self.trainer.max_steps:,} steps of {self.config.training.batch_size} sequences"
        )
        self.trainer.checkpoints.inherited = fork
        self._restore(self.trainer)
        identity = read_identity(self.folder)
        if identity.data_hash is None and identity.text not in (None, text_signature(self.config.data)):
            self.recorder.warn("its text was written to after the run was queued: it trains on what is there now")
        known = {
            "data_hash": data.corpus_hash,
            "flops_per_token": flops_per_token(self.config, data.tokenizer.vocab_size),
            "parameters": self.trainer.model.num_parameters(),
        }
        if any(getattr(identity, name) != value for name, value in known.items()):
            update_identity(self.folder, **known)
        return self.trainer

    def _preparing(self, line: str) -> None:
        """Say what is being prepared, and leave when asked to."""
        assert self.recorder is not None
        self.recorder.preparing(line)
        self.recorder.requests.look()  # what is asked waits for the first step, but a stop does not
        if self.recorder.requests.stop is not None:
            raise StoppedEarlyError

    def _choose(self) -> Arithmetic:
        """What `auto` means here; chosen at the first start, and the same on every resume."""
        assert self.recorder is not None
        chosen = read_identity(self.folder).chosen
        threads = self.config.training.threads
        if chosen:
            device, note = _available(chosen["device"], self.config.device)
            if note:
                self.recorder.changed(note, device=str(device))
            arithmetic = Arithmetic(device, chosen["precision"], chosen["reasons"])
            torch.set_num_threads(chosen["threads"])
            self._compile = bool(chosen["compile"])
            self._micro_batch_size = chosen["micro_batch_size"]
            return arithmetic
        # A machine that trains several runs at once shares its cores out; whoever gave the slot says among how many.
        slots = int(os.environ.get("CRAFT_SLOTS", "1"))
        cores = min(torch.get_num_threads(), platform.usable_cores())  # torch does not know a container's limit
        torch.set_num_threads(max(1, cores // slots) if threads == "auto" else threads)
        arithmetic = choose_arithmetic(self.config.device, self.config.precision)
        micro = self.config.training.micro_batch_size
        self._compile, compile_reason = choose_compile(
            self.config.training.compile,
            arithmetic.device,
            self._expected_flops(arithmetic.device),
            matmul_rate(arithmetic.device, arithmetic.dtype, measure=False),
        )
        reasons = [
            *arithmetic.reasons,
            f"threads {torch.get_num_threads()}: {'as set' if threads != 'auto' else 'the cores of this slot'}",
            compile_reason,
        ]
        update_identity(
            self.folder,
            versions={**read_identity(self.folder).versions, "torch": torch.__version__},
            chosen={
                "device": str(arithmetic.device),
                "precision": arithmetic.precision,
                "threads": torch.get_num_threads(),
                "micro_batch_size": self.config.training.batch_size if micro == "auto" else micro,
                "compile": self._compile,
                "reasons": reasons,
            },
        )
        for reason in reasons:
            self.recorder.say(reason)
        return Arithmetic(arithmetic.device, arithmetic.precision, reasons)

    def _expected_flops(self, device: torch.device) -> float | None:
        """FLOPs of the whole training, by the estimate; None where that would have to be measured first."""
        kind: Any = device.type
        with contextlib.suppress(CraftError):
            found = estimate(self.config, device=kind, source_dir=self.folder.code, measure=False).total_flops
            return found.high if found else None
        return None

    def _compile_now(self, trainer: Trainer) -> None:
        """Compile the model, or say why it goes on without."""
        assert self.recorder is not None
        self.recorder.phase("preparing", message="compiling the model")
        inputs, targets = trainer.prefetch.batch(trainer.data_begins + 1)
        size = trainer.loop.micro_batch_size
        failed = compile_model(trainer.model, inputs[:size].to(trainer.device), targets[:size].to(trainer.device))
        if failed:
            self.recorder.warn(f"the model is not compiled: {failed}")
            self.recorder.changed("going on without compiling", compile=False)

    def _take_first_weights(self, model: LanguageModel, tokenizer: Tokenizer) -> None:
        """Put in what `init_from` names, unless the run has weights of its own to go on from."""
        if not self.config.init_from or checkpoints.list_checkpoints(self.folder):
            return
        assert self.recorder is not None
        with TemporaryDirectory() as saved:
            tokenizer.save(Path(saved))
            report = load_initial(
                model,
                self.config.init_from,
                runs_dir=self.folder.path.parent,
                own=self.folder.name,
                config=self.config.model,
                tokenizer=Path(saved),
            )
        before = read_identity(self.folder).initial
        if before and before.get("sha256") != report.sha256:
            self.recorder.warn(f"{report.path} holds other weights than at this run's first start")
        update_identity(self.folder, initial=report.as_json())
        counts = {"tensors": report.tensors, "all_tensors": report.all_tensors, "sha256": report.sha256}
        self.recorder.event("initialised", **counts, text="\n".join(report.lines()))

    def _restore(self, trainer: Trainer) -> None:
        """Go on from the newest checkpoint that verifies; each damaged one is named."""
        recorder = trainer.recorder

        def passed_over(info: checkpoints.CheckpointInfo, problems: list[str]) -> None:
            recorder.warn(f"checkpoint step {info.step} is damaged and not used: {'; '.join(problems)}")

        found = checkpoints.newest_valid(self.folder, passed_over)
        if found is not None:
            fork = trainer.checkpoints.inherited
            begins_anew = fork is not None and bool(fork.anew) and fork.is_at(found.path)
            trainer.restore(found.path)
            if begins_anew:
                trainer.saved_step = -1  # what began anew is to be on disk before the first step
            recorder.resumed(trainer.step)
            recorder.phase(
                "preparing",
                step=trainer.step,
                tokens=trainer.loop.tokens,
                seconds=trainer.progress.seconds_before,
                best=trainer.best,
                best_step=trainer.best_step,
                train_loss=None,
                val_loss=trainer.evaluated.get("val/loss"),
            )
        elif checkpoints.list_checkpoints(self.folder):
            raise CheckpointError(
                f"{self.folder.name}: every checkpoint is damaged, so it cannot go on; "
                f"start it anew with `craft run {self.folder.definition}`"
            )
        else:
            recorder.started()

    def train_epoch(self) -> None:
        """Train one pass over the data, or what is left of it."""
        trainer = self.trainer or self.setup()
        trainer.fit(until=trainer.last_step_of_epoch(trainer.epochs_done(trainer.step) + 1))

    def evaluate(self) -> dict[str, float]:
        """Measure the validation split now."""
        trainer = self.trainer or self.setup()
        trainer.evaluate()
        return trainer.evaluated

    def run(self) -> ExperimentResults:
        """Train to the end. What goes wrong is recorded in the run's folder, and raised."""
        try:
            trainer = self.trainer or self.setup()
            trainer.fit()
            return self.close()
        except StoppedEarlyError:
            assert self.recorder is not None
            self.recorder.event("stopped", reason="asked to while preparing")
            self.recorder.finish("stopped", message="stopped while preparing")
            tell_unstarted(self.config.callbacks, self.recorder, "stopped", None)
            return ExperimentResults(self.folder, "stopped", 0)
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def close(self) -> ExperimentResults:
        """Record the outcome."""
        trainer, recorder = self.trainer, self.recorder
        assert trainer is not None
        assert recorder is not None
        whole = trainer.step == trainer.max_steps and not trainer.evaluation_owed
        lost = trainer.discards and trainer.saved_step != trainer.step
        phase = "stopped" if trainer.stopped_early and (lost or not whole) else "finished"
        summary = {
            "phase": phase,
            "step": trainer.step,
            "max_steps": trainer.max_steps,
            "tokens": trainer.loop.tokens,
            "seconds": round(trainer.progress.seconds, 3),
            "parameters": trainer.model.num_parameters(),
            "best": trainer.best,
            "best_step": trainer.best_step,
            "evaluated_step": trainer.evaluated_step,
            **trainer.evaluated,
        }
        recorder.results(summary)
        recorder.event(phase, step=trainer.step, reason=trainer.stop_reason or "all steps done")
        reached: dict[str, Any] = {name: summary[name] for name in ("step", "tokens", "seconds")}
        recorder.finish(phase, message=trainer.stop_reason, **reached)
        trainer.callbacks.call("on_outcome", trainer, phase, None)
        return ExperimentResults(self.folder, phase, trainer.step, trainer.evaluated, trainer.best)

    def fail(self, error: BaseException) -> None:
        """Record that it went wrong."""
        if self.recorder is None:
            return
        words = words_of(error)
        self.recorder.event("failed", error=words)
        self.recorder.finish("failed", error=words)
        if self.trainer is not None:
            self.trainer.callbacks.call("on_outcome", self.trainer, "failed", words)
        else:
            tell_unstarted(self.config.callbacks, self.recorder, "failed", words)


def words_of(error: BaseException) -> str:
    """What a run's claim says of an error: for a person's mistake or a full disk no name of a Python class."""
    if isinstance(error, CraftError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"


def _available(chosen: str, wanted: str) -> tuple[torch.device, str | None]:
    """The device that was chosen at the first start, or another and a note when it is gone."""
    try:
        return choose_device(chosen)[0], None
    except CraftError:
        device = choose_device("auto" if wanted == "auto" else wanted)[0]
        return device, f"device {chosen} is not there any more; going on with {device}: the same bits are not promised"


def trainer_class(config: ExperimentConfig, search: Path | None) -> type[Trainer]:
    """Who says what a batch's loss is. Raises OwnCodeError for a class of the person's own that is no Trainer."""
    named = config.training.trainer
    if named == "auto":
        return LanguageModelTrainer
    own = import_named(named, "training.trainer", search)
    if not (isinstance(own, type) and issubclass(own, Trainer)):
        raise OwnCodeError(
            f'training.trainer = "{named}" is no Trainer; derive it from craft.training.trainer.LanguageModelTrainer'
        )
    return own


def create_trainer_from_config(
    config: ExperimentConfig,
    data: PreparedData,
    recorder: Recorder,
    arithmetic: Arithmetic,
    *,
    search: Path | None = None,
    start_from: Callable[[LanguageModel], None] | None = None,
    micro_batch_size: int | None = None,
    data_begins: int = 0,
) -> Trainer:
    """Model, batches, evaluators and callbacks of a definition, in a Trainer.

    start_from: may change the fresh weights. micro_batch_size: what an earlier start came to, instead of the setting.
    data_begins: the step after which the first epoch begins.
    """
    context_length = config.data.context_length
    model = create_model_from_config(config.model, data.tokenizer.vocab_size, context_length, search=search)
    if start_from is not None:
        start_from(model)
    model.compute_dtype = DTYPES[arithmetic.precision]
    model.gradient_checkpointing = config.training.gradient_checkpointing
    model.to(arithmetic.device)
    batches = TrainBatches(
        data.splits["train"],
        batch_size=config.training.batch_size,
        shuffle=config.data.shuffle,
        seed=config.seed,
        max_epochs=config.training.max_epochs,
        begins_after=data_begins,
    )
    evaluators = {}
    if "val" in data.splits:
        evaluators["val"] = create_evaluator(config, data, "val", arithmetic.device, search=search)
    return trainer_class(config, search)(
        config,
        model,
        batches,
        evaluators,
        recorder,
        arithmetic,
        create_callbacks(config.callbacks, search=search),
        corpus_hash=data.corpus_hash,
        search=search,
        micro_batch_size=micro_batch_size,
        flops_per_token=flops_per_token(config, data.tokenizer.vocab_size),
    )
