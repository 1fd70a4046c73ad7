"""What the tabs of a run's details have in common: they read in threads, one read at a time, and show on the loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker, WorkerState, get_current_worker

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.bench import Bench

Look = Callable[[], Callable[[], None]]
"""Reads in a thread, and gives what shows on the event loop what was found."""


class TabRead(Message, bubble=False):
    """A tab's own thread has read; `show` shows what it found."""

    def __init__(self, show: Callable[[], None]) -> None:
        super().__init__()
        self.show = show


class DetailTab(Container):
    """A view of the run that is shown. Subclasses say what they read (`read`, in a thread) and how it is shown.

    A look begins with one of the app, or by itself where a person waits for it; while one is under way no other begins.
    """

    app: Bench

    ALONE = False
    """Whether a look may take so long that the list of runs must not wait for it."""

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
        if other or (known != run and not run.observed.is_live):  # at a live one the app looks
            self.look()

    @property
    def is_due(self) -> bool:
        """Whether another look may find something, although nobody said so."""
        return self.run is not None and self.run.observed.is_live

    def look(self) -> None:
        """Read what is new, in a thread of its own."""
        look = self.begin_look()
        if look is None:
            self._again = True
            return
        self._worker = self.run_worker(
            lambda: self._read(look),
            group=f"details-{type(self).__name__}",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def begin_look(self) -> Look | None:
        """A look, to be done in a thread: it gives what shows on the event loop what was found. None while another is
        under way, or there is nothing to look at."""
        if self.run is None or not self._ready or self._reading == self.run.path:
            return None
        self._reading, self._again = self.run.path, False
        run, wanted = self.run, self.what_to_read()

        def look() -> Callable[[], None]:
            try:
                found = self.read(run, wanted)
            except Exception as error:
                return partial(self._refuse, run.path, f"read {type(self).__name__}: {error}")
            return partial(self._take, run.path, found)

        return look

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

    def _read(self, look: Look) -> None:
        show = look()
        if not get_current_worker().is_cancelled:
            self.post_message(TabRead(show))

    @on(TabRead)
    def _show(self, message: TabRead) -> None:
        message.show()

    def _take(self, path: Path, found: Any) -> None:
        """What a look found; None when nothing is new."""
        if self.run is None or path != self.run.path:
            return
        self._reading = None
        if found is not None:
            self.take(found)
        if self._again:
            self.look()

    def _refuse(self, path: Path, words: str) -> None:
        if self._reading == path:
            self._reading = None
        if words != self._failed:  # a live run would say it with every look
            self._failed = words
            self.fail(words)

    @on(Worker.StateChanged)
    def _heed(self, event: Worker.StateChanged) -> None:
        if event.worker is self._worker and event.state is WorkerState.CANCELLED:
            self._reading = None


def _is_displayed(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def descendant_has_focus(widget: Widget) -> bool:
    """Whether the keyboard is somewhere in `widget`."""
    focused = widget.screen.focused
    return focused is not None and widget in focused.ancestors_with_self
