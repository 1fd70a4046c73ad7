"""Every example of docs/generation.md runs as it stands there, one after the other, on a real run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import craft.generation
from tests.training.runs import definition, make_run, train, write_text

PAGE = (Path(__file__).parents[1] / "docs" / "generation.md").read_text()


def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    config = definition(write_text(tmp_path / "text.txt"), tokenizer={"type": "byte"})
    assert train(make_run(tmp_path / "runs", config, "small")) == 0
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    names: dict[str, Any] = {}
    for example in examples:
        exec(example, names)
    [text] = names["writing"].texts
    # Half a character is held back, so pieces are fewer than tokens; together they are the text.
    assert len(text.tokens) == 200
    assert sum(len(line.split(" ")) >= 3 for line in capsys.readouterr().out.splitlines()) > 0
    other = names["other"]
    assert other != text.thoughts[3].alternatives[0][0]
    prompt = craft.generation.Prompt("def ", (*text.tokens[:3], other))
    again = craft.generation.Writing(
        names["model"], names["tokenizer"], [prompt], craft.generation.SamplingSettings(max_new_tokens=5)
    )
    assert len([piece.token for piece in again]) == 5


def test_each_name_of_the_page_is_there() -> None:
    table = PAGE.partition("| name | gives |")[2].partition("\n\n")[0]
    names = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert len(names) >= 8
    for name in names:
        assert getattr(craft.generation, name)
        assert name in craft.generation.__all__
