"""The documents of a corpus, in parts that fit in memory whatever their size.

A document is a file of text, a line of JSON, or a row of a table. Its parts are text as it stands there; where they
are cut means nothing.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from craft.config.corpus import Corpus, CorpusFacts, no_text
from craft.config.schema.data import CSVData, HFData, JSONLinesData, TextData
from craft.errors import DataError

# Bytes read at once: little enough that progress moves, enough that it costs nothing.
CHUNK = 1 << 22
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"

# Rows of a dataset that are read together.
_ROWS = 1000
_FORMATS = {".parquet": "parquet", ".arrow": "arrow"}

Document = Iterable[str]
Advance = Callable[[int], None]
"""Takes the bytes that were read just now."""


def read_documents(data: TextData, corpus: Corpus, advance: Advance) -> Iterator[Document]:
    """The documents, each to be gone through before the next is asked for. Raises DataError naming file and place."""
    match data:
        case HFData():
            yield from _dataset_rows(data, advance)
        case JSONLinesData():
            for file in corpus.files:
                yield from _json_lines(file.path, data.text_field, advance)
        case CSVData():
            for file in corpus.files:
                yield from _csv_rows(file.path, data, advance)
        case _:
            yield from _text_files(corpus, advance)


def take_facts(corpus: Corpus, advance: Advance) -> CorpusFacts:
    """What a corpus of files amounts to: its bytes are read and hashed, and not held.

    Raises DataError when there is nothing in it.
    """
    digest = hashlib.sha256()
    num_bytes = num_left_out = num_files = 0
    for file in corpus.files:
        own = hashlib.sha256()
        ascii_only, size, start = True, 0, b""
        for chunk in _chunks(file.path):
            own.update(chunk)
            ascii_only = ascii_only and chunk.isascii()
            size += len(chunk)
            start = start or chunk[:4]
            advance(len(chunk))
        if corpus.ascii_only and not ascii_only:
            num_left_out += 1
            continue
        if size > (3 if start[:3] == codecs.BOM_UTF8 else 0):
            digest.update(own.digest())
            num_files += 1
        num_bytes += size
        if corpus.max_bytes and num_bytes >= corpus.max_bytes:
            break
    if corpus.files and not num_files:
        raise no_text(corpus)
    if not corpus.files:  # a dataset of the hub: known by its name
        digest.update(corpus.source.encode())
    return CorpusFacts(digest.hexdigest(), num_files, num_bytes, num_left_out)


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


# Text -------------------------------------------------------------------------------------------------------------


def _text_files(corpus: Corpus, advance: Advance) -> Iterator[Document]:
    taken = 0
    for file in corpus.files:
        if corpus.ascii_only:
            content = b"".join(_chunks(file.path))  # sources: small files
            advance(len(content))
            if not content.isascii():
                continue
            taken += len(content)
            yield [content.decode("ascii")]
        else:
            taken += file.size
            yield _decoded(file.path, _chunks(file.path), advance)
        if corpus.max_bytes and taken >= corpus.max_bytes:
            return


def _decoded(path: Path, chunks: Iterable[bytes], advance: Advance) -> Iterator[str]:
    """Text in parts, without a byte order mark; line ends are kept as they are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, begun, start = 0, False, b""
    for chunk in chunks:
        start = start or chunk[:2]
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise _not_utf8(path, done - held + error.start, error.object[error.start], start) from error
        done += len(chunk)
        advance(len(chunk))
        if not begun and text:
            text, begun = text.removeprefix(BOM), True
        if text:
            yield text
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, done - held + error.start, error.object[error.start], start) from error


def _not_utf8(path: Path, place: int, byte: int, start: bytes) -> DataError:
    encoding = "UTF-16" if start in (b"\xff\xfe", b"\xfe\xff") else "ISO-8859-1"
    return DataError(
        f"{path}: not UTF-8: byte 0x{byte:02x} at offset {place:,}; "
        f"if it is {encoding}, `iconv -f {encoding} -t UTF-8 {path.name} > NEW` makes a file that can be read"
    )


# Records ----------------------------------------------------------------------------------------------------------


