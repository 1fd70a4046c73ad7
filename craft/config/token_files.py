"""Tokens that were made elsewhere: which files, how many tokens, whose vocabulary. Free of torch and numpy."""

from __future__ import annotations

import ast
import struct
from dataclasses import dataclass
from pathlib import Path

from craft.config.corpus import SourceFile
from craft.config.safe_pickle import load_plain
from craft.config.schema.data import TokensData
from craft.errors import DataError

WIDTHS = {"uint8": 1, "uint16": 2, "uint32": 4, "int32": 4, "int64": 8}
_NPY_DTYPES = {f"{name[0]}{width}": f"{name}{8 * width}" for name in ("uint", "int") for width in (1, 2, 4, 8)}
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class TokenFile:
    """A file of tokens."""

    file: SourceFile
    dtype: str
    shape: tuple[int, ...]
    """(tokens,), or (rows, columns) of an array in which each row is a sequence by itself."""
    offset: int
    """Bytes before the first token."""

    @property
    def num_tokens(self) -> int:
        """All of them."""
        return self.shape[0] * (self.shape[1] if len(self.shape) > 1 else 1)


def token_files(data: TokensData) -> dict[str, TokenFile]:
    """The files by split; one file alone is "all", and is split by the fractions. Raises DataError."""
    place = Path(data.path).expanduser()
    if not place.is_dir():
        return {"all": _look(place, data.dtype)}
    found = {}
    for split in SPLITS:
        file = next((place / f"{split}{end}" for end in (".bin", ".npy") if (place / f"{split}{end}").exists()), None)
        if file is not None:
            found[split] = _look(file, data.dtype)
    if "train" not in found:
        names = ", ".join(sorted(entry.name for entry in place.iterdir())[:5]) or "nothing"
        raise DataError(f"{place}: no train.bin or train.npy in this folder (it holds {names}); set data.path")
    return found


def characters_beside(data: TokensData) -> str | None:
    """The characters of nanoGPT's `meta.pkl`, in the order of their ids; None where there is no such file."""
    place = Path(data.path).expanduser()
    file = (place if place.is_dir() else place.parent) / "meta.pkl"
    return read_characters(file) if file.is_file() else None


def read_characters(file: Path) -> str:
    """The characters of a `meta.pkl`, in the order of their ids. Raises DataError for any other, having run nothing."""
    meta = load_plain(file)
    names = meta.get("itos") if isinstance(meta, dict) else None
    if not isinstance(names, dict) or sorted(names) != list(range(len(names))):
        raise DataError(f"{file}: it holds no table of characters 'itos', as nanoGPT writes one; move the file away")
    characters = [names[number] for number in range(len(names))]
    if not all(isinstance(c, str) and len(c) == 1 for c in characters) or len(set(characters)) < len(characters):
        raise DataError(f"{file}: 'itos' is no table of different characters; move the file away")
    return "".join(characters)


def _look(path: Path, dtype: str) -> TokenFile:
    file = SourceFile.look(path)
    if path.suffix == ".npy":
        return _npy(file)
    width = WIDTHS[dtype]
    if file.size % width:
        raise DataError(
            f"{path}: {file.size:,} bytes are no whole number of {dtype} tokens of {width} bytes; set data.dtype"
        )
    if not file.size:
        raise DataError(f"{path}: the file is empty")
    return TokenFile(file, dtype, (file.size // width,), 0)


def _npy(file: SourceFile) -> TokenFile:
    """The header of an array of NumPy's (numpy.lib.format, version 1 to 3)."""
    try:
        with file.path.open("rb") as opened:
            magic = opened.read(8)
            if magic[:6] != b"\x93NUMPY":
                raise ValueError("it does not begin as one")
            length = struct.unpack("<H" if magic[6] == 1 else "<I", opened.read(2 if magic[6] == 1 else 4))[0]
            header = ast.literal_eval(opened.read(length).decode("latin1"))
            offset = opened.tell()
        order, kind, shape = header["descr"][0], header["descr"][1:], header["shape"]
        dtype = _NPY_DTYPES[kind]
        if order not in "<|" or header["fortran_order"] or not 1 <= len(shape) <= 2 or not all(shape):
            raise ValueError(f"it holds {header}")
    except OSError as error:
        raise DataError(f"{file.path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, SyntaxError, IndexError, struct.error) as error:
        raise DataError(
            f"{file.path}: no array of tokens: one row, or rows, of whole numbers in a .npy file are expected: {error}"
        ) from error
    return TokenFile(file, dtype, tuple(shape), offset)
