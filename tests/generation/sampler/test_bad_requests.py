"""What a sampler process survives: wrong messages, texts of any size, a model that does as it likes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from craft.data.tokenizers import CharTokenizer
from craft.runs import checkpoints
from craft.runs.sampler_client import Sampler
from tests.generation.sampler.asking import Message, ask, error, result
from tests.training.runs import definition, make_run


@pytest.mark.parametrize(
    ("line", "says_"),
    [
        (b"hello", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (b'{"id": ' + b"9" * 5000 + b"}", "digits"),
        (b"{}", "type must be one of generate"),
        (b'{"id": 1.5, "type": "list"}', "id must be"),
        (b'{"id": 1, "type": "generate"}', "name either one checkpoint"),
        (b'{"id": 1, "type": ["generate"]}', "type must be"),
        (b'{"id": 1, "type": "list", "x\\ud800": 2}', "unknown field"),
        (b'{"id": 1, "type": "generate", "checkpoint": "a\\ud800", "prompt": ""}', "no path"),
        (b'{"id": 1, "type": "generate", "checkpoint": "a\\u0000b", "prompt": ""}', "no path"),
        (b'{"id": 1, "type": "load", "checkpoint": "' + b"x" * 10_000 + b'"}', "cannot be read"),
        (b'{"id": 1, "type": "load", "checkpoint": {"run": "nowhere"}}', "no such folder"),
        (b'{"id": 1, "type": "load", "checkpoint": "/dev/zero"}', "neither a file"),
        (b'{"id": 1, "type": "load", "checkpoint": "x", "device": "gpu"}', "there are auto"),
        (b'{"id": 1, "type": "load", "checkpoint": "x", "precision": "fp8"}', "precision must be"),
        (b'{"id": 1, "type": "score", "checkpoint": "x"}', "text is missing"),
        (b'{"id": 1, "type": "generate", "checkpoint": "x", "prompt": "", "settings": {"temperature": -1}}', "temper"),
        (b'{"id": 1, "type": "generate", "checkpoint": "x", "prompt": "", "settings": {"temperature": NaN}}', "temper"),
        (b'{"id": 1, "type": "generate", "checkpoint": "x", "prompt": "", "settings": {"top_k": true}}', "top_k must"),
        (b'{"id": 1, "type": "generate", "checkpoint": "x", "prompt": "", "samples": 1000000000}', "at most 4,096"),
        (b'{"id": 1, "type": "beam", "checkpoint": "x", "prompt": "", "settings": {"width": 100000}}', "at most 4,096"),
    ],
)
def test_a_wrong_message_gets_an_error_and_no_more(shared: Sampler, line: bytes, says_: str) -> None:
    assert shared._process.stdin is not None
    shared._process.stdin.write(line + b"\n")
    got = shared.receive(20)
    while got is not None and got["type"] == "ready":
        got = shared.receive(20)
    assert got is not None and got["type"] == "error", got
    assert re.search(says_, got["message"]), got
    assert "where" not in got
    assert got["id"] == (1 if line.startswith(b'{"id": 1,') else None)


def test_a_prompt_that_cannot_be_encoded_and_one_of_a_megabyte(shared: Sampler, run: str) -> None:
    where: Message = {"checkpoint": {"run": run}}
    assert "\\ud800" in error(shared, type="generate", prompt="a\ud800", **where)
    assert "nothing to score" in error(shared, type="score", text="", **where)
    long = result(shared, type="generate", prompt="abc " * 250_000, settings={"max_new_tokens": 3}, **where)
    assert long["texts"][0]["unread"] == 1_000_000 - 16
    assert result(shared, type="generate", prompt="", settings={"max_new_tokens": 3}, **where)["tokens"] == 3


def test_a_line_without_end_is_refused_and_not_kept(shared: Sampler) -> None:
    ask(shared, type="list")
    before = peak_of(shared.pid)
    assert shared._process.stdin is not None
    for _ in range(100):
        data = memoryview(b"x" * (1 << 20))
        while data:
            data = data[shared._process.stdin.write(data) or 0 :]
    shared._process.stdin.write(b"\n")
    got = shared.receive(20)
    assert got is not None and got["id"] is None and "33,554,432 bytes" in got["message"]
    assert len(ask(shared, type="list")) == 1
    assert peak_of(shared.pid) - before < 80 << 20


def peak_of(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) << 10


_OWN = """
import sys
import threading
from torch import nn

class Leaving(nn.Module):
    def __init__(self, vocab_size, context_length):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        print("words on standard output")
        if tokens.shape[1] > 12:
            sys.exit(3)
        if tokens.shape[1] > 10:
            raise MemoryError
        if tokens.shape[1] > 8:
            raise ZeroDivisionError("nothing was there")
        return self.embedding(tokens)
"""


@pytest.mark.usefixtures("forked_samplers")
def test_what_a_persons_own_model_does_is_an_error_with_its_place(trained: Path, tmp_path: Path) -> None:
    config = definition(trained / "text.txt", model={"type": "leaving:Leaving"}, training={"max_steps": 1})
    folder = make_run(tmp_path / "runs", config)
    folder.code.mkdir()
    (folder.code / "leaving.py").write_text(_OWN)
    source = CharTokenizer.train((trained / "text.txt").read_text())

    def write(place: Path) -> None:
        torch.manual_seed(0)
        weights = torch.randn(source.vocab_size, source.vocab_size)
        save_file({"network.embedding.weight": weights}, place / "model.safetensors")
        source.save(place)
        shutil.copy(folder.definition, place / "experiment.toml")

    checkpoints.commit_checkpoint(folder, 1, write)
    with Sampler(log=tmp_path / "log.txt") as sampler:
        where = {"type": "generate", "checkpoint": {"run": str(folder.path)}, "settings": {"max_new_tokens": 2}}
        for length, kind in ((13, "SystemExit"), (11, "MemoryError"), (9, "ZeroDivisionError")):
            final = ask(sampler, prompt="a" * length, **where)[-1]
            assert (final["type"], final["kind"]) == ("error", kind), final
            assert "in forward" in final["where"], final
        assert result(sampler, prompt="a", **where)["tokens"] == 2
    assert "words on standard output" in (tmp_path / "log.txt").read_text()
