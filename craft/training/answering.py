"""What a Trainer does that somebody asked for from outside: at the end of a step, in order, each with an answer.

While it is paused it stays here: memory, slot and heartbeat are kept, and everything else that is asked is done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from craft.config.schema.callbacks import SampleTextConfig
from craft.errors import CraftError
from craft.runs.checkpoints import list_checkpoints
from craft.runs.control import Request
from craft.runs.events import read_samples

if TYPE_CHECKING:
    from craft.training.callbacks.base import Callback
    from craft.training.trainer import Trainer

_PAUSED_LOOK = 0.1  # seconds between two looks while nothing else is to be done


class Answering:
    """Does for one Trainer what its run is asked."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.recorder = trainer, trainer.recorder
        self.requests = trainer.recorder.requests
        self.paused = False
        self._paused_at = 0.0
        self._obeyed: Request | None = None
        self._writer: Callback | None = None

    def look_up(self, *, now: bool = False) -> None:
        """Take what is asked, also in the middle of something long. A stop counts at once, the rest waits for the end
        of the step."""
        trainer = self.trainer
        self.requests.look(now=now)
        stop = self.requests.stop
        if stop is not None and stop is not self._obeyed:
            self._obeyed = stop
            trainer.ask_to_stop(stop.reason, save=stop.saves)
        self.recorder.progressed(
            step=trainer.step,
            tokens=trainer.loop.tokens,
            seconds=trainer.progress.seconds,
            eta_seconds=None if self.paused else trainer.progress.eta_seconds(trainer.step),
        )

    def answer(self) -> None:
        """Do what waits; where a pause is among it, return when it is over."""
        self._do_all()
        while self.paused and self.trainer.stop_reason is None:
            self.recorder.wait(_PAUSED_LOOK)
            self.look_up(now=True)
            self._do_all()
            if self.trainer.save_is_owed:
                self.trainer.save()
        if self.paused:
            self._end_pause()

    def _do_all(self) -> None:
        while self.requests.waiting:
            request = self.requests.waiting.pop(0)
            if self.trainer.stop_reason is not None:
                self.requests.waiting.insert(0, request)
                return  # it leaves; what it saves and measures on the way may be the answer
            self._do(request)

    def _do(self, request: Request) -> None:
        match request.kind:
            case "pause":
                self._pause(request)
            case "continue":
                self._continue(request)
            case "checkpoint":
                self._save(request)
            case "evaluate":
                self._evaluate(request)
            case "sample":
                self._sample(request)
            case "set":
                self.trainer.live.change(request)

    # One by one --------------------------------------------------------------------------------------------------

    def _pause(self, request: Request) -> None:
        trainer = self.trainer
        trainer.save()
        if not self.paused:
            self.paused, self._paused_at = True, time.monotonic()
            trainer.progress.pause()
        trainer.claim()
        saved = trainer.saved_step == trainer.step
        fault = {} if saved else {"fault": trainer.save_fault}
        self.recorder.event("paused", request=request.id, step=trainer.step, saved=saved, **fault)

    def _continue(self, request: Request) -> None:
        if not self.paused:
            self.requests.refuse(request, "it is not paused")
            return
        seconds = self._end_pause()
        self.trainer.claim()
        self.recorder.event("continued", request=request.id, step=self.trainer.step, paused_seconds=round(seconds, 1))

    def _end_pause(self) -> float:
        """How long it stood still, in seconds."""
        self.paused = False
        self.trainer.progress.go_on()
        return time.monotonic() - self._paused_at

    def _save(self, request: Request) -> None:
        trainer = self.trainer
        trainer.save()
        if trainer.saved_step == trainer.step:
            trainer.checkpoints.spare(trainer.step)
            self.requests.answer(request, step=trainer.step)
        else:
            self.requests.refuse(request, f"step {trainer.step} is not saved: {trainer.save_fault}")

    def _evaluate(self, request: Request) -> None:
        trainer = self.trainer
        if not trainer.evaluators:
            self.requests.refuse(request, "there is no validation split to measure")
            return
        try:
            trainer.evaluate(steers=False)
        except (CraftError, RuntimeError) as error:  # RuntimeError: torch's, as when memory runs out
            trainer.claim()
            self.requests.refuse(request, _first_line(error))
            return
        if trainer.evaluated_step == trainer.step:
            self.requests.answer(request, step=trainer.step, **trainer.evaluated)
        else:
            self.requests.refuse(request, "it left before it had measured")

    def _sample(self, request: Request) -> None:
        trainer = self.trainer
        try:
            if trainer.callbacks.listen("on_sample"):
                trainer.callbacks.call("on_sample", trainer)
            else:
                self._write_samples()
        except (CraftError, RuntimeError) as error:
            self.requests.refuse(request, _first_line(error))
            return
        count = sum(sample["step"] == trainer.step for sample in read_samples(self.recorder.folder))
        if count:
            self.requests.answer(request, step=trainer.step, texts=count)
        else:
            self.requests.refuse(request, "no text was written; 'craft logs' says why")

    def _write_samples(self) -> None:
        """Where no callback writes any: as [generation] says."""
        from craft.training.callbacks.sample_text import SampleText  # few runs need it here

        if self._writer is None:
            self._writer = SampleText(default_samples(self.trainer))
            self._writer.on_train_start(self.trainer)
        self._writer.on_sample(self.trainer)

    def what_is_lost(self) -> str:
        """Of a run that leaves without saving: where it is, and where a resume goes on."""
        trainer = self.trainer
        if trainer.saved_step == trainer.step:
            return f"stopped at step {trainer.step}, which was saved already"
        found = list_checkpoints(self.recorder.folder)
        on = f"goes on from step {found[-1].step}" if found else "begins anew"
        return f"stopped at step {trainer.step} without saving; a resume {on}"

    def at_end(self) -> None:
        """After the last step: what the end itself has done is answered. `Requests.close` refuses the rest."""
        trainer = self.trainer
        self.requests.look(now=True)
        for request in list(self.requests.waiting):
            done = {"checkpoint": trainer.saved_step, "evaluate": trainer.evaluated_step}.get(request.kind)
            if done == trainer.step:
                self.requests.waiting.remove(request)
                self._do(request)


def default_samples(trainer: Trainer) -> SampleTextConfig:
    """How a run writes samples that has no callback for it: as its [generation] says."""
    settings = trainer.config.generation
    return SampleTextConfig(
        every=0,
        prompts=settings.prompts,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text and not isinstance(error, CraftError) else text or type(error).__name__
