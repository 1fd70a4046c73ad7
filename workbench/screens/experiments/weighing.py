"""From the text to figures: inspected on every keystroke, weighed in threads, the newest answer wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work
from textual.timer import Timer
from textual.worker import get_current_worker

from workbench.screens.experiments.costs_view import CostsPanel, CostsStrip
from workbench.screens.experiments.measuring import Measuring
from workbench.screens.experiments.messages import BriefsRead, TextInspected, TextWeighed
from workbench.screens.experiments.rows import Row, rows_of

if TYPE_CHECKING:
    from craft.config.experiments import Inspection

_SETTLE = 0.1
"""Seconds after a keystroke until the text is inspected; another keystroke begins them anew."""
_QUIET = 1.5
"""Seconds without a keystroke until a process is started that imports a person's code, or builds a model."""
_AGAIN = 5.0
"""Seconds until the memory that is free is looked at again."""


class Weighing(Measuring):
    """Workers inspect and weigh the text and post what they found; the handlers are the only ones to touch widgets."""

    def __init__(self) -> None:
        super().__init__()
        self._version = -1  # of the text that `inspection` is about
        self._settling: Timer | None = None
        self._quiet: dict[str, Timer] = {}
        self._busy = False  # with a process that imports code or builds a model

    def on_mount(self) -> None:
        self.set_interval(_AGAIN, self._look_at_memory)

    def on_unmount(self) -> None:
        if self._reader is not None:
            self._reader.end()

    # --- the text ---

    def inspect_soon(self, after: float = _SETTLE) -> None:
        """Look at the text as soon as typing rests."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(max(after, 0.001), self._inspect_now)

    def weigh_again(self) -> None:
        self.inspect_soon(0.0)

    def _inspect_now(self) -> None:
        if self.panel is not None:
            buffer = self.panel.buffer
            self._inspect(buffer.to_check, buffer.text, buffer.version)

    @work(thread=True, group="inspect", description="inspect", exclusive=True, exit_on_error=False)
    def _inspect(self, to_check: str | None, text: str, version: int) -> None:
        worker = get_current_worker()
        inspection = self.reader.inspect(to_check)
        known, unknown = self.reader.known_own(inspection)
        unchecked = self.reader.unchecked(inspection)
        if not worker.is_cancelled:
            self.post_message(TextInspected(inspection, text, version, unchecked, known, unknown))

    @on(TextInspected)
    def _take_inspection(self, message: TextInspected) -> None:
        self.inspection, self._version = message.inspection, message.version
        if message.inspection.file is not None or self.sound is None:
            self.sound = message.inspection
        if self.panel is not None and self.panel.buffer.version == message.version:
            self.panel.show_inspection(message.inspection, message.version, message.known)
        main, before = str(self.app.project.file), self.listing.all_rows
        self.listing.show(rows_of(message.inspection, before, main=main, unchecked=message.unchecked))
        self.show_empty()
        self.show_above()
        self.show_title()
        self.refresh_bindings()
        self.weigh_chosen()
        self._read_briefs(message.inspection)
        names = self.reader.worth_checking(message.inspection, message.unchecked)
        if names or message.unknown:
            self._when_quiet(
                "check", lambda: self._check_code(message.inspection, message.text, names, message.unknown)
            )

    def show_empty(self) -> None:
        """Say what to press where there is no experiment."""
        raise NotImplementedError

    def show_above(self) -> None:
        """Say above the list what holds for all of it."""
        raise NotImplementedError

    # --- the chosen one ---

    def weigh_chosen(self) -> None:
        """Find out what the chosen one costs."""
        row = self.listing.selected
        if row is not None and self.sound is not None and self.panel is not None:
            self._weigh(self.sound, self.panel.buffer.saved_text, row, self._version)

    def _look_at_memory(self) -> None:
        """What is free changes while nobody types."""
        if self.app.screen is self:
            self.weigh_chosen()

    @work(thread=True, group="weigh", description="weigh", exclusive=True, exit_on_error=False)
    def _weigh(self, inspection: Inspection, saved: str, row: Row, version: int) -> None:
        worker = get_current_worker()
        weighed = self.reader.weigh(inspection, saved, row.name, row.kind, version)
        if not worker.is_cancelled:
            self.post_message(TextWeighed(weighed))

    @on(TextWeighed)
    def _take_weighed(self, message: TextWeighed) -> None:
        row, weighed = self.listing.selected, message.weighed
        if row is None or (row.name, row.kind) != (weighed.name, weighed.kind):
            return
        if weighed.needs_measuring and self._busy:
            weighed = replace(weighed, note="a process builds the model to find out its size ...")
        self.weighed = weighed
        self.show_costs()
        if weighed.needs_measuring and self.sound is not None:
            inspection = self.sound
            self._when_quiet("build", lambda: self._build_model(inspection, weighed.name))

    def show_costs(self) -> None:
        for view in (self.query_one(CostsPanel), self.query_one(CostsStrip)):
            view.show(self.weighed, self.progress, self.dry_run_fault)

    # --- all of them ---

    @work(thread=True, group="briefs", description="read briefs", exclusive=True, exit_on_error=False)
    def _read_briefs(self, inspection: Inspection) -> None:
        worker = get_current_worker()
        found = dict(self.reader.briefs(inspection, lambda: not worker.is_cancelled))
        if not worker.is_cancelled:
            self.post_message(BriefsRead(found))

    @on(BriefsRead)
    def _take_briefs(self, message: BriefsRead) -> None:
        def with_brief(row: Row) -> Row:
            known = row.kind == "experiment" and row.name in message.briefs
            return replace(row, brief=message.briefs[row.name]) if known else row

        self.listing.show([with_brief(row) for row in self.listing.all_rows])

    # --- what takes a process, once nobody typed for a while; one at a time ---

    def _when_quiet(self, what: str, do: Callable[[], object]) -> None:
        """Start one kind of process once nobody types; while another is at work it is asked for again at its end."""

        def begin() -> None:
            if not self._busy:
                self._busy = True
                do()

        if what in self._quiet:
            self._quiet.pop(what).stop()
        if not self._busy:
            self._quiet[what] = self.set_timer(_QUIET, begin)

    @work(thread=True, group="own code", description="check code", exit_on_error=False)
    def _check_code(self, inspection: Inspection, text: str, names: frozenset[str], unknown: frozenset[str]) -> None:
        try:
            for module in sorted({name.partition(":")[0] for name in unknown}):  # one may hang: the others do not wait
                self.reader.describe(name for name in unknown if name.partition(":")[0] == module)
                self.app.call_from_thread(self.weigh_again)
            if names:
                self.reader.check_code(inspection, text, names)
        finally:
            self._busy = False
            self.app.call_from_thread(self.weigh_again)

    @work(thread=True, group="own code", description="build model", exit_on_error=False)
    def _build_model(self, inspection: Inspection, name: str) -> None:
        try:
            self.app.call_from_thread(self.weigh_chosen)  # says that it is being built
            self.reader.build(inspection, name)
        finally:
            self._busy = False
            self.app.call_from_thread(self.weigh_again)
