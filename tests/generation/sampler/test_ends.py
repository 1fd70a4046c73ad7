"""When a request ends, and when a sampler process does: cancelled, told to, killed, left alone."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from craft.errors import CraftError
from craft.runs.sampler_client import Sampler
from craft.runs.sampler_protocol import is_final
from tests.children import ROOT, child, says, wait_until
from tests.generation.sampler.asking import Message


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
    while (got := shared.receive(30)) is not None and got["type"] != "progress":
        assert got["type"] == "loaded"
    assert got is not None and 0 < got["judged"] < got["total"]
    shared.send(id="c", type="cancel", request="long")
    while (got := shared.receive(30)) is not None and not (is_final(got) and got["id"] == "long"):
        pass
    assert got is not None and got["reason"] == "cancelled"


def test_a_reader_that_takes_nothing_stops_the_writing_and_loses_none(shared: Sampler, run: str) -> None:
    shared.send(id="much", type="generate", checkpoint={"run": run}, prompt="a", settings={"max_new_tokens": 3000})
    wait_until(lambda: ask_is_over(shared))
    pieces = []
    while (got := shared.receive(30)) is not None and not (is_final(got) and got["id"] == "much"):
        pieces += got.get("pieces", [])
    assert got is not None and len(pieces) == 3000


def ask_is_over(sampler: Sampler) -> bool:
    """Whether messages lie in the pipe, unread."""
    return bool(select.select([sampler], [], [], 0)[0])


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


@pytest.mark.usefixtures("forked_samplers")
def test_a_client_hears_that_the_process_ended() -> None:
    with Sampler() as sampler:
        hello = sampler.receive(30)
        assert hello is not None and hello["type"] == "hello"
        os.kill(sampler.pid, signal.SIGKILL)
        with pytest.raises(CraftError, match=r"has ended \(signal 9\)"):
            while True:
                sampler.receive(30)


@pytest.mark.usefixtures("forked_samplers")
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


def test_a_wrong_size_of_memory_is_refused() -> None:
    command = [sys.executable, "-m", "craft.generation.server", "--memory", "2 apples"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "such as 2GiB" in done.stderr and "Traceback" not in done.stderr


def test_hello_comes_before_torch() -> None:
    code = "import sys, craft.generation.server; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
