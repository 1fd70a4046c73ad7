"""The text between keyboard and disk: nothing that was typed is lost, and nothing else is changed."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from craft import platform
from craft.errors import CraftError
from workbench.screens.experiments.editing.buffer import Buffer, ChangedOnDiskError, changed_lines
from workbench.screens.experiments.editing.drafts import drop

TEXT = "craft = 1\n[experiment.a]\nseed = 1\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiments.toml"
    path.write_text(TEXT)
    return path


def test_a_saved_file_keeps_its_mode_its_link_and_its_bytes(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "real.toml"
    real.parent.mkdir()
    written = "craft = 1\r\nwhy = 'a\u2028b\tc'\n# mixed\r\n"
    real.write_bytes(written.encode())
    real.chmod(0o640)
    link = tmp_path / "experiments.toml"
    link.symlink_to(real)
    buffer = Buffer(link)
    assert buffer.text == written and not buffer.dirty
    buffer.set_text(buffer.text + "# more")
    buffer.save()
    assert link.is_symlink()
    assert real.read_bytes() == (written + "# more").encode()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert not buffer.dirty and not buffer.changed_on_disk()
    assert [path.name for path in real.parent.iterdir()] == ["real.toml"]


def test_a_file_that_another_program_wrote_is_not_overwritten_unasked(file: Path) -> None:
    buffer = Buffer(file)
    buffer.set_text(TEXT + "# mine\n")
    assert not buffer.changed_on_disk()
    os.utime(file, ns=(1, 1))
    assert not buffer.changed_on_disk(), "touched, and the same as before"
    file.write_text(TEXT + "# theirs\n")
    assert buffer.changed_on_disk()
    with pytest.raises(ChangedOnDiskError, match="another program"):
        buffer.save()
    assert file.read_text() == TEXT + "# theirs\n" and buffer.dirty
    buffer.save(force=True)
    assert file.read_text() == TEXT + "# mine\n"


def test_of_two_workbenches_on_one_file_the_second_to_save_is_refused(file: Path) -> None:
    first, second = Buffer(file), Buffer(file)
    first.set_text(TEXT + "# first\n")
    second.set_text(TEXT + "# second\n")
    first.keep_draft()
    second.keep_draft()
    assert Buffer(file).drafts() == [], "both live, and hold their drafts"
    first.save()
    with pytest.raises(ChangedOnDiskError):
        second.save()
    second.close()
    [left] = Buffer(file).drafts()
    assert left.text == TEXT + "# second\n"
    assert not Buffer(file).is_current(left), "it began from what the first has overwritten since"


def test_a_draft_is_taken_over_without_a_moment_in_which_it_is_nowhere(file: Path) -> None:
    killed = Buffer(file)
    killed.set_text(TEXT + "# typed\n")
    killed.keep_draft()
    killed._keeper.leave()  # as the end of its process would
    again = Buffer(file)
    [draft] = again.drafts()
    assert draft.text == TEXT + "# typed\n" and again.is_current(draft)
    assert again.take(draft)
    assert draft.place.exists() and not Buffer(file).take(draft), "held now, and still there"
    again.set_text(draft.text)
    assert not again.draft_due
    again.save()
    assert not draft.place.exists() and Buffer(file).drafts() == []


def test_a_draft_that_says_what_the_file_says_and_a_dropped_one_are_offered_no_more(file: Path) -> None:
    for text in (TEXT + "# a\n", TEXT + "# b\n"):
        buffer = Buffer(file)
        buffer.set_text(text)
        buffer.close()
    file.write_text(TEXT + "# a\n")
    buffer = Buffer(file)
    [other] = buffer.drafts()
    assert other.text == TEXT + "# b\n"
    drop(other)
    assert buffer.drafts() == []


def test_a_damaged_draft_is_left_alone(file: Path) -> None:
    buffer = Buffer(file)
    buffer.set_text("x")
    buffer.close()
    [draft] = Buffer(file).drafts()
    draft.place.write_bytes(b"# a draft of {broken\n\xff")
    assert Buffer(file).drafts() == []
    assert draft.place.exists()


def test_typing_back_to_what_is_saved_takes_the_draft_away(file: Path) -> None:
    buffer = Buffer(file)
    buffer.set_text("other")
    buffer.keep_draft()
    buffer.set_text(TEXT)
    assert buffer.draft_due
    buffer.keep_draft()
    assert Buffer(file).drafts() == [] and not buffer.draft_due


def test_what_is_undone_while_the_disk_is_slow_leaves_no_draft(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, begun, undone = platform.write_file_durable, threading.Event(), threading.Event()

    def slowly(path: Path, content: bytes) -> None:
        begun.set()
        assert undone.wait(10)
        write(path, content)

    monkeypatch.setattr(platform, "write_file_durable", slowly)
    buffer = Buffer(file)
    saved = buffer.text
    buffer.set_text("typed")
    buffer.hand_over()
    thread = threading.Thread(target=buffer.keep_draft)
    thread.start()
    assert begun.wait(10)
    buffer.set_text(saved)
    buffer.hand_over()
    undone.set()
    buffer.close()
    thread.join()
    assert Buffer(file).drafts() == []


def test_a_full_disk_is_said_and_loses_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Buffer(file)
    buffer.set_text(TEXT + "# one\n")
    buffer.keep_draft()
    buffer.set_text(TEXT + "# one two\n")
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        write(path, content[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        buffer.keep_draft()
        assert buffer.draft_fault == "the disk is full" and buffer.draft_due
        with pytest.raises(CraftError, match="the disk is full; what was typed is still here"):
            buffer.save()
    assert file.read_text() == TEXT and buffer.text == TEXT + "# one two\n"
    assert sorted(path.name for path in file.parent.iterdir() if path.name.startswith(".exp")) == []
    buffer.keep_draft()
    assert not buffer.draft_fault and not buffer.draft_due
    buffer.close()
    assert [draft.text for draft in Buffer(file).drafts()] == [TEXT + "# one two\n"]


def test_a_file_that_is_no_text_is_looked_at_and_not_edited(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_bytes(b"craft = 1\nwhy = '\xe9'\n")
    buffer = Buffer(path)
    assert buffer.fault == "experiments.toml is not UTF-8: byte 0xe9 in line 2, column 8"
    folder = Buffer(tmp_path)
    assert "no ordinary file" in folder.fault


def test_a_file_that_is_not_there_is_made_by_saving(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "new.toml")
    assert buffer.text == "" and not buffer.exists and not buffer.fault
    buffer.set_text(TEXT)
    buffer.save()
    assert (tmp_path / "new.toml").read_text() == TEXT
    (tmp_path / "new.toml").unlink()
    assert buffer.changed_on_disk()
    with pytest.raises(CraftError, match="already"):
        (tmp_path / "other.toml").write_text("")
        buffer.save_as(tmp_path / "other.toml")


def test_a_read_only_file_is_not_replaced(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Buffer(file)
    buffer.set_text("craft = 1")
    # Root may write anything, so the answer of the system is given here.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(CraftError, match="permission denied"):
        buffer.save()
    assert file.read_text() == TEXT


def test_what_is_unsaved_is_said_in_words(file: Path) -> None:
    buffer = Buffer(file)
    assert buffer.unsaved() == ""
    buffer.set_text(TEXT.replace("seed = 1", "seed = 2"))
    assert buffer.unsaved() == "1 line of experiments.toml is not saved; a draft is kept and offered the next time"
    assert changed_lines("a\nb\nc\n", "a\nx\ny\nc\n") == [2, 3]
    assert changed_lines("a\nb\nc", "a\nc") == [2]


def test_only_what_another_program_wrote_and_the_file_still_holds_is_taken_back(file: Path) -> None:
    def taken(content: str) -> str:
        before = buffer.text
        file.write_text(content)
        assert buffer.take_disk() == ""
        buffer.set_text(content)
        return before

    buffer = Buffer(file)
    buffer.set_text("zz\n")
    assert taken("zz\n") == "zz\n" and not buffer.went_back("zz\n"), "there was nothing to undo"
    buffer.set_text("half \ud800\n")
    typed = taken(TEXT)
    buffer.set_text(typed)
    assert buffer.went_back(TEXT) and buffer.changed_on_disk()
    buffer.set_text(TEXT)
    assert not buffer.went_back(typed) and not buffer.changed_on_disk()
    taken("theirs\n")
    taken(TEXT)
    buffer.set_text("theirs\n")
    assert buffer.went_back(TEXT) and buffer.changed_on_disk()
    buffer.set_text(TEXT)
    assert not buffer.went_back("theirs\n") and not buffer.changed_on_disk(), "this is what the file holds"
