"""What people come for, from the first edit to the day after, in a real terminal with runs that really train."""

from __future__ import annotations

import re
from pathlib import Path

from craft.runs.folder import read_identity
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


def test_edit_launch_watch_stop_resume_fork_compare_sample_quit_and_come_back(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    with ended_runs(file):
        with workbench(file, 100, 32) as person:
            _edits(person, file)
            _launches_and_watches(person)
            _stops_and_resumes(person)
            _forks(person)
            _compares(person)
            seed = _samples(person)
            screen = person.does("C-q", until="left with 0")
            assert "tiny-001" not in screen, "the terminal is given back as it was"
        with workbench(file, 100, 32) as person:
            _finds_everything(person, seed)


def _edits(person: Person, file: Path) -> None:
    """A setting in the form, a word in the TOML; both faces are one text, and comments stay."""
    person.sees("No runs yet")
    person.does("1", until=lambda screen: "fits" in row_of(screen, "tiny"))
    person.does("Enter", until="delete reset")
    person.does("/", until="  filter")
    person.types("optimizer.lr", until="lr_ratios")
    person.does("Enter", until="enter edit")
    person.does("G", "Enter", until="F6 run")
    person.terminal.press("C-u")
    person.terminal.write("0.004")
    person.does("Enter", until=lambda screen: "was 0.001" in screen and "not saved" in screen)
    person.does("F2", until="[experiment.tiny.optimizer]")
    line = TEXT[: TEXT.index("why =")].count("\n") + 1
    person.does("C-g", until="Go to line")
    person.types(str(line), until=f"\u258a  {line}")
    person.does("Enter", until=lambda screen: "Go to line" not in screen)
    person.terminal.press("End")
    person.types(" as it was", until="# kept as it was")
    person.does("C-s", until=lambda screen: "not saved" not in screen.splitlines()[0])
    added = '"the smallest that learns"  # kept as it was\n\n[experiment.tiny.optimizer]\nlr = 0.004\n\n'
    assert file.read_text() == TEXT.replace('"the smallest that learns"  # kept\n', added)


def _launches_and_watches(person: Person) -> None:
    """After its costs were seen; its row and its curve move by themselves."""
    person.does("Escape", until="space mark")
    person.does("r", until=lambda screen: "Run tiny" in screen and "of checkpoints" in screen)
    person.does("Enter", until=lambda screen: "running" in row_of(screen, "tiny-001"))
    screen = person.sees(lambda screen: step_on(screen, "tiny-001") >= 200 and bool(curve_on(screen)))
    first, step = curve_on(screen), step_on(screen, "tiny-001")
    person.sees(lambda screen: step_on(screen, "tiny-001") > step + 200 and curve_on(screen) not in ("", first))
    assert "tok/s" in screen and "val" in screen


def _stops_and_resumes(person: Person) -> None:
    """Where it was stopped it goes on."""
    person.does("s", until=lambda screen: "stopped" in row_of(screen, "tiny-001"))
    stopped = person.run("tiny-001").step
    assert stopped > 400
    screen = person.does("r", until=lambda screen: "running" in row_of(screen, "tiny-001"))
    person.sees(lambda screen: step_on(screen, "tiny-001") > stopped + 100)
    screen = person.does("s", until=lambda screen: "stopped" in row_of(screen, "tiny-001"))
    assert step_on(screen, "tiny-001") > stopped
    person.waits_for(lambda: not person.run("tiny-001").observed.is_live)


def _forks(person: Person) -> None:
    """A run of its own, from the newest checkpoint, with an edit; told before what continues."""
    last = person.run("tiny-001").step
    person.does("f", until=lambda screen: "Fork tiny-001" in screen and "continues" in screen)
    person.types(f"optimizer.lr=0.002 training.max_steps={last + 400}", until="0.004 -> 0.002")
    person.does("Enter", until=lambda screen: "finished" in row_of(screen, "tiny-002"))
    fork = person.run("tiny-002")
    assert fork.step == last + 400
    assert read_identity(fork.folder).overrides == {"optimizer.lr": 0.002, "training.max_steps": last + 400}
    assert person.run("tiny-001").step == last


def _compares(person: Person) -> None:
    """Both curves, and what differs."""
    person.does("a", until="2 marked")
    person.does("c", until=lambda screen: "val/loss" in screen and "b seeds" in screen and bool(curve_on(screen)))
    person.does("s", until=lambda screen: "2 settings differ" in screen and bool(curve_on(screen)))
    screen = person.sees(
        lambda screen: row_of(screen, "optimizer.lr").strip("\u258c ").split()[1:] == ["0.002", "0.004"]
    )
    assert re.search(r"tiny-002 \d.*tiny-001 \d", screen), "named in the chart, with their last values"


def _samples(person: Person) -> str:
    """Let a checkpoint of the first run write; the seed that it drew with."""
    person.does("4", until="nobody writes yet")
    person.does("F2", until=lambda screen: "Who writes?" in screen and "tiny-001" in screen)
    newest = person.run("tiny-001").step
    # Not the step alone, which the list of runs has too: the checkpoints are looked at behind it.
    person.does("Down", "Right", until=lambda screen: bool(re.search(rf"latest +step {newest}\b", screen)))
    person.does("Down", "Down", "Enter", until=lambda screen: "Who writes?" not in screen and "tiny-001@" in screen)
    person.types("the quick b", until="the quick b")
    person.does("F5", until=lambda screen: "tok/s" in screen and "answering" not in screen)
    screen = person.sees("length reached")
    seen = re.search(r"seed +(\d+)", screen)
    assert seen
    return seen[1]


def _finds_everything(person: Person, seed: str) -> None:
    """Who writes, what is asked, what was written; the list; the comparison; the file."""
    person.sees(lambda screen: "the quick b" in screen and "tiny-001@" in screen)
    person.does("F8", "F8", "F8", "F8", until=lambda screen: "1 entry" in screen and seed in screen)
    screen = person.does("2", until=lambda screen: "stopped" in row_of(screen, "tiny-001") and bool(curve_on(screen)))
    assert "2 marked" in screen and "finished" in row_of(screen, "tiny-002")
    person.does("3", until=lambda screen: "2 settings differ" in screen and bool(curve_on(screen)))
    screen = person.does("1", until="lr = 0.004")
    assert "# kept as it was" in screen and "not saved" not in screen
    person.does("C-q", until="left with 0")
