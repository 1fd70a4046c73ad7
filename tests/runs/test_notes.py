from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from craft.errors import RunError, UsageError
from craft.runs.notes import NAME, Notes, change_notes, read_notes
from tests.runs.make import a_run


def test_what_is_said_stays_until_it_is_changed(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert read_notes(run) == Notes()
    change_notes(run, star=True, add=["base", "keep"])
    change_notes(run, note="good \x1b[31m one")
    assert change_notes(run, add=["new", "keep"], remove=["base", "none"]) == Notes(
        True, ("keep", "new"), "good \x1b[31m one"
    )
    assert read_notes(run) == Notes(True, ("keep", "new"), "good \x1b[31m one")
    assert read_notes(run).text.startswith("starred keep new good")


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    tags = [f"t{number}" for number in range(20)]
    threads = [threading.Thread(target=change_notes, args=(run,), kwargs={"add": [tag]}) for tag in tags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_notes(run).tags) == sorted(tags)


@pytest.mark.parametrize("wrong", [{"add": ["two words"]}, {"add": [""]}, {"add": ["x" * 41]}, {"note": "n" * 10_001}])
def test_what_is_no_tag_or_too_long_changes_nothing(tmp_path: Path, wrong: dict[str, object]) -> None:
    run = a_run(tmp_path)
    with pytest.raises(UsageError):
        change_notes(run, **wrong)  # type: ignore[arg-type]
    assert not (run.path / NAME).exists()


@pytest.mark.parametrize("text", ["", "[]", '{"star": true, "tags": ["a"', '{"star": 1, "tags": "a"}', "\x00"])
def test_a_damaged_file_is_said_to_be_one_and_left_alone(tmp_path: Path, text: str) -> None:
    run = a_run(tmp_path)
    (run.path / NAME).write_text(text)
    assert replace(read_notes(run), fault="") == Notes() and "damaged" in read_notes(run).fault
    with pytest.raises(RunError, match=r"notes.json is damaged.*nothing is changed.*mv "):
        change_notes(run, star=True)
    assert (run.path / NAME).read_text() == text
    (run.path / NAME).rename(run.path / f"{NAME}.damaged")
    assert change_notes(run, star=True) == read_notes(run) == Notes(star=True)
