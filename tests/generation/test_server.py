"""The sampler process, as a real one: what it says, what it survives, when it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from craft.data.tokenizers import CharTokenizer
from craft.errors import CheckpointError, CraftError
from craft.generation.sampler.beside_training import Placement
from craft.generation.sampler.checkpoints_held import CheckpointsHeld
from craft.generation.sampler.requests import CheckpointRef
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.sampler_client import Sampler
from craft.runs.sampler_protocol import is_final
from tests.children import ROOT, child, says, wait_until
from tests.training.runs import definition, kill, make_run, start, train, wait_for_step, write_text

Message = dict[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/tiny-001, trained to its end."""
    folder = tmp_path_factory.mktemp("sampler")
    run = make_run(folder / "runs", definition(write_text(folder / "text.txt")))
    assert train(run) == 0
    return folder


@pytest.fixture(scope="module")
def shared(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sampler]:
    with Sampler(log=tmp_path_factory.mktemp("log") / "log.txt") as sampler:
        hello = sampler.receive()
        assert hello is not None and hello["type"] == "hello" and hello["pid"] == sampler.pid
        yield sampler


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> str:
    """A copy that a test may damage."""
    shutil.copytree(trained / "runs" / "tiny-001", tmp_path / "tiny-001")
    return str(tmp_path / "tiny-001")


def ask(sampler: Sampler, **message: Any) -> list[Message]:
    return list(sampler.ask(**message))


def result(sampler: Sampler, **message: Any) -> Message:
    """The result of a request with one checkpoint."""
    final = ask(sampler, **message)[-1]
    assert final["type"] == "done", final
    only: Message = final["results"][0]
    return only


def text_of(sampler: Sampler, **message: Any) -> str:
    return str(result(sampler, type="generate", **message)["texts"][0]["text"])


def error(sampler: Sampler, **message: Any) -> str:
    final = ask(sampler, **message)[-1]
    assert final["type"] == "error", final
    assert "where" not in final, final
    return str(final["message"])


def of_type(messages: list[Message], kind: str) -> list[Message]:
    return [message for message in messages if message["type"] == kind]


# What it answers ----------------------------------------------------------------------------------------------------


def matches(wanted: Any, found: Any) -> bool:
    """Whether a message is what the document shows; "..." is anything, and an empty list of beams too."""
    if wanted == "...":
        return True
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(matches(value, found[name]) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(matches, wanted, found))
    return bool(wanted == found)


def test_the_conversation_in_the_document_is_what_is_said(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "sampler.md").read_text()
    (transcript,) = re.findall(r"```transcript\n(.*?)```", text, re.DOTALL)
    lines = [(line[0], json.loads(line[2:])) for line in transcript.splitlines()]
    assert len(lines) > 20
    monkeypatch.chdir(trained)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with Sampler() as sampler:
        waiting: list[Message] = []
        for mark, message in lines:
            if mark == ">":
                assert not waiting, waiting
                sampler.send(**message)
                continue
            while not waiting or (waiting[-1]["type"] == "pieces" and not waiting[-1]["pieces"][-1]["ended"]):
                got = sampler.receive(30)
                assert got is not None
                if got["type"] == "pieces" and waiting:
                    waiting[-1]["pieces"] += got["pieces"]  # they come together or apart
                else:
                    waiting.append(got)
            assert matches(message, found := waiting.pop(0)), f"{message}\n{found}"


def test_pieces_are_the_text_and_the_same_seed_gives_the_same(shared: Sampler, run: str) -> None:
    request = {"checkpoint": {"run": run}, "prompts": ["a", "bad "], "samples": 2, "settings": {"max_new_tokens": 30}}
    messages = ask(shared, type="generate", alternatives=3, **request)
    texts = messages[-1]["results"][0]["texts"]
    assert [(text["prompt"], text["sample"], text["seed"]) for text in texts] == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 0),
        (1, 1, 1),
    ]
    pieces = [piece for message in of_type(messages, "pieces") for piece in message["pieces"]]
    for text in texts:
        mine = [p for p in pieces if (p["prompt"], p["sample"]) == (text["prompt"], text["sample"])]
        assert "".join(piece["text"] for piece in mine) == text["text"]
        assert len(mine) == text["tokens"] == 30
        assert [piece["ended"] for piece in mine] == [""] * 29 + ["length"]
        assert text["slides"] > 0, "the context is 16"
        for piece in mine:
            assert len(piece["alternatives"]) == 3
            assert 0 < piece["probability"] <= piece["alternatives"][0]["probability"]
    single = result(
        shared, type="generate", checkpoint={"run": run}, prompt="bad ", settings={"max_new_tokens": 30, "seed": 1}
    )
    assert single["texts"][0]["text"] == texts[3]["text"]


