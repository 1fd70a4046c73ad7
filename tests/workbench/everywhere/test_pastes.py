"""A paste is text, whatever it holds and in whatever pieces it comes; no part of it is done as keys."""

from __future__ import annotations

from pathlib import Path

from textual.events import Paste

from tests.workbench.runs import make_demo
from tests.workbench.test_terminal import COMMAND, recorded
from workbench import memory
from workbench.pastes import Pastes

_TEXT = "AAA..\rBBB ünï \x1b[31mred\x07 zz\r\x1b[200~\x1b[20\x1bCCC end"
_PASTED = f"\x1b[200~{_TEXT}\x1b[201~"
_SOON_LOST = "from workbench import app, driver; driver._PASTE_ROUNDS = 3; app.main()"


def _parts(*pieces: str) -> tuple[str, list[str]]:
    """What is left for keys, and what was pasted."""
    pastes = Pastes()
    parts = [part for piece in pieces for part in pastes.feed(piece)]
    assert not pastes.open
    return "".join(part for part in parts if isinstance(part, str)), [p.text for p in parts if isinstance(p, Paste)]


def test_a_paste_is_one_however_it_is_cut() -> None:
    came = f"a\x1b{_PASTED}b{_PASTED}\x1b[A"
    expected = ("a\x1b\x1b[200~\x1b[201~b\x1b[200~\x1b[201~\x1b[A", [_TEXT, _TEXT])
    for length in range(1, len(came) + 1):
        assert _parts(*(came[start : start + length] for start in range(0, len(came), length))) == expected


def test_a_long_paste_is_whole() -> None:
    text = "\x1b[32mok\x1b[0m 12345\r" * 500_000
    pieces = [text[start : start + 4096] for start in range(0, len(text), 4096)]
    assert _parts("\x1b[200~", *pieces, "\x1b[201~")[1] == [text]


def test_a_terminal_pastes_no_keys(tmp_path: Path) -> None:
    """Nor bytes that are no text; and where the end of a paste is lost, keys are keys again after a while."""
    file = make_demo(tmp_path)
    session = memory.of_project(file)
    session.set("place", "playground")
    with recorded(str(file), command=[COMMAND[0], "-c", _SOON_LOST]) as program:
        program.until(lambda seen: b"nobody writes yet" in seen)
        program.write(_PASTED.encode())
        program.until(lambda seen: b"CCC end" in seen)
        program.write(b"\x1b[D\x7fn\x1b[200~\xff\x1bm")
        program.until(lambda seen: "\ufffd".encode() in seen)
        program.write(b"g\x11")
        assert program.leave() == 0
    expected = _TEXT.replace("\r", "\n").removesuffix("nd") + "n\ufffd\x1bmgd"
    assert memory.of_project(file).get("playground.prompt", "") == expected
