"""A person's own editor on a copy of the text."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from craft.errors import CraftError

_TAKES_LINE = ("vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "kak", "joe", "ne")


def editor_command(environ: Mapping[str, str] = os.environ) -> list[str]:
    """$VISUAL, else $EDITOR, else vi, in words of the shell. Raises CraftError when there is none."""
    for name in ("VISUAL", "EDITOR"):
        if written := environ.get(name, "").strip():
            try:
                words = shlex.split(written)
            except ValueError as error:
                raise CraftError(f"${name} cannot be read: {error}") from None
            if shutil.which(words[0], path=environ.get("PATH")) is None:
                raise CraftError(f"${name} names {words[0]}, and there is no such program")
            return words
    if shutil.which("vi", path=environ.get("PATH")):
        return ["vi"]
    raise CraftError("no editor: set $VISUAL or $EDITOR to the one you like")


def edit_outside(command: list[str], text: str, *, name: str, line: int = 1) -> str:
    """Let an editor change a text, and return it. Raises CraftError when the editor fails, or leaves no text."""
    with tempfile.TemporaryDirectory(prefix="craft-") as folder:
        copy = Path(folder) / name
        copy.write_bytes(text.encode("utf-8", "surrogatepass"))
        at = [f"+{line}"] if Path(command[0]).name in _TAKES_LINE else []
        try:
            status = subprocess.run([*command, *at, str(copy)], check=False).returncode
        except OSError as error:
            raise CraftError(f"{command[0]} does not start: {error.strerror}") from None
        if status:
            raise CraftError(f"{command[0]} ended with status {status}, so the text stays as it was")
        try:
            return copy.read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            raise CraftError(f"{command[0]} left no text in UTF-8, so the text stays as it was") from None
