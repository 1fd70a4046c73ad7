"""`init_from`, as text: which of a run, a file or the Hugging Face hub first weights come from. Free of torch."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

HUB = "hf:"
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_AT = re.compile(r"(?s)(.+)@(latest|best|\d{1,18})")


class WeightsSource(NamedTuple):
    """What an `init_from` names."""

    kind: Literal["run", "path", "hub"]
    name: str
    which: str
    """"latest", "best" or a step, of a run; "" where none is written."""


def parse_source(text: str) -> WeightsSource:
    """What `text` names. Raises ValueError for something that can be no source."""
    if text.startswith(HUB):
        name = text.removeprefix(HUB)
        if not _REPOSITORY.fullmatch(name):
            raise ValueError(f"'{text}' is no name on the hub; write hf:OWNER/NAME, such as hf:openai-community/gpt2")
        return WeightsSource("hub", name, "")
    found = _AT.fullmatch(text)
    name, which = (found[1], found[2]) if found else (text, "")
    if not name.strip() or "\0" in name:
        raise ValueError(f"'{text}' names no weights; write RUN@STEP, RUN@best, a path or hf:OWNER/NAME")
    if os.sep in name or name.startswith(("~", ".")) or name.endswith(SUFFIXES):
        return WeightsSource("path", name, which)
    if "@" in name:
        raise ValueError(f"'{text}': after the @ stands a step, latest or best")
    return WeightsSource("run", name, which)


def check_source(text: str) -> str:
    """The text itself, when it is empty or names something. Raises ValueError."""
    if text:
        parse_source(text)
    return text


def absolute_source(folder: Path, text: object) -> object:
    """`text` with its path seen from `folder`; what is no path, or nothing at all, stays what it is."""
    if not isinstance(text, str) or not text:
        return text
    try:
        source = parse_source(text)
    except ValueError:
        return text  # the schema says what is wrong with it
    if source.kind != "path":
        return text
    try:
        place = Path(source.name).expanduser()
    except RuntimeError:  # "~nobody": an ordinary name, then
        place = Path(source.name)
    absolute = os.path.normpath((folder.resolve() if ".." in place.parts else folder) / place)
    return f"{absolute}@{source.which}" if source.which else absolute
