"""What callbacks cost, as a share of the steps that they are called in; the `small` experiment of experiments.toml.

Steps with and without a measurement of the norms are taken in turn; the rest is small enough to be timed by itself.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.turns import CLOCK
from craft.config.definition import dump_definition
from craft.config.experiments import load_experiments
from craft.platform import keep_freed_memory
from craft.runs.folder import RunIdentity, create_run
from craft.training.callbacks.base import Callback, CallbackList
from craft.training.experiment import Experiment
from craft.training.trainer import Trainer

ROUNDS, STEPS = 10, 20
ASKED = ["callbacks.sample_text={every=500}", "callbacks.norms={every=1}", "callbacks.system={every=0.001}"]


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    started = CLOCK()
    for _ in range(times):
        work()
    return (CLOCK() - started) / times


def hooks(count: int) -> float:
    """Seconds that the two hooks of a step take, of so many callbacks that have neither."""
    several = CallbackList({str(number): Callback() for number in range(count)})
    trainer: Any = None

    def a_step() -> None:
        several.call("on_step_start", trainer)
        several.call("on_step_end", trainer)

    return min(seconds(a_step, 10_000) for _ in range(5))


def steps_of(trainer: Trainer, *, measured: bool) -> float:
    """Seconds of a step, with the norms measured in each or in none."""
    norms = trainer.callbacks.callbacks["norms"]

    def step() -> None:
        trainer.step = trainer.config.training.log_every - (0 if measured else 1)  # a record is due, or not
        norms.on_step_start(trainer)
        trainer.loop.step(trainer.step)
        norms.on_step_end(trainer)
        if measured:
            norms.on_log(trainer, {})

    return seconds(step, STEPS)


def main() -> None:
    keep_freed_memory()
    [planned] = load_experiments(Path("experiments.toml")).plan(["small"], ASKED)
    with tempfile.TemporaryDirectory() as folder:
        text = dump_definition("small", planned.config, runs_dir=Path(folder))
        identity = RunIdentity(experiment="small", created=time.time())
        run = create_run(Path(folder), experiment="small", definition_toml=text, identity=identity)
        trainer = Experiment(planned.config, folder=run).setup()
        trainer.model.train()
        trainer.callbacks.call("on_train_start", trainer)
        steps_of(trainer, measured=True)
        pairs = [(steps_of(trainer, measured=False), steps_of(trainer, measured=True)) for _ in range(ROUNDS)]
        plain = statistics.median(without for without, _ in pairs)
        norms = statistics.median(measured - without for without, measured in pairs)
        sampler, system = (trainer.callbacks.callbacks[name] for name in ("sample_text", "system"))
        samples = []
        for number in range(4):
            trainer.step = 1000 + number
            samples.append(seconds(lambda: sampler.on_sample(trainer)))
        watch = seconds(lambda: system.on_log(trainer, {}), 50)
    print(f"threads {torch.get_num_threads()}; a step takes {1e3 * plain:.2f} ms")
    for count in (0, 12):
        took = hooks(count)
        print(f"the hooks of a step, {count:2} callbacks: {1e9 * took:.0f} ns, {took / plain:.5%} of a step")
    wrote = statistics.median(samples)
    share = wrote / (500 * plain)
    print(f"sample_text, 100 tokens of one prompt: {1e3 * wrote:.0f} ms, {share:.2%} of training at every = 500")
    print(f"norms: {1e3 * norms:.2f} ms a measured step, {norms / (100 * plain):.3%} of training at every = 100")
    print(f"system: {1e6 * watch:.0f} us a measurement, {watch / 10:.5%} of training at every = 10.0")


if __name__ == "__main__":
    main()
