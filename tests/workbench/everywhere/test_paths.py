"""Paths that people type: no half of one may end the program."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_demo
from workbench.dialogs.export import export, write_file
from workbench.paths import fault_of_file, fault_of_place, is_there, typed_path


def test_what_cannot_be_looked_at_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed_path("~nobody-of-this-name/a.csv") == Path("~nobody-of-this-name/a.csv")
    assert typed_path(" ~/a.csv ") == Path.home() / "a.csv"
    too_long = str(tmp_path / ("n" * 300))
    assert fault_of_file(too_long).endswith("no such file")
    assert not is_there(Path(too_long))
    assert fault_of_place(str(tmp_path)) == "this is a folder"
    assert fault_of_place("") == fault_of_place(".") == "where to? name a file"
    assert fault_of_place(str(tmp_path / "a.txt"), [".csv"]) == "the name must end in .csv"
    assert fault_of_place(str(tmp_path / "a.CSV"), [".csv"]) == ""

    def closed(path: Path) -> os.stat_result:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as context:
        context.setattr(Path, "stat", lambda path, **_: closed(path))
        assert fault_of_place(str(tmp_path / "a.csv")).startswith("there is no folder")


def test_a_path_is_typed_letter_by_letter_and_nothing_is_replaced_without_a_yes(tmp_path: Path) -> None:
    file = make_demo(tmp_path)
    (tmp_path / "there.csv").write_text("mine")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            export(app, "figures", str(tmp_path / "x.csv"), {".csv": lambda: b"1,2\n"})
            await until(pilot, lambda: "Write figures to" in screen_text(app))
            await pilot.press("ctrl+u", *"~nobody/x.csv")
            await until(pilot, lambda: "there is no folder" in screen_text(app))
            app.screen.query_one(Input).value = str(tmp_path / "there.csv")
            await pilot.press("enter")
            await until(pilot, lambda: "Replace the file" in screen_text(app))
            await pilot.press("n")
            await until(pilot, lambda: len(app.screen_stack) == 1)
            assert (tmp_path / "there.csv").read_text() == "mine"
            export(app, "figures", str(tmp_path / "new.csv"), {".csv": lambda: b"1,2\n"})
            await until(pilot, lambda: "Write figures to" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: "wrote figures to" in screen_text(app))
            assert (tmp_path / "new.csv").read_bytes() == b"1,2\n"

    play(story())


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    place.write_text("mine")
    with pytest.raises(FileExistsError):
        write_file(place, b"other", overwrite=False)
    assert place.read_text() == "mine"
    write_file(place, b"other", overwrite=True)
    assert place.read_text() == "other"
