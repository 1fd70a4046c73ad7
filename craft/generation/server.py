"""The sampler process: text from checkpoints, asked for and given as JSON lines on the standard streams.

    python -m craft.generation.server --memory 2GiB

docs/sampler.md says what can be asked. One thread reads what comes and answers what needs no model, one computes, one
writes what is said. It ends when its standard input does, or whoever started it; nothing of it needs to be saved.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from craft import __version__, platform
from craft.errors import CraftError, UsageError
from craft.generation.sampler.outbox import Outbox
from craft.generation.sampler.requests import Asking, Cancel, Listing, Request, Shutdown, Unload, id_of, parse
from craft.runs.json_files import decode_object
from craft.runs.sampler_protocol import MAX_LINE, PROTOCOL, Id

if TYPE_CHECKING:
    from craft.generation.sampler.answering import Answering

_PARENT_LOOK = 0.25  # seconds
_SHARE = 0.5  # of the free memory, unless --memory says otherwise
_USUAL = 4 << 30  # where the system does not say what is free
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class _Ticket:
    """A request that was taken, and whether it is to end."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.cancelled = threading.Event()


class Server:
    """Reads requests, answers them in turn."""

    def __init__(self, incoming: int, outgoing: int, budget: int) -> None:
        self._incoming, self._budget = incoming, budget
        self._outbox = Outbox(outgoing, closed=_leave)
        self._waiting: deque[_Ticket] = deque()
        self._open: dict[Id, _Ticket] = {}
        self._changed = threading.Condition()
        self._answering: Answering | None = None

    def run(self) -> None:
        """Until there is nobody to serve."""
        self._outbox.send(type="hello", protocol=PROTOCOL, pid=os.getpid(), craft=__version__, memory=self._budget)
        threading.Thread(target=self._read_all, name="reader", daemon=True).start()
        with suppress(BaseException):  # what cannot be imported is said to each request
            self._get_ready()
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                ticket = self._waiting.popleft()
            self._answer(ticket)

    def _get_ready(self) -> Answering:
        """Import what takes long, once."""
        if self._answering is None:
            started = time.perf_counter()
            import torch

            from craft.generation.sampler.answering import Answering
            from craft.generation.sampler.checkpoints_held import CheckpointsHeld

            self._answering = Answering(CheckpointsHeld(self._budget), self._outbox)
            seconds = round(time.perf_counter() - started, 3)
            self._outbox.send(type="ready", torch=torch.__version__, cuda=torch.cuda.is_available(), seconds=seconds)
        return self._answering

    # Answering, in the thread that computes --------------------------------------------------------------------------

    def _answer(self, ticket: _Ticket) -> None:
        request = ticket.request
        try:
            if isinstance(request, Unload):
                dropped = self._get_ready().held.drop(request.path)
                final = {"type": "unloaded", "id": request.id, "paths": dropped}
            else:
                assert isinstance(request, Asking), "nothing else waits"
                final = self._get_ready().answer(request, ticket.cancelled.is_set)
        except BaseException as error:  # SystemExit of a person's own code too: this process goes on
            final = {"type": "error", "id": request.id, **_fault(error)}
        with self._changed:
            self._open.pop(request.id, None)
        self._outbox.send(**final)

    # Reading, in a thread of its own ---------------------------------------------------------------------------------

    def _read_all(self) -> None:
        while True:
            try:
                for line in _lines(self._incoming):
                    if line is None:
                        self._refuse(None, UsageError(f"a line of more than {MAX_LINE:,} bytes: no request is so long"))
                    elif line.strip():
                        self._take(line)
                _leave()
            except OSError:
                _leave()
            except MemoryError as error:  # the line is lost, and what is left of it will be no request
                self._refuse(None, error)

    def _take(self, line: bytes) -> None:
        identifier: Id | None = None
        try:
            try:
                message = decode_object(line)
            except ValueError as error:
                raise UsageError(f"{error}: a request is one JSON object on one line") from error
            named = id_of(message)
            with self._changed:
                if named in self._open:  # an error by that name would end the other
                    raise UsageError(f"id {named!r} is that of a request that is not answered yet; take another")
            identifier = named
            self._obey(parse(message))
        except BaseException as error:
            self._refuse(identifier, error)

    def _refuse(self, identifier: Id | None, error: BaseException) -> None:
        self._outbox.send(type="error", id=identifier, **_fault(error))

    def _obey(self, request: Request) -> None:
        if isinstance(request, Shutdown):
            self._outbox.finish(1.0, type="done", id=request.id, reason="finished")
            _leave()
        if isinstance(request, Cancel):
            self._cancel(request)
        elif isinstance(request, Listing):
            self._list(request)
        else:
            ticket = _Ticket(request)
            with self._changed:
                self._open[request.id] = ticket
                self._waiting.append(ticket)
                self._changed.notify()

    def _cancel(self, request: Cancel) -> None:
        with self._changed:
            ticket = self._open.get(request.request)
            queued = ticket is not None and ticket in self._waiting
            if ticket is not None:
                ticket.cancelled.set()
                if queued:
                    self._waiting.remove(ticket)
                    del self._open[request.request]
        self._outbox.send(type="cancelled", id=request.id, request=request.request, found=ticket is not None)
        if queued:
            self._outbox.send(type="done", id=request.request, reason="cancelled", results=[])

    def _list(self, request: Listing) -> None:
        held = self._answering.held if self._answering is not None else None
        checkpoints = [
            {
                "path": str(one.loaded.path),
                "run": one.loaded.run,
                "step": one.loaded.step,
                "source": one.loaded.source,
                "device": one.device,
                "precision": one.precision,
                "bytes": one.num_bytes,
                "parameters": one.parameters,
            }
            for one in held or ()
        ]
        with self._changed:
            waiting = [ticket.request.id for ticket in self._waiting]
            answering = [identifier for identifier in self._open if identifier not in waiting]
        taken = held.num_bytes if held is not None else 0
        self._outbox.send(
            type="held",
            id=request.id,
            checkpoints=checkpoints,
            memory={"budget": self._budget, "held": taken},
            answering=answering,
            waiting=waiting,
        )


