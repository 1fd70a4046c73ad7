"""What is to be known of the code that experiments name, found out by a process that imports it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from craft.config.own_settings import OwnType, module_key, own_type_from, remember, remembered
from craft.errors import OwnCodeError, Problem

LIMIT = 120
"""Seconds that importing may take."""


def check_own_code(file: Path, text: str, names: Sequence[str]) -> list[Problem]:
    """The problems of these experiments of `text`, which is to become the file. Takes seconds: torch is imported.

    Raises OwnCodeError where the process does not answer: code that is imported may do anything.
    """
    asked = {"text": text, "names": list(names)}
    found = _ask("check_code", file.absolute(), asked, f"the code of {file.name}")
    return [Problem(**{**one, "file": Path(one["file"]) if one["file"] else None}) for one in found]


def describe_own_code(folder: Path, references: Iterable[str], *, ask: bool) -> dict[str, OwnType]:
    """What classes of a person's own take, by their "module:Class", as it was found out for this code before.

    With `ask` it is found out now where it is not known, which takes seconds a module; never raises then, for an
    `OwnType` has words on what went wrong. Without it those that are not known are not there.
    """
    by_module: dict[str, list[str]] = {}
    for reference in references:
        by_module.setdefault(reference.partition(":")[0], []).append(reference)
    found: dict[str, OwnType] = {}
    for module, wanted in by_module.items():
        key = module_key(module, folder)
        known = remembered(key)
        if ask and not all(reference in known for reference in wanted):
            try:
                told = _ask("describe_code", folder.absolute(), wanted, module)
                known = {name: own_type_from(one) for name, one in told.items()}
            except (OwnCodeError, KeyError, TypeError) as error:
                known = {name: OwnType(name, fault=str(error)) for name in wanted}
            else:
                # What went wrong may be for another reason than the code, such as a module that is not installed yet.
                remember(key, {name: one for name, one in known.items() if not one.fault})
        found |= {reference: known[reference] for reference in wanted if reference in known}
    return found


def _ask(module: str, place: Path, asked: Any, of: str) -> Any:
    """What a process answers that imports the code `of` something. Raises OwnCodeError where it does not."""
    command = [sys.executable, "-P", "-m", f"craft.training.{module}", str(place)]
    pipe = subprocess.PIPE
    # A session of its own: what hangs is ended with all that it started.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            said, complained = process.communicate(json.dumps(asked), timeout=LIMIT)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
            raise OwnCodeError(f"{of} was not imported within {LIMIT} s") from error
    try:
        return json.loads(said)
    except ValueError as error:
        last = (complained.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise OwnCodeError(f"the process that imports {of} ended: {last}") from error
