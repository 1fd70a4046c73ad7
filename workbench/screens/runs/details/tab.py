"""What the tabs of a run's details have in common: they read in threads, one read at a time, and show on the loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker, WorkerState, get_current_worker

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.app import Workbench


class TabRead(Message, bubble=False):
    """What a tab's thread found of a run; None when nothing is new."""

    def __init__(self, path: Path, found: Any) -> None:
        super().__init__()
        self.path, self.found = path, found


class DetailTab(Container):
    """A view of the run that is shown. Subclasses say what they read (`read`, in a thread) and how it is shown.

    A look is asked for by the panel, only while the tab is seen; while one is under way no other begins.
    """

    app: Workbench

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.run: RunSummary | None = None
        self._reading: Path | None = None
        self._again = False
        self._worker: Worker[None] | None = None
        self._ready = False
        self._failed = ""

    def on_mount(self) -> None:
        self._ready = True
        if self.run is not None:
            self.begin()
            self.say_of_run()
            self.look()

    # --- for the panel ---

    def show(self, run: RunSummary) -> None:
        """News about the run, which may be another one than before."""
        other = self.run is None or self.run.folder != run.folder
        known, self.run = self.run, run
        if not self._ready:
            return
        if other:
            self.begin()
        if other or known != run:
            self.say_of_run()
        if other or (known != run and not run.observed.is_live):  # at a live one the panel looks by its own clock
            self.look()

    @property
    def is_due(self) -> bool:
        """Whether another look may find something, although nobody said so."""
        return self.run is not None and self.run.observed.is_live

    def look(self) -> None:
        """Read what is new, in a thread."""
        if self.run is None or not self._ready:
            return
        if self._reading == self.run.path:
            self._again = True
            return
        self._reading, self._again = self.run.path, False
        run, wanted = self.run, self.what_to_read()
        self._worker = self.run_worker(
            lambda: self._read(run, wanted),
            name=f"read {type(self).__name__}",
            group=f"details-{type(self).__name__}",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def take_focus(self) -> None:
        """Put the keyboard where it is of most use in this tab; on the tab itself while there is nothing in it."""
        first = next((widget for widget in self.query("*") if widget.focusable and _is_displayed(widget)), None)
        self.can_focus = first is None
        (first or self).focus()

    # --- for subclasses ---

    def begin(self) -> None:
        """Another run: forget what was read of the one before."""

    def say_of_run(self) -> None:
        """Show what the summary of the run says, which costs no reading."""

    def what_to_read(self) -> Any:
        """What `read` must know of the widgets, taken on the event loop."""
        return None

    def read(self, run: RunSummary, wanted: Any) -> Any:
        """In a thread: what is new of the run, or None. Touches no widget."""
        raise NotImplementedError

    def take(self, found: Any) -> None:
        """On the event loop: show what `read` found."""
        raise NotImplementedError

    def fail(self, words: str) -> None:
        """On the event loop: `read` raised something that nobody foresaw."""
        self.app.say(words, "error")

    # --- the thread ---

    def _read(self, run: RunSummary, wanted: Any) -> None:
        found = self.read(run, wanted)
        if not get_current_worker().is_cancelled:
            self.post_message(TabRead(run.path, found))

    @on(TabRead)
    def _take(self, message: TabRead) -> None:
        if self.run is None or message.path != self.run.path:
            return
        self._reading = None
        if message.found is not None:
            self.take(message.found)
        if self._again:
            self.look()

    @on(Worker.StateChanged)
    def _heed(self, event: Worker.StateChanged) -> None:
        if event.worker is self._worker and event.state in (WorkerState.ERROR, WorkerState.CANCELLED):
            self._reading = None
            words = f"{event.worker.name}: {event.worker.error}"
            if event.state is WorkerState.ERROR and words != self._failed:  # a live run would say it twice a second
                self._failed = words
                self.fail(words)


def _is_displayed(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def descendant_has_focus(widget: Widget) -> bool:
    """Whether the keyboard is somewhere in `widget`."""
    focused = widget.screen.focused
    return focused is not None and widget in focused.ancestors_with_self
