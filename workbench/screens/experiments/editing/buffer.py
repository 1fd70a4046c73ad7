"""The text of one experiments file while it is edited: what was typed, what is on disk, and what lies between them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from craft.errors import CraftError
from workbench.screens.experiments.editing.disk import (
    Stamp,
    decoded,
    encoded,
    one_at_a_time,
    read,
    stamp_of,
    why,
    write,
)
from workbench.screens.experiments.editing.drafts import Draft, DraftKeeper, digest, drop, left_drafts

_SLOW = 0.03
"""Seconds that handing a draft over may take with every key; where two took longer, a quarter of the time is its."""


class ChangedOnDiskError(CraftError):
    """The file is not the one that the editing began from: another program wrote it meanwhile."""


class Buffer:
    """The text of `path` as it is edited. Line ends are the file's own; nothing is ever changed but what was typed.

    What touches the disk may take long: call it from a thread. Text and version belong to the event loop.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        """Grows with every change of the text."""
        self.text = ""
        self.saved_text = ""
        self.fault = ""
        """Why the file cannot be edited; empty when it can."""
        self.draft_fault = ""
        """Why what is typed cannot be kept on disk just now; empty when it can."""
        self._base: bytes | None = None
        self._stamp: Stamp | None = None
        self._taken: set[int] = set()  # of each time that another program's text was taken: the texts before and after
        self._behind = 0  # how many of those were undone since the text was that of the file
        self._kept: str | None = None  # the text that the draft on disk holds
        self._handed: str | None = None  # the text that the system has
        self._took = 0.0  # seconds for handing over the last time
        self._rests_until = 0.0  # by the monotonic clock: until then nothing more is handed over
        self._keeper = DraftKeeper(path)
        self._writing = threading.RLock()
        self.reload()

    # --- the text ---

    @property
    def dirty(self) -> bool:
        """Whether there is anything that is not in the file."""
        return self.text != self.saved_text

    @property
    def to_check(self) -> str | None:
        """The text that is to be sound; None for that of the file, which is not what is shown of it."""
        return None if self.fault else self.text

    @property
    def exists(self) -> bool:
        """Whether there was a file when it was last read or written."""
        return self._base is not None

    def set_text(self, text: str) -> None:
        """The text is now this. A draft of it is due: `hand_over` and `keep_draft`."""
        if text != self.text:
            self.text = text
            self.version += 1

    def unsaved(self) -> str:
        """What would be lost with the text, in words; empty when nothing would."""
        if not self.dirty:
            return ""
        number = len(changed_lines(self.saved_text, self.text))
        lines = f"{number} line{'s' * (number != 1)} of {self.path.name} {'is' if number == 1 else 'are'} not saved"
        return lines + ("" if self.draft_fault else "; a draft is kept and offered the next time")

    # --- the file ---

    def reload(self) -> str:
        """Take what is on disk for saved and for the text, and return it. What was typed is gone after this."""
        content, stamp, self.fault = read(self.path)
        self._base, self._stamp = content, stamp
        self.saved_text = decoded(content)
        self.set_text(self.saved_text)
        return self.text

    @property
    def touched(self) -> bool:
        """Whether the file looks another than when it was read or saved: one look at its name."""
        return stamp_of(self.path) != self._stamp

    def changed_on_disk(self) -> bool:
        """Whether another program wrote or removed the file since it was read or saved. Reads it only when touched."""
        with self._writing:
            if not self.touched:
                return False
            content, stamp, fault = read(self.path)
            if content == self._base and not fault:
                self._stamp = stamp
                return False
            return True

    def disk_text(self) -> str:
        """What the file holds now, as far as it can be read; nothing when there is none."""
        return decoded(read(self.path)[0])

    def read_again(self) -> None:
        """Look whether a file that could not be edited can be now; then what it holds is what is saved."""
        with self._writing:
            content, self._stamp, self.fault = read(self.path)
            if not self.fault:
                self._base, self.saved_text = content, decoded(content)

    def encoding_of_disk(self) -> str:
        """What a file that is not UTF-8 is probably written in, as iconv calls it; empty where it is UTF-8."""
        content = read(self.path)[0] or b""
        for name, codec in (("UTF-8", "utf-8"), ("UTF-16", "utf-16"), ("WINDOWS-1252", "cp1252")):
            if codec == "utf-16" and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
                continue  # any even number of bytes would be some
            with contextlib.suppress(UnicodeDecodeError):
                content.decode(codec)
                return "" if name == "UTF-8" else name
        return "LATIN1"

    def take_disk(self) -> str:
        """Take what is on disk for what is saved, for the caller to make it the text. Where that is no text that could
        be edited and saved again without loss, nothing is taken, and this says why."""
        with self._writing:
            content, stamp, fault = read(self.path)
            if fault or content is None:
                return fault or f"{self.path.name} is gone"
            self._base, self._stamp, self.saved_text = content, stamp, decoded(content)
            if self.dirty:
                self._taken.add(hash((self.text, self.saved_text)))
            self._behind = 0
        return ""

    def went_back(self, before: str) -> bool:
        """Whether undo took back what another program wrote, when it made the text another than `before`.

        The text goes on from what was there earlier then, and not from the file: `save` refuses as for any such.
        """
        is_undone = hash((self.text, before)) in self._taken
        is_done_again = self._behind and hash((before, self.text)) in self._taken
        if not is_undone and not is_done_again:
            return False
        if not self.dirty:  # of several that were taken, the newest wrote what was here before
            self._behind = 0
        else:
            self._behind += 1 if is_undone else -1
        base = self.text if self._behind else self.saved_text
        self._base, self._stamp = base.encode(errors="surrogatepass"), None  # half a character can be typed
        return bool(is_undone and self._behind)

    def save(self, *, force: bool = False) -> None:
        """Put the text into the file, on disk when this returns: the old content or the new, never a part.

        Raises ChangedOnDiskError when the file is another than the one that was read, unless `force`; CraftError
        when it cannot be written, and then everything is as before.
        """
        with self._writing:
            text = self.text
            content = encoded(self.path, text)
            with one_at_a_time(self.path):
                if not force and self.changed_on_disk():
                    raise ChangedOnDiskError(f"{self.path.name} was changed by another program since it was read here")
                write(self.path, content)
                self._base, self._stamp = content, stamp_of(self.path)
            self.saved_text, self.fault, self._behind = text, "", 0
            self._drop_draft()

    def save_as(self, other: Path) -> None:
        """Put the text into another file, which must not be there yet; this buffer stays with its own."""
        if os.path.lexists(other):
            raise CraftError(f"{other} is there already; choose another name")
        write(other, encoded(other, self.text))

    # --- drafts ---

    @property
    def draft_due(self) -> bool:
        """Whether the draft on disk is not what it should be."""
        return self._kept != (self.text if self.dirty else None)

    def hand_over(self) -> float:
        """Give what was typed to the system, so that no kill takes it away. For the event loop: no disk is waited for.

        Where the system is slow all the same this rests between two times: then it says in how many seconds it wants to
        be called again, and 0 when all is done. Where it cannot be done `keep_draft` will tell.
        """
        if (rest := self._rests_until - time.monotonic()) > 0:
            return rest
        wanted = self.text if self.dirty else None
        if wanted == self._handed:
            return 0.0
        began = time.monotonic()
        with contextlib.suppress(OSError):
            if wanted is None:
                self._drop_draft()
            else:
                self._keeper.hand_over(wanted, digest(self._base))
            self._handed = wanted
        ended = time.monotonic()
        took = min(ended - began, self._took)
        self._took = ended - began
        self._rests_until = ended + 3 * took if took > _SLOW else 0.0
        return 0.0

    def keep_draft(self) -> None:
        """Force the draft to disk as it is typed up to now; without anything unsaved there is none.

        Never raises: `draft_fault` says why it could not be written, and the next call tries again.
        """
        with self._writing:
            if not self.dirty:
                self._drop_draft()
                return
            moment = self._keeper.moment()
            text = self.text
            if text == self._kept:
                return
            try:
                self._keeper.force(text, digest(self._base), moment)
            except OSError as error:
                self.draft_fault = why(error)
            else:
                self._kept, self.draft_fault = text, ""

    def drafts(self) -> list[Draft]:
        """What earlier workbenches left unsaved, the newest first; none that says what the file says."""
        with contextlib.suppress(OSError):  # it is said where a draft cannot be kept
            self._keeper.prepare()
        found = []
        for draft in left_drafts(self.path):
            if draft.text == self.saved_text:
                drop(draft)
            else:
                found.append(draft)
        return found

    def is_current(self, draft: Draft) -> bool:
        """Whether a draft began from the file as it is now."""
        return draft.base == digest(self._base)

    def take(self, draft: Draft) -> bool:
        """Make a left draft this buffer's; False when another workbench has it. Its text is set by the caller."""
        with self._writing:
            if not self._keeper.take(draft):
                return False
            self._kept = self._handed = draft.text
            return True

    def close(self) -> None:
        """Write what is still due, and leave the draft to the next workbench."""
        with self._writing:
            if self.draft_due:
                self.keep_draft()
            self._keeper.leave()

    def _drop_draft(self) -> None:
        """Remove the draft, unless there is something unsaved again."""
        self._keeper.remove(unless=lambda: self.dirty)
        self._kept, self._handed, self.draft_fault = None, None, ""


def changed_lines(old: str, new: str) -> list[int]:
    """The lines of `new`, from 1, that differ from `old`; where lines are only gone, the line after them."""
    import difflib

    before, after = old.split("\n"), new.split("\n")
    same = common_start(before, after)
    tail = common_start(before[same:][::-1], after[same:][::-1])
    before, after = before[same : len(before) - tail], after[same : len(after) - tail]
    found: dict[int, None] = {}
    for kind, _, _, start, stop in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if kind != "equal":
            found.update(dict.fromkeys(range(same + start + 1, same + max(stop, start + 1) + 1)))
    return list(found)


def common_start(one: Sequence[object], other: Sequence[object]) -> int:
    """How many elements two texts or lists begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
