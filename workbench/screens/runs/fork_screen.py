"""A new run from a checkpoint: from where, with which definition, and what becomes of each part, before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Select, Static
from textual.worker import get_current_worker

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.screens.runs.edits_screen import STYLES, Paths, words_of
from workbench.verbs.wish import Sketch, Wish
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder

_PAUSE = 0.2  # seconds without a key until it is planned anew
_OWN = _UNREAD = ""
_TITLES = {"continues": "continues", "anew": "starts anew", "cannot": "cannot be"}
_TONES = {"continues": "good", "anew": "warn", "cannot": "bad"}


class ForkScreen(Dialog[Wish | None]):
    """Gives what is asked of the fork, or None."""

    BINDINGS = bindings_of("fork")
    KEEPS_TYPED = True

    def __init__(self, parent: RunFolder, file: Path, experiments: Sequence[str]) -> None:
        super().__init__()
        self._run, self._file, self._experiments = parent, file, experiments
        self._paths = Paths()
        self._timer: Timer | None = None
        self._sketched: tuple[Wish, Sketch] | None = None
        self._accepted = False

    def compose(self) -> ComposeResult:
        # Textual reads a plain string here as markup.
        definitions = [(Text("its own definition"), _OWN)]
        file = self._file.name
        definitions += [(Text(self.line(f"{name}, as {file} has it now")), name) for name in self._experiments]
        with Vertical(classes="dialog wide"):
            yield Static(Content.styled(self.line(f"Fork {self._run.name}"), "bold"))
            with Horizontal(classes="space choices"):
                yield Select[str]([("latest", _UNREAD)], value=_UNREAD, allow_blank=False, compact=True, id="which")
                yield Select[str](definitions, value=_OWN, allow_blank=False, compact=True, id="definition")
            yield Line(
                placeholder="edits: optimizer.lr=0.001 training.max_steps=2000", suggester=self._paths, id="edits"
            )
            yield Line(placeholder="another name for its experiment: it is then NAME-NNN", id="name")
            with VerticalScroll(classes="space plan"):
                yield Static(id="plan")
            yield Answers()

    def on_mount(self) -> None:
        if self.app.ascii_only:
            for arrow in self.query(".arrow").results(Static):
                arrow.update("v" if arrow.has_class("down-arrow") else "^")
        self.query_one("#edits", Input).focus()
        self._read()
        self._plan(self._wish())

    # --- what it can be made from ---

    @work(thread=True, group="choices", exit_on_error=False)
    def _read(self) -> None:
        from workbench.verbs.changing import definition_of
        from workbench.verbs.forking import checkpoints_of

        found = checkpoints_of(self._run)
        self._paths.known = definition_of(self._run)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._offer, found)

    def _offer(self, found: list[tuple[str, str]]) -> None:
        if found and self.is_mounted:
            which = self.query_one("#which", Select)
            which.set_options([(Text(self.line(f"{name}  {about}")), name) for name, about in found])
            which.value = found[0][0]

    # --- what it would be ---

    def _wish(self) -> Wish:
        """As the dialog stands. Raises ValueError for a quote that is not closed."""
        name = str(self.query_one("#definition", Select).value)
        return Wish(
            str(self.query_one("#which", Select).value) or "latest",
            tuple(words_of(self.query_one("#edits", Input).value)),
            self._file if name != _OWN else None,
            name if name != _OWN else None,
            self.query_one("#name", Input).value.strip() or None,
        )

    def on_input_changed(self) -> None:
        self._soon()

    def on_select_changed(self) -> None:
        self._soon()

    def _soon(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE, self._ask)

    def _ask(self) -> None:
        try:
            wish = self._wish()
        except ValueError as error:
            self._show_lines([(f"the edits cannot be read: {error}", "bad")])
        else:
            self._plan(wish)

    @work(thread=True, group="plan", exclusive=True, exit_on_error=False)
    def _plan(self, wish: Wish) -> None:
        from workbench.verbs.forking import sketch

        worker = get_current_worker()
        found = sketch(self._run, wish)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, wish, found)

    def _show(self, wish: Wish, found: Sketch) -> None:
        if not self.is_mounted:
            return
        self._sketched = wish, found
        lines: list[tuple[str, str]] = []
        width = max((len(what) for _, what, _ in found.rows), default=0)
        for kind, title in _TITLES.items():
            rows = [f"  {what:<{width}}  {how}" for k, what, how in found.rows if k == kind]
            if rows:
                lines += [(title, _TONES[kind]), *((row, "plain") for row in rows)]
        lines += [(remark, "quiet") for remark in found.remarks]
        if found.fault:
            lines.append((found.fault, "bad"))
        self._show_lines(lines)
        if self._accepted:
            self._accepted = False
            self._take()

    def _show_lines(self, lines: list[tuple[str, str]]) -> None:
        said = [Content.styled(self.text(line), STYLES[tone]) for line, tone in lines]
        self.query_one("#plan", Static).update(Content("\n").join(said))

    # --- keys ---

    def on_input_submitted(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        """Take it once it is known that it can be."""
        try:
            wish = self._wish()
        except ValueError:
            return
        if self._sketched is not None and self._sketched[0] == wish:
            self._take()
        else:
            self._accepted = True
            self._ask()

    def _take(self) -> None:
        if self._sketched is not None and not self._sketched[1].fault:
            self.dismiss(self._sketched[0])

    def action_cancel(self) -> None:
        self.dismiss(None)
