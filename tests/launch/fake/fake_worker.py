"""A worker that keeps the contract of craft.training.worker and trains nothing: a step is a wait.

FAKE_STEP_SECONDS: how long a step takes. An experiment's name chooses what goes wrong: "hangs" and "dies" do so before
they take the run over, "fails" fails at its third step, "crashes" kills itself there.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from craft import platform
from craft.config.definition import load_definition
from craft.errors import RunBusyError
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.training.recorder import Recorder
from craft.training.worker import is_wanted


def main() -> int:
    folder = RunFolder(Path(sys.argv[1]))
    name, config = load_definition(folder.definition)
    if name == "hangs":
        time.sleep(600)
    if name == "dies":
        print("this is what \x1b[31mit said last")
        return 1
    stops = []
    signal.signal(signal.SIGTERM, lambda *_: stops.append(time.monotonic()))
    try:
        lock = hold_run_lock(folder)
    except RunBusyError as busy:
        print(busy)
        return 3
    if not is_wanted(folder):
        return 3
    recorder = Recorder(folder)
    recorder.start()
    slot = platform.FileLock(Path(os.environ["CRAFT_SLOT"]))
    while not slot.acquire(0.05):
        recorder.phase("starting", message="waiting for a slot of this machine")
    if gpu := os.environ.get("CUDA_VISIBLE_DEVICES"):
        print("sees", gpu, flush=True)
    steps = config.training.max_steps
    recorder.phase("preparing", message="tokens 40%")
    found = checkpoints.newest_valid(folder, lambda info, problems: recorder.warn(f"{info.step} is damaged"))
    step = found.step if found else 0
    if found:
        recorder.resumed(step)
        recorder.phase("preparing", step=step)
    else:
        recorder.event("started")
        evaluate(folder, recorder, 0, time.monotonic())
    began = time.monotonic()
    recorder.phase("running", max_steps=steps)
    while step < steps and not stops:
        step += 1
        time.sleep(float(os.environ.get("FAKE_STEP_SECONDS", "0.01")))
        record = {"step": step, "time": time.monotonic() - began, "tokens": step * 64}
        recorder.metrics({**record, "train/loss": 4.0 / step, "train/lr": 0.1, "train/tokens_per_second": 6400.0})
        seconds = time.monotonic() - began
        recorder.progressed(step=step, tokens=step * 64, seconds=seconds, eta_seconds=(steps - step) * 0.01)
        if step == 2 and name == "warns":
            recorder.warn("the disk takes no metrics \x1b[2J; they wait in memory")
        if step == 3 and name == "fails":
            recorder.finish("failed", error="the loss was not finite at step 3", step=step)
            return 1
        if step == 3 and name == "crashes":
            os.kill(os.getpid(), signal.SIGKILL)
        if step % config.training.eval_every == 0:
            evaluate(folder, recorder, step, began)
    if step % config.training.eval_every:
        evaluate(folder, recorder, step, began)
    phase = "stopped" if stops else "finished"
    recorder.event(phase, step=step)
    recorder.finish(phase, step=step, tokens=step * 64, message="SIGTERM" if stops else None)
    lock.release()
    slot.release()
    return 0


def evaluate(folder: RunFolder, recorder: Recorder, step: int, began: float) -> None:
    """Measure and save, as a real worker does."""
    loss = 5.0 / (step + 1)
    recorder.metrics({"step": step, "time": time.monotonic() - began, "tokens": step * 64, "val/loss": loss})
    recorder.evaluated(step, {"val/loss": loss}, best=loss)
    path = checkpoints.commit_checkpoint(
        folder, step, lambda place: (place / "state").write_text(str(step)) and None, monitor_value=loss
    )
    recorder.saved(step, path)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