def _json_lines(path: Path, text_field: str, advance: Advance) -> Iterator[Document]:
    keys = text_field.split(".")
    for number, line in enumerate(_lines(path, advance), 1):
        if not line.strip():
            continue
        try:
            value: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number:,}: no JSON: {error}") from error
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                known = ", ".join(map(repr, value)) if isinstance(value, dict) else f"a {type(value).__name__}"
                raise DataError(f"{path}, line {number:,}: no '{text_field}' in it ({known}); set data.text_field")
            value = value[key]
        if value is not None:  # nothing is written there
            yield [_text(value, f"{path}, line {number:,}: '{text_field}'")]


def _lines(path: Path, advance: Advance) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for line in file:
                advance(len(line))
                yield line
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _csv_rows(path: Path, data: CSVData, advance: Advance) -> Iterator[Document]:
    csv.field_size_limit(sys.maxsize)  # a cell may hold a book
    rows = csv.reader(_text_lines(path, advance), delimiter=data.delimiter, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            return
        if data.text_field not in header:
            known = ", ".join(map(repr, header))
            raise DataError(f"{path}: no column '{data.text_field}'; there are {known}; set data.text_field")
        column = header.index(data.text_field)
        for row in rows:
            if not row:
                continue
            if len(row) <= column:
                raise DataError(f"{path}, line {rows.line_num:,}: {len(row)} columns where {len(header)} are named")
            yield [row[column]]
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num:,}: no table in CSV: {error}") from error


def _text_lines(path: Path, advance: Advance) -> Iterator[str]:
    yield from _decoded(path, _lines(path, advance), lambda _: None)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where} is {type(value).__name__}, not a text; set data.text_field")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where} holds half a character, {value[error.start]!r}; that is no text") from error
    return value


# Datasets of the library ------------------------------------------------------------------------------------------


def _dataset_rows(data: HFData, advance: Advance) -> Iterator[Document]:
    found = _open_dataset(data)
    try:
        for batch in found.select_columns([data.text_field]).iter(batch_size=_ROWS):
            for value in batch[data.text_field]:
                if value is not None:  # a table has nothing in some of its rows
                    text = _text(value, f"{data.path}: '{data.text_field}'")
                    advance(len(text))
                    yield [text]
    except (DataError, GeneratorExit):
        raise
    except Exception as error:  # a damaged file, in whatever way its reader puts it
        raise _not_loaded(data, error) from error


def _open_dataset(data: HFData) -> Any:
    """The split of a dataset in files or of a published one. Raises DataError."""
    try:
        import datasets
    except ImportError as error:
        raise DataError("data.type = \"hf\" needs the datasets library: pip install 'craft-workbench[hf]'") from error
    datasets.disable_progress_bars()
    try:
        found = _load(datasets, data)
        columns = found.column_names
    except DataError:
        raise
    except Exception as error:  # the library raises whatever its parts do, for a missing network too
        raise _not_loaded(data, error) from error
    if columns and data.text_field not in columns:
        known = ", ".join(columns)
        raise DataError(f"{data.path}: no column '{data.text_field}'; there are {known}; set data.text_field")
    return found


def _load(datasets: Any, data: HFData) -> Any:
    name = data.name or None
    if data.path.startswith("hf:"):
        revision = data.revision or None
        return datasets.load_dataset(data.path.removeprefix("hf:"), name, split=data.split, revision=revision)
    place = Path(data.path).expanduser()
    if place.is_file():
        if place.suffix not in _FORMATS:
            raise DataError(
                f"{place}: a file of {' or '.join(_FORMATS)} is expected; lines of JSON and tables in CSV are read by "
                'data.type = "jsonl" and "csv"'
            )
        # Streamed, or the library would keep a copy of it.
        return datasets.load_dataset(_FORMATS[place.suffix], data_files=str(place), split="train", streaming=True)
    if not any((place / mark).exists() for mark in ("state.json", "dataset_dict.json")):  # of `save_to_disk`
        return datasets.load_dataset(str(place), name, split=data.split, streaming=True)
    found = datasets.load_from_disk(str(place))
    if isinstance(found, datasets.DatasetDict):
        if data.split not in found:
            raise DataError(f"{data.path}: no split '{data.split}'; there are {', '.join(found)}; set data.split")
        found = found[data.split]
    return found


def _not_loaded(data: HFData, error: Exception) -> DataError:
    return DataError(f'data.path = "{data.path}": not loaded: {type(error).__name__}: {error}')
