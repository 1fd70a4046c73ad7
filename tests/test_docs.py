"""What the documents say is true: their examples are read and run, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from craft.config.experiments import load_experiments

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


@pytest.mark.parametrize("path", [ROOT / "experiments.toml", *ROOT.glob("experiments/*.toml")], ids=lambda p: p.name)
def test_the_shipped_experiments_are_valid(path: Path) -> None:
    file = load_experiments(path)
    assert file.plan()
    assert file.runs_dir == ROOT / "runs"
