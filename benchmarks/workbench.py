"""What the workbench costs, in a real pseudo terminal.

start     process start to the first frame that names the file's experiments, against an empty Textual app
          started in turns with it: at most 1.8 times that
memory    resident, after the curve of a run was drawn: under 80 MB
watching  four live runs, each logging ten records a second: share of one core, and bytes a second to the terminal
          (at most 12 % of a core for two redraws a second; this screen redraws once)
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import ExitStack
from pathlib import Path

from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from tests.workbench.runs import losses, make_project, make_run, working

ASKED_RATIO, ASKED_MEGABYTES, ASKED_SHARE = 1.8, 80, 0.12
EMPTY_APP = """\
from textual.app import App, ComposeResult
from textual.widgets import Static

class Empty(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("transformer")

Empty().run()
"""


class Program:
    """A program in a pseudo terminal of 160 x 48."""

    def __init__(self, words: list[str]) -> None:
        self.began = time.perf_counter()
        self.written = b""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execve(words[0], words, {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))

    def read_for(self, seconds: float) -> int:
        """Read what it writes for so long; how many bytes that was."""
        before, stop = len(self.written), time.perf_counter() + seconds
        while (left := stop - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                self.written += os.read(self._terminal, 65_536)
        return len(self.written) - before

    def until(self, words: bytes) -> float:
        """Seconds from the start until it has written `words`."""
        while words not in self.written:
            if not select.select([self._terminal], [], [], 30)[0]:
                raise TimeoutError(f"{words!r} never came")
            self.written += os.read(self._terminal, 65_536)
        return time.perf_counter() - self.began

    def megabytes(self) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def first_frame(words: list[str]) -> float:
    program = Program(words)
    try:
        return program.until(b"transformer")
    finally:
        program.close()


def measure_start(place: Path, rounds: int) -> bool:
    file = make_project(place)
    empty = place / "empty.py"
    empty.write_text(EMPTY_APP)
    ours, theirs = [], []
    for number in range(rounds + 1):
        taken = first_frame([sys.executable, str(empty)]), first_frame(workbench(file))
        if number:  # the first round warms the files
            theirs.append(taken[0])
            ours.append(taken[1])
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"empty Textual app, first frame   {1000 * statistics.median(theirs):6.0f} ms")
    print(f"workbench, experiments named     {1000 * statistics.median(ours):6.0f} ms")
    return _verdict("start", f"{ratio:.2f} times", f"{ASKED_RATIO} times", ratio <= ASKED_RATIO)


def measure_watching(place: Path, seconds: float) -> bool:
    file = make_project(place)
    folders = [make_run(place / "runs", phase="running", step=2000, max_steps=100_000, seed=n) for n in range(4)]
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(working(folder))
        paths = [str(folder.path) for folder in folders]
        writer = subprocess.Popen([sys.executable, "-m", "benchmarks.workbench", "--write", *paths])
        stack.callback(writer.wait)
        stack.callback(writer.kill)
        program = Program(workbench(file))
        stack.callback(program.close)
        program.until(b"train ")
        program.read_for(3)
        memory, before = program.megabytes(), program.cpu_seconds()
        began = time.perf_counter()
        written = program.read_for(seconds)
        share = (program.cpu_seconds() - before) / (time.perf_counter() - began)
        assert writer.poll() is None and written > 1000, "nothing was logged, so nothing was drawn"
    small = _verdict("memory", f"{memory:.0f} MB", f"under {ASKED_MEGABYTES} MB", memory < ASKED_MEGABYTES)
    print(f"written to the terminal          {written / seconds / 1000:6.1f} kB/s")
    return _verdict("watching four runs", f"{share:.1%} of a core", f"{ASKED_SHARE:.0%}", share < ASKED_SHARE) and small


def write_live(paths: list[str]) -> None:
    """Four workers' worth of records, ten a second each, for as long as nobody ends it."""
    runs = [(RunFolder(Path(path)), MetricsLog(RunFolder(Path(path)))) for path in paths]
    step = 2000
    while True:
        step += 10
        for number, (folder, log) in enumerate(runs):
            train, val = losses(step, number)
            log.append({"step": step, "time": step / 40, "tokens": step * 768, "train/loss": train})
            if step % 500 == 0:
                log.append({"step": step, "time": step / 40, "val/loss": val})
            if step % 50 == 0:
                StatusWriter(folder).write(step=step, train_loss=train, val_loss=val, progressed=True)
        time.sleep(0.1)


def workbench(file: Path) -> list[str]:
    return [sys.executable, "-m", "workbench.app", str(file)]


def _verdict(what: str, found: str, asked: str, held: bool) -> bool:
    print(f"{what}: {found}; asked: {asked}: {'held' if held else 'MISSED'}")
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="starts of each program")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long four runs are watched")
    parser.add_argument("--write", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write_live(asked.write)
    held = []
    with tempfile.TemporaryDirectory() as place:
        os.environ["CRAFT_STATE_DIR"] = str(Path(place) / "state")
        for name, measure, amount in (("a", measure_start, asked.rounds), ("b", measure_watching, asked.seconds)):
            (Path(place) / name).mkdir()
            held.append(measure(Path(place) / name, amount))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
