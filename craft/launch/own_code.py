"""What is wrong with the code that experiments name, found out by a process that imports it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from craft.errors import OwnCodeError, Problem

MODULE = "craft.training.check_code"
LIMIT = 120
"""Seconds that importing may take."""


def check_own_code(file: Path, text: str, names: Sequence[str]) -> list[Problem]:
    """The problems of these experiments of `text`, which is to become the file. Takes seconds: torch is imported.

    Raises OwnCodeError where the process does not answer: code that is imported may do anything.
    """
    command = [sys.executable, "-P", "-m", MODULE, str(file.absolute())]
    asked = json.dumps({"text": text, "names": list(names)})
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise OwnCodeError(f"the code that {file.name} names was not imported within {LIMIT} s") from error
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise OwnCodeError(f"the process that imports the code of {file.name} ended: {last}") from error
    return [Problem(**{**one, "file": Path(one["file"]) if one["file"] else None}) for one in found]
