"""Pastes are taken out of what comes in before keys are looked for in it.

Textual looks for keys in a paste too: one that holds an ESC is done as keys from there on, up to 32 characters of it,
which may be any commands. Here it ends at its mark and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator

from textual.events import Paste

_BEGIN, _END = "\x1b[200~", "\x1b[201~"


class Pastes:
    """Parts what comes in, in whatever pieces, the marks too; a begin in two pieces far apart has been keys by then."""

    def __init__(self) -> None:
        self._pasted: list[str] | None = None
        self._last = ""
        """What came last, where it may be the first part of a mark."""

    @property
    def open(self) -> bool:
        """Whether the end of a paste is still to come."""
        return self._pasted is not None

    def feed(self, text: str) -> Iterator[str | Paste]:
        """What holds keys, and pastes. The marks go with the keys: who looks for those has seen the first half of one
        that came in two."""
        while text:
            whole = self._last + text
            if self._pasted is None:
                begin = whole.find(_BEGIN)
                if begin < 0:
                    self._last = whole[1 - len(_BEGIN) :]
                    yield text
                    return
                rest = whole[begin + len(_BEGIN) :]
                yield text[: len(text) - len(rest)]
                self._pasted, self._last, text = [], "", rest
            else:
                inside, mark, rest = whole.partition(_END)
                if not mark:
                    held = next(length for length in range(len(_END) - 1, -1, -1) if whole.endswith(_END[:length]))
                    self._last = _END[:held]
                    self._pasted.append(whole[: len(whole) - held])
                    return
                self._pasted.append(inside)
                self._last, text = "", rest
                yield from self.end()

    def end(self) -> Iterator[str | Paste]:
        """The paste that is open, as far as it came."""
        if self._pasted is not None:
            pasted = "".join([*self._pasted, self._last]).replace("\0", "")
            self._pasted, self._last = None, ""
            yield _END
            yield Paste(pasted)
