"""What classes of a person's own take, told by a process of their own: such code may do anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.config.own_settings import OwnType, argument_faults
from craft.launch import own_code
from craft.launch.own_code import describe_own_code

MODELS = '''
from __future__ import annotations
from typing import Annotated, Literal
from torch import nn

print("what is printed is no answer")


class Mean(nn.Module):
    """Predicts from the mean.

    Args:
        width (int): how many numbers
            an embedding has
    """

    def __init__(
        self, vocab_size: int, context_length: int, width: int, kind: Literal["mean", "sum"] = "mean",
        rate: Annotated[float, "how fast"] = 0.5, loose=True, wide: Unknown = None,
    ):
        super().__init__()


class Rows:
    def __init__(self, split, tokenizer, context_length, **more): ...
    def __len__(self): return 0
    def __getitem__(self, index): ...
'''


def described(folder: Path, source: str, *names: str, module: str = "mine") -> list[OwnType]:
    (folder / f"{module}.py").write_text(source)
    found = describe_own_code(folder, [f"{module}:{name}" for name in names], ask=True)
    return [found[f"{module}:{name}"] for name in names]


def test_a_signature_says_what_a_class_takes_and_it_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "cache"))
    mean, rows = described(tmp_path, MODELS.replace("wide: Unknown = None,", ""), "Mean", "Rows")
    assert (mean.sections, rows.sections) == (("model",), ("data",))
    assert mean.about == "Predicts from the mean."
    assert mean.properties == {
        "width": {"type": "integer", "description": "how many numbers an embedding has"},
        "kind": {"enum": ["mean", "sum"], "default": "mean"},
        "rate": {"type": "number", "default": 0.5, "description": "how fast"},
        "loose": {"default": True},
    }
    said = [
        (".".join(map(str, fault.path)), fault.message)
        for fault in argument_faults(mean, {"kind": "max", "rate": 1, "loose": 3, "wid": 4}, ("model", "arguments"))
    ]
    assert said == [
        ("model.arguments.kind", 'must be "mean" or "sum", found "max" (a string)'),
        ("model.arguments.wid", "unknown key"),
        ("model.arguments.width", "missing"),
    ]
    assert list(argument_faults(rows, {"anything": 1}, ())) == []
    monkeypatch.setattr(own_code, "_ask", None)
    assert describe_own_code(tmp_path, ["mine:Mean"], ask=True) == {"mine:Mean": mean}
    (tmp_path / "mine.py").write_text("# another")
    assert describe_own_code(tmp_path, ["mine:Mean"], ask=False) == {}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise ValueError('two\\nlines')", "raised ValueError: two lines"),
        ("import os; print('bye'); os._exit(3)", "the process that imports mine ended: bye"),
        ("import sys; sys.exit('out')", "raised SystemExit: out"),
        ("import time; time.sleep(60)", "was not imported within 1 s"),
        ("Own = 3", "is int, not a class"),
        ("x = ", "invalid syntax"),
    ],
    ids=["raises", "exits", "leaves", "hangs", "is no class", "is no Python"],
)
def test_code_that_does_harm_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "cache"))
    if "sleep" in source:
        monkeypatch.setattr(own_code, "LIMIT", 1)
    [own] = described(tmp_path, source, "Own")
    assert said in own.fault and "\n" not in own.fault
