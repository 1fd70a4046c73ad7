"""What the screens, their widgets and the dialogs may ask of the program: what was read, what is remembered, and what
is done for all of them in one way. They know this, and not the program, which knows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textual import on, work
from textual.worker import Worker, WorkerState

from craft.text import clean
from workbench.in_order import KeysInOrder
from workbench.project import DEFAULT_FILE, Check, Project

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.memory import Memory


class Bench(KeysInOrder):
    """The program as its parts see it."""

    memory: Memory
    """What a person chose, in all projects."""
    session: Memory
    """What was left in this project."""
    ascii_only: bool
    """Whether the terminal shows nothing else."""
    own_runs_dir: Path | None
    """The folder of runs that was asked for instead of the file's."""
    project: Project
    check: Check | None
    """What the schema says of the file; None until it has seen it."""
    runs: list[RunSummary]
    runs_read: bool
    is_reading: bool
    """Whether the first frame stands, so that the rest can follow."""

    def __init__(self) -> None:
        super().__init__()
        self._said_faults: set[str] = set()

    def look_soon(self) -> None:
        """Look at the runs with the next tick: something was just done to one."""
        raise NotImplementedError

    def keep(self) -> None:
        """Put what was chosen or typed on disk, where that was not done at once."""
        raise NotImplementedError

    def action_go(self, place: str) -> None:
        """Another screen; a dialog is answered first."""
        raise NotImplementedError

    def action_show_help(self) -> None:
        """The keys of what is seen."""
        raise NotImplementedError

    def themes(self) -> dict[str, str]:
        """What can be chosen, with a few words."""
        raise NotImplementedError

    def say(self, text: str, severity: Literal["information", "warning", "error"] = "information") -> None:
        """A short note in the corner, from any thread; `text` may hold foreign text."""
        text = clean(text, ascii_only=self.ascii_only)
        self.notify(text, severity=severity, markup=False, timeout=4 if severity == "information" else 10)

    @on(Worker.StateChanged)
    def say_fault(self, event: Worker.StateChanged) -> None:
        """A worker that fails is heard of, once for each fault; the program goes on with what it knows."""
        what = event.worker.name.strip("_").replace("_", " ")
        fault = f"{what}: {event.worker.error}"
        if event.state is WorkerState.ERROR and fault not in self._said_faults:
            self._said_faults.add(fault)
            self.say(fault, "error")

    def word_for(self, run: RunSummary, place: Path) -> str:
        """How a command in the folder `place` names `run`: by its name where the file there says where the runs are."""
        project = self.project
        says_where = project.exists and not project.fault and self.own_runs_dir is None
        by_name = says_where and project.file.absolute() == place.absolute() / DEFAULT_FILE
        return run.name if by_name else str(run.folder.path)

    def resume_command(self, run: RunSummary) -> str:
        """How to go on with `run` from a shell here."""
        return self.project.command("resume", self.word_for(run, Path()))

    def copy(self, text: str, what: str) -> None:
        """Put `text` on the clipboard of the terminal's own machine, also over SSH; `what` names it in the note."""
        from workbench import clipboard

        text = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written anywhere
        if len(text.encode()) <= clipboard.MOST:
            self.copy_to_clipboard(text)
        self._copy_further(text, what)

    def copy_to_clipboard(self, text: str) -> None:
        from workbench import clipboard

        wrapped = clipboard.through_screen(text)
        if wrapped and self._driver is not None:
            self._clipboard = text
            self._driver.write(wrapped)
        else:
            super().copy_to_clipboard(text)

    @work(thread=True, group="copy", exit_on_error=False)
    def _copy_further(self, text: str, what: str) -> None:
        from workbench import clipboard

        place = clipboard.keep(text)
        taken = clipboard.through_tmux(text) or clipboard.beside_a_screen(text)
        where = f"; it is in {place} too" if place else ""
        if taken or len(text.encode()) <= clipboard.MOST:
            self.say(f"{what} copied{where}")
        else:
            self.say(f"{what} is too long for a terminal's clipboard{where}", "warning")

    def show_run(self, name: str) -> None:
        """Go to the runs with the cursor on one of them."""
        self.session.set("runs.selected", name)
        self.action_go("runs")

    def show_experiment(self, name: str) -> None:
        """Go to the experiments with one of them chosen."""
        self.session.set("experiments.selected", name)
        self.action_go("experiments")
