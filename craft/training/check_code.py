"""Imports the code that experiments name and says what is wrong with it.

`python -m craft.training.check_code FILE LIMIT` is a process of its own (`asked.py`); `craft.launch.own_code` asks it.
Standard input is a JSON object: the text of the file as it is edited, and names of experiments. Standard output is a
list of problems.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from craft.config.experiments import inspect_experiments
from craft.training.asked import begin


def main(arguments: list[str]) -> int:
    """Check, and print."""
    asked, answers = begin(int(arguments[1]))
    from craft.training.own_code import own_code_problems  # torch comes with it, in two seconds

    file = inspect_experiments(Path(arguments[0]), asked["text"]).file
    names = [name for name in asked["names"] if file is not None and name in file.names]
    runs = [file.one(name) for name in names] if file is not None else []
    with answers:
        json.dump([problem.as_json() for problem in own_code_problems(runs)], answers)
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    os._exit(status)  # threads that the code began are not waited for
