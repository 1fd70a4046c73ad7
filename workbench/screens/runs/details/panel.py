"""One run in tabs: charts, samples, log, events, system, definition, and what else is known of it.

The runs screen tells `show` every news about the selected run. A tab is made when it is first seen, and reads only
while it is seen: of a live run with every look of the app, in the same thread.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.screens.runs.details.strip import TabStrip
from workbench.screens.runs.details.tab import DetailTab, descendant_has_focus
from workbench.screens.runs.rows import TONES, phase_text, phase_word

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.bench import Bench
    from workbench.screens.runs.details.tab import Look

TABS = {
    "charts": ("C", "charts", "ChartsTab"),
    "samples": ("M", "samples", "SamplesTab"),
    "log": ("W", "log", "LogTab"),
    "events": ("E", "events", "EventsTab"),
    "system": ("U", "system", "SystemTab"),
    "definition": ("D", "definition", "DefinitionTab"),
    "about": ("A", "about", "AboutTab"),
}
"""Name -> its key, and the module here and its class, imported when the tab is first seen."""
_KEPT = "runs.tab"


class RunDetails(Container):
    """The details of the selected run."""

    app: Bench
    BINDINGS = bindings_of("run details")

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.run: RunSummary | None = None
        self.tab_name = ""
        self._tabs: dict[str, DetailTab] = {}

    def compose(self) -> ComposeResult:
        yield TabStrip([(name, key) for name, (key, _, _) in TABS.items()], ascii_only=self.ascii_only)
        yield Container(Static(Content("no run selected"), id="no-run"), id="tab-body")

    def on_mount(self) -> None:
        known = self.app.session.get(_KEPT, "charts")
        self.tab_name = known if known in TABS else "charts"
        self.query_one(TabStrip).here = self.tab_name

    # --- news ---

    def show(self, run: RunSummary | None) -> None:
        """News about the selected run; the same news again cost next to nothing."""
        self.run = run
        if not self.is_mounted:
            return
        self.set_class(run is not None, "-run")
        if run is None:
            self.query_one(TabStrip).say("", "quiet")
            for tab in self._tabs.values():
                tab.display = False  # what it shows is of a run that is not here any more
            return
        word = phase_word(run)
        words = f"{clean_line(run.name, ascii_only=self.ascii_only)}  {phase_text(run, self.ascii_only)}"
        self.query_one(TabStrip).say(words, TONES.get(word, "warn"))
        self._tab().show(run)

    def reading(self) -> Look | None:
        """What a look of the app reads along; None while nothing of it is seen, or can have changed."""
        tab = self._tabs.get(self.tab_name)
        if self.run is None or tab is None or not tab.is_due or not self.is_seen:
            return None
        if tab.ALONE:
            tab.look()
            return None
        return tab.begin_look()

    @property
    def is_seen(self) -> bool:
        """Whether any of it is on the terminal now: another screen, or another pane that is zoomed, hides it."""
        if self.app.screen_stack[0] is not self.screen:
            return False
        zoomed = self.screen.maximized
        return self.is_on_screen if zoomed is None else self in zoomed.ancestors_with_self

    # --- tabs ---

    def _tab(self) -> DetailTab:
        """The tab that is seen, made when it is asked for the first time."""
        tab = self._tabs.get(self.tab_name)
        if tab is None:
            _, module, cls = TABS[self.tab_name]
            made = getattr(importlib.import_module(f"workbench.screens.runs.details.{module}"), cls)
            tab = self._tabs[self.tab_name] = made(ascii_only=self.ascii_only, id=f"tab-{self.tab_name}")
            assert isinstance(tab, DetailTab)
            self.query_one("#tab-body").mount(tab)
        for name, other in self._tabs.items():
            other.display = name == self.tab_name
        return tab

    def choose(self, name: str) -> None:
        """Go to a tab; the keyboard goes with it when it was in the one before."""
        if name == self.tab_name:
            return
        inside = descendant_has_focus(self)
        self.tab_name = name
        self.query_one(TabStrip).here = name
        self.app.session.set(_KEPT, name)
        if self.run is None:
            return
        tab = self._tab()
        tab.show(self.run)
        if inside:
            self.call_after_refresh(tab.take_focus)

    def take_focus(self) -> None:
        """Put the keyboard into the tab that is seen."""
        if self.run is not None:
            self._tab().take_focus()

    @on(TabStrip.Chosen)
    def _chosen(self, message: TabStrip.Chosen) -> None:
        message.stop()
        self.choose(message.name)

    def action_show_tab(self, name: str) -> None:
        self.choose(name)

    def action_next_tab(self) -> None:
        self._step(1)

    def action_previous_tab(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        names = list(TABS)
        self.choose(names[(names.index(self.tab_name) + by) % len(names)])
