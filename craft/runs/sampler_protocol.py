"""What the workbench and the sampler process say to each other: JSON, one message a line. docs/sampler.md has it all.

Free of torch and of anything heavy: both sides import it.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

PROTOCOL = 2
"""Said in `hello`. It rises when a message that was understood no longer is; new fields do not raise it."""

MAX_LINE = 32 << 20
"""Bytes of a request at most: a prompt of megabytes fits, also where each of its characters is escaped."""

FINAL = ("done", "error", "held", "cancelled", "unloaded")
"""Types of messages that end a request, but for an `error` that names one of several checkpoints."""

Id = str | int


class Alternative(TypedDict):
    """A token that could have stood there."""

    token: int
    piece: str
    probability: float


class Piece(TypedDict, total=False):
    """What one more token brought. The last three are there where `alternatives` were asked for."""

    prompt: int
    sample: int
    token: int
    piece: str
    """What the token stands for; bytes that are no whole character in hexadecimal, as \\xc3. Not cleaned."""
    text: str
    """What can be shown now: half a character, and what may begin a stop text, come with a later piece. Not cleaned."""
    ended: Literal["", "length", "stop", "end"]
    probability: float
    entropy: float
    alternatives: list[Alternative]


class Pieces(TypedDict):
    """Tokens of one request and checkpoint, in the order they were written."""

    type: Literal["pieces"]
    id: Id
    checkpoint: int
    pieces: list[Piece]


class Provenance(TypedDict):
    """Where a text comes from."""

    path: str
    run: str | None
    step: int | None
    source: str
    precision: str
    device: str
    why_device: str
    threads: int
    parameters: int
    vocab_size: int
    context_length: int
    torch: str
    remarks: list[str]


class Error(TypedDict, total=False):
    """What was wrong, what was found, what to do."""

    type: Literal["error"]
    id: Id | None
    """None where the message was so wrong that it named no request."""
    checkpoint: int
    """Only where the request goes on with its other checkpoints."""
    kind: str
    message: str
    where: str
    """Only of a fault of Craft's own: file, line and function."""


def is_final(message: dict[str, Any]) -> bool:
    """Whether a message is the last one of its request."""
    return message.get("type") in FINAL and not (message["type"] == "error" and "checkpoint" in message)
