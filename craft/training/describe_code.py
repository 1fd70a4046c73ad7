"""Imports classes of a person's own and says what they take: `python -m craft.training.describe_code FOLDER LIMIT`.

A process of its own for each module (`asked.py`); `craft.launch.own_code` asks it. Standard input is a JSON list of
"module:Class"; standard output a JSON object of `OwnType`s by these names.
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
from craft.training.asked import begin


def main(arguments: list[str]) -> int:
    """Describe, and print."""
    asked, answers = begin(int(arguments[1]))
    found = {reference: asdict(_describe(reference, Path(arguments[0]))) for reference in asked}
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
