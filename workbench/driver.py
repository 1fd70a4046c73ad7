"""How keys and pastes come in: waited for. Textual's own driver looks for them ten times a second, which takes a
processor away from the training that is watched each time, although nobody types."""

from __future__ import annotations

import os
import selectors
import time
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import Any

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Paste

from workbench.pastes import Pastes

_ROUND = 0.1  # seconds
_ROUNDS = 5  # after something came, in which the parser may have to give up waiting for the rest of a key
_PASTE_ROUNDS = 50  # after which a paste whose end was lost is over: what comes then are keys again


class WaitingDriver(LinuxDriver):
    """Textual's driver for terminals, with another loop that reads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._woken, self._waking = os.pipe()

    def disable_input(self) -> None:
        os.write(self._waking, b".")  # it looks a few times whether it shall end
        super().disable_input()

    def close(self) -> None:
        super().close()
        os.close(self._woken)
        os.close(self._waking)

    def run_input_thread(self) -> None:
        """Hand on what comes, until it is told to end."""
        parser, pastes = XTermParser(self._debug), Pastes()
        decode = getincrementaldecoder("utf-8")("replace").decode
        quiet = 0

        def hand_on(parts: Iterable[str | Paste]) -> None:
            for part in parts:
                for event in [part] if isinstance(part, Paste) else parser.feed(part):
                    if event is part or not isinstance(event, Paste):  # the parser's own are empty
                        self.process_message(event)

        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                patience = _PASTE_ROUNDS if pastes.open else _ROUNDS
                ready = [key.fd for key, _ in selector.select(_ROUND if quiet < patience else None)]
                quiet = 0 if ready else quiet + 1
                if self._woken in ready:
                    os.read(self._woken, 4096)
                if self.fileno in ready:
                    read = os.read(self.fileno, 4096)
                    if not read:
                        time.sleep(_ROUND)  # the terminal is gone
                    hand_on(pastes.feed(decode(read)))
                elif quiet == _PASTE_ROUNDS:
                    hand_on(pastes.end())
                for event in parser.tick():
                    self.process_message(event)
        try:
            for _ in parser.feed(""):
                pass
        except (EOFError, ParseError):
            pass