def test_another_alternative_is_gone_on_from(shared: Sampler, run: str) -> None:
    settings = {"max_new_tokens": 10, "seed": 3}
    messages = ask(shared, type="generate", checkpoint={"run": run}, prompt="a", settings=settings)
    tokens = [piece["token"] for message in of_type(messages, "pieces") for piece in message["pieces"]]
    whole = messages[-1]["results"][0]["texts"][0]["text"]
    prompt = {"text": "a", "tokens": tokens[:4]}
    rest = text_of(shared, checkpoint={"run": run}, prompt=prompt, settings={**settings, "max_new_tokens": 6})
    assert rest == whole[4:]
    assert "outside the vocabulary" in error(
        shared, type="generate", checkpoint={"run": run}, prompt={"text": "a", "tokens": [5000]}
    )


def test_several_checkpoints_answer_the_same_in_turn(shared: Sampler, run: str) -> None:
    checkpoints_ = [{"run": run, "at": 30}, {"run": run, "at": 7}, {"run": run, "at": 40}]
    messages = ask(shared, type="generate", checkpoints=checkpoints_, prompt="a", settings={"max_new_tokens": 5})
    final = messages[-1]
    assert [one["checkpoint"] for one in final["results"]] == [0, 1, 2]
    assert [final["results"][place]["provenance"]["step"] for place in (0, 2)] == [30, 40]
    assert "no checkpoint of step 7; there are: 30, 35, 40" in final["results"][1]["error"]["message"]
    assert [message["checkpoint"] for message in of_type(messages, "error")] == [1]
    assert {message["checkpoint"] for message in of_type(messages, "pieces")} == {0, 2}
    first = text_of(shared, checkpoint={"run": run, "at": 30}, prompt="a", settings={"max_new_tokens": 5})
    assert final["results"][0]["texts"][0]["text"] == first


def test_a_beam_search_sends_a_tree_that_can_be_put_together(shared: Sampler, run: str) -> None:
    settings = {"max_new_tokens": 6, "width": 3, "num_results": 2}
    messages = ask(shared, type="beam", checkpoint={"run": run}, prompt="a", tree=True, settings=settings)
    nodes: dict[int, Message] = {}
    for message in of_type(messages, "beams"):
        nodes |= {node["id"]: node for node in message["nodes"]}
    final = messages[-1]["results"][0]
    assert [nodes[number] for number in sorted(nodes)] == final["tree"]["nodes"]
    assert len(final["beams"]) == 2
    assert final["beams"][0]["score"] >= final["beams"][1]["score"]
    greedy = text_of(shared, checkpoint={"run": run}, prompt="a", settings={"max_new_tokens": 6, "temperature": 0})
    single = result(
        shared, type="beam", checkpoint={"run": run}, prompt="a", settings={"max_new_tokens": 6, "width": 1}
    )
    assert single["beams"][0]["text"] == greedy


def test_what_is_held_stays_within_the_budget(run: str) -> None:
    with Sampler(memory="20KiB") as sampler:  # the model takes 13 KiB
        first = ask(sampler, type="load", checkpoint={"run": run, "at": 30})[-1]["results"][0]
        assert first["evicted"] == [] and 10_000 < first["bytes"] < 20_000
        second = ask(sampler, type="load", checkpoint={"run": run, "at": 40})[-1]["results"][0]
        path = second["provenance"]["path"]
        assert second["evicted"] == [first["provenance"]["path"]]
        held = ask(sampler, type="list")[-1]
        assert [one["step"] for one in held["checkpoints"]] == [40]
        assert held["memory"]["held"] <= held["memory"]["budget"] == 20 << 10
        assert ask(sampler, type="unload", path=path)[-1]["paths"] == [path]
        for other in (path, "x\0", "\ud800", ""):
            assert re.search("is not held|name either", error(sampler, type="unload", path=other))


