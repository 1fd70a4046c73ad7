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
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="outbox", daemon=True)
        self._thread.start()

    def send(self, **message: Any) -> None:
        """Say something; `type` is one of its fields."""
        self._queue.put(message)

    def piece(self, identifier: Id, checkpoint: int, piece: Piece) -> None:
        """Say what one token brought; it leaves with others of its request in a `pieces` message."""
        self._queue.put((identifier, checkpoint, piece))

    def wait(self, cancelled: Callable[[], bool], most: int = MOST_WAITING) -> None:
        """Return once no more than so many messages and pieces wait for the reader, or `cancelled` says so."""
        while self._queue.qsize() > most and not cancelled():
            time.sleep(_TOGETHER)

    def finish(self, timeout: float, **message: Any) -> None:
        """Say a last thing, and wait until it is taken; nothing is said after it."""
        self.send(**message)
        self._queue.put(self._finished)
        self._finished.wait(timeout)

    def _write_all(self) -> None:
        while not self._finished.is_set():
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
            except Exception as error:  # a message that memory does not hold: whoever waits for it must hear of it
                fault = {"kind": type(error).__name__, "message": "an answer could not be written"}
                named = {
                    item[0] if isinstance(item, tuple) else item.get("id")
                    for item in items
                    if not isinstance(item, threading.Event)
                }
                for identifier in named:
                    self.send(type="error", id=identifier, **fault)
            if isinstance(items[-1], tuple):
                time.sleep(_TOGETHER)

    def _write(self, items: list[Any]) -> None:
        """Write some items, pieces that follow each other in one message; up to the end, if that is among them."""
        lines: list[dict[str, Any]] = []
        together: dict[str, Any] | None = None
        last = items.index(self._finished) if self._finished in items else len(items)
        for item in items[:last]:
            if not isinstance(item, tuple):
                together = None
                lines.append(item)
                continue
            identifier, checkpoint, piece = item
            if together is None or (together["id"], together["checkpoint"]) != (identifier, checkpoint):
                together = {"type": "pieces", "id": identifier, "checkpoint": checkpoint, "pieces": []}
                lines.append(together)
            together["pieces"].append(piece)
        data = memoryview(b"".join(map(encode_line, lines)))
        while data:
            data = data[os.write(self._descriptor, data) :]
        if last < len(items):
            self._finished.set()
