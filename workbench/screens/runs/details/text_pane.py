"""Lines with what belongs to them: a word on how things stand above, and a field to type what is looked for."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.screens.runs.details.tab import DetailTab
from workbench.widgets.lines import LinesView
from workbench.widgets.typed import Line


class FindField(Line):
    """What is looked for."""

    BINDINGS = bindings_of("finding")

    def action_find_now(self) -> None:
        self.post_message(self.Submitted(self, self.value))

    def action_leave(self) -> None:
        self.display = False
        self.post_message(self.Submitted(self, ""))


class TextTab(DetailTab):
    """A tab of lines. `FOLLOWS`: its end is kept in sight while it grows."""

    FOLLOWS = False
    WHAT = "line"

    def compose(self) -> ComposeResult:
        yield Static(Content(""), classes="tab-head")
        yield LinesView(ascii_only=self.ascii_only, follows=self.FOLLOWS, what=self.WHAT)
        field = FindField(placeholder="find (small letters match both)", compact=True)
        field.display = False
        yield field

    @property
    def view(self) -> LinesView:
        """The lines."""
        return self.query_one(LinesView)

    def on_mount(self) -> None:
        self.view.wraps = self.app.session.get(f"runs.wraps.{self.WHAT}", self.FOLLOWS)

    def begin(self) -> None:
        self.view.empty = "reading ..."

    def head(self) -> Content:
        """What stands above the lines."""
        return Content("")

    @on(LinesView.Moved)
    def show_head(self) -> None:
        """Say above the lines how things stand."""
        line = self.query_one(".tab-head", Static)
        said = self.head()
        line.display = bool(said.plain)
        line.update(said)
        self.app.session.set(f"runs.wraps.{self.WHAT}", self.view.wraps)

    # --- finding ---

    @on(LinesView.Asked)
    def _asked(self, message: LinesView.Asked) -> None:
        field = self.query_one(FindField)
        if message.ask == "first":
            self.go_first()
        elif message.ask == "find" or not self.view.words:
            field.display = True
            field.focus()
        else:
            self.look_for(1 if message.ask == "next" else -1)

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        view = self.view
        view.words = message.value
        self.query_one(FindField).display = False
        view.redraw()
        view.focus()
        if message.value:
            # From the end that is followed the newest is the nearest; else it goes on from where one stands.
            self.look_for(-1 if view.follows else 1, here=True)

    def go_first(self) -> None:
        """To the first line."""
        self.view.go_to(0)

    def look_for(self, step: int, *, here: bool = False) -> None:
        """Go to the nearest line with what is looked for, in a thread; `here`: the one under the cursor counts."""
        view = self.view
        lines, words, at = view.lines, view.words, view.cursor

        def look() -> None:
            worker = get_current_worker()

            def wanted() -> bool:
                return not worker.is_cancelled

            found = lines.find(words, at if here else at + step, step, wanted)
            turned = found is None
            if turned and wanted():
                found = lines.find(words, 0 if step > 0 else len(lines) - 1, step, wanted)
            if wanted():
                self.app.call_from_thread(self._found, words, found, turned)

        self.run_worker(look, name="find", group="details-find", thread=True, exclusive=True, exit_on_error=False)

    def _found(self, words: str, found: int | None, turned: bool) -> None:
        if found is None:
            self.app.say(f"'{clean_line(words)}' is nowhere here", "warning")
            return
        if turned:
            self.app.say("went on from the other end")
        self.view.go_to(found)
