"""The file of an experiments text: its content and stamp, and replacing it whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from craft import platform
from craft.config.document import MAX_BYTES
from craft.errors import CraftError

Stamp = tuple[int, int, int, int]


def one_at_a_time(path: Path) -> contextlib.AbstractContextManager[object]:
    """Inside, no other workbench saves the same file: looking whether it changed and replacing it are one step."""
    from workbench.memory import project_place

    try:
        lock = platform.FileLock(project_place(path.resolve()) / "save.lock")
        lock.acquire(5.0)
    except OSError:  # a state directory that cannot be written must not keep anyone from saving
        return contextlib.nullcontext()
    return lock if lock.held else contextlib.nullcontext()


def stamp_of(path: Path) -> Stamp | None:
    """Changes when the file does; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def read(path: Path) -> tuple[bytes | None, Stamp | None, str]:
    """Content and stamp of a file, and why it cannot be edited; content is None where there is no file."""
    stamp = stamp_of(path)
    if stamp is None and not os.path.lexists(path):
        return None, None, ""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None, stamp, f"{path.name} is no ordinary file"
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return None, stamp, f"{path.name} cannot be read: {why(error)}"
    if len(content) > MAX_BYTES:
        return content, stamp, f"{path.name} is larger than 1 MiB, so it is not an experiments file"
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = len(content[content.rfind(b"\n", 0, error.start) + 1 : error.start].decode(errors="replace")) + 1
        byte = f"byte 0x{content[error.start]:02x} in line {line}, column {column}"
        return content, stamp, f"{path.name} is not UTF-8: {byte}"
    return content, stamp, ""


def decoded(content: bytes | None) -> str:
    """The text of a content, with a mark for what is no UTF-8; empty for no file."""
    return (content or b"").decode(errors="replace")


def encoded(path: Path, text: str) -> bytes:
    """The content of a text. Raises CraftError where there can be none."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise CraftError(f"line {line} of {path.name} holds half a character; take it out to save") from None


def write(path: Path, content: bytes) -> None:
    """Replace a file, through links, keeping its mode. Raises CraftError where that cannot be done."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.{os.getpid()}-save.tmp")
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            beside.write_bytes(content)
            if mode is not None:
                beside.chmod(mode)
            platform.fsync_file(beside)
            platform.replace(beside, target)
            platform.fsync_dir(target.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CraftError(f"{path} is not saved: {why(error)}; what was typed is still here") from None


def why(error: OSError) -> str:
    """What the system said, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return (error.strerror or str(error)).lower()
