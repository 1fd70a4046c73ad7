"""What a person says of a run: a star, tags, a note. In `notes.json`, which nothing but a person's wish changes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from craft import platform
from craft.errors import RunError, UsageError
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object, why

NAME = "notes.json"
_TAG = re.compile(r"[\w./+-]{1,40}")
_LONGEST = 10_000


@dataclass(frozen=True)
class Notes:
    """What was said of one run."""

    star: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    fault: str = ""
    """What is wrong with the file; the rest is then what could be read of it."""

    @property
    def text(self) -> str:
        """All of it as words, for filters: "starred" stands for the star."""
        return " ".join(filter(None, ("starred" if self.star else "", *self.tags, self.note)))


def read_notes(folder: RunFolder) -> Notes:
    """What was said of a run; nothing where the file is missing."""
    try:
        data = read_object(folder.path / NAME)
    except FileNotFoundError:
        return Notes()
    except (OSError, ValueError) as error:
        return Notes(fault=f"{NAME} is damaged: {why(error)}")
    star, tags, note = (data.get(name) for name in ("star", "tags", "note"))
    words = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    sound = {
        "star": star is None or isinstance(star, bool),
        "tags": tags is None or (isinstance(tags, list) and len(words) == len(tags)),
        "note": note is None or isinstance(note, str),
    }
    wrong = [name for name in sound if not sound[name]]
    fault = f"{NAME} is damaged: its {' and '.join(wrong)} cannot be read" if wrong else ""
    return Notes(star is True, words, note if isinstance(note, str) else "", fault)


def how_to_mend(folder: RunFolder, notes: Notes) -> str:
    """What is wrong with its notes, where, and what to do; empty where nothing is wrong."""
    if not notes.fault:
        return ""
    place = str(folder.path / NAME)
    move = f"mv {shlex.quote(place)} {shlex.quote(f'{place}.damaged')}"
    return f"{folder.path}: {notes.fault}; nothing is changed in it. Mend it, or move it away: {move}"


def tag_fault(tag: str) -> str:
    """Why it is no tag; empty where it is one."""
    if _TAG.fullmatch(tag):
        return ""
    return f"'{tag}' is no tag: up to 40 letters, digits and . _ - + /, without spaces"


def note_fault(note: str) -> str:
    """Why it is no note; empty where it is one."""
    return f"the note has {len(note):,} characters; {_LONGEST:,} are the most" if len(note) > _LONGEST else ""


def change_notes(
    folder: RunFolder,
    *,
    star: bool | None = None,
    note: str | None = None,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> Notes:
    """Set the star and the note, add and take away tags, on disk when this returns; two at once lose nothing.

    Raises UsageError for what is no tag or far too long, RunError when the disk does not take it, and for a damaged
    file, which is left as it is: what can still be read of it may be all that is left of a note.
    """
    if wrong := next(filter(None, (*map(tag_fault, add), note_fault(note or ""))), ""):
        raise UsageError(wrong)
    place = folder.path / NAME
    try:
        # A lock of its own, not the worker's: a run that trains can be written about.
        with platform.FileLock(folder.path / f".{NAME}.lock"):
            before = read_notes(folder)
            if before.fault:
                raise RunError(how_to_mend(folder, before))
            kept = [tag for tag in before.tags if tag not in remove]
            notes = Notes(
                before.star if star is None else star,
                tuple(dict.fromkeys((*kept, *add))),
                before.note if note is None else note,
            )
            platform.write_file_durable(
                place, encode_file({"star": notes.star, "tags": notes.tags, "note": notes.note})
            )
    except OSError as error:
        raise RunError(f"{place}: cannot be written: {why(error)}") from error
    return notes
