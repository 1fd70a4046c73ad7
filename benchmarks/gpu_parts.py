"""The parts of benchmarks.gpu, each in a process of its own: it can be given up, and leaves the memory as it found it.

    python -m benchmarks.gpu_parts PART '{"device": "cuda", ...}'

A part says what it has measured as it goes, one JSON object a line, so that what was said counts when it is ended.

Letters: B batch, T time, V vocabulary.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.turns import SEED

Figures = dict[str, Any]

TARGET = 1.4697
"""Where nanoGPT's config/train_shakespeare_char.py arrives on a GPU, as its README says."""
CRAFT = [sys.executable, "-c", "from craft.cli import main; main()"]
RECIPE = Path(__file__).with_name("recipes") / "shakespeare_gpu.toml"


# The machine ------------------------------------------------------------------------------------------------------


def rate_of_products(device: str, sizes: list[int], seconds: float) -> Figures:
    """The best rate of a bf16 product of two square matrices, each measured for some seconds."""
    import torch

    best: Figures = {"flops": 0.0, "size": 0}
    for size in sizes:
        left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
        out = left @ right
        waited(device)
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            for _ in range(10):
                torch.mm(left, right, out=out)
            done += 10
            waited(device)
        rate = 2 * size**3 * done / (time.perf_counter() - started)
        best = max(best, {"flops": rate, "size": size}, key=lambda figures: figures["flops"])
    return best


def waited(device: str) -> None:
    """Return when the device has done what it was given."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


# Training ---------------------------------------------------------------------------------------------------------


def training(settings: Figures) -> Iterator[Figures]:
    """Tokens a second of Craft's Trainer on a GPT-2, as a share of the rate at which the same GPU multiplies."""
    import torch

    from craft.config.estimate import transformer
    from craft.config.estimate.figures import BACKWARD
    from craft.config.estimate.parts import Workload
    from craft.config.schema import ExperimentConfig
    from craft.training.experiment import Experiment

    device, micro, batch, context = (settings[name] for name in ("device", "micro", "batch", "context"))
    before = rate_of_products(device, settings["products"], settings["seconds"] / 4)
    yield {"products": before["flops"], "products_size": before["size"]}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        write_random_text(text, settings["vocab_size"], 40 * batch * context)
        config = ExperimentConfig.model_validate(
            {
                "seed": SEED,
                "device": device,
                "precision": "bf16",
                "data": {"type": "text", "path": str(text), "context_length": context, "val_fraction": 0.0},
                "tokenizer": {"type": "char"},
                "model": {"type": "transformer", "preset": "gpt2", "bias": False, **settings["model"]},
                "optimizer": {"type": "adamw", "lr": 6e-4},
                "training": {
                    "max_steps": 10**6,
                    "batch_size": batch,
                    "micro_batch_size": micro,
                    "eval_every": 0,
                    "compile": settings["compile"],
                },
                "checkpoint": {"every": 0, "monitor": "train/loss"},
            }
        )
        trainer = Experiment(config, runs_dir=Path(folder) / "runs").setup()
        trainer.model.train()
        trainer.progress.start(0, 0, 0.0)
        started = time.perf_counter()
        for _ in range(3):  # the first compiles; in those after it memory and clocks settle
            trainer.train_step()
        waited(device)
        yield {"first_steps_seconds": time.perf_counter() - started}
        started, first = time.perf_counter(), trainer.step
        while time.perf_counter() - started < settings["seconds"]:
            trainer.train_step()
            waited(device)
        steps, seconds = trainer.step - first, time.perf_counter() - started
        vocab_size = trainer.model.vocab_size
        memory = torch.cuda.max_memory_allocated() if device.startswith("cuda") else 0
    after = rate_of_products(device, [before["size"]], settings["seconds"] / 4)
    work = Workload(vocab_size, context, micro, "bf16", "cuda")
    per_token = sum(transformer.describe(config.model, work).forward_flops.values()) * (1 + BACKWARD)  # type: ignore[arg-type]
    tokens_per_second = steps * batch * context / seconds
    products = statistics.mean((before["flops"], after["flops"]))
    yield {
        "parameters": trainer.model.num_parameters(),
        "steps": steps,
        "tokens_per_second": tokens_per_second,
        "flops_per_token": per_token,
        "products": products,
        "share": tokens_per_second * per_token / products,
        "memory": memory,
    }


def write_random_text(path: Path, vocab_size: int, length: int) -> None:
    """A text of so many different characters; a vocabulary of characters has as many tokens then."""
    import numpy as np

    drawn = np.random.default_rng(SEED).integers(vocab_size, size=max(length, vocab_size))
    drawn[:vocab_size] = np.arange(vocab_size)
    # From the first plane of characters that has room for all of them, and no line ends.
    path.write_bytes((drawn + 0x10000).astype("<u4").tobytes().decode("utf-32-le").encode())


# Generation -------------------------------------------------------------------------------------------------------


