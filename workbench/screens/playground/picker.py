"""The dialog that chooses who writes: runs and their checkpoints on disk, or a path."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from craft.analysis.numbers import format_age, format_bytes, format_loss
from craft.runs.checkpoints import best_steps, list_checkpoints
from craft.text import clean_line, fit
from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.paths import is_there, typed_path
from workbench.screens.playground.sources import LETTERS, Source
from workbench.widgets.choices import Choices
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder
    from craft.runs.store import RunSummary

_MOST = 500  # runs that are listed at once; typing finds the others
_QUIET = "$foreground 55%"
_BOX = 5  # columns, with that of the cursor


@dataclass(frozen=True)
class _Row:
    """One that can be chosen, and a few words on it."""

    source: Source
    name: str
    about: str


class _Listed(Message):
    """The checkpoints of a run were looked at."""

    def __init__(self, run: str, rows: list[_Row]) -> None:
        super().__init__()
        self.run, self.rows = run, rows


class Boxes(Choices):
    """A list whose lines begin with a box: a click on it marks the line."""

    class Ticked(Message):
        """The box of the highlighted line was clicked."""

    def on_click(self, event: events.Click) -> None:
        place = event.style.meta.get("option")
        if place is not None and event.x < _BOX:
            event.prevent_default()
            self.highlighted = place
            self.post_message(self.Ticked())


class SourcePicker(Dialog[list[Source] | None]):
    """Gives the sources in the order in which they were marked; the one under the cursor where none was."""

    BINDINGS = bindings_of("pick sources")

    def __init__(self, runs: list[RunSummary], chosen: list[Source]) -> None:
        super().__init__()
        self._runs = sorted(runs, key=lambda run: (not run.observed.is_live, -run.created))
        self._chosen = list(chosen) if len(chosen) > 1 else []
        self._at = chosen[0].run if chosen else ""
        self._shown: list[RunSummary] = []
        self._rows: list[_Row] = []
        self._rows_of = self._listed = ""
        """The run whose checkpoints are wanted, and the one whose rows are there."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="picker"):
            yield Static(Content.styled("Who writes?", "bold"))
            yield Line(placeholder="find a run, or type a path: a folder or file of weights", compact=True, id="find")
            with Horizontal(id="picker-lists"):
                yield Boxes(id="picker-runs", compact=True)
                yield Boxes(id="picker-steps", compact=True)
            yield Static(id="picker-chosen")
            yield Answers()

    def on_mount(self) -> None:
        self._find("")
        places = [number for number, run in enumerate(self._shown) if run.name == self._at]
        if places:
            self._list_of_runs.highlighted = places[0]
        (self._list_of_runs if self._shown else self.query_one("#find")).focus()
        self._say()

    @property
    def _list_of_runs(self) -> Choices:
        return self.query_one("#picker-runs", Choices)

    @property
    def _list_of_steps(self) -> OptionList:
        return self.query_one("#picker-steps", OptionList)

    # --- runs ---

    def _find(self, words: str) -> None:
        wanted = words.lower().split()
        found = [run for run in self._runs if all(word in f"{run.name} {run.phase}".lower() for word in wanted)]
        self._shown = found[:_MOST]
        self._draw_runs()
        if self._shown:
            self._list_of_runs.highlighted = 0
        else:
            self._rows = []
            self._list_of_steps.clear_options()
            if wanted and self._path is None:
                self._list_of_runs.say_nothing_matches(words, ascii_only=self._ascii)
        self._say()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_runs)

    def _draw_runs(self) -> None:
        runs = self._list_of_runs
        at, room = runs.highlighted, runs.scrollable_content_region.width - 1
        figures = [_figures(run) for run in self._shown]
        if room < 14 + max(map(len, figures), default=0):
            figures = [_figures(run, with_step=False) for run in self._shown]
        name = max(8, min(26, room - 5 - max(map(len, figures), default=0)))  # figures are never cut
        with runs.prevent(OptionList.OptionHighlighted):
            runs.clear_options()
            runs.add_options(
                Option(
                    Content.assemble(
                        (f"[{self._mark_of(run)}] ", _QUIET),
                        fit(run.name, name, ascii_only=self._ascii),
                        (f" {words}", "$text-success" if run.observed.is_live else _QUIET),
                    )
                )
                for run, words in zip(self._shown, figures, strict=True)
            )
            runs.highlighted = at

    @on(OptionList.OptionHighlighted, "#picker-runs")
    def _look_into(self) -> None:
        run = self._run
        if run is not None and run.name != self._rows_of:
            self._rows_of = run.name
            self._list_checkpoints(run.folder, run.observed.is_live)

    @property
    def _run(self) -> RunSummary | None:
        place = self._list_of_runs.highlighted
        return self._shown[place] if place is not None and place < len(self._shown) else None

    # --- their checkpoints ---

    @work(thread=True, group="checkpoints", exclusive=True, exit_on_error=False)
    def _list_checkpoints(self, folder: RunFolder, live: bool) -> None:
        rows = _rows_of(folder, live)
        if not get_current_worker().is_cancelled:
            self.post_message(_Listed(folder.name, rows))

    @on(_Listed)
    def _take_rows(self, message: _Listed) -> None:
        if message.run == self._rows_of:
            self._rows, self._listed = message.rows, message.run
            self._list_rows()

    def _list_rows(self, at: int = 0) -> None:
        steps = self._list_of_steps
        steps.clear_options()
        for row in self._rows:
            mark = self._mark(row.source)
            steps.add_option(
                Option(Content.assemble((f"[{mark}]", "bold $text-accent"), f" {row.name}", (f"  {row.about}", _QUIET)))
            )
        if self._rows:
            steps.highlighted = min(at, len(self._rows) - 1)
        else:
            steps.add_option(Option(Content("no checkpoint yet"), disabled=True))

    def _mark_of(self, run: RunSummary) -> str:
        return next((letter for letter, one in zip(LETTERS, self._chosen, strict=False) if one.run == run.name), " ")

    def _mark(self, source: Source) -> str:
        return LETTERS[self._chosen.index(source)] if source in self._chosen else " "

    # --- choosing ---

    @property
    def _here(self) -> Source | None:
        """What is under the cursor: a typed path, a checkpoint, or a run's newest one."""
        typed = self._path
        if typed is not None and (self.focused is self.query_one("#find") or not self._shown):
            return typed
        if self._run is None:
            return None
        place = self._list_of_steps.highlighted
        if self.focused is self._list_of_steps:
            if self._listed != self._run.name:  # they are being looked at, and another run's may still be shown
                return None
            if place is not None and place < len(self._rows):
                return self._rows[place].source
        return Source(run=self._run.name)

    @property
    def _path(self) -> Source | None:
        """What is typed, where it is a path."""
        text = self.query_one("#find", Input).value.strip()
        looks_so = "/" in text or text.startswith(("~", "."))
        return Source(path=text) if text and (looks_so or not self._shown) else None

    def _say(self) -> None:
        typed = self._path
        if self._chosen:
            names = "  ".join(f"{letter} {source.label}" for letter, source in zip(LETTERS, self._chosen, strict=False))
            taken = "side by side" if self._is_marked_here(self._here) else "marked; enter takes the one here instead"
            line = Content.assemble((f"{taken}: ", _QUIET), clean_line(names, ascii_only=self._ascii))
        elif typed is not None:
            there = is_there(typed_path(typed.path))
            words = "enter takes this path" if there else "there is no such file or folder"
            line = Content.styled(words, "$text-success" if there else "$text-error")
        elif not self._runs:
            line = Content("no run yet: type a path, or start an experiment first (1)")
        else:
            line = Content.styled("enter takes it; space marks several, to write side by side", _QUIET)
        self.query_one("#picker-chosen", Static).update(line)

    @on(Input.Changed, "#find")
    def _typed(self, event: Input.Changed) -> None:
        path = self._path
        self._find("" if path is not None and "/" in path.path else event.value)

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        self._say()

    @on(Boxes.Ticked)
    def action_mark(self) -> None:
        source = self._here
        if source is None:
            return
        if source in self._chosen:
            self._chosen.remove(source)
        elif len(self._chosen) < len(LETTERS):
            self._chosen.append(source)
        self._draw_runs()
        self._list_rows(self._list_of_steps.highlighted or 0)
        self._say()

    def action_accept(self) -> None:
        source = self._here
        if self._is_marked_here(source):
            self.dismiss(self._chosen)
        elif source is not None:
            self.dismiss([source])

    def _is_marked_here(self, source: Source | None) -> bool:
        """Whether those that are marked are meant: the cursor is on one of them, on the run of one, or on nothing."""
        if source is None or source in self._chosen:
            return bool(self._chosen)
        return self.focused is self._list_of_runs and any(one.run == source.run for one in self._chosen)

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _accept(self, event: Message) -> None:
        event.stop()
        self.action_accept()

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_steps(self) -> None:
        if self._rows or (self._run is not None and self._listed != self._run.name):
            self._list_of_steps.focus()

    def action_runs(self) -> None:
        self._list_of_runs.focus()

    def action_find(self) -> None:
        self.query_one("#find").focus()

    def action_cursor_down(self) -> None:
        where = self._list_of_steps if self.focused is self._list_of_steps else self._list_of_runs
        where.focus()
        where.action_cursor_down()

    def action_cursor_up(self) -> None:
        where = self._list_of_steps if self.focused is self._list_of_steps else self._list_of_runs
        where.focus()
        where.action_cursor_up()

    @property
    def _ascii(self) -> bool:
        return self.app.ascii_only


