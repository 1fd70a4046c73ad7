"""What is done to each document before it becomes tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from craft.config.own_code import import_named
from craft.config.schema.data import PROCESSORS
from craft.data.tokenizers.blocks import blocks
from craft.errors import DataError

Processor = Callable[[str], str]


def normalise(text: str) -> str:
    """Unicode NFC, and one kind of line end."""
    return unicodedata.normalize("NFC", re.sub(r"\r\n?", "\n", text))


NAMED: dict[str, Processor] = dict(zip(PROCESSORS, (normalise, str.lower), strict=True))


def find_processor(name: str, source_dir: Path | None = None) -> Processor:
    """A processor by name, or a function of one's own by "module:function". Raises DataError."""
    if name in NAMED:
        return NAMED[name]
    function = import_named(name, "data.processors", source_dir)
    if not callable(function):
        raise DataError(f'data.processors: "{name}" is {type(function).__name__}, not a function')
    return function  # type: ignore[no-any-return]


def process(
    documents: Iterable[Iterable[str]], names: list[str], source_dir: Path | None = None
) -> Iterator[Iterable[str]]:
    """Each document, in parts, after every processor, left to right. Raises DataError naming one that fails, on what.

    The named ones read a document in blocks, so that none is held as a whole; a person's own function is given all of
    it.
    """
    processors = [(name, find_processor(name, source_dir)) for name in names]
    whole = any(name not in NAMED for name in names)
    for number, document in enumerate(documents, 1):
        if not processors:
            yield document
        elif whole:
            yield [_processed("".join(document), processors, number)]
        else:
            yield _each(document, processors, number)


def _each(document: Iterable[str], processors: list[tuple[str, Processor]], number: int) -> Iterator[str]:
    for block in _lines(document):
        yield _processed(block, processors, number)


def _lines(parts: Iterable[str]) -> Iterator[str]:
    """A document in blocks of lines or words; one that is a single word comes whole.

    Nothing composes across a line's end or a blank, and no letter changes by what stands beyond one, so what is made
    of the blocks is what would be made of the whole.
    """
    held = ""
    for block in blocks(parts):
        held += block
        stop = max(held.rfind("\n") + 1, held.rfind(" "))
        if stop > 0:
            yield held[:stop]
            held = held[stop:]
    if held:
        yield held


def _processed(document: str, processors: list[tuple[str, Processor]], number: int) -> str:
    text = document
    for name, processor in processors:
        try:
            text = _apply(processor, text)
        except Exception as error:  # a person's own function may raise anything
            said = str(error) if isinstance(error, _NoTextError) else f"raised {type(error).__name__}: {error}"
            start = repr(document if len(document) <= 30 else document[:30] + "...")
            raise DataError(f'data.processors: "{name}", given document {number} ({start}), {said}') from error
    return text


class _NoTextError(Exception):
    """What a processor gave is no text."""


def _apply(processor: Processor, text: str) -> str:
    result = processor(text)
    if not isinstance(result, str):
        raise _NoTextError(f"gave {type(result).__name__}; it has to give the text, a str")
    if not result.isascii():
        try:
            result.encode()
        except UnicodeEncodeError as error:
            raise _NoTextError(f"gave half a character, {result[error.start]!r}; that is no text") from error
    return result
