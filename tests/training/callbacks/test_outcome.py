"""Telling others how a run ended: a real server, a real shell, and every way to end."""

from __future__ import annotations

import http.server
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from craft.errors import OwnCodeError, TrainingError
from craft.runs import control
from craft.runs.status import read_status
from craft.training.experiment import Experiment
from tests.children import wait_until
from tests.training import runs
from tests.training.callbacks.here import make, train, warnings_of

SHORT = {"max_steps": 6, "batch_size": 4, "micro_batch_size": 4, "eval_every": 3, "log_every": 2}
LONG = {**SHORT, "max_steps": 1_000_000, "eval_every": 0}
RAISES = """
from craft.training.callbacks.base import Callback

class Mine(Callback):
    def on_step_end(self, trainer):
        if trainer.step == 4:
            raise ValueError("no such thing")
"""


class Server:
    """Takes messages, and answers with `status` after `delay` seconds."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.status, self.delay = 200, 0.0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/json"
                server.taken.append((self.path, json.loads(body, parse_constant=pytest.fail)))
                time.sleep(server.delay)
                self.send_response(server.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hooks/secret-token"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def told(server: Server) -> dict[str, Any]:
    ((path, message),) = server.taken
    assert path == "/hooks/secret-token"
    return message


# The webhook ------------------------------------------------------------------------------------------------------


def test_a_finished_run_is_told(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    folder, config = make(tmp_path, {"webhook": {"url": server.url}}, training=SHORT)
    trainer = train(folder, config)
    message = told(server)
    assert (message["run"], message["phase"], message["step"], message["max_steps"]) == ("tiny-001", "finished", 6, 6)
    assert message["figures"]["val/loss"] == trainer.evaluated["val/loss"]
    assert message["text"].startswith("tiny-001 finished at step 6 of 6, best val/loss ")
    assert message["error"] is None
    assert message["folder"] == str(folder.path)
    assert "secret-token" not in capsys.readouterr().out


def test_a_run_that_another_callback_fails_is_told(tmp_path: Path, server: Server) -> None:
    folder, config = make(
        tmp_path, {"bad": {"type": "mine:Mine"}, "webhook": {"url": server.url}}, RAISES, training=SHORT
    )
    with pytest.raises(TrainingError):
        train(folder, config)
    message = told(server)
    assert message["phase"] == "failed"
    assert message["error"] == "callbacks.bad: on_step_end at step 4 raised ValueError: no such thing"
    assert message["text"].endswith(message["error"])


def test_a_run_that_is_stopped_is_told_by_its_worker(tmp_path: Path, server: Server) -> None:
    folder, _ = make(tmp_path, {"webhook": {"url": "$HOOK"}}, training=LONG, checkpoint={"every": 0})
    process = runs.start(folder, HOOK=server.url)
    try:
        runs.wait_for_step(folder, 1, process)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        runs.kill(process)
    assert told(server)["phase"] == "stopped"
    assert "secret-token" not in folder.log.read_text()


def test_a_run_that_fails_before_it_trains_is_told(tmp_path: Path, server: Server) -> None:
    callbacks = {"bad": {"type": "no_such_module:Mine"}, "webhook": {"url": server.url}, "command": {"run": NOTE}}
    folder, config = make(tmp_path, callbacks, training=SHORT)
    with pytest.raises(OwnCodeError):
        Experiment(config, folder=folder).run()
    message = told(server)
    assert (message["phase"], message["step"], message["best"]) == ("failed", None, None)
    assert message["text"].startswith("tiny-001 failed before it trained: callbacks.bad.type = ")
    assert (folder.path / "told").read_text().splitlines()[1] == "tiny-001 failed / best="


def test_a_run_that_is_stopped_before_it_trains_is_told(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A text that takes long enough for somebody to ask.
    monkeypatch.setattr("craft.training.experiment.prepare", lambda config, progress, **others: progress("reading"))
    server.status = 404
    folder, config = make(tmp_path, {"webhook": {"url": server.url}}, training=SHORT)
    control.request(folder, "stop")
    assert Experiment(config, folder=folder).run().phase == "stopped"
    assert told(server)["text"] == "tiny-001 stopped before it trained"
    assert "callbacks.webhook: 127.0.0.1 has not taken the message: it answered 404" in warnings_of(folder)[0]


def test_only_the_outcomes_that_are_named_are_told(tmp_path: Path, server: Server) -> None:
    folder, config = make(tmp_path, {"webhook": {"url": server.url, "on": ["failed"]}}, training=SHORT)
    train(folder, config)
    assert not server.taken


def test_a_server_that_refuses_costs_the_run_nothing(tmp_path: Path, server: Server) -> None:
    server.status = 500
    folder, config = make(tmp_path, {"webhook": {"url": server.url, "on_error": "stop"}}, training=SHORT)
    train(folder, config)
    status = read_status(folder)
    assert status is not None
    assert status.phase == "finished"
    (said,) = warnings_of(folder)
    assert said == (
        "callbacks.webhook: on_outcome at step 6: 127.0.0.1 has not taken the message: "
        "it answered 500 Internal Server Error"
    )


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_set(tmp_path: Path, server: Server) -> None:
    server.delay = 3.0
    folder, config = make(tmp_path, {"webhook": {"url": server.url, "timeout": 0.2}}, training=SHORT)
    train(folder, config)
    assert "has not answered within 0.2 s" in warnings_of(folder)[0] or "timed out" in warnings_of(folder)[0]


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    server = Server()
    server.close()
    folder, config = make(tmp_path, {"webhook": {"url": server.url}}, training=SHORT)
    train(folder, config)
    assert "127.0.0.1 has not taken the message: [Errno 111] Connection refused" in warnings_of(folder)[0]


def test_an_address_that_the_environment_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_HOOK", raising=False)
    folder, config = make(tmp_path, {"webhook": {"url": "$NO_SUCH_HOOK"}}, training=SHORT)
    train(folder, config)
    assert "the environment variable NO_SUCH_HOOK holds no https:// address" in warnings_of(folder)[0]


# The command ------------------------------------------------------------------------------------------------------

NOTE = """
pwd > told
echo "$CRAFT_RUN $CRAFT_PHASE $CRAFT_STEP/$CRAFT_MAX_STEPS best=$CRAFT_BEST" >> told
echo "$CRAFT_ERROR" >> told
"""


def test_a_command_is_run_when_a_run_finishes(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"command": {"run": NOTE}}, training=SHORT)
    trainer = train(folder, config)
    assert (folder.path / "told").read_text().splitlines() == [
        str(folder.path),
        f"tiny-001 finished 6/6 best={trainer.best}",
        "",
    ]


def test_a_command_is_run_when_a_run_fails(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"bad": {"type": "mine:Mine"}, "command": {"run": NOTE}}, RAISES, training=SHORT)
    with pytest.raises(TrainingError):
        train(folder, config)
    lines = (folder.path / "told").read_text().splitlines()
    assert lines[1].startswith("tiny-001 failed 4/6 best=")
    assert lines[2] == "callbacks.bad: on_step_end at step 4 raised ValueError: no such thing"


def test_what_a_command_prints_is_in_the_log(tmp_path: Path) -> None:
    """And what Craft tells its own workers is not told to it: it may well start another run."""
    command = 'echo "said: $CRAFT_PHASE slot=$CRAFT_SLOT"; echo to-stderr >&2'
    folder, _ = make(tmp_path, {"command": {"run": command}}, training=SHORT)
    assert runs.start(folder, CRAFT_SLOT=str(tmp_path / "slot")).wait(timeout=60) == 0
    assert "said: finished slot=\n" in folder.log.read_text()
    assert "to-stderr" in folder.log.read_text()


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"command": {"run": "exit 3"}}, training=SHORT)
    train(folder, config)
    assert "the command ended with status 3" in warnings_of(folder)[0]


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    hangs = "sleep 600 & echo $! > child; wait"
    folder, config = make(tmp_path, {"command": {"run": hangs, "timeout": 1.0}}, training=SHORT)
    train(folder, config)
    assert "the command took longer than 1 s and was ended" in warnings_of(folder)[0]
    child = int((folder.path / "child").read_text())
    wait_until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
