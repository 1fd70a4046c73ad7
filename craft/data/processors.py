"""What is done to each document before it becomes tokens."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from craft.errors import DataError

Processor = Callable[[str], str]


def normalise(text: str) -> str:
    """Unicode NFC, and one kind of line end."""
    return unicodedata.normalize("NFC", re.sub(r"\r\n?", "\n", text))


NAMED: dict[str, Processor] = {"normalise": normalise, "lowercase": str.lower}


def find_processor(name: str) -> Processor:
    """A processor by name, or a function of one's own by "module:function". Raises DataError."""
    if name in NAMED:
        return NAMED[name]
    module_name, colon, function_name = name.partition(":")
    if not colon:
        raise DataError(
            f"data.processors: '{name}' is unknown; there are {', '.join(NAMED)}, "
            'and a function of your own as "module:function"'
        )
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise DataError(f"data.processors: '{name}' cannot be imported: {error}") from error
    if not callable(function):
        raise DataError(f"data.processors: '{name}' is not a function")
    return function  # type: ignore[no-any-return]


def process(documents: Iterable[str], names: list[str]) -> Iterator[str]:
    """Each document after every processor, left to right. Raises DataError naming one that fails."""
    processors = [(name, find_processor(name)) for name in names]
    for document in documents:
        for name, processor in processors:
            try:
                document = processor(document)
            except Exception as error:  # a person's own function may raise anything
                raise DataError(f"data.processors: '{name}' raised {type(error).__name__}: {error}") from error
            if not isinstance(document, str):
                raise DataError(f"data.processors: '{name}' gave {type(document).__name__}, not a str")
        yield document
