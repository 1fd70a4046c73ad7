"""What a sound file costs: nothing heavy is imported, and it is read at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.config.files import RICH, load


def test_reading_a_sound_file_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    program = (
        "import sys; from pathlib import Path\n"
        "from craft.config.experiments import load_experiments\n"
        "load_experiments(Path('experiments.toml')).plan(['lr'], ['training.max_steps=3'])\n"
        "print(*sorted({'torch', 'numpy', 'rich', 'tree_sitter', 'textual', 'plotext', 'tomli_w'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_file_is_read_and_planned_in_twenty_milliseconds(tmp_path: Path) -> None:
    load(tmp_path, RICH).plan()
    taken = []
    for _ in range(5):
        begun = time.process_time()
        load(tmp_path, RICH).plan(["transformer"])
        taken.append(time.process_time() - begun)
    assert min(taken) < 0.02
