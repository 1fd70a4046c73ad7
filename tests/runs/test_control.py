"""Requests to a worker: in order, once each, and nothing in the folder can stop it from working."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from craft.errors import RunError
from craft.runs import control
from craft.runs.folder import RunFolder
from tests.runs.make import a_run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path / "runs")


def test_requests_come_in_order_and_once(folder: RunFolder) -> None:
    made = [control.request(folder, kind, reason=f"because {kind}") for kind in ("checkpoint", "evaluate", "stop")]
    taken = control.take(folder)
    assert [request.id for request in taken] == made
    assert [request.kind for request in taken] == ["checkpoint", "evaluate", "stop"]
    assert taken[0].reason == "because checkpoint"
    assert control.take(folder) == []


def test_a_request_needs_no_reason_and_the_folder_is_made_again(folder: RunFolder) -> None:
    folder.control.rmdir()
    assert control.take(folder) == []
    control.request(folder, "stop")
    assert control.take(folder)[0].reason == "asked to stop"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"{}", b'{"kind": 3}', b'{"kind": "stop", "arguments": []}', b"[" * 100_000]
)
def test_what_is_no_request_is_removed_and_named(folder: RunFolder, content: bytes) -> None:
    (folder.control / "0.json").write_bytes(content)
    control.request(folder, "stop")
    odd, stop = control.take(folder)
    assert (odd.id, odd.kind) == ("0", "")
    assert odd.fault
    assert (stop.kind, stop.fault) == ("stop", None)
    assert not list(folder.control.iterdir())


@pytest.mark.parametrize(
    ("kind", "arguments", "fault"),
    [
        ("dance", {}, "it knows stop, pause, continue"),
        ("stop", {"save": "no"}, "save is neither"),
        ("set", {}, "no table of numbers"),
        ("set", {"values": {}}, "no table of numbers"),
        ("set", {"values": {"optimizer.lr": "0.1"}}, "no table of numbers"),
        ("set", {"values": {"optimizer.lr": True}}, "no table of numbers"),
        ("set", {"values": {"optimizer.lr": [0.1]}}, "no table of numbers"),
    ],
)
def test_a_request_that_makes_no_sense_has_a_fault(
    folder: RunFolder, kind: str, arguments: dict[str, Any], fault: str
) -> None:
    control.request(folder, kind, **arguments)
    (taken,) = control.take(folder)
    assert taken.fault
    assert fault in taken.fault


def test_a_request_can_be_taken_back(folder: RunFolder) -> None:
    made = control.request(folder, "pause")
    control.withdraw(folder, made)
    control.withdraw(folder, made)
    assert control.take(folder) == []


def test_odd_things_in_the_folder_hold_nobody_up(folder: RunFolder) -> None:
    (folder.control / "folder.json").mkdir()
    os.mkfifo(folder.control / "pipe.json")
    (folder.control / "link.json").symlink_to("nowhere")
    (folder.control / ".half.json.tmp").write_text("{")
    (folder.control / ".hidden.json").write_text('{"kind": "stop"}')
    control.request(folder, "stop")
    assert [request.kind for request in control.take(folder) if request.fault is None] == ["stop"]
    assert control.take(folder) == []


def test_a_request_that_cannot_be_made_is_said_in_words(folder: RunFolder) -> None:
    folder.control.rmdir()
    folder.control.write_text("a file")
    with pytest.raises(RunError, match="exp-001: cannot ask its worker to stop"):
        control.request(folder, "stop")