def generation(settings: Figures) -> Iterator[Figures]:
    """New tokens a second, one prompt, greedily: Craft against transformers' `generate` with a static cache.

    The same weights in both, GPT-2's fresh ones; in fp32 the tokens must be equal. In bf16 the likeliest of tokens that
    lie close may differ, and from there on all: the tokens up to the first such are counted.
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from craft.config.schema.model import TransformerConfig
    from craft.generation.sampling import generate_tokens
    from craft.models import create_model_from_config
    from craft.models.initial import load_initial
    from craft.runs.sampling_settings import SamplingSettings

    device, vocab_size, context, new = (settings[name] for name in ("device", "vocab_size", "context", "new"))
    shape = settings["model"]
    torch.manual_seed(SEED)
    torch.backends.cuda.matmul.allow_tf32 = False
    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocab_size,
            n_positions=context,
            n_embd=shape["hidden_size"],
            n_layer=shape["num_layers"],
            n_head=shape["num_heads"],
            bos_token_id=0,
            eos_token_id=None,
            pad_token_id=0,
        )
    ).eval()
    ours = create_model_from_config(
        TransformerConfig.model_validate({"type": "transformer", "preset": "gpt2", **shape}), vocab_size, context
    ).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        report = load_initial(ours, folder, runs_dir=Path(folder))
        assert not report.misfits, report.lines()
    theirs.to(device)
    ours.to(device)
    prompt = torch.randint(vocab_size, (settings["prompt"],)).tolist()
    greedy = SamplingSettings(max_new_tokens=new, temperature=0.0)

    def craft() -> list[int]:
        return list(generate_tokens(ours, prompt, greedy))

    def transformers() -> list[int]:
        inputs = torch.tensor([prompt], device=device)  # (1, T)
        out = theirs.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            do_sample=False,
            max_new_tokens=new,
            min_new_tokens=new,
            cache_implementation="static",
        )
        return [int(token) for token in out[0, len(prompt) :]]

    for dtype in (torch.float32, torch.bfloat16):
        ours.compute_dtype = dtype
        ours.to(dtype)
        theirs.to(dtype)
        first = {"craft": craft(), "transformers": transformers()}  # the second call of theirs may compile
        transformers()
        equal = agreeing(first["craft"], first["transformers"])
        seconds: dict[str, list[float]] = {"craft": [], "transformers": []}
        for _ in range(settings["rounds"]):
            for name, write in (("craft", craft), ("transformers", transformers)):
                seconds[name].append(timed(write, device))
        ratios = [t / c for t, c in zip(seconds["transformers"], seconds["craft"], strict=True)]
        yield {
            str(dtype).removeprefix("torch."): {
                "craft": new / statistics.median(seconds["craft"]),
                "transformers": new / statistics.median(seconds["transformers"]),
                "ratio": statistics.median(ratios),
                "ratios": [min(ratios), max(ratios)],
                "equal_tokens": equal,
                "new_tokens": new,
            }
        }


def agreeing(left: list[int], right: list[int]) -> int:
    """Tokens up to the first that differs."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b), len(left))


def timed(work: Callable[[], object], device: str) -> float:
    """Seconds of one call."""
    waited(device)
    started = time.perf_counter()
    work()
    waited(device)
    return time.perf_counter() - started


# Time to a loss ---------------------------------------------------------------------------------------------------


def craft_to_target(settings: Figures) -> Iterator[Figures]:
    """Seconds of the whole `craft run` of the recipe, and to its first whole evaluation at the target or below."""
    from craft.runs.events import read_events
    from craft.runs.store import RunStore

    with tempfile.TemporaryDirectory() as folder:
        place = f"--runs-dir={folder}"
        overrides = [f"data.path={settings['text']}", f"device={settings['device']}", *settings["overrides"]]
        started = time.time()
        running = subprocess.Popen([*CRAFT, "run", str(RECIPE), "shakespeare", place, *overrides], stdout=sys.stderr)
        try:
            status = running.wait(settings["limit"])
        except subprocess.TimeoutExpired:  # its worker would outlive it
            status = subprocess.run([*CRAFT, "stop", "shakespeare", place, "--now"], check=False).returncode
            running.wait()
        if status:
            raise SystemExit(status)
        whole = time.time() - started
        [run] = RunStore(Path(folder)).folders()
        measured = [
            (event["time"] - started, event["step"], event["val/loss"])
            for event in read_events(run)
            if event["kind"] == "evaluated"
        ]
    reached = [seconds for seconds, _, loss in measured if loss <= settings["target"]]
    yield {
        "seconds": reached[0] if reached else None,
        "whole": whole,
        "steps": measured[-1][1],
        "best": min(loss for _, _, loss in measured),
    }


def nanogpt_to_target(settings: Figures) -> Iterator[Figures]:
    """nanoGPT's own command, from the start of its process; what it says is told as it comes, with its second."""
    checkout = Path(settings["checkout"])
    with tempfile.TemporaryDirectory() as folder:
        command = ["train.py", "config/train_shakespeare_char.py", f"--out_dir={folder}", *settings["arguments"]]
        started = time.time()
        with subprocess.Popen(
            [sys.executable, "-u", *command], cwd=checkout, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                seconds = time.time() - started
                if found := re.match(r"step (\d+): .*val loss ([\d.]+)", line):
                    yield {"step": int(found[1]), "seconds": seconds, "loss": float(found[2])}
                elif found := re.match(r"iter (\d+): ", line):
                    yield {"step": int(found[1]), "seconds": seconds}
        if process.returncode:
            raise SystemExit(process.returncode)
    yield {"whole": time.time() - started}


PARTS: dict[str, Callable[[Figures], Iterator[Figures]]] = {
    "training": training,
    "generation": generation,
    "craft": craft_to_target,
    "nanogpt": nanogpt_to_target,
}


def main() -> None:
    name, settings = sys.argv[1], json.loads(sys.argv[2])
    said = sys.stdout
    sys.stdout = sys.stderr  # what the parts print is for people
    for figures in PARTS[name](settings):
        said.write(json.dumps(figures) + "\n")
        said.flush()


if __name__ == "__main__":
    main()
