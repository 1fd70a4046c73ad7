"""What a Trainer does when a step goes wrong: it makes it again in smaller pieces, or goes back to before it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, NamedTuple

import torch

from craft.errors import TrainingError
from craft.runs import checkpoints
from craft.training.checkpointing import RandomStates
from craft.training.memory import is_out_of_memory, what_took_it

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

_TRUSTED_STEPS = 20


class RollBack(NamedTuple):
    """A wish to go back."""

    reason: str
    before_step: int
    lr_scale: float


def step_within_memory(trainer: Trainer) -> None:
    """One optimizer step; where memory runs out in it, the same one again in smaller pieces, if that is allowed.

    Raises TrainingError saying what took the memory and what would fit.
    """
    # Memory that some steps did not run out of, the next do not either: all are alike. Then nothing is kept.
    may_run_out = trainer.micro_may_change and trainer.step - trainer.began_at <= _TRUSTED_STEPS
    random = RandomStates(trainer.device).state_dict() if may_run_out else None
    try:
        trainer.loop.step(trainer.step)
        return
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    before = trainer.loop.micro_batch_size
    shrunk = random is not None and trainer.loop.halve_micro_batch()
    trainer.loop.forget_gradients()
    gc.collect()
    if trainer.device.type == "cuda":
        torch.cuda.empty_cache()
    if not shrunk:
        trainer.step -= 1
        words = what_took_it(trainer.config, trainer.device, before)
        raise TrainingError(f"memory ran out at step {trainer.step + 1}: {said}; {words}")
    assert random is not None
    RandomStates(trainer.device).load_state_dict(random)
    after = trainer.loop.micro_batch_size
    trainer.recorder.changed(
        f"memory ran out in micro-batches of {before}; going on with {after}, the batch stays {trainer.batch_size}; "
        "the same bits are not promised",
        micro_batch_size=after,
    )
    step_within_memory(trainer)


def roll_back(trainer: Trainer, asked: RollBack) -> None:
    """Go back to an earlier checkpoint and on from there. Raises TrainingError when there is none left.

    Nothing of it need be saved at once: killed before the next save, the resume starts from the same checkpoint,
    comes to the same step, and goes back in the same way.
    """
    loop = trainer.loop
    bad, rollbacks, skipped, scale = trainer.step, trainer.rollbacks, loop.skipped, loop.lr_scale
    found = checkpoints.go_back(trainer.recorder.folder, asked.before_step)
    if found is None:
        raise TrainingError(f"{asked.reason}; there is no checkpoint of step {asked.before_step} or earlier left")
    trainer.restore(found.path)
    trainer.rollbacks = rollbacks + 1
    loop.lr_scale = scale * asked.lr_scale
    if not trainer.config.training.max_epochs:
        loop.skipped = skipped + bad - trainer.step
    loop.forget_nonfinite()
    trainer.progress.start(trainer.step, loop.tokens, trainer.progress.seconds_before)
    trainer.recorder.rolled_back(bad, trainer.step, asked.reason, loop.lr_scale)
