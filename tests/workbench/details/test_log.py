from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.events import MouseScrollUp

from tests.escapes import HARMFUL, TERMINAL_ESCAPES
from tests.workbench.details.stage import append, at_details, full_run, lines_view
from tests.workbench.harness import play, screen_text, until
from tests.workbench.runs import working
from workbench.screens.runs.details import log_file
from workbench.screens.runs.details.log_file import LogFile
from workbench.widgets.text_lines import wrapped


def test_it_follows_until_somebody_goes_up_and_counts_what_came(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs", phase="running")

    async def story() -> None:
        with working(folder):
            async with at_details(tmp_path, "log") as (app, pilot, details):
                await until(pilot, lambda: "line 299" in screen_text(app) and "following" in screen_text(app))
                append(folder.log, "one more")
                await until(pilot, lambda: "one more" in screen_text(app))
                await pilot.press("k", "k", "k")
                append(folder.log, "new A", "new B")
                await until(pilot, lambda: "+2 new lines" in screen_text(app))
                assert "new B" not in screen_text(app)
                await pilot.press("G")
                await until(pilot, lambda: "new B" in screen_text(app) and "following" in screen_text(app))
                view = lines_view(details)
                view.post_message(MouseScrollUp(view, 5, 5, 0, -1, 0, False, False, False))
                await until(pilot, lambda: not view.follows)
                append(folder.log, "new C")
                await until(pilot, lambda: "+1 new line:" in screen_text(app))

    play(story())


def test_finding_goes_both_ways_and_round_and_copies(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs")
    folder.log.write_text("".join(f"line {n}{' Needle' if n % 1000 == 7 else ''}\n" for n in range(20_000)))

    async def story() -> None:
        async with at_details(tmp_path, "log") as (app, pilot, details):
            await until(pilot, lambda: "line 19999" in screen_text(app))
            assert "the last" in screen_text(app), "only the end of a longer log is known at first"
            view = lines_view(details)

            def at() -> str:
                return view.lines.text(view.cursor)

            await pilot.press("slash", *"needle", "enter")
            await until(pilot, lambda: at() == "line 19007 Needle" and at() in screen_text(app))
            await pilot.press("N")
            await until(pilot, lambda: at() == "line 18007 Needle")
            await pilot.press("n")
            await until(pilot, lambda: at() == "line 19007 Needle")
            await pilot.press("n")
            await until(pilot, lambda: at() == "line 7 Needle")
            assert len(view.lines) == 20_000, "all of it was looked through"
            await pilot.press("space", "j", "j", "y")
            await until(pilot, lambda: app.clipboard == "line 7 Needle\nline 8\nline 9")
            await pilot.press("slash", *"nowhere", "enter")
            await until(pilot, lambda: any("nowhere here" in note.message for note in app._notifications))
            await pilot.press("g")
            await until(pilot, lambda: at() == "line 0")
            await pilot.press("slash", *"needle", "enter")
            await until(pilot, lambda: at() == "line 7 Needle")  # the first below where one stands

    play(story())


def test_wide_and_harmful_lines_are_cut_or_wrapped(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs")
    wide = "\u6f22" * 300 + "END"
    evil = " ".join(TERMINAL_ESCAPES.values()).replace("\n", " ")
    folder.log.write_bytes(
        f"{wide}\n{evil}\n[bold]x[/bold]\ttab\rreturn\n".encode("utf-8", "surrogatepass") + b"\xff\xfe"
    )

    async def story() -> None:
        async with at_details(tmp_path, "log") as (app, pilot, details):
            await until(pilot, lambda: "[bold]x[/bold]" in screen_text(app))
            assert not (HARMFUL - {"\n"}) & set(screen_text(app))
            assert "END" in screen_text(app), "wrapped"
            await pilot.press("w")
            await until(pilot, lambda: "END" not in screen_text(app))
            view = lines_view(details)
            await pilot.press(*["l"] * 16)
            await until(pilot, lambda: view.shift == 256 and "END" in screen_text(app))

    play(story())


def test_a_log_that_is_replaced_or_gone_begins_again(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs", phase="running")

    async def story() -> None:
        with working(folder):
            async with at_details(tmp_path, "log") as (app, pilot, _):
                await until(pilot, lambda: "line 299" in screen_text(app))
                folder.log.unlink()
                await until(pilot, lambda: "it has printed nothing yet" in screen_text(app))
                folder.log.write_text("anew\n")
                await until(pilot, lambda: "anew" in screen_text(app) and "line 299" not in screen_text(app))

    play(story())


@given(
    pieces=st.lists(st.text("ab\u6f22\n", max_size=300).map(str.encode), max_size=8),
    backwards=st.lists(st.booleans(), max_size=12),
    block=st.integers(4, 200),
)
@settings(max_examples=150, deadline=None)
def test_what_is_known_are_the_last_lines_of_the_file(
    tmp_path_factory: object, pieces: list[bytes], backwards: list[bool], block: int
) -> None:
    """Read in blocks of any size, forwards as it grows and backwards, in any order."""
    path = Path(tmp_path_factory.mktemp("log")) / "log.txt"  # type: ignore[attr-defined]
    log = LogFile(path, ascii_only=False)
    log._block = block
    text = b""
    for place, piece in enumerate(pieces):
        text += piece
        path.write_bytes(text) if place == 0 else _add(path, piece)
        log.poll()
        if place < len(backwards):
            log.load_before(everything=backwards[place], wanted=lambda: True)
        _check(log, text)
    log.load_before(everything=True, wanted=lambda: True)
    lines = log.lines()
    assert [lines.text(index) for index in range(len(lines))] == _lines_of(text)
    for index, line in enumerate(_lines_of(text)):
        if "ab" in line:
            assert lines.find("ab", 0, 1, lambda: True) == index
            break
    log.close()


def _add(path: Path, piece: bytes) -> None:
    with path.open("ab") as file:
        file.write(piece)


def _lines_of(text: bytes) -> list[str]:
    lines = text.decode().split("\n")
    return lines[:-1] if not lines[-1] else lines


def _check(log: LogFile, text: bytes) -> None:
    lines = log.lines()
    shown = [lines.text(index) for index in range(len(lines))]
    if lines.start == 0 or text[lines.start - 1 : lines.start] == b"\n":
        whole = _lines_of(text)
        assert shown == whole[len(whole) - len(shown) :]


def test_a_long_line_is_cut_and_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"x" * 100_000 + b"\nlast\n")
    log = LogFile(path, ascii_only=False)
    log.poll()
    log.load_before(everything=True, wanted=lambda: True)
    lines = log.lines()
    assert len(lines.text(0)) < 9000 and "bytes more" in lines.text(0) and lines.text(len(lines) - 1) == "last"
    assert log_file._LINE_MOST < 9000
    log.close()


def test_what_is_no_file_is_no_log(tmp_path: Path) -> None:
    for make in (os.mkfifo, os.mkdir):
        path = tmp_path / make.__name__
        make(path)
        log = LogFile(path, ascii_only=False)
        assert log.poll() == (False, False) and len(log.lines()) == 0


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [""]),
        ("short", ["short"]),
        ("a line of some words that goes on", ["a line of ", "some ", "words ", "that ", "goes on"]),
        ("0123456789abcdefghij", ["0123456789", "abcdefgh", "ij"]),
        ("\u5b57" * 7, ["\u5b57" * 5, "\u5b57" * 2]),
    ],
)
def test_rows_end_at_spaces_where_there_are_some(text: str, rows: list[str]) -> None:
    sizes = wrapped(text, 10, 2, 99)
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    assert [text[end - size : end] for size, end in zip(sizes, ends, strict=True)] == rows
    assert wrapped(text, 10, 2, 1) == sizes[:1]
