"""Events and samples: a line each, whole, whatever is in it and whoever writes."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest

from craft.runs.events import EventWriter, append_event, read_events, read_samples
from craft.runs.folder import RunFolder
from tests.children import child
from tests.runs.make import a_run

APPEND = """
import sys
from pathlib import Path
from craft.runs.events import append_event
from craft.runs.folder import RunFolder
for number in range(200):
    append_event(RunFolder(Path(sys.argv[1])), "warning", text=sys.argv[2] * 50, number=number)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path / "runs")


def test_events_come_back_in_order(folder: RunFolder) -> None:
    assert read_events(folder) == []
    append_event(folder, "started")
    append_event(folder, "checkpoint", step=100, path="step-00000100")
    first, second = read_events(folder)
    assert first["kind"] == "started"
    assert second == {"time": second["time"], "kind": "checkpoint", "step": 100, "path": "step-00000100"}


def test_samples_come_back_with_how_they_were_drawn(folder: RunFolder) -> None:
    EventWriter(folder).sample(step=5, prompt="def ", text="def f():\n\x1b[31m", temperature=0.8)
    (sample,) = read_samples(folder)
    assert (sample["step"], sample["prompt"], sample["text"], sample["temperature"]) == (
        5,
        "def ",
        "def f():\n\x1b[31m",
        0.8,
    )


def test_samples_of_steps_that_came_again_count_once(folder: RunFolder) -> None:
    for step, prompt, text in [
        (10, "a", "1"),
        (10, "b", "2"),
        (20, "a", "3"),
        (30, "a", "4"),
        (20, "a", "5"),  # after a resume
        (20, "b", "6"),
        (20, "a", "7"),  # after another, from step 10
    ]:
        EventWriter(folder).sample(step=step, prompt=prompt, text=text)
    with folder.samples.open("a") as file:
        file.write('{"prompt": "no step"}\n')
    assert [sample["text"] for sample in read_samples(folder)] == ["1", "2", "6", "7"]


def test_whatever_an_event_holds_is_one_line(folder: RunFolder) -> None:
    append_event(folder, "warning", text="two\nlines \udcff", loss=math.nan, path=Path("/x"), parts=(1, math.inf))
    (event,) = read_events(folder)
    assert (event["text"], event["loss"], event["path"], event["parts"]) == ("two\nlines \udcff", None, "/x", [1, None])


def test_a_torn_line_costs_no_other(folder: RunFolder) -> None:
    append_event(folder, "started")
    with folder.events.open("ab") as file:
        file.write(b'{"time": 1, "ki')
    append_event(folder, "stopped")
    assert [event["kind"] for event in read_events(folder)] == ["started", "stopped"]


def test_processes_may_write_at_once(folder: RunFolder) -> None:
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(child(APPEND, folder.path, letter)) for letter in "ab"]
        for writer in writers:
            writer.wait()
    events = read_events(folder)
    for letter in "ab":
        assert [event["number"] for event in events if event["text"] == letter * 50] == list(range(200))
