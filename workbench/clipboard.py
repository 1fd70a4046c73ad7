"""Copying, also over SSH: the terminal is asked (OSC 52), tmux by its own command, and a file holds the text anyway.

No terminal says whether it obeyed, so the note names the file as well.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

from craft import platform

MOST = 74_994
"""Bytes that terminals take at once in this way: 100,000 characters of base64, less what stands around them."""


_PIECE = 76
"""Characters of base64 that GNU screen hands on at once; it cuts strings of a few hundred."""


def through_screen(text: str) -> str:
    """What asks the terminal around GNU screen, which hands on what stands in its own brackets; empty elsewhere."""
    if not os.environ.get("STY"):
        return ""
    asked = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
    return "".join(f"\x1bP{asked[at : at + _PIECE]}\x1b\\" for at in range(0, len(asked), _PIECE))


def keep(text: str) -> Path | None:
    """Put a copy into the state directory; None where that cannot be written."""
    place = platform.state_dir() / "copied.txt"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(place, text.encode("utf-8", "replace"))
    except OSError:
        return None
    return place


def through_tmux(text: str) -> bool:
    """Hand the text to tmux, which has the terminal take it too; whether there is one that took it.

    A program inside tmux is not heard by the terminal with OSC 52 as tmux is set up at first.
    """
    if not os.environ.get("TMUX") or shutil.which("tmux") is None:
        return False
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode("utf-8", "replace"),
            capture_output=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def beside_a_screen(text: str) -> bool:
    """Hand the text to the desktop that this machine shows, where there is one; whether a program took it."""
    commands = []
    if os.environ.get("WAYLAND_DISPLAY"):
        commands.append(["wl-copy"])
    if os.environ.get("DISPLAY"):
        commands += [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]]
    if not os.environ.get("SSH_CONNECTION"):
        commands.append(["pbcopy"])
    for command in commands:
        if shutil.which(command[0]) is None:
            continue
        try:
            # These stay in the background to serve the text; what they print would land on the screen.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            process.communicate(text.encode("utf-8", "replace"), timeout=2)
        except (OSError, subprocess.SubprocessError):
            continue
        if process.returncode == 0:
            return True
    return False
