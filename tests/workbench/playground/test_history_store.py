"""The history survives kills, full disks, damage and other workbenches, and wipes out what is deleted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.children import child, says
from workbench.screens.playground.history_store import History, HistoryError

APPENDING = """
import sys
from pathlib import Path
from workbench.screens.playground.history_store import History
history = History(Path(sys.argv[1]))
while True:
    print(history.add("write", {"prompt": "x" * 5000}, [], sources=[]), flush=True)
"""


def asked(prompt: str, text: str = "", **more: Any) -> dict[str, Any]:
    request = {"type": "generate", "prompt": prompt, "settings": {"temperature": 0.8}, **more}
    return {"request": request, "results": [{"checkpoint": 0, "texts": [{"text": text}]}], "sources": [{"run": "a"}]}


def history(folder: Path, **more: Any) -> History:
    made = History(folder, **more)
    made.poll()
    return made


def test_what_was_asked_is_there_again_newest_first(tmp_path: Path) -> None:
    first = history(tmp_path / "not there yet")
    first.add("write", **asked("def ", "main()"))
    first.add("write", **asked({"text": "class ", "tokens": [1]}, "A:"))  # type: ignore[arg-type]
    first.add(
        "score", {"text": "abc"}, [{"loss": 1.25}], sources=[{"run": "a", "at": "1"}, {"path": "b"}], reason="cancelled"
    )
    assert first.poll() and not first.poll()
    again = history(tmp_path / "not there yet")
    assert again.entries == first.entries
    score, chosen, write = again.entries
    assert (write.prompt, write.answer, write.count, write.names) == ("def ", "main()", 1, ("a@latest",))
    assert chosen.prompt == "class "
    assert (score.kind, score.prompt, score.answer, score.reason) == ("score", "abc", "loss 1.2500", "cancelled")
    assert again.read(write)["request"]["settings"] == {"temperature": 0.8}
    assert again.path.stat().st_mode & 0o077 == 0, "what was asked is nobody else's"


def test_words_are_found_wherever_they_stand(tmp_path: Path) -> None:
    store = history(tmp_path)
    store.add("write", **asked("p" * 500 + " Needle", "text"))
    store.add("write", **asked("other", "y" * 500 + " hay"))
    store.poll()
    assert [one.prompt for one in store.search("needle")] == [("p" * 200)]
    assert [one.prompt for one in store.search("HAY other")] == ["other"]
    assert [one.prompt for one in store.search("temperature 0.8")] == ["other", "p" * 200]
    assert store.search("nowhere") == []


def test_damaged_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    store = history(tmp_path)
    store.add("write", **asked("before"))
    with store.path.open("ab") as file:
        file.write(b'{"kind": "write"}\nnot json\n\xff\xfe\n[1]\n\n' + b'{"id": "1", "time": 1e999, "kind": "write"}\n')
        file.write(b'{"id": "torn by a power cut", "kind": "wri')
    store.add("write", **asked("after"))
    again = history(tmp_path)
    assert [one.prompt for one in again.entries] == ["after", "before"]
    assert again.damaged == 6
    store.poll()
    assert store.damaged == 6 and store.entries == again.entries


def test_nothing_whose_adding_returned_is_lost_by_a_kill_while_two_append(tmp_path: Path) -> None:
    with child(APPENDING, tmp_path) as one, child(APPENDING, tmp_path) as two:
        known = [says(process) for _ in range(20) for process in (one, two)]
        one.kill()
        known += [says(two) for _ in range(5)]
        two.kill()
    found = history(tmp_path)
    assert set(known) <= {entry.id for entry in found.entries}
    assert found.damaged <= 2


def test_what_is_deleted_is_gone_from_the_disk_and_from_other_workbenches(tmp_path: Path) -> None:
    here, there = history(tmp_path), history(tmp_path)
    for prompt in ("first", "secret thing", "last"):
        here.add("write", **asked(prompt))
    here.poll()
    there.poll()
    secret = here.entries[1]
    here.delete(secret)
    assert b"secret" not in here.path.read_bytes()
    with pytest.raises(HistoryError, match="gone"):
        there.read(secret)
    for store in (here, there, history(tmp_path)):
        store.poll()
        assert [one.prompt for one in store.entries] == ["last", "first"]
        assert store.damaged == 0
        assert [store.read(one)["request"]["prompt"] for one in store.entries] == ["last", "first"]


def test_an_answer_takes_the_place_of_what_was_asked_and_goes_with_it(tmp_path: Path) -> None:
    store, other = history(tmp_path), history(tmp_path)
    identifier = store.add("batch", {"prompts": ["a"]}, [], sources=[], reason="asked", moment=5.0)
    store.add("write", **asked("later"))
    other.poll()
    assert [one.reason for one in other.entries] == ["finished", "asked"]
    store.add(
        "batch", {"prompts": ["a"]}, [{"texts": [{"text": "answer"}]}], sources=[], identifier=identifier, moment=5
    )
    assert other.poll() and not other.poll()
    assert other.entries == history(tmp_path).entries
    answered = other.entries[1]
    assert (answered.reason, answered.answer, answered.time) == ("finished", "answer", 5.0)
    other.delete(answered)
    assert b"batch" not in store.path.read_bytes()
    assert history(tmp_path).damaged == 0


def test_what_is_deleted_while_its_answer_comes_leaves_neither(tmp_path: Path) -> None:
    here, there = history(tmp_path), history(tmp_path)
    early, late = (here.add("write", **asked(prompt), reason="asked") for prompt in ("early secret", "late secret"))
    there.poll()
    seen = {one.id: one for one in there.entries}
    # The answer came before it was deleted, unseen by the workbench that deletes; or it comes after.
    here.add("write", **asked("early secret", "an answer"), identifier=early)
    there.delete(seen[early])
    there.delete(seen[late])
    here.add("write", **asked("late secret", "an answer"), identifier=late)
    assert b"secret" not in here.path.read_bytes() and b"answer" not in here.path.read_bytes()
    assert history(tmp_path).entries == []


def test_a_large_file_is_put_aside_and_still_listed_and_deleted_from(tmp_path: Path) -> None:
    store, other = history(tmp_path, large=4000), history(tmp_path, large=4000)
    for number in range(40):
        store.add("write", **asked(f"number {number}", "x" * 100))
        other.poll()
    files = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert files[0] == "playground-0001.jsonl" and files[-1] == "playground.jsonl" and len(files) >= 3
    whole = b"".join((tmp_path / name).read_bytes() for name in files)
    assert [json.loads(line)["request"]["prompt"] for line in whole.splitlines()] == [f"number {n}" for n in range(40)]
    store.poll()
    assert store.entries == other.entries == history(tmp_path).entries
    assert store.entries[0].prompt == "number 39" and len(store.entries) < 40
    oldest = other.entries[-1]
    assert other.read(oldest)["request"]["prompt"] == oldest.prompt
    other.delete(oldest)
    store.poll()
    assert oldest not in store.entries


def test_a_disk_that_takes_no_more_is_said_in_one_line_and_tears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = history(tmp_path)
    store.add("write", **asked("whole"))
    before = store.path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
    with pytest.raises(HistoryError, match="the history was not written: no space left on the disk"):
        store.add("write", **asked("half"))
    assert store.path.read_bytes() == before
    monkeypatch.undo()
    (tmp_path / "in the way").write_text("")
    with pytest.raises(HistoryError, match="not written"):
        History(tmp_path / "in the way").add("write", **asked("x"))
