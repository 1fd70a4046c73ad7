"""The sampler process of the workbench: started when first asked, started again after it died, ended with the program.

Everything slow is in threads: one starts the process and sends, one listens. What comes goes to the widget that asked,
as `Answered`, at most fifteen times a second however fast a model writes. docs/sampler.md has the messages.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from textual.message import Message
from textual.widget import Widget

from craft.errors import CraftError
from craft.runs.sampler_client import Sampler
from craft.runs.sampler_protocol import is_final

PAUSE = 0.07
"""Seconds between two messages to a widget: the first comes at once."""
_CLOSE_WITHIN = 1.0  # seconds
_LARGEST_LOG = 1 << 20

Said = dict[str, Any]
"""One message of the sampler process."""


class Answered(Message, bubble=False):
    """What came for a request since the last time, in order; tokens of one checkpoint are one `pieces` message.

    The last message of a request is `done` or `error` (`is_final`), also when the process died.
    """

    def __init__(self, identifier: str, messages: list[Said]) -> None:
        super().__init__()
        self.id, self.messages = identifier, messages


@dataclass(frozen=True)
class State:
    """What the sampler process does, in a word, and more about it in words."""

    word: str = "off"
    """off, starting, loading, answering, ready, ended."""
    about: str = ""


class SamplingChanged(Message, bubble=False):
    """The state is another than before."""


@dataclass
class _Open:
    """A request that is not answered yet."""

    owner: Widget
    names: Sequence[str]
    loaded: bool = False
    waiting: list[Said] = field(default_factory=list)


class Sampling:
    """One for each workbench. `listener` hears of each change of the state."""

    def __init__(self, listener: Widget, log: Path) -> None:
        self._listener, self._log = listener, log
        self._lock = threading.Lock()
        self._requests: SimpleQueue[Said | None] = SimpleQueue()
        self._sender: threading.Thread | None = None
        self._readers: list[threading.Thread] = []
        self._sampler: Sampler | None = None
        self._open: dict[str, _Open] = {}
        self._number = 0
        self._is_ready = self._closed = False
        self._ended = ""
        self._state = State()

    @property
    def state(self) -> State:
        """What it does now."""
        return self._state

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        sampler = self._sampler
        return None if sampler is None else sampler.pid

    def ask(self, owner: Widget, **request: Any) -> str:
        """Ask something, as docs/sampler.md has it but for the id, which this gives. `owner` gets `Answered` messages
        until one is final. Returns at once, also where the process must be started first."""
        self._number += 1
        identifier = f"w{self._number}"
        with self._lock:
            self._open[identifier] = _Open(owner, _names(request))
        self._requests.put({"id": identifier, **request})
        self._show()
        if self._sender is None and not self._closed:
            self._sender = threading.Thread(target=self._send_all, name="sampler-requests", daemon=True)
            self._sender.start()
        return identifier

    def cancel(self, identifier: str) -> None:
        """End a request: it still gets its final message. One that is answered already is left alone."""
        if identifier in self._open:
            self._number += 1
            self._requests.put({"id": f"w{self._number}", "type": "cancel", "request": identifier})

    def close(self) -> None:
        """End the process; what it was asked is given up."""
        with self._lock:
            self._closed = True
            self._open.clear()
            sampler = self._sampler
        self._requests.put(None)
        if sampler is not None:
            sampler.kill()
        for thread in (self._sender, *self._readers):
            if thread is not None:
                thread.join(_CLOSE_WITHIN)

    # --- the thread that sends ---

    def _send_all(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._started().send(**request)
            except (CraftError, OSError) as error:
                # Dead, and its reader has not said so yet: what was to be asked is asked of the next one.
                if not isinstance(error, CraftError) or not self._retry(request):
                    self._give_up(f"the sampler process could not be started: {error}", [request["id"]])

    def _started(self) -> Sampler:
        with self._lock:
            if self._closed:
                raise CraftError("the workbench closes")
            if self._sampler is None:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG:
                    self._log.unlink()
                self._sampler = Sampler(log=self._log)
                self._is_ready, self._ended = False, ""
                reader = threading.Thread(
                    target=self._listen, args=(self._sampler,), name="sampler-answers", daemon=True
                )
                self._readers = [thread for thread in self._readers if thread.is_alive()] + [reader]
                reader.start()
            found = self._sampler
        self._show()
        return found

    def _retry(self, request: Said) -> bool:
        """Ask the next process, once this one's reader has seen that it is dead."""
        for reader in list(self._readers):
            reader.join(_CLOSE_WITHIN)
        if request["type"] == "cancel" or self._closed:
            return True  # nothing is left to be cancelled
        if request["id"] not in self._open:
            return True  # the reader has answered it
        try:
            self._started().send(**request)
        except (CraftError, OSError):
            return False
        return True

    # --- the thread that listens ---

    def _listen(self, sampler: Sampler) -> None:
        next_post = 0.0
        waiting = False
        try:
            while True:
                left = max(0.0, next_post - time.monotonic()) if waiting else None
                try:
                    message = sampler.receive(left)
                except ValueError:  # a line that is no message: something else wrote into the pipe
                    continue
                if message is not None:
                    waiting = self._take(message) or waiting
                if waiting and time.monotonic() >= next_post:
                    self._post()
                    waiting, next_post = False, time.monotonic() + PAUSE
        except CraftError:
            self._post()
            self._end(sampler)

    def _take(self, message: Said) -> bool:
        """Keep a message for its widget; False where it is for none."""
        if message.get("type") == "ready":
            self._is_ready = True
            self._show()
        with self._lock:
            found = self._open.get(str(message.get("id")))
            if found is None:
                return False
            last = found.waiting[-1] if found.waiting else {}
            if message["type"] == last.get("type") == "pieces" and message["checkpoint"] == last["checkpoint"]:
                last["pieces"] += message["pieces"]
            else:
                found.waiting.append(message)
            first = message["type"] == "loaded" and not found.loaded
            found.loaded |= first
        if first:
            self._show()
        return True

    def _post(self) -> None:
        """Give what came to the widgets."""
        posts: list[tuple[Widget, Answered]] = []
        ended = False
        with self._lock:
            for identifier, one in list(self._open.items()):
                if one.waiting:
                    posts.append((one.owner, Answered(identifier, one.waiting)))
                    if is_final(one.waiting[-1]):
                        del self._open[identifier]
                        ended = True
                    one.waiting = []
        for owner, message in posts:
            _post_to(owner, message)
        if ended:
            self._show()

    def _end(self, sampler: Sampler) -> None:
        """The process is gone: what it was asked has no answer."""
        status = sampler.end()
        with self._lock:
            self._sampler = None
            open_now = list(self._open)
        words = f"the sampler process {_how(status)}"
        self._give_up(f"{words}; the next request starts another. What it printed: {self._log}", open_now)
        self._ended = words
        self._show()

    def _give_up(self, words: str, identifiers: Sequence[str]) -> None:
        with self._lock:
            for identifier in identifiers:
                if identifier in self._open:
                    fault = {"type": "error", "id": identifier, "kind": "SamplerEnded", "message": words}
                    self._open[identifier].waiting.append(fault)
        self._post()

    # --- its state ---

    def _show(self) -> None:
        state = self._judge()
        if state != self._state:
            self._state = state
            _post_to(self._listener, SamplingChanged())

    def _judge(self) -> State:
        with self._lock:
            requests = list(self._open.values())
        others = f", {len(requests) - 1} more wait" if len(requests) > 1 else ""
        if self._sampler is None and not requests:
            return State("ended", self._ended) if self._ended else State()
        if not self._is_ready:
            return State("starting", "imports torch" + others)
        if not requests:
            return State("ready")
        first = requests[0]
        if not first.loaded and first.names:
            return State("loading", ", ".join(first.names) + others)
        return State("answering", ", ".join(first.names) + others)


def _names(request: Said) -> list[str]:
    """What the checkpoints of a request are called, shortly."""
    wanted = request.get("checkpoints") or ([request["checkpoint"]] if "checkpoint" in request else [])
    places = (one if isinstance(one, str) else str(one.get("run") or one.get("path") or "") for one in wanted)
    return list(dict.fromkeys(_name(Path(place)) for place in places))


def _name(place: Path) -> str:
    """A run's name, or what a path ends in; a checkpoint of a run by both."""
    return f"{place.parent.parent.name} {place.name}" if place.parent.name == "checkpoints" else place.name


def _how(status: int) -> str:
    """How a process ended, for people."""
    if status < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-status).name
            why = ": perhaps memory ran out" if name == "SIGKILL" else ""
            return f"was ended by {name}{why}"
    return f"has ended (status {status})"


def _post_to(widget: Widget, message: Message) -> None:
    """Post from any thread; a program that ends listens no more."""
    with contextlib.suppress(RuntimeError):
        widget.post_message(message)
