"""Imports the code that experiments name and says what is wrong with it: `python -m craft.training.check_code FILE`.

A process of its own, because such code may do anything; `craft.launch.own_code` asks it. Standard input is a JSON
object: the text of the file as it is edited, and names of experiments. Standard output is a list of problems.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from craft.config.experiments import inspect_experiments
from craft.training.own_code import own_code_problems


def main(arguments: list[str]) -> int:
    """Check, and print."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the code prints is no answer
    asked = json.load(sys.stdin)
    file = inspect_experiments(Path(arguments[0]), asked["text"]).file
    names = [name for name in asked["names"] if file is not None and name in file.names]
    runs = [file.one(name) for name in names] if file is not None else []
    with answers:
        json.dump([problem.as_json() for problem in own_code_problems(runs)], answers)
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    os._exit(status)  # threads that the code began are not waited for
