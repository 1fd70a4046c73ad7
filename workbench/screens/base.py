"""What every screen of the workbench has: a title bar with the places, a body, and a bar of keys.

The app reads runs and file in threads and tells the screens on the event loop: `show_runs`, `show_project` and
`show_check` are called for the screen that is seen, and for the others when they are seen again.

Textual's `work` writes all arguments of a call into the worker's description, on the event loop: ten thousand runs take
half a second. Where arguments can be large, the description is given.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget
from textual.worker import Worker

from workbench.compositor import SparingCompositor
from workbench.widgets.bars import KeyBar, Part, TitleBar
from workbench.window import WindowScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from craft.runs.store import RunSummary
    from workbench.bench import Bench

    Reading = Callable[[list[RunSummary] | None], Callable[[], None]]
    """What a screen reads with a look, in its thread. It is told the runs, where they were looked at, and gives what
    shows, on the event loop, what it found."""

PLACES = ("experiments", "runs", "compare", "playground")
"""The screens, in the order of their keys 1 to 4."""


class WorkbenchScreen(WindowScreen[None]):
    """A place of the workbench. Subclasses say what its body is and what they do with news."""

    app: Bench

    PLACE: ClassVar[str]
    AUTO_FOCUS = ""
    """Each says itself what has the focus: the first that could have it may be a field that is not seen yet."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (148, "-wide"), (200, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-low"), (32, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self._compositor = SparingCompositor()
        self._counted: tuple[list[RunSummary], int, int] = ([], 0, 0)
        self.is_ready = False
        """Whether all widgets are there, so that news can be shown."""
        # Told now and not by the first resize, the size costs no second look at the styles of all widgets.
        width, height = self.app.size
        self.add_class(_class_at(width, self.HORIZONTAL_BREAKPOINTS), _class_at(height, self.VERTICAL_BREAKPOINTS))

    def compose(self) -> ComposeResult:
        self._title_bar = TitleBar(self.PLACE, id="title")
        yield self._title_bar
        with Container(id="body"):
            yield from self.compose_body()
        yield KeyBar(id="keys")

    def compose_body(self) -> ComposeResult:
        """The widgets between the bars."""
        raise NotImplementedError

    # --- news, on the event loop ---

    def show_runs(self) -> None:
        """All run folders were looked at: `self.app.runs`."""

    def show_project(self) -> None:
        """The experiments file, or one that it is read with, changed on disk: `self.app.project`."""

    def show_check(self) -> None:
        """The schema has seen the file on disk: `self.app.check`."""

    def reading(self, *, listed: bool) -> Reading | None:
        """What to read along with the next look, which may be one without a look at the runs; None for nothing. Where
        the runs are `listed`, it shows them instead of `show_runs`."""
        return None

    def show_rest(self) -> None:
        """Make what the first frame does without; asked for whenever the screen is seen."""

    def show_all(self) -> None:
        """Everything that is known by now: when the screen is seen, also for the first time."""
        if self.app.is_reading:
            self.show_rest()
        self.show_project()
        if self.app.check is not None:
            self.show_check()
        if self.app.runs_read:
            self.show_runs()
        self.show_title()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        if not self.is_ready:
            event.refresh_styles = False  # all are new
        # The first time, what is inside is made only now.
        self.call_after_refresh(self._show_again)

    def _show_again(self) -> None:
        first, self.is_ready = not self.is_ready, True
        self.show_all()
        if first:
            self._zoom_as_left()

    def _zoom_as_left(self) -> None:
        """The pane that stood alone when the program ended does so again."""
        name = self.app.session.get(f"{self.PLACE}.zoomed", "")
        pane = next((one for one in self.focus_chain if one.id == name), None) if name else None
        if pane is not None:
            pane.focus()
            self.maximize(pane)
            self.app.say("alone as you left it: z shows all")

    def watch_maximized(self, zoomed: Widget | None) -> None:
        if self.is_ready:
            self.app.session.set(f"{self.PLACE}.zoomed", (zoomed and zoomed.id) or "")

    def on_mount(self) -> None:
        self.show_title()

    def unsaved(self) -> str:
        """What would be lost if the program ended now, in words; empty when nothing would."""
        return ""

    # --- the title ---

    def title_parts(self) -> list[Part]:
        """What this screen says at the right end of the title bar, before the figures of the runs."""
        return []

    def show_title(self) -> None:
        """Draw the title bar again."""
        app = self.app
        parts = self.title_parts()
        if app.runs_read:
            if app.runs is not self._counted[0]:
                # They stand in this order, so that of ten thousand only those are looked at that count.
                live = sum(1 for _ in takewhile(lambda run: run.observed.is_live, app.runs))
                rest = islice(app.runs, live, None)
                self._counted = app.runs, live, sum(1 for _ in takewhile(lambda run: run.phase == "queued", rest))
            _, live, queued = self._counted
            if live:
                parts.append((f"{live} running  ", "title--live"))
            if queued:
                parts.append((f"{queued} queued  ", "title--quiet"))
            parts.append((f"{len(app.runs):,} run{'s' * (len(app.runs) != 1)} ", "title--quiet"))
        place = str(app.project.file) if app.project.exists else app.project.shown_runs_dir
        if self._title_bar.is_attached:  # not any more while the screen is taken down
            self._title_bar.show(place, parts)

    # --- workers ---

    @on(Worker.StateChanged)
    def _say_fault(self, event: Worker.StateChanged) -> None:
        self.app.say_fault(event)

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        return True


def _class_at(cells: int, breakpoints: list[tuple[int, str]]) -> str:
    """The class of a size: that of the greatest breakpoint it reaches."""
    return max((least, name) for least, name in breakpoints if cells >= least)[1]
