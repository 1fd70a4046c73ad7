"""Lines at the bottom of the terminal that are redrawn in place, and single keys read without Enter.

Where the stream is no terminal, lines are only ever appended. The terminal's settings come back however the
program ends: at the end of the `with`, on a signal that ends or suspends it, at the interpreter's exit.
"""

from __future__ import annotations

import atexit
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import FrameType, TracebackType
from typing import IO, Any, Self

from craft.text import shows_unicode, wants_color

_COLORS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


class Screen:
    """What a following command writes to: lasting lines, and under them a few lines that move."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.color = wants_color(stream)
        self.unicode = shows_unicode(stream)
        self.live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn: list[str] = []

    @property
    def width(self) -> int:
        """Columns that a line may take; the last one is left free, so that no terminal wraps."""
        return max(20, shutil.get_terminal_size((80, 24)).columns - 1)

    @property
    def height(self) -> int:
        """Lines of the terminal."""
        return max(10, shutil.get_terminal_size((80, 24)).lines)

    def paint(self, text: str, *styles: str) -> str:
        """`text` in the terminal's own colours, where it has any."""
        if not self.color or not styles or not text:
            return text
        return f"\x1b[{';'.join(_COLORS[style] for style in styles)}m{text}\x1b[0m"

    def line(self, text: str, *styles: str) -> None:
        """Write a lasting line (or several) above the moving ones. The text must be clean."""
        moving = self._drawn
        self.stream.write(self._erased() + self.paint(text, *styles) + "\n" + "\n".join(moving))
        self._drawn = moving
        self.stream.flush()

    def redraw(self, *lines: str) -> None:
        """Replace the moving lines; nothing where the stream is no terminal. Each must be clean and fit `width`."""
        if not self.live or list(lines) == self._drawn:
            return
        self.stream.write(self._erased() + "\n".join(lines))
        self._drawn = list(lines)
        self.stream.flush()

    def erase(self) -> None:
        """Take the moving lines away."""
        self.stream.write(self._erased())
        self.stream.flush()

    def _erased(self) -> str:
        """What takes the moving lines away: to the first of them, and clear from there to the end."""
        rows, self._drawn = len(self._drawn), []
        if not rows:
            return ""
        return (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\r\x1b[J"


class Keys:
    """Single key presses from standard input, and a wait that a key or a signal ends early.

    Ctrl-C still sends its signal. Where standard input is no terminal, or another process group owns it
    (`craft run FILE &`), no key is ever read and its settings are not touched.
    """

    def __init__(self, stdin: IO[str] | None = None) -> None:
        self._fd = _terminal_of(stdin if stdin is not None else sys.stdin)
        self._saved: list[Any] | None = None
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self._handlers: dict[int, Any] = {}
        self._wakeup_fd = -1

    @property
    def usable(self) -> bool:
        """Whether a key can be pressed at all."""
        return self._saved is not None

    def __enter__(self) -> Self:
        self._wakeup_fd = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self.handle(signal.SIGCHLD, lambda: None)
        if self._fd is not None and _in_foreground(self._fd):
            self._saved = termios.tcgetattr(self._fd)
            atexit.register(self.restore)
            for ending in (signal.SIGTERM, signal.SIGHUP):
                self.handle(ending, partial(self._die, ending))
            self.handle(signal.SIGTSTP, self._suspend)
            self.handle(signal.SIGCONT, self._one_key_at_a_time)
            self._one_key_at_a_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()
        atexit.unregister(self.restore)
        self._saved = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        signal.set_wakeup_fd(self._wakeup_fd)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def handle(self, number: signal.Signals, action: Callable[[], object]) -> None:
        """Run `action` on a signal until the `with` ends; the signal also ends a wait.

        One that whoever started this program wants ignored (nohup, a shell script's background job) stays so.
        """
        if signal.getsignal(number) == signal.SIG_IGN:
            return

        def handler(received: int, frame: FrameType | None) -> None:
            action()

        previous = signal.signal(number, handler)
        self._handlers.setdefault(number, previous)

    def wait(self, seconds: float, also: Sequence[int] = ()) -> str:
        """Sleep until a key, a signal or the time; returns the keys pressed, mostly none.

        `also`: more file descriptors that end the wait when they become readable.
        """
        watched = [self._wake_read, *also]
        if self._saved is not None and self._fd is not None:
            watched.append(self._fd)
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._wake_read in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        if self._fd is None or self._fd not in ready:
            return ""
        try:
            pressed = os.read(self._fd, 64)
        except OSError:
            pressed = b""
        if not pressed:  # the terminal is gone: never look at it again
            self._saved = None
        return pressed.decode("ascii", "ignore")

    def restore(self) -> None:
        """Give the terminal back as it was found."""
        if self._fd is not None and self._saved is not None and _in_foreground(self._fd):
            with suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def _one_key_at_a_time(self) -> None:
        if self._fd is not None and self._saved is not None and _in_foreground(self._fd):
            tty.setcbreak(self._fd, termios.TCSADRAIN)

    def _suspend(self) -> None:
        self.restore()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _die(self, number: signal.Signals) -> None:
        self.restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _terminal_of(stream: IO[str]) -> int | None:
    """The descriptor of `stream` when a person can type into it."""
    try:
        return stream.fileno() if stream.isatty() else None
    except (OSError, ValueError):
        return None


def _in_foreground(fd: int) -> bool:
    """A background job that sets the terminal is suspended by the kernel, so it must ask first."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