def test_one_that_is_larger_than_the_budget_or_than_memory(run: str) -> None:
    folder = RunFolder(Path(run))
    held, placement = CheckpointsHeld(1 << 10), Placement("cpu", "")
    found = held.get(CheckpointRef(folder.path, "latest"), placement, "fp32", lambda: False)
    assert found.remarks == [
        "it alone takes 0.0 MiB of memory, more than the 0.0 MiB that checkpoints may take together"
    ]
    assert len(list(held)) == 1
    again = held.get(CheckpointRef(folder.path, "latest"), placement, "fp32", lambda: False)
    assert (again.remarks, again.seconds) == (found.remarks, 0), "it is still so when it is asked again"
    with (checkpoints.step_folder(folder, 30) / "model.safetensors").open("r+b") as weights:
        weights.truncate(1 << 43)  # a file with a hole: terabytes of nothing
    with pytest.raises(CheckpointError, match=r"take 8192\.0 GiB.* of memory are free\. Free some"):
        held.get(CheckpointRef(checkpoints.step_folder(folder, 30)), placement, "fp32", lambda: False)
    assert list(held) == []


def test_latest_stays_what_it_was_unless_it_is_followed(shared: Sampler, run: str) -> None:
    newest = Path(run) / "checkpoints" / "step-00000040"
    newest.rename(Path(run) / "aside")
    ask_latest = {"type": "load", "checkpoint": {"run": run}}
    follow = {"type": "load", "checkpoint": {"run": run, "follow": True}}
    assert result(shared, **ask_latest)["provenance"]["step"] == 35
    (Path(run) / "aside").rename(newest)
    assert result(shared, **ask_latest)["provenance"]["step"] == 35
    assert result(shared, **follow)["provenance"]["step"] == 40


# What it survives ---------------------------------------------------------------------------------------------------


def test_a_damaged_checkpoint_is_passed_over_or_named(shared: Sampler, run: str) -> None:
    weights = Path(run) / "checkpoints" / "step-00000040" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    latest = result(shared, type="load", checkpoint={"run": run, "follow": True})["provenance"]
    assert latest["step"] == 35
    assert "step 40 is damaged: model.safetensors" in latest["remarks"][0]
    assert "damaged: model.safetensors" in error(shared, type="load", checkpoint={"run": run, "at": 40})
    assert "damaged: model.safetensors" in error(shared, type="load", checkpoint=str(weights.parent))
    for folder in (Path(run) / "checkpoints").glob("step-*"):
        (folder / "manifest.json").unlink()
    assert "every checkpoint is damaged" in error(shared, type="load", checkpoint={"run": run, "follow": True})


def test_what_vanished_is_answered_from_memory_with_a_remark(shared: Sampler, run: str) -> None:
    where = {"checkpoint": str(Path(run) / "checkpoints" / "step-00000035")}
    before = text_of(shared, prompt="a", **where)
    shutil.rmtree(where["checkpoint"])
    after = result(shared, type="generate", prompt="a", **where)
    assert after["texts"][0]["text"] == before
    assert "no longer on disk" in after["provenance"]["remarks"][0]


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


# Cancelling ---------------------------------------------------------------------------------------------------------


