"""A person's own code in a run: copied when the run is made, imported from there, and resumed to the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from craft.config.experiments import load_experiments
from craft.launch.create import create_runs
from craft.runs.checkpoints import list_checkpoints
from craft.runs.folder import RunFolder
from craft.runs.status import read_status

FILE = """
craft = 1
[experiment.mine]
data = { type = "alphabets_of_mine:Alphabets", context_length = 8, arguments = { count = 50 } }
model = { type = "transformer", num_layers = 1, num_heads = 2, hidden_size = 16 }
training = { max_steps = 12, batch_size = 8, log_every = 1, eval_every = 6 }
checkpoint = { every = 1, keep = 20 }
"""

DATASET = """
import os, signal
from steps_of_mine import STEP

LETTERS = "abcdefghijklmnopqrstuvwxyz"

class Alphabets:
    def __init__(self, split, tokenizer, context_length, count):
        self.count = count if split == "train" else 5
        self.tokenizer, self.length = tokenizer, context_length
        self.asked = 0

    @staticmethod
    def texts(count):
        yield LETTERS

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.asked += 1
        if self.asked == int(os.environ.get("KILL_AT_ITEM", 0)):
            os.kill(os.getpid(), signal.SIGKILL)
        row = [LETTERS[(index * STEP + place) % 26] for place in range(self.length + 1)]
        return self.tokenizer.encode("".join(row))
"""


def work(folder: RunFolder, kill_at_item: int = 0) -> int:
    environment = {**os.environ, "KILL_AT_ITEM": str(kill_at_item)}
    command = [sys.executable, "-m", "craft.training.worker", str(folder.path)]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def test_killed_and_resumed_it_ends_in_the_same_bits(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(FILE)
    (tmp_path / "alphabets_of_mine.py").write_text(DATASET)
    (tmp_path / "steps_of_mine.py").write_text("STEP = 3\n")
    planned = load_experiments(tmp_path / "experiments.toml").plan()
    untouched, killed = (create_runs(tmp_path / "runs", planned)[0] for _ in range(2))
    # What the folder of the experiments holds from here on is not what these runs train on.
    (tmp_path / "alphabets_of_mine.py").unlink()
    (tmp_path / "steps_of_mine.py").write_text("STEP = 5\n")
    assert sorted(file.name for file in untouched.code.glob("*.py")) == ["alphabets_of_mine.py", "steps_of_mine.py"]

    assert work(untouched) == 0, untouched.log.read_text()
    assert work(killed, kill_at_item=61) == -9
    assert 0 < max(info.step for info in list_checkpoints(killed)) < 12
    assert work(killed) == 0
    ends = [list_checkpoints(folder)[-1] for folder in (untouched, killed)]
    assert [end.step for end in ends] == [12, 12]
    weights = [(end.path / "model.safetensors").read_bytes() for end in ends]
    assert weights[0] == weights[1]
    assert [read_status(folder).phase for folder in (untouched, killed)] == ["finished", "finished"]
