"""A file of prompts: a line each, or a JSON object each with settings of its own. Read a line at a time, so that a
million of them need no memory; free of torch, so that a wrong line is answered at once.

    Once upon a time                                             a line is a prompt, an empty one too
    {"prompt": "Once", "id": "a7", "seed": 3, "top_k": 5}        JSON lines: any name of `SamplingSettings`

It holds JSON lines when its name ends in .jsonl, or when its first line is an object with a prompt.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from craft.errors import UsageError
from craft.runs.json_files import decode_object, why
from craft.runs.sampling_settings import SamplingSettings

SUFFIX = ".jsonl"
_LONGEST = 64 << 20  # bytes of a line: a file without line breaks is no file of prompts
_WHOLE, _NUMBER, _TEXTS = "a whole number", "a number", "a text or a list of texts"
_KINDS = {
    "max_new_tokens": _WHOLE,
    "temperature": _NUMBER,
    "top_k": _WHOLE,
    "top_p": _NUMBER,
    "seed": _WHOLE,
    "min_p": _NUMBER,
    "repetition_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "stop": _TEXTS,
}


@dataclass(frozen=True)
class PromptLine:
    """One prompt of a file."""

    index: int
    """From 0: its place among the prompts."""
    line: int
    """From 1, in the file."""
    prompt: str
    settings: SamplingSettings
    id: str | int | None = None
    tokens: tuple[int, ...] = ()
    """What follows the prompt already."""


@dataclass
class PromptsFile:
    """Opened anew for each reading. Every fault is a UsageError that names file and line."""

    path: Path
    defaults: SamplingSettings
    as_json: bool = field(init=False)

    def __post_init__(self) -> None:
        first = next(self._lines(), None)
        self.as_json = self.path.suffix == SUFFIX
        if first is not None and not self.as_json:
            with contextlib.suppress(ValueError):
                self.as_json = "prompt" in decode_object(first[1])

    def __iter__(self) -> Iterator[PromptLine]:
        index = 0
        for line, raw in self._lines():
            if self.as_json and not raw.strip():
                continue
            yield self._object(index, line, raw) if self.as_json else self._text(index, line, raw)
            index += 1

    def count(self) -> int:
        """How many prompts there are, once every line was found to hold."""
        return sum(1 for _ in self)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers, without what ends them."""
        try:
            # It is read several times: to check it, to go on, to write.
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"{self.path}: not a regular file, and it is read more than once; write it to one")
            with self.path.open("rb") as file:
                yield from enumerate(self._pieces(file), start=1)
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be read: {why(error)}") from error

    def _pieces(self, file: IO[bytes]) -> Iterator[bytes]:
        number = 0
        while raw := file.readline(_LONGEST + 1):
            number += 1
            if len(raw) > _LONGEST:
                raise UsageError(
                    f"{self.path}:{number}: the line is longer than {_LONGEST >> 20} MiB: is it a file of prompts?"
                )
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")  # some editors begin a file so
            yield raw.removesuffix(b"\n").removesuffix(b"\r")

    def _text(self, index: int, line: int, raw: bytes) -> PromptLine:
        try:
            return PromptLine(index, line, raw.decode(), self.defaults)
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.path}:{line}: not UTF-8 at byte {error.start + 1} of the line") from error

    def _object(self, index: int, line: int, raw: bytes) -> PromptLine:
        try:
            found = decode_object(raw)
        except ValueError as error:
            raise UsageError(f'{self.path}:{line}: {error}; a line is an object such as {{"prompt": "..."}}') from error
        try:
            return self._prompt(index, line, found)
        except UsageError as error:
            raise UsageError(f"{self.path}:{line}: {error}") from error

    def _prompt(self, index: int, line: int, found: dict[str, Any]) -> PromptLine:
        if not isinstance(found.get("prompt"), str):
            raise UsageError('"prompt" is missing' if "prompt" not in found else '"prompt" must be a text')
        prompt, name = found.pop("prompt"), found.pop("id", None)
        require_text("prompt", prompt)
        if isinstance(name, bool) or not isinstance(name, str | int | None):
            raise UsageError('"id" must be a text or a whole number')
        tokens = found.pop("tokens", [])
        if not isinstance(tokens, list) or any(type(token) is not int or token < 0 for token in tokens):
            raise UsageError('"tokens" must be a list of token ids, which are whole numbers from 0')
        changes = {key: _value(key, value) for key, value in found.items()}
        settings = dataclasses.replace(self.defaults, **changes) if changes else self.defaults
        return PromptLine(index, line, prompt, settings, name, tuple(tokens))


def _value(key: str, value: Any) -> Any:
    """A setting as `SamplingSettings` takes it, which says whether it makes sense."""
    if key not in _KINDS:
        known = ", ".join(["prompt", "id", "tokens", *_KINDS])
        raise UsageError(f'"{key}" is no setting; there are: {known}')
    kind = _KINDS[key]
    if kind == _TEXTS:
        stops = [value] if isinstance(value, str) else value
        if isinstance(stops, list) and all(isinstance(stop, str) for stop in stops):
            for stop in stops:
                require_text("stop", stop)
            return tuple(stops)
    elif isinstance(value, int) and not isinstance(value, bool):
        try:
            return value if kind == _WHOLE else float(value)
        except OverflowError:
            return math.inf  # refused as such
    elif isinstance(value, float) and kind == _NUMBER:
        return value
    raise UsageError(f'"{key}" must be {kind}')


def require_text(name: str, text: str) -> None:
    """Raise UsageError for half a character, which no tokenizer takes and no file holds."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{name}: character {error.start + 1:,} is no text: a byte that is not UTF-8, or half of a character"
        ) from error
