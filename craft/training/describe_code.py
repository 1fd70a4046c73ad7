"""Imports classes of a person's own and says what they take: `python -m craft.training.describe_code FOLDER`.

A process of its own for each module, because such code may do anything; `craft.launch.own_code` asks it. Standard input
is a JSON list of "module:Class"; standard output a JSON object of `OwnType`s by these names.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from craft.config.own_code import import_named
from craft.config.own_settings import OwnType
from craft.errors import OwnCodeError


def main(arguments: list[str]) -> int:
    """Describe, and print."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the code prints is no answer
    found = {reference: asdict(_describe(reference, Path(arguments[0]))) for reference in json.load(sys.stdin)}
    with answers:
        json.dump(found, answers)
    return 0


def _describe(reference: str, folder: Path) -> OwnType:
    try:
        made_by = import_named(reference, "type", folder)
    except OwnCodeError as error:
        return OwnType(reference, fault=" ".join(str(error).removeprefix(f'type = "{reference}": ').split()))
    if not callable(made_by):
        return OwnType(reference, fault=f"it is {type(made_by).__name__}, not a class")
    from craft.training.own_types import describe_class  # torch comes with it, in two seconds

    return describe_class(made_by, reference)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    os._exit(status)  # threads that the code began are not waited for
