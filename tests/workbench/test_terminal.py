"""The real program in a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter
from tests.escapes import MARKUP, TERMINAL_ESCAPES
from tests.workbench.runs import make_demo, make_project, make_run, working, write_metrics

COMMAND = [sys.executable, "-m", "workbench.app"]
_numbers = itertools.count()


class Tmux:
    """A terminal of its own: a tmux server that nothing else uses."""

    def __init__(self, socket: Path, width: int, height: int) -> None:
        self._base = ["tmux", "-f", "/dev/null", "-S", str(socket)]
        self._size = ["-x", str(width), "-y", str(height)]

    def _call(self, *words: str) -> str:
        return subprocess.run([*self._base, *words], check=True, capture_output=True, text=True, timeout=30).stdout

    def start(self, command: str) -> None:
        # The shell stays after the program, so that what it leaves on the terminal can be seen.
        self._call("new-session", "-d", *self._size, f"{command}; echo left with $?; sleep 60")

    def screen(self) -> str:
        return self._call("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._call("send-keys", *keys)

    def write(self, text: str) -> None:
        self._call("send-keys", "-l", "--", text)

    def resize(self, width: int, height: int) -> None:
        self._call("resize-window", "-x", str(width), "-y", str(height))

    def until(self, condition: Callable[[str], bool], within: float = 30.0) -> str:
        deadline = time.monotonic() + within
        while not condition(screen := self.screen()):
            assert time.monotonic() < deadline, f"waited in vain; the terminal:\n{screen}"
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        subprocess.run([*self._base, "kill-server"], check=False, capture_output=True, timeout=30)


@contextlib.contextmanager
def tmux(place: Path, width: int = 80, height: int = 24) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    # A socket of its own each time: the server of the last one may still be on its way out.
    terminal = Tmux(place / f"tmux-{next(_numbers)}", width, height)
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_session_from_start_to_end(tmp_path: Path) -> None:
    file = make_demo(tmp_path)
    live = RunFolder(tmp_path / "runs" / "transformer-003")
    with tmux(tmp_path) as terminal, working(live):
        # Shells may export the size that they began with.
        terminal.start(shlex.join(["env", "COLUMNS=80", "LINES=24", *COMMAND, str(file)]))
        terminal.until(lambda text: "wide-001" in text and "310/500" in text)
        terminal.press("g")  # what trains stands first
        screen = terminal.until(lambda text: "train 1." in text)
        assert "wide" in screen and "\u00d7" in screen
        assert max(map(len, screen.splitlines())) <= 80
        for label in ("details", "stop", "menu", "help", "quit"):
            assert label in screen.splitlines()[-1]

        write_metrics(live, 311, 400)
        StatusWriter(live).write(phase="running", step=400, progressed=True)
        terminal.until(lambda text: "400/500" in text)

        terminal.press("?")
        terminal.until(lambda text: "stop; it finishes its step" in text)
        terminal.press("Escape")
        terminal.until(lambda text: "stop; it finishes its step" not in text)
        terminal.press("G")
        terminal.until(lambda text: "transformer-001  \u2713" in text)
        terminal.press("Enter")
        terminal.until(lambda text: "enlarge" in text.splitlines()[-1])
        terminal.press("W")
        terminal.until(lambda text: "device cpu" in text and "phase" not in text)
        terminal.press("Escape")
        terminal.until(lambda text: "phase" in text)

        terminal.resize(170, 45)
        terminal.until(lambda text: "100%" in text)
        terminal.resize(60, 15)
        terminal.until(lambda text: "transformer-001" in text and "100%" not in text)

        terminal.press("q")
        screen = terminal.until(lambda text: "left with 0" in text)
        assert "transformer-001" not in screen, "the terminal is given back as it was"


def test_code_that_hangs_when_it_is_imported_keeps_nobody(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import os, pathlib, time\n"
        "class Own: pass\n"
        "pathlib.Path(__file__ + '.pid').write_text(str(os.getpid()))\n"
        "os.rename(__file__ + '.pid', pathlib.Path(__file__).with_name('pid'))\n"
        "time.sleep(600)\n"
    )
    file = make_project(tmp_path)
    file.write_text('craft = 1\nplugins = ["mine.py"]\n[experiment.a]\nmodel = { type = "own" }\n')
    with tmux(tmp_path) as terminal:
        environment = shlex.join(["env", f"CRAFT_CACHE_DIR={tmp_path / 'cache'}"])
        terminal.start(f"{environment} {shlex.join([*COMMAND, str(file)])}")
        terminal.until(lambda text: "experiments" in text)
        terminal.press("1")
        terminal.until(lambda text: (tmp_path / "pid").exists())
        terminal.press("q")
        terminal.until(lambda text: "left with 0" in text)
        terminal.until(lambda text: not Path("/proc", (tmp_path / "pid").read_text()).exists())


class Recorded:
    """A program in a pseudo terminal, with every byte that it writes."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self.bytes = b""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            try:
                os.execve(words[0], words, environment)
            finally:
                os._exit(127)  # what is no program must not go on with the tests
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))

    def until(self, condition: Callable[[bytes], bool], within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while not condition(self.bytes):
            assert time.monotonic() < deadline, f"waited in vain; written: {self.bytes[-2000:]!r}"
            self._read(0.1)

    def write(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def leave(self) -> int:
        """Wait for its end, reading on so that it can write its last; the exit status."""
        deadline = time.monotonic() + 30
        while (ended := os.waitpid(self.pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, "it does not end"
            self._read(0.05)
        self.pid = 0
        return os.waitstatus_to_exitcode(ended[1])

    def _read(self, timeout: float) -> None:
        if select.select([self._terminal], [], [], timeout)[0]:
            with contextlib.suppress(OSError):  # the other end is closed
                self.bytes += os.read(self._terminal, 65_536)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)


@contextlib.contextmanager
def recorded(*words: str, command: Sequence[str] = COMMAND, **environment: str) -> Iterator[Recorded]:
    program = Recorded([*command, *words], _environment(**environment))
    try:
        yield program
    finally:
        program.close()


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM")}
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **more}


def test_no_foreign_escape_reaches_the_terminal(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    for number, evil in enumerate([*TERMINAL_ESCAPES.values(), *MARKUP]):
        folder = make_run(tmp_path / "runs", phase="failed", step=20, age=number, error=f"{evil}", message=evil)
        folder.log.write_bytes(evil.encode("utf-8", "surrogatepass"))
        name = evil.replace("\x00", "").replace("/", "|").encode("utf-8", "replace").decode()
        folder.path.rename(folder.path.with_name(f"{number:02d}{name}"))
    with recorded(str(file)) as program:
        program.until(lambda seen: "03\u241b]52".encode() in seen and b" menu " in seen)
        program.write(b"jjj\r")
        program.until(lambda seen: b" enlarge " in seen)
        program.write(b"W")  # the log
        program.until(lambda seen: b" wrap " in seen)
        program.write(b"\x11")  # ctrl+q
        assert program.leave() == 0
        _assert_harmless(program.bytes)


def _assert_harmless(written: bytes) -> None:
    text = written.decode("utf-8", "replace")
    for name, evil in TERMINAL_ESCAPES.items():
        if len(evil) > 1 and name not in ("C1 NEL", "CSI clear", "shift out", "form feed"):
            assert evil not in text, name
    # Textual itself ends an OSC with BEL, so that one is looked for in the corpus only.
    assert not re.search("[\x80-\x9f\x00]", text)
    assert not re.search(r"\x1b\]\d+;[^\x1b]*(owned|cm0)", text)


def test_a_window_that_was_pulled_about_or_written_on_is_drawn_anew(tmp_path: Path) -> None:
    """A terminal may lose what it showed and be as large as before when it says so."""
    with recorded(str(make_demo(tmp_path))) as program:
        program.until(lambda seen: b"finished" in seen and b"queued: " in seen and b"playground" in seen)
        for what in (partial(os.kill, program.pid, signal.SIGWINCH), partial(program.write, b"\x0c")):
            written = len(program.bytes)
            what()
            program.until(
                lambda seen, so_far=written: all(word in seen[so_far:] for word in (b"playground", b"finished"))
            )  # type: ignore[misc]


def test_no_color_means_no_hue(tmp_path: Path) -> None:
    file = make_demo(tmp_path)
    environments: list[tuple[dict[str, str], bool]] = [({}, True), ({"NO_COLOR": "1"}, False)]
    for environment, colored in environments:
        with recorded(str(file), **environment) as program:
            program.until(lambda seen: b"finished" in seen and b"queued: " in seen)
            program.write(b"q")
            assert program.leave() == 0
            shades = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", program.bytes)
            assert shades
            assert any(len(set(shade)) > 1 for shade in shades) is colored


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--version"], 0, "craft-workbench 0."),
        (["--help"], 0, "--runs-dir"),
        (["nothing.toml"], 2, "this needs a terminal"),
        ([], 2, "craft runs"),
        (["--nonsense"], 2, "unrecognized arguments"),
    ],
)
def test_what_it_says_without_a_terminal(tmp_path: Path, words: list[str], status: int, said: str) -> None:
    done = subprocess.run(
        [*COMMAND, *words], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status
    assert said in (done.stdout if status == 0 else done.stderr)
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with recorded(str(tmp_path / "nothing.toml")) as program:
        program.until(lambda seen: b"no such file" in seen)
        assert program.leave() == 2


def test_a_terminal_that_cannot_move_its_cursor_is_told_so_and_gets_nothing_drawn(tmp_path: Path) -> None:
    with recorded(str(make_project(tmp_path)), TERM="dumb") as program:
        program.until(lambda seen: b"\n" in seen)
        assert program.leave() == 2
    said = program.bytes.decode()
    assert "this terminal (TERM=dumb) cannot show it" in said and "set TERM" in said and "'craft watch'" in said
    assert said.count("\n") == 1 and "\x1b" not in said and "Traceback" not in said


@pytest.mark.parametrize("missing", ["<&-", ">&-", "2>&-", "2>out"])
def test_each_stream_must_be_a_terminal(tmp_path: Path, missing: str) -> None:
    words = f"cd {shlex.quote(str(tmp_path))} && exec {shlex.join(COMMAND)} {missing}"
    with recorded("-c", words, command=[shutil.which("sh") or "/bin/sh"]) as program:
        assert program.leave() == 2
    assert b"\x1b" not in program.bytes and b"Traceback" not in program.bytes
    if not missing.startswith("2"):
        assert b"this needs a terminal" in program.bytes


def test_nothing_heavy_is_imported_for_the_first_frame() -> None:
    program = (
        "import sys, workbench.app\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'plotext', 'tree_sitter', 'click', 'craft.launch', 'argparse'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_no_module_of_the_workbench_reaches_torch() -> None:
    program = (
        "import sys, pkgutil, importlib, workbench\n"
        "for module in pkgutil.walk_packages(workbench.__path__, 'workbench.'): importlib.import_module(module.name)\n"
        "import craft.launch.queue.dispatch, craft.launch.workers, craft.config.experiments\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_every_worker_is_in_a_group_of_its_own() -> None:
    """Without a group they share one, and an exclusive worker then cancels strangers."""
    sources = [path.read_text() for path in Path(__file__).parents[2].joinpath("workbench").rglob("*.py")]
    workers = [found for source in sources for found in re.findall(r"@work\(?[^)]*\)?", source)]
    assert len(workers) >= 5
    assert all("group=" in worker and "thread=True" in worker for worker in workers)
