"""What the documents say is true: their examples are read and run, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from craft.config.experiments import load_experiments
from craft.data import TrainBatches, prepare

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_examples_of_the_file_format_are_valid(tmp_path: Path) -> None:
    document = ROOT / "docs" / "experiments-file.md"
    examples = blocks(document, "toml")
    assert len(examples) >= 3
    for example in examples:
        file = tmp_path / "experiments.toml"
        file.write_text(example)
        assert load_experiments(file).plan()


def test_the_dataset_of_ones_own_gives_batches(tmp_path: Path) -> None:
    document = ROOT / "docs" / "experiments-file.md"
    [source] = blocks(document, "python")
    (tmp_path / "my_data.py").write_text(source)
    file = tmp_path / "experiments.toml"
    file.write_text(next(example for example in blocks(document, "toml") if "my_data" in example))
    [planned] = load_experiments(file).plan()
    prepared = prepare(planned.config, search=tmp_path)
    batches = TrainBatches(prepared.splits["train"], batch_size=4, shuffle=True, seed=0)
    inputs, targets = batches.batch(1)
    assert inputs.shape == targets.shape == (4, 32)
    assert (inputs[:, 1:] == targets[:, :-1]).all()


def test_the_shipped_experiments_are_valid() -> None:
    file = load_experiments(ROOT / "experiments.toml")
    assert file.names[0] == "small"
    for run in file.plan():
        assert run.config.model
