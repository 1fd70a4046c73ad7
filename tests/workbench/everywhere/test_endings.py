"""How the program ends when nobody asked it to, in a real terminal; and that copying reaches tmux."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from pathlib import Path

import pytest
from textual.app import App

from tests.workbench.harness import opened, play
from tests.workbench.runs import make_demo, make_project
from tests.workbench.test_terminal import COMMAND, recorded, tmux
from workbench import memory
from workbench.driver import WaitingDriver
from workbench.screens.base import PLACES


def _session(file: Path) -> dict[str, object]:
    try:
        stored: dict[str, object] = json.loads((memory.project_place(file) / "session.json").read_bytes())
    except OSError:
        return {}
    return stored


def test_the_driver_leaves_no_pipe_open() -> None:
    async def story() -> None:
        driver = WaitingDriver(App[None]())
        ends = driver._woken, driver._waking
        driver.close()
        for end in ends:
            with pytest.raises(OSError):
                os.fstat(end)

    play(story())


@pytest.mark.parametrize("place", PLACES)
def test_it_ends_while_a_screen_is_made(tmp_path: Path, place: str) -> None:
    """As by a number and ctrl+q in one breath, over a slow line."""

    async def story() -> None:
        async with opened(make_project(tmp_path)) as (app, _):
            app.action_go(place)
            await app.action_quit()

    play(story())


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_signal_ends_it_and_gives_the_terminal_back(tmp_path: Path, name: signal.Signals) -> None:
    file = make_demo(tmp_path)
    with recorded(str(file)) as program:
        program.until(lambda seen: b"7 runs" in seen)
        program.write(b"3")
        program.until(lambda seen: seen.count(b"7 runs") > 1)
        os.kill(program.pid, name)
        assert program.leave() == 0
        assert program.bytes.rstrip().endswith((b"\x1b[?1049l", b"h", b"l")) and b"\x1b[?1049l" in program.bytes
        assert b"Traceback" not in program.bytes
    assert _session(file)["place"] == "compare"


def test_a_terminal_that_goes_away_ends_it(tmp_path: Path) -> None:
    """Nothing may stay behind that reads run folders for nobody; runs are processes of their own."""
    file = make_demo(tmp_path)
    with recorded(str(file)) as program:
        program.until(lambda seen: b"7 runs" in seen)
        os.close(program._terminal)
        deadline = time.monotonic() + 20
        while (ended := os.waitpid(program.pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, "it stays behind"
            time.sleep(0.05)
        program.pid = 0
        program._terminal = os.open("/dev/null", os.O_RDONLY)
        assert os.waitstatus_to_exitcode(ended[1]) in (0, 1, -signal.SIGHUP)


def test_sigkill_leaves_runs_and_choices(tmp_path: Path) -> None:
    file = make_demo(tmp_path)
    with recorded(str(file)) as program:
        program.until(lambda seen: b"7 runs" in seen)
        program.write(b"3")
        deadline = time.monotonic() + 20
        while _session(file).get("place") != "compare":
            assert time.monotonic() < deadline, "what was chosen is on disk within seconds"
            program._read(0.1)
        os.kill(program.pid, signal.SIGKILL)
        assert program.leave() == -signal.SIGKILL
    with recorded(str(file)) as program:
        program.until(lambda seen: b"7 runs" in seen)
        program.write(b"\x11")  # ctrl+q
        assert program.leave() == 0


def test_copying_reaches_tmux(tmp_path: Path) -> None:
    script = tmp_path / "hand_over.py"
    script.write_text(
        "from workbench import clipboard\nprint('taken', clipboard.through_tmux('eleven \\u2713 words\\n' * 11))\n"
    )
    with tmux(tmp_path) as terminal:
        terminal.start(shlex.join([COMMAND[0], str(script)]))
        terminal.until(lambda text: "taken True" in text)
        held = terminal._call("show-buffer")
    assert held == "eleven \u2713 words\n" * 11
