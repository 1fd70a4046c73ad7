"""What the worker printed: followed until somebody scrolls away, found through, of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on
from textual.content import Content
from textual.worker import get_current_worker

from craft.analysis.numbers import format_bytes
from workbench.screens.runs.details.log_file import LogFile, LogLines
from workbench.screens.runs.details.text_pane import TextTab
from workbench.widgets.lines import LinesView

if TYPE_CHECKING:
    from collections.abc import Callable

    from craft.runs.store import RunSummary


class LogTab(TextTab):
    """`log.txt` of the run."""

    FOLLOWS = True
    WHAT = "log line"

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self._file: LogFile | None = None
        self._back = ""
        """How far back the next look goes: "block", "all", or not at all."""
        self._then: list[Callable[[], None]] = []
        """What waits until everything before is known."""
        self._known = 0

    def begin(self) -> None:
        super().begin()
        if self._file:
            self._file.close()
        assert self.run is not None
        self._file = LogFile(self.run.folder.log, ascii_only=self.ascii_only)
        self._back, self._then, self._known = "", [], 0
        self.view.show(LogLines(None, (), 0, 0, ascii_only=self.ascii_only), keep=False)

    def on_unmount(self) -> None:
        if self._file:
            self._file.close()

    # --- reading ---

    def what_to_read(self) -> Any:
        back, self._back = self._back, ""
        return self._file, back

    def read(self, run: RunSummary, wanted: Any) -> Any:
        file, back = wanted
        worker = get_current_worker()
        changed, another = file.poll()
        came = 0
        if back and not file.is_whole:
            came = file.load_before(everything=back == "all", wanted=lambda: not worker.is_cancelled)
        if changed or came or another or back:
            return file, file.lines(), came, another
        return None

    def take(self, found: Any) -> None:
        file, lines, came, another = found
        if file is not self._file:
            return
        view = self.view
        view.empty = "it has printed nothing yet"
        view.show(lines, before=came, keep=not another)
        self._known += came
        if view.follows:
            self._known = len(lines)
        if lines.start == 0:
            then, self._then = self._then, []
            for do in then:
                do()
        self.show_head()

    @on(LinesView.NearTop)
    def _load_more(self) -> None:
        if self._lines.start > 0 and not self._back:
            self._back = "block"
            self.look()

    def _with_everything(self, do: Callable[[], None]) -> None:
        if self._lines.start == 0:
            do()
            return
        self._then.append(do)
        self._back = "all"
        self.show_head()
        self.look()

    @property
    def _lines(self) -> LogLines:
        lines = self.view.lines
        assert isinstance(lines, LogLines)
        return lines

    def go_first(self) -> None:
        self._with_everything(super().go_first)

    def look_for(self, step: int, *, here: bool = False) -> None:
        look_for = super().look_for
        if step < 0 or here:
            self._with_everything(lambda: look_for(step, here=here))
        else:
            look_for(step, here=here)

    # --- what is said above it ---

    def head(self) -> Content:
        view, lines = self.view, self._lines
        if view.follows:
            self._known = len(lines)
        if not len(lines):
            return Content("")
        if self._then:
            return Content.styled(f"reading {format_bytes(lines.start)} before this ...", "$text-accent")
        size = f"{len(lines):,} lines, {format_bytes(lines.end)}"
        if lines.start:
            size = f"the last {len(lines):,} lines of {format_bytes(lines.end)}"
        new = len(lines) - self._known
        how: Content = Content.styled("following", "$text-success") if view.follows else Content("G follows its end")
        if new > 0:
            how = Content.styled(f"+{new:,} new line{'s' * (new != 1)}: G shows them", "bold $text-warning")
        place = "" if view.follows else f"  line {view.cursor + 1:,}" if not lines.start else ""
        return Content.assemble(size, place, "  ", how, "  wrapped" if view.wraps else "  cut: w wraps")