def test_cancelling_ends_a_text_between_two_tokens_and_what_waits_at_once(shared: Sampler, run: str) -> None:
    request: Message = {"type": "generate", "checkpoint": {"run": run}, "prompt": "a"}
    shared.send(id="long", settings={"max_new_tokens": 100_000_000}, **request)
    shared.send(id="waits", **request)
    while (got := shared.receive(30)) is not None and got["type"] != "pieces":
        pass
    shared.send(id="long", **request)
    shared.send(id="c2", type="cancel", request="waits")
    shared.send(id="c1", type="cancel", request="long")
    sent = time.monotonic()
    finals: dict[Any, Message] = {}
    refused = ""
    while len(finals) < 4:
        got = shared.receive(30)
        assert got is not None
        if got["id"] is None:
            refused = got["message"]
        elif is_final(got):
            finals[got["id"]] = got
    assert "'long' is that of a request that is not answered yet" in refused
    assert time.monotonic() - sent < 5
    assert finals["c1"]["found"] and finals["c2"]["found"]
    assert finals["waits"] == {"type": "done", "id": "waits", "reason": "cancelled", "results": []}
    assert finals["long"]["reason"] == "cancelled"
    text = finals["long"]["results"][0]["texts"][0]
    assert text["ended"] == "cancelled" and 0 < text["tokens"] == len(text["text"])


def test_a_scored_text_is_cancelled_between_windows(shared: Sampler, run: str) -> None:
    shared.send(id="long", type="score", checkpoint={"run": run}, text="abc " * 2_000_000)
    while (got := shared.receive(30)) is not None and got["type"] != "loaded":
        pass
    shared.send(id="c", type="cancel", request="long")
    while (got := shared.receive(30)) is not None and not (is_final(got) and got["id"] == "long"):
        pass
    assert got is not None and got["reason"] == "cancelled"


# Beside a run that trains -------------------------------------------------------------------------------------------


def test_a_run_that_trains_is_followed_asked_to_save_and_left_its_cores(tmp_path: Path) -> None:
    endless = definition(
        write_text(tmp_path / "text.txt"),
        training={"max_steps": 100_000_000, "eval_every": 1_000_000},
        checkpoint={"every": 50, "keep": 3},
    )
    folder = make_run(tmp_path / "runs", endless)
    worker = start(folder)
    try:
        wait_for_step(folder, 20, worker)
        with Sampler() as sampler:
            where = {"run": str(folder.path)}
            seen: list[int] = []
            for _ in range(2):
                saved = result(
                    sampler,
                    type="generate",
                    checkpoint={**where, "save_first": True},
                    prompt="a",
                    settings={"max_new_tokens": 3},
                )
                seen.append(saved["provenance"]["step"])
            assert 20 <= seen[0] < seen[1]
            assert saved["provenance"]["threads"] == 1
            assert "one thread at low priority: tiny-001 trains on the CPU" in saved["provenance"]["why_device"]
            assert os.getpriority(os.PRIO_PROCESS, sampler.pid) >= 10
            # It saves every fifty steps and keeps three: what is read vanishes all the time.
            follow = {"type": "load", "checkpoint": {**where, "follow": True}}
            steps = [seen[1]]

            def goes_on() -> bool:
                steps.append(result(sampler, **follow)["provenance"]["step"])
                return steps[-1] > seen[1] + 200

            wait_until(goes_on)
            assert steps == sorted(steps)
            kill(worker)
            assert "does not train now (interrupted" in error(
                sampler, type="load", checkpoint={**where, "save_first": True}
            )
    finally:
        kill(worker)


# When it ends -------------------------------------------------------------------------------------------------------

