"""What the metrics are that Craft records: title, how values are written, and in plain words what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from craft.analysis.numbers import format_count, format_loss, format_number, format_percent, format_rate

Write = Callable[[float | None], str]


@dataclass(frozen=True)
class About:
    """One kind of metric. `bad` says what shape of its curve is a reason to look closer."""

    pattern: str
    title: str
    write: Write
    what: str
    bad: str


def _percent(value: float | None) -> str:
    return format_percent(None if value is None else value / 100)


def _gib(value: float | None) -> str:
    return f"{format_number(value)} GiB"


def _speed(value: float | None) -> str:
    return format_rate(value, "tok/s")


def _degrees(value: float | None) -> str:
    return f"{format_count(value)} C"


def _watts(value: float | None) -> str:
    return f"{format_count(value)} W"


_ALL = (
    About(
        r"loss",
        "loss",
        format_loss,
        "How surprised the model is by the right answer, in nats a token (natural logarithm); less is better. Training "
        "loss is the mean since the record before; validation loss is over text that is never trained on.",
        "Validation rising while training falls: it learns by heart. A sudden jump: the learning rate is too high. "
        "Flat from the start: the rate is far too low, or the data is wrong.",
    ),
    About(
        r"perplexity",
        "perplexity",
        format_number,
        "e to the power of the loss: between how many equally likely tokens it wavers. 1 would be certainty.",
        "As for the loss; only runs of one vocabulary can be compared by it.",
    ),
    About(
        r"bits_per_byte",
        "bits per byte",
        format_loss,
        "The loss in bits for each byte of the text, which does not depend on the tokenizer: runs of different "
        "vocabularies can be compared by it.",
        "As for the loss.",
    ),
    About(
        r"accuracy",
        "accuracy",
        format_percent,
        "The share of right answers; more is better.",
        "Training near 100% and validation far below: it learns by heart.",
    ),
    About(
        r"lr",
        "learning rate",
        format_number,
        "How large a step the optimizer takes, as the schedule says: it mostly rises, stays or falls smoothly.",
        "The loss jumps where the rate is highest: lower it, or warm up longer.",
    ),
    About(
        r"grad_norm",
        "gradient norm",
        format_number,
        "The length of the whole gradient before it is clipped. training.grad_clip cuts it to that length.",
        "Growing without end, or spikes of many times its level just before the loss jumps. At 0: nothing is learned.",
    ),
    About(
        r"tokens_per_second",
        "speed",
        _speed,
        "Tokens trained on in a second since the record before, without evaluations, saves and samples.",
        "Falling slowly: another program takes the machine, or it grows too hot. Saw teeth: the data comes too slowly.",
    ),
    About(
        r"mfu",
        "model FLOPs utilisation",
        format_percent,
        "The share of what the device could compute at best that goes into the model's own arithmetic.",
        "Below some 20% on a GPU: micro-batches are small, or the model is not compiled.",
    ),
    About(
        r"norms/weight/.*",
        "weight norm",
        format_number,
        "The length of all weights of one layer.",
        "Growing without end in one layer: more weight decay, or a lower rate.",
    ),
    About(
        r"norms/gradient/.*",
        "gradient norm",
        format_number,
        "The length of one layer's gradient, before clipping.",
        "Zero: that layer learns nothing. Much larger than in the others: that is where it becomes unstable.",
    ),
    About(
        r"system/memory_gib",
        "memory of the worker",
        _gib,
        "Main memory that the training process holds.",
        "Rising steadily over hours: something keeps what it should let go.",
    ),
    About(
        r"system/available_gib",
        "memory that is free",
        _gib,
        "Main memory that programs on this machine can still take.",
        "Near 0: the machine begins to swap, or kills the largest program.",
    ),
    About(
        r"system/cpu_percent",
        "processor",
        _percent,
        "Processor time of the worker; 100% is one core.",
        "Far below 100% on a CPU run: it waits, for the disk or for another program.",
    ),
    About(
        r"system/gpu_memory_gib",
        "GPU memory",
        _gib,
        "Memory of the GPU that is taken, by all programs.",
        "Near what the GPU has: a larger batch will fail.",
    ),
    About(
        r"system/gpu_percent",
        "GPU busy",
        _percent,
        "The share of time in which something ran on the GPU; not how well it was used.",
        "Far below 100%: the GPU waits for data or for the processor.",
    ),
    About(
        r"system/gpu_celsius",
        "GPU temperature",
        _degrees,
        "Of the chip.",
        "Above some 85 C it lowers its clock, and the speed falls.",
    ),
    About(
        r"system/gpu_watts",
        "GPU power",
        _watts,
        "What the GPU draws.",
        "Far below its limit while training: it is not fully used.",
    ),
)


def about(name: str) -> About | None:
    """What is known of a metric; None for one of a person's own."""
    last = name.rpartition("/")[2]
    for one in _ALL:
        if re.fullmatch(one.pattern, name if "/" in one.pattern else last):
            return one
    return None


def writer_of(name: str) -> Write:
    """How its values are written."""
    known = about(name)
    return known.write if known else format_number
