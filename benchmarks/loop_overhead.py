"""What the training loop costs over a bare PyTorch loop around the same model, batches and optimizer.

Both run in this process, in turn, a few hundred steps at a time, so that a machine whose speed drifts drifts for
both; the figure is the median of the ratios of neighbouring rounds. Records every 10 steps, as the default.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from craft.config.definition import dump_definition
from craft.config.experiments import load_experiments
from craft.data import TrainBatches, prepare
from craft.models import create_model_from_config
from craft.platform import keep_freed_memory
from craft.runs.folder import RunIdentity, create_run
from craft.training.experiment import Experiment
from craft.training.optimizers import create_optimizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=60, help="steps a round")
    arguments = parser.parse_args()
    keep_freed_memory()
    total = (arguments.rounds + 1) * arguments.steps
    [planned] = load_experiments(Path("experiments.toml")).plan(
        ["small"], [f"training.max_steps={total}", "training.eval_every=0", "checkpoint.every=0"]
    )
    config = planned.config
    with tempfile.TemporaryDirectory() as folder:
        text = dump_definition("small", config, runs_dir=Path(folder))
        run = create_run(
            Path(folder), experiment="small", definition_toml=text, identity=RunIdentity(experiment="small")
        )
        trainer = Experiment(config, folder=run).setup()
        trainer.model.train()
        trainer.progress.start(0, 0, 0.0)

        data = prepare(config)
        bare = create_model_from_config(config.model, data.tokenizer.vocab_size, config.data.context_length)
        bare.compute_dtype = trainer.model.compute_dtype
        optimizer = create_optimizer(config.optimizer, bare)
        batches = TrainBatches(
            data.splits["train"], batch_size=config.training.batch_size, shuffle=True, seed=config.seed
        )
        parameters = list(bare.parameters())

        def bare_steps(first: int) -> None:
            for step in range(first + 1, first + 1 + arguments.steps):
                inputs, targets = batches.batch(step)
                loss = bare(inputs, targets).loss
                assert loss is not None
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, config.training.grad_clip)
                optimizer.step()
                for parameter in parameters:
                    parameter.grad = None

        def crafts_steps(first: int) -> None:
            while trainer.step < first + arguments.steps:
                trainer.train_step()

        def seconds(work: object, first: int) -> float:
            started = time.perf_counter()
            work(first)  # type: ignore[operator]
            return time.perf_counter() - started

        bare_steps(0)
        crafts_steps(0)
        ratios = []
        for number in range(arguments.rounds):
            first = (number + 1) * arguments.steps
            order = (bare_steps, crafts_steps) if number % 2 else (crafts_steps, bare_steps)
            times = {work: seconds(work, first) for work in order}
            ratios.append(times[crafts_steps] / times[bare_steps])
    print(f"threads {torch.get_num_threads()}, {arguments.rounds} rounds of {arguments.steps} steps")
    print(f"craft / bare: median {statistics.median(ratios):.4f}, from {min(ratios):.4f} to {max(ratios):.4f}")


if __name__ == "__main__":
    main()
