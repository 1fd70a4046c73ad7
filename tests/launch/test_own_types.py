"""What classes of a person's own take, told by a process of their own: such code may do anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from craft.config.own_settings import OwnType, argument_faults
from craft.errors import OwnCodeError
from craft.launch import own_code
from craft.launch.own_code import CodeAsker

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
    found = CodeAsker().describe(folder, [f"{module}:{name}" for name in names])
    return [found[f"{module}:{name}"] for name in names]


def test_a_signature_says_what_a_class_takes_and_it_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "cache"))
    mean, rows = described(tmp_path, MODELS.replace("wide: Unknown = None,", ""), "Mean", "Rows")
    assert (mean.sections, rows.sections) == (("model",), ("data",))
    assert mean.about == "Predicts from the mean."
    assert mean.properties("model") == {
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
    assert list(argument_faults(rows, {"anything": 1}, ("data", "arguments"))) == []
    monkeypatch.setattr(own_code, "_begin", None)
    assert CodeAsker().describe(tmp_path, ["mine:Mean"]) == {"mine:Mean": mean}
    (tmp_path / "mine.py").write_text("# another")
    assert CodeAsker().known(tmp_path, ["mine:Mean"]) == {}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise ValueError('two\\nlines')", "raised ValueError: two lines"),
        ("import os; print('bye'); os._exit(3)", "the process that imports mine ended: bye"),
        ("import sys; sys.exit('out')", "raised SystemExit: out"),
        ("import time; time.sleep(60)", "was not imported within 1 s"),
        (r"import os; os.write(2, b'\xff'); os._exit(3)", "the process that imports mine ended: \ufffd"),
        ("input()", "raised EOFError"),
        ("Own = 3", "is int, not a class"),
        ("x = ", "invalid syntax"),
    ],
    ids=["raises", "exits", "leaves", "hangs", "prints no text", "asks", "is no class", "is no Python"],
)
def test_code_that_does_harm_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "cache"))
    if "sleep" in source:
        monkeypatch.setattr(own_code, "LIMIT", 1)
    [own] = described(tmp_path, source, "Own")
    assert said in own.fault and "\n" not in own.fault


def test_nothing_is_asked_twice_in_a_session_and_a_modules_other_classes_stay_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "cache"))
    asked: list[list[str]] = []

    def ask(self: CodeAsker, module: str, place: Path, wanted: list[str], *_: object) -> dict[str, OwnType]:
        asked.append(wanted)
        if "missing:A" in wanted:
            raise OwnCodeError("no")
        return {reference: OwnType(reference) for reference in wanted}

    monkeypatch.setattr(CodeAsker, "_ask", ask)
    (tmp_path / "mine.py").write_text("class A:\n    pass\nclass B:\n    pass\n")
    binary, nowhere, gone = "numpy.random.mtrand:RandomState", "itertools:count", "missing:A"
    asker = CodeAsker()
    for reference in ("mine:A", "mine:B", binary, nowhere, gone):
        asker.describe(tmp_path, [reference])
    everything = {"mine:A", "mine:B", binary, nowhere, gone}
    assert asker.known(tmp_path, everything).keys() == everything == asker.describe(tmp_path, everything).keys()
    assert asked == [["mine:A"], ["mine:B"], [binary], [nowhere], [gone]]
    # In another session: what a file holds, and is sound.
    assert CodeAsker().known(tmp_path, everything).keys() == {"mine:A", "mine:B", binary}


HANGS = """
import os, pathlib, subprocess, time
other = subprocess.Popen(["sleep", "600"])
pathlib.Path("pids").write_text(f"{os.getpid()} {other.pid}\\n")
time.sleep(600)
"""


def hanging(folder: Path) -> list[int]:
    """The processes, once the import hangs."""
    deadline = time.monotonic() + 60
    while not (folder / "pids").exists() or not (said := (folder / "pids").read_text()).endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(pid) for pid in said.split()]


def assert_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while running := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, running
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")


@needs_proc
def test_code_that_hangs_can_be_ended_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(HANGS)
    asker = CodeAsker()
    told: dict[str, OwnType] = {}
    asking = threading.Thread(target=lambda: told.update(asker.describe(tmp_path, ["mine:A", "other:B"])))
    asking.start()
    pids = hanging(tmp_path)
    asker.end()
    asking.join(10)
    assert not asking.is_alive()
    assert_gone(pids)
    assert "ended: exit status -9" in told["mine:A"].fault and "not imported any more" in told["other:B"].fault
    with pytest.raises(OwnCodeError, match="not imported any more"):
        asker.check(tmp_path / "experiments.toml", "", [])


@needs_proc
def test_code_that_hangs_ends_with_whoever_asked_also_by_force(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HANGS)
    source = (
        "from pathlib import Path; from craft.launch.own_code import CodeAsker; "
        "CodeAsker().describe(Path(), ['mine:A'])"
    )
    environment = {**os.environ, "CRAFT_CACHE_DIR": str(tmp_path / "cache")}
    with subprocess.Popen([sys.executable, "-c", source], cwd=tmp_path, env=environment) as asker:
        pids = hanging(tmp_path)
        asker.send_signal(signal.SIGKILL)
    assert_gone(pids)
