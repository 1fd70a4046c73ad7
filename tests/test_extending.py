"""Every example of docs/extending.md is run: validated, trained, killed half way, resumed, and asked to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from craft.cli import craft
from craft.config.experiments import PlannedRun, load_experiments
from craft.generation.checkpoint import load_checkpoint
from craft.launch.create import create_runs
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsReader
from craft.runs.sampling_settings import SamplingSettings
from craft.training.experiment import Experiment
from tests.training.runs import final_weights

DOCUMENT = Path(__file__).parent.parent / "docs" / "extending.md"
FILES = dict(re.findall(r"```python\n# (my_\w+\.py)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
EXAMPLES = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


def planned(folder: Path, example: str) -> list[PlannedRun]:
    for name, code in FILES.items():
        (folder / name).write_text(code)
    path = folder / "experiments.toml"
    path.write_text(example)
    return load_experiments(path).plan()


def test_every_block_of_code_names_its_file() -> None:
    assert DOCUMENT.read_text().count("```python") == len(FILES) == 9


def train(folder: RunFolder, run: PlannedRun, until: int | None = None) -> None:
    experiment = Experiment(run.config, folder=folder)
    try:
        experiment.setup().fit(until=until)
        experiment.close()
    finally:
        assert experiment._lock is not None
        experiment._lock.release()


@pytest.mark.parametrize("example", EXAMPLES, ids=["names", "dataset", "all"])
def test_an_example_does_what_the_page_says(tmp_path: Path, example: str, capsys: pytest.CaptureFixture[str]) -> None:
    runs = planned(tmp_path, example)
    told = CliRunner().invoke(craft, ["validate", str(tmp_path / "experiments.toml")])
    assert told.exit_code == 0, told.output
    for run in runs:
        whole, cut_short = (create_runs(tmp_path / "runs", [run])[0] for _ in range(2))
        train(whole, run)
        train(cut_short, run, until=13)
        train(cut_short, run)
        assert final_weights(whole) == final_weights(cut_short), run.experiment
        reader = MetricsReader(whole.metrics)
        reader.poll()
        losses = reader.series("val/loss")[1]
        assert losses[-1] < losses[0]
        if run.config.metrics:
            assert 0 < reader.last("val/top_5") < 1
        loaded = load_checkpoint(checkpoints.resolve(whole, "latest").path)
        text = "".join(loaded.stream("", SamplingSettings(max_new_tokens=5, temperature=0)))
        assert text


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("my_callbacks.py", "class GoodEnough(Callback)", "class GoodEnough", "does not derive from craft.training"),
        ("my_figures.py", "import Metric", "import Metrik", "importing it raised ImportError"),
        ("my_words.py", "smallest=1", "fewest=1", ""),
        ("my_schedules.py", "stairs=4", "steps=4", "unknown key"),
        ("my_optimizers.py", "import torch\n", "import torch, no_such_module\n", "no_such_module, which is missing"),
    ],
)
def test_what_is_wrong_with_a_class_is_said_where_it_is_named(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    planned(tmp_path, EXAMPLES[-1])
    code = FILES[file]
    assert old in code
    (tmp_path / file).write_text(code.replace(old, new))
    told = CliRunner().invoke(craft, ["validate", str(tmp_path / "experiments.toml")])
    problems = getattr(told.exception, "problems", [])
    if not said:
        assert told.exit_code == 0
        return
    assert len(problems) == 1, told.output
    assert said in problems[0].message
    assert problems[0].line > 0
