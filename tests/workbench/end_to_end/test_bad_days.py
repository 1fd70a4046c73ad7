"""What must not hurt: wild windows, SIGKILL, damaged folders, odd files, a full disk; in a real terminal."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from craft.config.experiments import load_experiments
from craft.launch.start import launch
from tests.escapes import TERMINAL_ESCAPES
from tests.runs.disk import mounted
from tests.workbench.end_to_end.stage import (
    TEXT,
    Person,
    curve_on,
    ended_runs,
    make_project,
    row_of,
    step_on,
    workbench,
)
from tests.workbench.runs import make_run
from tests.workbench.test_terminal import COMMAND, tmux
from workbench.screens.experiments.editing.buffer import Buffer


def _trains(file: Path) -> None:
    launch(file.parent / "runs", load_experiments(file).plan(["tiny"]))


def test_resized_wildly_while_a_run_trains(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    with ended_runs(file), workbench(file, 80, 24) as person:
        _trains(file)
        person.sees(lambda screen: step_on(screen, "tiny-001") > 100)
        for key in ("2", "Enter", "Escape", "3", "1", "2", "F9", "F9", "F9", "F9"):
            for width, height in ((200, 60), (20, 5), (120, 12), (7, 40), (160, 50), (2, 2), (80, 24)):
                person.terminal.resize(width, height)
            person.terminal.press(key)
        person.terminal.press("Escape")  # an escape right before another key may have been read as one with it
        step = person.run("tiny-001").step
        screen = person.sees(lambda screen: step_on(screen, "tiny-001") > step + 100 and bool(curve_on(screen)))
        assert max(map(len, screen.splitlines())) <= 80 and "running" in row_of(screen, "tiny-001")


def test_killed_while_somebody_types_and_a_run_trains(tmp_path: Path) -> None:
    file, pid = make_project(tmp_path), tmp_path / "pid"
    with ended_runs(file):
        _trains(file)
        with tmux(tmp_path, 100, 32) as terminal:
            program = f"echo $$ > {shlex.quote(str(pid))}; exec {shlex.join([*COMMAND, str(file)])}"
            terminal.start(shlex.join(["sh", "-c", program]))
            person = Person(terminal, file)
            person.sees(lambda screen: step_on(screen, "tiny-001") > 100)
            person.does("1", until=lambda screen: "fits" in row_of(screen, "tiny"))
            person.does("Enter", until="delete reset")
            person.does("F2", until="ctrl+space complete")
            person.types("# a thought that must not be lost", until=lambda screen: "not be lost" in screen)
            state = Path(os.environ["CRAFT_STATE_DIR"])
            person.waits_for(lambda: any(b"not be lost" in one.read_bytes() for one in state.rglob("*.toml")))
            os.kill(int(pid.read_text()), signal.SIGKILL)
            person.sees("left with")
        assert file.read_text() == TEXT
        assert "not be lost" in Buffer(file).drafts()[0].text
        before = person.run("tiny-001")
        with workbench(file, 100, 32) as person:
            person.sees("ctrl+o decide")
            person.does("C-o", until="put the draft in place")
            person.does("Enter", until="# a thought that must not be lost")
            person.does("2", until=lambda screen: step_on(screen, "tiny-001") > before.step)
            assert person.run("tiny-001").phase == "running"


def test_damaged_folders_logs_with_escapes_and_a_file_full_of_brackets(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    runs = tmp_path / "runs"
    make_run(runs, "tiny")
    for name, damage in (("status.json", b"\xff{["), ("experiment.toml", b"[[[[\x00"), ("run.json", b"[]")):
        folder = make_run(runs, "wide")
        (folder.path / name).write_bytes(damage)
        folder.log.write_bytes("".join(TERMINAL_ESCAPES.values()).encode("utf-8", "surrogatepass"))
        (folder.path / "metrics.jsonl").write_bytes(b"{" * 5000 + bytes(5000))
    file.write_text(TEXT + '[experiment."[bold red]x[/]"]\nextends = "[link=http://a]"\n' + "[" * 3000)
    with workbench(file, 100, 32) as person:
        screen = person.sees(lambda screen: "finished" in row_of(screen, "tiny-001") and "4 runs" in screen)
        assert all(row_of(screen, f"wide-00{number}") for number in (1, 2, 3))
        for _ in range(4):
            person.does("Enter", until="esc back")
            for _ in range(7):
                person.terminal.press("]")
            person.does("Escape", until="enter details")
            person.terminal.press("j")
        person.does("1", until="not TOML")
        file.write_text(TEXT)
        person.sees(lambda screen: "not TOML" not in screen and "ok" in row_of(screen, "tiny"))
        person.does("C-q", until="left with 0")


def test_a_full_disk_is_said_and_takes_nothing_that_was_typed(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        file = make_project(disk.path)
        with tmux(tmp_path, 100, 32) as terminal:
            terminal.start(shlex.join([*COMMAND, str(file)]))
            person = Person(terminal, file)
            person.does("1", until=lambda screen: "fits" in row_of(screen, "tiny"))
            person.does("Enter", until="delete reset")
            person.does("F2", until="ctrl+space complete")
            person.types("# typed on a full disk", until="# typed on a full disk")
            person.terminal.press("Enter")
            disk.fill()
            screen = person.does("C-s", until="still here")
            assert "# typed on a full disk" in screen and "not saved" in screen
            assert file.read_text() == TEXT
            disk.free()
            person.does("C-s", until=lambda screen: "not saved" not in screen.splitlines()[0])
            assert "# typed on a full disk" in file.read_text()
            person.does("C-q", until="left with 0")


pytestmark = pytest.mark.timeout(280)
