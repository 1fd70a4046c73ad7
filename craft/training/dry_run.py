"""A few real steps of a definition, timed: `python -m craft.training.dry_run RUN_DIR`, for `craft.launch.dry_run`.

Text, model, optimizer and batches are the run's own; callbacks are left out, as they may write to places elsewhere,
and nothing is saved. What it finds goes to standard output as lines of JSON; everything else that is printed goes to
standard error. It ends with whoever started it: when standard input does.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from craft import platform
from craft.errors import CraftError, TrainingError
from craft.runs.folder import RunFolder, read_identity
from craft.training.recorder import Recorder

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

Say = Callable[..., None]

# The first steps are slower: memory is taken, kernels are chosen, caches are cold.
WARM_UP_STEPS, WARM_UP_SECONDS = 3, 10.0
# Measured in pieces of several steps where steps are short, so that reading the clock and waiting for the device
# cost next to nothing; until there are enough pieces and enough seconds, or enough of either.
_PIECE_SECONDS = 0.1
_PIECES, _SECONDS = 8, 2.0
_MOST_SECONDS = 15.0
_EVALUATION_SECONDS = 10.0  # a longer evaluation is left


def main(arguments: list[str]) -> int:
    """Measure the run in the folder `arguments[0]`."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    place = Path(arguments[0])
    threading.Thread(target=_end_with_whoever_asked, args=(place,), daemon=True).start()

    def say(kind: str, **fields: Any) -> None:
        answers.write(json.dumps({"kind": kind, **fields}) + "\n")
        answers.flush()

    try:
        with contextlib.suppress(BrokenPipeError):
            _measure(RunFolder(place), say)
    except BaseException as error:
        from craft.training.experiment import words_of

        traceback.print_exc()
        say("error", error=words_of(error), at=_own_line(error, place))
        return 1
    return 0


def _end_with_whoever_asked(place: Path) -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(place.parent, ignore_errors=True)
    os._exit(1)


class _Telling(Recorder):
    """Says besides what is being prepared."""

    def __init__(self, folder: RunFolder, tell: Say) -> None:
        super().__init__(folder)
        self._tell = tell

    def phase(self, phase: str, **changes: Any) -> None:
        super().phase(phase, **changes)
        self._tell("phase", phase=phase, message=changes.get("message"))

    def event(self, kind: str, **fields: Any) -> None:
        super().event(kind, **fields)
        if kind in ("warning", "changed") and "text" in fields:
            self._tell("note", text=fields["text"])


def _measure(folder: RunFolder, say: Say) -> None:
    say("phase", phase="starting", message="loading torch")
    platform.keep_freed_memory()
    from craft.config.definition import load_definition

    with platform.importing():
        from craft.training.experiment import Experiment
    name, config = load_definition(folder.definition)
    recorder = _Telling(folder, say)
    recorder.start()
    experiment = Experiment(config.model_copy(update={"callbacks": {}}), name=name, folder=folder, recorder=recorder)
    trainer = experiment.setup()
    say("phase", phase="running", message="the first step")
    steps = _steps(trainer, say)
    peak = _peak_memory(trainer.device.type)
    evaluation = _evaluation(trainer, say)
    chosen = read_identity(folder).chosen
    say(
        "result",
        **steps,
        **evaluation,
        peak_memory=peak,
        device=str(trainer.device),
        precision=chosen["precision"],
        threads=chosen["threads"],
        compile=chosen["compile"],
        micro_batch_size=trainer.loop.micro_batch_size,
        reasons=chosen["reasons"],
        parameters=trainer.model.num_parameters(),
        steps_of_run=trainer.max_steps,
    )


def _steps(trainer: Trainer, say: Say) -> dict[str, Any]:
    """Warm up, then time pieces of equal steps; the figures of a step, and the first losses."""
    from craft.training.recovery import step_within_memory

    trainer.model.train()
    trainer.live.bring_to(0)
    _watch_memory(trainer.device.type)
    losses: list[tuple[int, float]] = []

    def train(count: int) -> float:
        """Seconds of so many steps; reading the loss waits until the device is done."""
        began = time.perf_counter()
        for _ in range(count):
            trainer.step += 1
            step_within_memory(trainer)
            if trainer.ema:
                trainer.ema.update()
        loss = trainer.loop.take_record()["train/loss"]
        seconds = time.perf_counter() - began
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss was not finite at step {trainer.step}: a lower learning rate or grad_clip usually mends it"
            )
        losses.append((trainer.step, loss))
        return seconds

    began = time.perf_counter()
    last = train(1)
    say("step", step=1, loss=losses[0][1], seconds=last)
    warm_up = 1
    while warm_up < min(WARM_UP_STEPS, trainer.max_steps - 1) and time.perf_counter() - began < WARM_UP_SECONDS:
        last = train(1)
        warm_up += 1
    count = max(1, round(_PIECE_SECONDS / max(last, 1e-6)))
    pieces: list[float] = []
    began = time.perf_counter()
    while trainer.step < trainer.max_steps:
        count = min(count, trainer.max_steps - trainer.step)
        pieces.append(train(count) / count)
        spent = time.perf_counter() - began
        say("step", step=trainer.step, loss=losses[-1][1], seconds=median(pieces))
        if (len(pieces) >= _PIECES and spent >= _SECONDS) or spent >= _MOST_SECONDS:
            break
    pieces = pieces or [last]  # a run of a single step
    return {
        "steps": trainer.step,
        "warm_up_steps": warm_up,
        "seconds_per_step": median(pieces),
        "fastest": min(pieces),
        "slowest": max(pieces),
        "tokens_per_second": trainer.loop.tokens / trainer.step / median(pieces),
        "losses": losses,
    }


def _evaluation(trainer: Trainer, say: Say) -> dict[str, Any]:
    """Seconds of measuring the validation split once; None where it takes too long to wait for, or there is none."""
    evaluator = trainer.evaluators.get("val")
    if evaluator is None:
        return {"evaluation_seconds": None, "val_loss": None}
    say("phase", phase="evaluating", message="one evaluation")
    began = time.perf_counter()
    with trainer.averaged():
        measured = evaluator.evaluate(trainer.model, given_up=lambda: time.perf_counter() - began > _EVALUATION_SECONDS)
    spent = time.perf_counter() - began
    if measured is None:
        return {"evaluation_seconds": None, "val_loss": None}
    return {"evaluation_seconds": spent, "val_loss": measured.get("loss")}


def _watch_memory(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        platform.reset_peak_memory()


def _peak_memory(device: str) -> int | None:
    """The most bytes that steps took: of a GPU what torch's tensors took, else what the process had resident."""
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    if device == "mps":
        return torch.mps.driver_allocated_memory()
    return platform.peak_memory()


def _own_line(error: BaseException, place: Path) -> str:
    """Where in the person's own code it happened; empty where that took no part."""
    code = RunFolder(place).code
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(code)]
    if not frames or isinstance(error, CraftError):
        return ""
    return f"{Path(frames[-1].filename).relative_to(code)}:{frames[-1].lineno}"


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # as the worker does, and for its reason
