"""What the sampler process says: messages in a thread of their own, so that computing never waits for a reader.

A piece of text leaves at once when nothing left just before; those that come within the next milliseconds, or while a
slow reader still takes the last ones, leave together. A reader that takes nothing at all stops the writing of texts
after MOST_WAITING tokens, which then goes on with it; cancelling works all the while.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from craft.runs.json_files import encode_line
from craft.runs.sampler_protocol import Id, Piece

MOST_WAITING = 10_000
_TOGETHER = 0.005  # seconds: a person sees no delay, and a fast model needs a fifth of the writes


class Outbox:
    """Messages on their way to a descriptor."""

    def __init__(self, descriptor: int, closed: Callable[[], object]) -> None:
        """closed: called, in the outbox's thread, once nobody reads any more."""
        self._descriptor, self._closed = descriptor, closed
        self._queue: SimpleQueue[dict[str, Any] | tuple[Id, int, Piece] | threading.Event] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="outbox", daemon=True)
        self._thread.start()

    def send(self, **message: Any) -> None:
        """Say something; `type` is one of its fields."""
        self._queue.put(message)

    def piece(self, identifier: Id, checkpoint: int, piece: Piece) -> None:
        """Say what one token brought; it leaves with others of its request in a `pieces` message."""
        self._queue.put((identifier, checkpoint, piece))

    def wait(self, cancelled: Callable[[], bool]) -> None:
        """Return once not too much waits for the reader, or `cancelled` says so."""
        while self._queue.qsize() > MOST_WAITING and not cancelled():
            time.sleep(_TOGETHER)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was said before has been taken; whether it was."""
        reached = threading.Event()
        self._queue.put(reached)
        return reached.wait(timeout)

    def _write_all(self) -> None:
        while True:
            items = [self._queue.get()]
            try:
                while True:
                    items.append(self._queue.get_nowait())
            except Empty:
                pass
            try:
                self._write(items)
            except OSError:
                self._closed()
                return
            if isinstance(items[-1], tuple):
                time.sleep(_TOGETHER)

    def _write(self, items: list[Any]) -> None:
        """Write some items, pieces that follow each other in one message."""
        lines, reached = [], []
        together: dict[str, Any] | None = None
        for item in items:
            if isinstance(item, tuple):
                identifier, checkpoint, piece = item
                if together is None or (together["id"], together["checkpoint"]) != (identifier, checkpoint):
                    together = {"type": "pieces", "id": identifier, "checkpoint": checkpoint, "pieces": []}
                    lines.append(together)
                together["pieces"].append(piece)
            elif isinstance(item, threading.Event):
                reached.append(item)
            else:
                together = None
                lines.append(item)
        data = memoryview(b"".join(map(encode_line, lines)))
        while data:
            data = data[os.write(self._descriptor, data) :]
        for event in reached:
            event.set()