def _figures(run: RunSummary, *, with_step: bool = True) -> str:
    loss = run.status.best if isinstance(run.status.best, float) else None
    step = f"  step {run.step}" if with_step else ""
    return clean_line(f"{run.phase}{step}" + (f"  best {format_loss(loss)}" if loss is not None else ""))


def _rows_of(folder: RunFolder, live: bool) -> list[_Row]:
    """What can be asked of a run: its newest and best checkpoint, whatever they are then, and each by its step."""
    found = list_checkpoints(folder)
    name = folder.name
    best = next(iter(best_steps(folder)), None)
    rows = []
    if live:
        rows.append(_Row(Source(name, save_first=True), "now", "it saves first, which costs the run a moment"))
    if found:
        newest = f"step {found[-1].step}" + (", or newer when asked" if live else "")
        rows.append(_Row(Source(name, "latest"), "latest", newest))
    if best is not None:
        rows.append(_Row(Source(name, "best"), "best", f"step {best}" + (", or better when asked" if live else "")))
    for one in reversed(found):
        marks = [word for word, is_so in (("latest", one is found[-1]), ("best", one.step == best)) if is_so]
        try:
            age = format_age(time.time() - one.path.stat().st_mtime)
            size = sum(file.stat().st_size for file in one.path.iterdir())
        except OSError:
            continue  # tidied up meanwhile
        about = "  ".join([f"{age} ago", format_bytes(size), *marks])
        rows.append(_Row(Source(name, str(one.step)), f"step {one.step}", about))
    return rows
