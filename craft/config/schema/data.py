"""`[data]`: which text or tokens are read, how they are split, and how long a training sequence is."""

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


class SplitData(Section):
    """What all sources share that are split by place: how long a sequence is, the splits, and the order."""

    context_length: Count = 64
    """Tokens in one training sequence; also the window of every evaluation."""
    val_fraction: Fraction = 0.1
    """Share of the tokens, after the training part in the order of the text, that is held out for validation."""
    test_fraction: Fraction = 0.0
    """Share of the tokens at the end of the text that only `craft evaluate --split test` reads."""
    shuffle: bool = True
    """Visit training windows in a random order, a new one each epoch; `false` reads them in the order of the text."""

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Self:
        held_out = self.val_fraction + self.test_fraction
        if held_out >= 1.0:
            raise ValueError(
                f"val_fraction + test_fraction is {held_out:g}, which leaves nothing to train on; "
                "make the two add up to less than 1"
            )
        return self


class TextData(SplitData):
    """What all text sources share: preparation."""

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


class JSONLinesData(TextData):
    """A JSON object a line, each with a text: a document each."""

    type: Literal["jsonl"] = "jsonl"
    path: FileName | list[FileName]
    """File, folder or glob, or a list of them; relative to the experiments file."""
    pattern: str = "**/*.jsonl"
    """Which files of a folder are read."""
    text_field: str = "text"
    """The key of the text; one inside another as "message.content"."""


class CSVData(TextData):
    """A table with a row of names: a document each row."""

    type: Literal["csv"] = "csv"
    path: FileName | list[FileName]
    """File, folder or glob, or a list of them; relative to the experiments file."""
    pattern: str = "**/*.csv"
    """Which files of a folder are read."""
    text_field: str = "text"
    """The column of the text."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between two columns; a tab is "\\t"."""


class HFData(TextData):
    """A dataset of the Hugging Face `datasets` library: in files, or by its name on the hub."""

    type: Literal["hf"] = "hf"
    path: FileName
    """A folder that `save_to_disk` wrote, one of Parquet files, such a file; or "hf:OWNER/NAME" for one of the hub."""
    name: str = ""
    """The configuration, of a dataset that has several."""
    split: str = "train"
    """The part that is read; validation is held out of it by `val_fraction`."""
    revision: str = ""
    """A commit or tag of the hub; without one, what is newest the first time it is read."""
    text_field: str = "text"
    """The column of the text."""


class TokensData(SplitData):
    """Tokens that were made elsewhere: nanoGPT's `train.bin` with `val.bin` and `meta.pkl`, or an array of NumPy's.

    They are mapped from disk, not read. A vocabulary that stands beside them is used; else `[tokenizer]` says whose
    ids they are.
    """

    type: Literal["tokens"] = "tokens"
    path: FileName
    """A folder with `train.bin` or `train.npy`, and `val` and `test` of the same kind where there are; or one file."""
    dtype: Literal["uint8", "uint16", "uint32", "int32", "int64"] = "uint16"
    """The numbers of a `.bin` file; nanoGPT writes uint16. A `.npy` file says it itself."""


class PickledData(SplitData):
    """Sequences that were tokenized before, in a pickle: a list of rows of ids, each by itself.

    Loading a pickle runs whatever code it names. Rows longer than `context_length` + 1 are cut, shorter ones padded.
    """

    type: Literal["pickled"] = "pickled"
    path: FileName
    """The `.pkl` file; relative to the experiments file."""
    allow_pickle: bool = False
    """Load it, although a pickle can run any code: only for files that you, or somebody you trust, have made."""


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
    | Annotated[JSONLinesData, Tag("jsonl")]
    | Annotated[CSVData, Tag("csv")]
    | Annotated[HFData, Tag("hf")]
    | Annotated[TokensData, Tag("tokens")]
    | Annotated[PickledData, Tag("pickled")]
    | Annotated[PythonDataset, Tag("module:Class")],
    Discriminator(type_tag),
]
