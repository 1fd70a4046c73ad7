"""Training tokens a second: Craft against Hugging Face's Trainer and Lightning, in turn, around the same model.

    pip install transformers accelerate lightning
    python -m benchmarks.trainers --text shakespeare.txt [--model small baby] [--rounds 10] [--compile]

All train a GPT-2 of one shape on the same tokens with AdamW at 1e-3: the others the transformers library's GPT-2, and
Craft's own model as well, with which they gain what Craft gains by its kernels. Craft runs as `craft run` does, with a
record every ten steps. The others run as their documentation says that they are fastest: fused AdamW, no logs, no
progress bar, no evaluation, no checkpoints, a whole batch gathered at once in the main process, Lightning in
`barebones` mode; in fp32 and in bf16 autocast, there with the library's fused attention and with its plain one. The
fastest is what Craft is compared with. `--compile` tries torch.compile with each as well, which takes minutes.

"model's bf16" is no setting of theirs: there the model casts by itself, as in Craft, so that only the trainer differs.

Every contender is a process of its own, and they step in turn (benchmarks/turns.py). Ratios are medians of those
within a round, with the smallest and the largest. The loss is that of the whole validation split at the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
from pathlib import Path

from benchmarks.library_trainers import EAGER, OWN, THEIRS, Contender, run_contender
from benchmarks.turns import SIZES, Child, in_turn, spread

LIBRARIES = ("transformers", "accelerate", "lightning")
CONTENDERS = [
    *(Contender("Craft", precision) for precision in ("bf16", "fp32")),
    *(
        Contender(trainer, precision)
        for trainer in ("Trainer", "Lightning")
        for precision in ("fp32", "bf16", "model's bf16")
    ),
    *(Contender(trainer, precision, THEIRS) for trainer in ("Trainer", "Lightning") for precision in ("fp32", "bf16")),
    *(Contender(trainer, "bf16", EAGER) for trainer in ("Trainer", "Lightning")),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--model", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--only", nargs="*", help="some of: " + "; ".join(c.name for c in CONTENDERS))
    parser.add_argument("--compile", action="store_true", help="each with torch.compile as well")
    parser.add_argument("--loud", action="store_true", help="show what the contenders print")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if missing := [name for name in LIBRARIES if importlib.util.find_spec(name) is None]:
        raise SystemExit(f"not installed here: {', '.join(missing)}; pip install {' '.join(missing)}")
    contenders = [*CONTENDERS]
    if arguments.compile:
        contenders += [c._replace(compiled=True) for c in CONTENDERS]
    if arguments.only:
        if unknown := set(arguments.only) - {c.name for c in contenders}:
            raise SystemExit(
                f"--only: {', '.join(sorted(unknown))} is none of: {'; '.join(c.name for c in contenders)}"
            )
        contenders = [c for c in contenders if c.name in arguments.only]
    if arguments.child:
        [contender] = [c for c in contenders if c.name == arguments.child]
        run_contender(arguments.text, SIZES[arguments.model[0]], contender)
        return
    for model in arguments.model:
        compare(model, contenders, arguments)


def compare(model: str, contenders: list[Contender], arguments: argparse.Namespace) -> None:
    """Have them run, and say what came out."""
    size = SIZES[model]
    passed_on = ["--text", str(arguments.text.resolve()), "--model", model]
    passed_on += [f"--{name}" for name in ("compile", "loud") if getattr(arguments, name)]
    children = [Child("benchmarks.trainers", c.name, passed_on, arguments.threads) for c in contenders]
    load = os.getloadavg()[0]
    seconds, losses = in_turn(children, arguments.rounds)
    print(f"\n{model}: {size}; {arguments.rounds} rounds; load {load:.1f} before, {os.getloadavg()[0]:.1f} after")

    def fastest(trainer: str, models: tuple[str, ...]) -> Contender | None:
        found = [c for c in contenders if c.trainer == trainer and c.model in models and c.is_documented]
        return min(found, key=lambda c: statistics.median(seconds[c.name]), default=None)

    ours = fastest("Craft", (OWN,))
    for contender in contenders:
        median = statistics.median(seconds[contender.name]) / size.steps
        line = f"{contender.name:56s} {median * 1e3:8.2f} ms a step, {size.batch * size.context / median:7.0f} tokens/s"
        if ours is not None:
            line += f", Craft {times(seconds, contender, ours)} times as fast"
        print(f"{line}, validation loss {losses[contender.name]:.4f}")
    for theirs in (
        fastest(trainer, models) for models in ((THEIRS, EAGER), (OWN,)) for trainer in ("Trainer", "Lightning")
    ):
        if ours is not None and theirs is not None:
            print(f"{ours.name} against {theirs.name}, its fastest: {times(seconds, theirs, ours)}")


def times(seconds: dict[str, list[float]], theirs: Contender, ours: Contender) -> str:
    """How many times as fast, by rounds."""
    return spread([them / us for them, us in zip(seconds[theirs.name], seconds[ours.name], strict=True)])


if __name__ == "__main__":
    main()
