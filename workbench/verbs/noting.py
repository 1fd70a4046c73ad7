"""A star, tags and a note."""

from __future__ import annotations

from collections.abc import Sequence

from craft.errors import CraftError
from craft.runs.folder import RunFolder
from craft.runs.notes import change_notes, read_notes, tag_fault
from workbench.verbs.telling import Telling


def star(folders: Sequence[RunFolder], told: Telling) -> None:
    """Put a star on runs; where all have one, take it away."""
    wanted = not all(read_notes(folder).star for folder in folders)
    for folder in folders:
        try:
            change_notes(folder, star=wanted)
        except CraftError as error:
            told.refuse(str(error))


def set_tags(folders: Sequence[RunFolder], words: str, told: Telling) -> None:
    """One run gets exactly these tags; several get them added, and lose those that stand with a minus."""
    add, minus = _tags_in(words)
    for folder in folders:
        old = [tag for tag in read_notes(folder).tags if tag not in add] if len(folders) == 1 else []
        try:
            change_notes(folder, add=add, remove=[*minus, *old])
        except CraftError as error:
            told.refuse(str(error))
            return
    told.say(f"{_named(folders)}: {', '.join(add) or 'no tags'}" if len(folders) == 1 else f"{_named(folders)} tagged")


def tags_fault(words: str) -> str:
    """What is wrong with tags as they are typed; empty where nothing is."""
    return next(filter(None, map(tag_fault, _tags_in(words)[0])), "")


def _tags_in(words: str) -> tuple[list[str], list[str]]:
    """Those to add, and those with a minus."""
    wanted = words.replace(",", " ").split()
    minus = [word[1:] for word in wanted if word.startswith("-")]
    return [word for word in wanted if not word.startswith("-")], minus


def set_note(folders: Sequence[RunFolder], note: str, told: Telling) -> None:
    """Write the note of runs; an empty one takes it away."""
    for folder in folders:
        try:
            change_notes(folder, note=note)
        except CraftError as error:
            told.refuse(str(error))
            return
    told.say(f"{_named(folders)}: {'note written' if note else 'note taken away'}")


def _named(folders: Sequence[RunFolder]) -> str:
    return folders[0].name if len(folders) == 1 else f"{len(folders)} runs"