_PARENT = """
import sys, time
from craft.runs.sampler_client import Sampler
sampler = Sampler()
sampler.send(type="generate", checkpoint={"run": sys.argv[1]}, prompt="a", settings={"max_new_tokens": 100_000_000})
while sampler.receive()["type"] != "pieces":
    pass
print(sampler.pid, flush=True)
time.sleep(1000)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_it_ends_with_its_parent_in_the_middle_of_a_text(run: str) -> None:
    with child(_PARENT, run) as parent:
        pid = int(says(parent))
        assert not gone(pid)
        parent.kill()
        killed = time.monotonic()
        wait_until(lambda: gone(pid))
        assert time.monotonic() - killed < 2


_ANOTHER_HOLDS_ITS_INPUT = """
import os, subprocess, sys, time
reading, writing = os.pipe()
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], pass_fds=[writing])
command = [sys.executable, "-m", "craft.generation.server"]
server = subprocess.Popen(command, stdin=reading, stdout=subprocess.PIPE)
assert b"hello" in server.stdout.readline()
print(server.pid, other.pid, flush=True)
time.sleep(1000)
"""


def test_it_ends_with_its_parent_while_another_holds_its_input_open() -> None:
    with child(_ANOTHER_HOLDS_ITS_INPUT) as parent:
        pid, other = map(int, says(parent).split())
        try:
            assert not gone(pid)
            parent.kill()
            killed = time.monotonic()
            wait_until(lambda: gone(pid))
            assert time.monotonic() - killed < 2
        finally:
            os.kill(other, signal.SIGKILL)


@pytest.mark.parametrize(
    "way", ["shutdown", *(pytest.param(way, marks=pytest.mark.slow) for way in ("stdin", "stdout", "SIGTERM"))]
)
def test_it_ends_quietly_in_the_middle_of_a_text(run: str, tmp_path: Path, way: str) -> None:
    request = {"id": 1, "type": "generate", "checkpoint": {"run": run}, "prompt": "a"}
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "craft.generation.server"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=ROOT)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None and stdout is not None
    try:
        stdin.write(json.dumps({**request, "settings": {"max_new_tokens": 100_000_000}}).encode() + b"\n")
        stdin.flush()
        while json.loads(stdout.readline())["type"] != "pieces":
            pass
        process.send_signal(signal.SIGINT)  # nothing comes of it
        for _ in range(3):
            assert json.loads(stdout.readline())["type"] == "pieces"
        if way == "stdin":
            stdin.close()
        elif way == "stdout":
            stdout.close()
        elif way == "shutdown":
            stdin.write(b'{"id": 2, "type": "shutdown"}\n')
            stdin.flush()
            *_, last = stdout
            assert json.loads(last) == {"type": "done", "id": 2, "reason": "finished"}
        else:
            process.terminate()
        assert process.wait(10) == (-signal.SIGTERM if way == "SIGTERM" else 0)
        assert (tmp_path / "log").read_text() == ""
    finally:
        process.kill()
        process.wait()
        stdin.close()
        stdout.close()


def test_a_reader_that_takes_nothing_stops_the_writing_and_loses_none(shared: Sampler, run: str) -> None:
    shared.send(id="much", type="generate", checkpoint={"run": run}, prompt="a", settings={"max_new_tokens": 3000})
    wait_until(lambda: ask_is_over(shared))
    pieces = []
    while (got := shared.receive(30)) is not None and not (is_final(got) and got["id"] == "much"):
        pieces += got.get("pieces", [])
    assert got is not None and len(pieces) == 3000


def ask_is_over(sampler: Sampler) -> bool:
    """Whether messages lie in the pipe, unread."""
    import select

    return bool(select.select([sampler], [], [], 0)[0])


def test_a_client_hears_that_the_process_ended() -> None:
    with Sampler() as sampler:
        hello = sampler.receive(30)
        assert hello is not None and hello["type"] == "hello"
        os.kill(sampler.pid, signal.SIGKILL)
        with pytest.raises(CraftError, match=r"has ended \(signal 9\)"):
            while True:
                sampler.receive(30)


def test_a_wrong_size_of_memory_is_refused() -> None:
    command = [sys.executable, "-m", "craft.generation.server", "--memory", "2 apples"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "such as 2GiB" in done.stderr and "Traceback" not in done.stderr


def test_hello_comes_before_torch(trained: Path) -> None:
    code = "import sys, craft.generation.server; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_run_folders_resolve_without_verifying_what_is_held(shared: Sampler, run: str) -> None:
    first = result(shared, type="load", checkpoint={"run": run, "at": "best"})
    again = result(shared, type="load", checkpoint={"run": run, "at": "best", "follow": True})
    assert again["seconds"] == 0
    assert first["provenance"]["step"] == checkpoints.best_step(RunFolder(Path(run)))


def test_a_process_that_is_killed_is_heard_of_by_whoever_reads_in_another_thread(tmp_path: Path) -> None:
    sampler = Sampler(log=tmp_path / "log.txt")
    heard: list[str] = []

    def read() -> None:
        try:
            while True:
                sampler.receive()
        except CraftError as error:
            heard.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    sampler.kill()
    reader.join(20)
    assert "the sampler process has ended" in heard[0]
    assert sampler.end() == -signal.SIGKILL
