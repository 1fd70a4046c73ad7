"""`[data]`: which text is read, how it is split, and how long a training sequence is."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from craft.config.schema.base import Count, Fraction, OwnCode, Section, type_tag

PROCESSORS = ("normalise", "lowercase")
"""Text processors that go by a name."""

# The system's calls take no name with a zero byte, and an empty one would mean the folder itself.
FileName = Annotated[str, Field(pattern=r"^[^\x00]+$")]


class TextData(Section):
    """What all text sources share: preparation, splits and order."""

    context_length: Count = 64
    """Tokens in one training sequence; also the window of every evaluation."""
    val_fraction: Fraction = 0.1
    """Share of the tokens, after the training part in the order of the text, that is held out for validation."""
    test_fraction: Fraction = 0.0
    """Share of the tokens at the end of the text that only `craft evaluate --split test` reads."""
    shuffle: bool = True
    """Visit training windows in a random order, a new one each epoch; `false` reads them in the order of the text."""
    processors: list[str] = []
    """Applied to each document in turn: "normalise" (Unicode NFC, plain line ends), "lowercase", "module:function"."""

    @field_validator("processors")
    @classmethod
    def _name_known_processors(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in PROCESSORS and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
                near = difflib.get_close_matches(name, PROCESSORS, n=1)
                raise ValueError(
                    f"unknown processor '{name}'{f' (did you mean {near[0]!r}?)' if near else ''}; "
                    f"there are {' and '.join(map(repr, PROCESSORS))}, and a function of your own as 'module:function'"
                )
        return names

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Self:
        held_out = self.val_fraction + self.test_fraction
        if held_out >= 1.0:
            raise ValueError(
                f"val_fraction + test_fraction is {held_out:g}, which leaves nothing to train on; "
                "make the two add up to less than 1"
            )
        return self


class PythonStdlibData(TextData):
    """The sources of Python's own standard library: real text on every machine, without a download."""

    type: Literal["python_stdlib"] = "python_stdlib"
    max_bytes: Annotated[int, Field(ge=0)] = 0
    """Stop after the file that crosses this many bytes; 0 takes everything."""


class TextFilesData(TextData):
    """One's own text: a file, a folder (its files in sorted order), or a glob."""

    type: Literal["text"] = "text"
    path: FileName | list[FileName]
    """File, folder or glob, or a list of them; relative to the experiments file."""
    pattern: str = "**/*.txt"
    """Which files of a folder are read."""


class PythonDataset(OwnCode):
    """A map-style dataset of one's own: `module:Class` with `__len__` and `__getitem__`.

    An item is a sequence of `context_length + 1` token ids, or a pair `(inputs, targets)`. Besides its arguments the
    class is given `split` ("train" or "val"), `tokenizer` and `context_length`.
    """

    context_length: Count = 64
    """Tokens in one training sequence."""
    shuffle: bool = True
    """Visit the items in a random order, a new one each epoch."""


DataConfig = Annotated[
    Annotated[PythonStdlibData, Tag("python_stdlib")]
    | Annotated[TextFilesData, Tag("text")]
    | Annotated[PythonDataset, Tag("module:Class")],
    Discriminator(type_tag),
]
