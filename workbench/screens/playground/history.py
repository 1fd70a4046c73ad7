"""The tab "history": everything that was asked in the playground of this project, also in other workbenches."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from craft.errors import CraftError
from craft.runs.json_files import encode_line
from craft.text import clean, clean_line
from workbench.actions import bindings_of
from workbench.dialogs.confirm import ConfirmScreen
from workbench.dialogs.export import export
from workbench.memory import project_place
from workbench.screens.playground import history_text
from workbench.screens.playground.history_list import HistoryList
from workbench.screens.playground.history_store import Entry, History, Record
from workbench.screens.playground.mode import Mode
from workbench.screens.playground.words import Word, Words
from workbench.widgets.split import Split
from workbench.widgets.typed import Line

_SIDE_BY_SIDE = 130  # columns
_MOST_SHOWN = 20_000  # characters of one text
_MOST_PARTS = 60


class HistoryMode(Mode):
    """The entries, and all that is known of one."""

    NAME = "history"
    WITH_PROMPT = False
    WITH_SETTINGS = False
    BINDINGS = bindings_of("history")

    def __init__(self) -> None:
        super().__init__()
        self._history: History | None = None
        self._lock = threading.Lock()  # one thread at a time reads the history
        self._polling = False
        self._filter = ""
        self._found: list[Entry] | None = None
        self._fault = ""
        self._shown: Entry | None = None

    def compose(self) -> ComposeResult:
        yield Words(id="history-state")
        yield Line(placeholder="words that it holds", compact=True, id="history-filter")
        text = VerticalScroll(Static(id="history-words"), id="history-text")
        yield Split(Vertical(HistoryList(), Static(id="history-empty")), text, name="playground.history", share=0.5)

    def on_mount(self) -> None:
        self._history = History(project_place(self.app.project.file))
        self.query_one("#history-filter").display = False
        self.show()

    def on_resize(self) -> None:
        self.query_one(Split).stacked = self.size.width < _SIDE_BY_SIDE

    @property
    def listing(self) -> HistoryList:
        """The entries that are seen."""
        return self.query_one(HistoryList)

    def focus_first(self) -> None:
        self.listing.focus()

    # --- reading ---

    def show(self) -> None:
        self._poll_soon()

    def show_runs(self) -> None:
        self._poll_soon()

    def _poll_soon(self) -> None:
        if self.is_mounted and not self._polling:
            self._polling = True
            self._poll()

    @work(thread=True, group="history poll", exit_on_error=False)
    def _poll(self) -> None:
        assert self._history is not None
        changed = False
        try:
            with self._lock:
                changed = self._history.poll()
        finally:
            self.app.call_from_thread(self._polled, changed)

    def _polled(self, changed: bool) -> None:
        self._polling = False
        if changed and self._filter:
            self._search(self._filter)
        elif changed or not self.listing.entries:
            self._list()

    @on(Input.Changed, "#history-filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._filter = event.value.strip()
        if self._filter:
            self._search(self._filter)
        else:
            self._found = None
            self._list()

    @work(thread=True, group="history search", exclusive=True, exit_on_error=False)
    def _search(self, words: str) -> None:
        assert self._history is not None
        worker = get_current_worker()
        with self._lock:
            found = self._history.search(words, lambda: worker.is_cancelled)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._searched, words, found)

    def _searched(self, words: str, found: list[Entry]) -> None:
        if words == self._filter:
            self._found = found
            self._list()

    # --- what is shown ---

    def _list(self) -> None:
        assert self._history is not None
        entries = self._history.entries if self._found is None else self._found
        self.listing.show(list(entries))
        self.listing.display = bool(entries)
        empty = self.query_one("#history-empty", Static)
        empty.display = not entries
        if not entries:
            words = "nothing holds all these words" if self._filter else "what is asked in the other tabs is kept here"
            empty.update(Content.styled(words, "$text-muted"))
        self._say()
        self._show_entry()
        self.playground.refresh_bindings()

    def _say(self) -> None:
        history = self._history
        assert history is not None
        count = len(history.entries)
        if self._fault:
            words = [Word(" ! ", "bad"), Word(self._fault, "bad")]
        else:
            found = f"{len(self._found):,} of " if self._found is not None else ""
            marked = len(self.listing.marked)
            words = [Word(f" {found}{count:,} entr{'y' if count == 1 else 'ies'}")]
            words += [Word(f", {marked:,} marked", "strong")] if marked else []
        damaged = history.damaged
        right = [Word(f"{damaged:,} damaged line{'s' * (damaged != 1)} ", "warn")] if damaged else []
        self.query_one("#history-state", Words).show(words, right)

    @on(HistoryList.Pointed)
    def _show_entry(self) -> None:
        entry = self.listing.selected
        if entry is None:
            self._shown = None
            self.query_one("#history-words", Static).update("")
        elif entry != self._shown:
            self._shown = entry
            self._read_entry(entry)

    @work(thread=True, group="history entry", exclusive=True, exit_on_error=False)
    def _read_entry(self, entry: Entry) -> None:
        worker = get_current_worker()
        ascii_only = self.app.ascii_only
        try:
            content = _in_full(self._record(entry), ascii_only=ascii_only)
        except CraftError as error:
            content = Content.styled(clean(str(error)), "$text-error")
        if not worker.is_cancelled:
            self.app.call_from_thread(self._take_entry, entry, content)

    def _take_entry(self, entry: Entry, content: Content) -> None:
        if entry == self._shown:
            self.query_one("#history-words", Static).update(content)
            self.query_one("#history-text", VerticalScroll).scroll_home(animate=False)

    def _record(self, entry: Entry) -> Record:
        assert self._history is not None
        with self._lock:
            return self._history.read(entry)

    # --- doing something with one ---

    @work(thread=True, group="history do", exit_on_error=False)
    def _with_record(self, entry: Entry, do: str) -> None:
        try:
            record = self._record(entry)
        except CraftError as error:
            self.app.say(str(error), "error")
            return
        match do:
            case "copy":
                text, what = history_text.as_text(record), "the entry"
                self.app.call_from_thread(self.app.copy, text, what)
            case "command":
                text = history_text.command(record, self.app.project.runs_dir.absolute())
                self.app.call_from_thread(self.app.copy, text, "the command")
            case _:
                self.app.call_later(self.playground.restore, record, run=do == "run")

    def _selected_do(self, do: str) -> None:
        if self.listing.selected is not None:
            self._with_record(self.listing.selected, do)

    def run(self) -> None:
        self._selected_do("run")

    @on(HistoryList.Opened)
    def action_again(self) -> None:
        self._selected_do("restore")

    def action_copy(self) -> None:
        self._selected_do("copy")

    def action_copy_command(self) -> None:
        self._selected_do("command")

    def action_delete(self) -> None:
        entry = self.listing.selected
        if entry is None:
            return
        first = clean_line(entry.prompt)[:60] or "(an empty prompt)"
        detail = f"{entry.kind}: {first}\nIt is wiped out of the file, and cannot be brought back."

        def decide(yes: bool | None) -> None:
            if yes:
                self._delete(entry)

        self.app.push_screen(ConfirmScreen("Delete this entry of the history?", detail), decide)

    @work(thread=True, group="history do", exit_on_error=False)
    def _delete(self, entry: Entry) -> None:
        assert self._history is not None
        try:
            with self._lock:
                self._history.delete(entry)
        except CraftError as error:
            self.app.say(str(error), "error")
        else:
            self.app.say("the entry is deleted")
        self.app.call_from_thread(self._poll_soon)

    def action_export(self) -> None:
        listing = self.listing
        entries = [one for one in listing.entries if one.id in listing.marked] or list(listing.entries)
        what = f"{len(entries):,} entr{'y' if len(entries) == 1 else 'ies'}"
        formats = {".jsonl": lambda: self._as_jsonl(entries), ".md": lambda: self._as_markdown(entries)}
        export(self.app, what, time.strftime("history-%Y%m%d-%H%M%S.jsonl"), formats)

    def _as_jsonl(self, entries: Sequence[Entry]) -> bytes:
        return b"".join(encode_line(self._record(entry)) for entry in entries)

    def _as_markdown(self, entries: Sequence[Entry]) -> bytes:
        return "\n".join(history_text.as_markdown(self._record(entry)) for entry in entries).encode("utf-8", "replace")

    # --- keys ---

    def action_mark(self) -> None:
        self.listing.action_mark()
        self._say()

    def action_filter(self) -> None:
        field = self.query_one("#history-filter", Line)
        field.display = True
        field.focus()

    @on(Input.Submitted, "#history-filter")
    def _to_the_list(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_first()

    @property
    def inside(self) -> bool:
        return bool(self._filter) or self.query_one("#history-filter").has_focus

    def leave(self) -> None:
        """Take the filter away."""
        field = self.query_one("#history-filter", Line)
        field.value = ""
        field.display = False
        self.focus_first()

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        if action in ("again", "copy", "copy_command", "delete", "export", "mark"):
            return self.is_mounted and self.listing.selected is not None
        return True


def _in_full(record: Record, *, ascii_only: bool) -> Content:
    """All of an entry, for the screen."""
    lines: list[Content] = []
    for number, part in enumerate(history_text.parts(record)):
        if number == _MOST_PARTS:
            lines += [Content(""), Content.styled("and more: y copies all of it, x writes it to a file", "$text-muted")]
            break
        lines += [Content("")] if lines else []
        lines.append(Content.styled(clean_line(part.title, ascii_only=ascii_only), "bold $text-accent"))
        width = max((len(name) for name, _ in part.facts), default=0)
        for name, value in part.facts:
            shown = clean_line(value[:_MOST_SHOWN], ascii_only=ascii_only)
            lines.append(Content.assemble((f"{clean_line(name):<{width}}  ", "$text-muted"), shown))
        if part.text is not None:
            shown = clean(part.text[:_MOST_SHOWN], ascii_only=ascii_only)
            cut = f"\n... {len(part.text) - _MOST_SHOWN:,} characters more" if len(part.text) > _MOST_SHOWN else ""
            lines.append(Content.assemble(shown or ("(empty)", "$text-muted"), (cut, "$text-muted")))
    return Content("\n").join(lines)
