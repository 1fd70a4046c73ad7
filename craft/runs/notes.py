"""What a person says of a run: a star, tags, a note. In `notes.json`, which nothing but a person's wish changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

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

    @property
    def text(self) -> str:
        """All of it as words, for filters: "starred" stands for the star."""
        return " ".join(filter(None, ("starred" if self.star else "", *self.tags, self.note)))


def read_notes(folder: RunFolder) -> Notes:
    """What was said of a run; nothing where the file is missing or damaged."""
    try:
        data = read_object(folder.path / NAME)
    except (OSError, ValueError):
        return Notes()
    tags, note = data.get("tags"), data.get("note")
    return Notes(
        data.get("star") is True,
        tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        note if isinstance(note, str) else "",
    )


def change_notes(
    folder: RunFolder,
    *,
    star: bool | None = None,
    note: str | None = None,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> Notes:
    """Set the star and the note, add and take away tags, on disk when this returns; two at once lose nothing.

    Raises UsageError for what is no tag or far too long, RunError when the disk does not take it.
    """
    for tag in add:
        if not _TAG.fullmatch(tag):
            raise UsageError(f"'{tag}' is no tag: up to 40 letters, digits and . _ - + /, without spaces")
    if note is not None and len(note) > _LONGEST:
        raise UsageError(f"the note has {len(note):,} characters; {_LONGEST:,} are the most")
    place = folder.path / NAME
    try:
        # A lock of its own, not the worker's: a run that trains can be written about.
        with platform.FileLock(folder.path / f".{NAME}.lock"):
            before = read_notes(folder)
            kept = [tag for tag in before.tags if tag not in remove]
            notes = Notes(
                before.star if star is None else star,
                tuple(dict.fromkeys((*kept, *add))),
                before.note if note is None else note,
            )
            platform.write_file_durable(place, encode_file(asdict(notes)))
    except OSError as error:
        raise RunError(f"{place}: cannot be written: {why(error)}") from error
    return notes