def _fault(error: BaseException) -> dict[str, Any]:
    """What went wrong; where, if it is not a person's mistake."""
    kind = type(error).__name__
    if isinstance(error, CraftError):
        return {"kind": kind, "message": str(error)}
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "site-packages" not in one.filename and not one.filename.startswith("<")]
    last = next(reversed(own or frames), None)
    where = "" if last is None else f"{os.path.basename(last.filename)}:{last.lineno} in {last.name}"  # noqa: PTH119
    message = str(error).strip().partition("\n")[0] or kind
    if isinstance(error, MemoryError):
        message = "there is not enough memory for this; ask for less at once, or unload checkpoints"
    return {"kind": kind, "message": message, "where": where}


def _lines(descriptor: int) -> Iterator[bytes | None]:
    """The lines that come; None for one that is too long, of which little is kept."""
    parts: list[bytes] = []
    size = 0
    too_long = False
    while data := os.read(descriptor, 1 << 16):
        *whole, rest = data.split(b"\n")
        for part in whole:
            if not too_long:
                if size + len(part) > MAX_LINE:
                    yield None
                else:
                    yield b"".join([*parts, part])
            parts, size, too_long = [], 0, False
        if not too_long and rest:
            parts.append(rest)
            size += len(rest)
            if size > MAX_LINE:
                yield None
                parts, too_long = [], True


def _leave() -> None:
    """End at once, also in the middle of a computation; there is nothing to save and nobody to tell."""
    os._exit(0)


def _watch_parent(parent: int) -> None:
    """Leave when whoever started this process is gone, even if another still holds its standard input open."""
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK)
    _leave()


def _take_streams() -> tuple[int, int]:
    """Private copies of the standard streams: what a library prints goes to standard error, and none reads requests."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # it was started without one
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    os.close(nothing)
    for descriptor in (incoming, outgoing):  # whoever started this may share them, and want otherwise
        os.set_blocking(descriptor, True)
    return incoming, outgoing


def parse_size(text: str) -> int:
    """Bytes from "2GiB", "500MiB" or a plain number. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*(|KiB|MiB|GiB|TiB)", text.strip())
    if found is None:
        raise UsageError(f"--memory {text}: it is a number with KiB, MiB, GiB or TiB, such as 2GiB")
    return int(float(found[1]) * _SIZES[found[2]])


def main(arguments: list[str] | None = None) -> int:
    """Serve until there is nobody to serve."""
    parser = argparse.ArgumentParser(prog="python -m craft.generation.server", description=__doc__.partition("\n")[0])
    parser.add_argument("--memory", help="what checkpoints may take together, such as 2GiB; else half of what is free")
    given = parser.parse_args(arguments)
    try:
        budget = parse_size(given.memory) if given.memory else int((platform.free_memory() or _USUAL) * _SHARE)
    except CraftError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    platform.keep_freed_memory()
    incoming, outgoing = _take_streams()
    threading.Thread(target=_watch_parent, args=(parent,), name="parent", daemon=True).start()
    Server(incoming, outgoing, budget).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
