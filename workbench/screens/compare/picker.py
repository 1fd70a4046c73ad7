"""All runs, to mark those that are compared; the runs of a sweep stand below its name, and are marked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from craft.analysis.numbers import fit_figure, format_loss
from craft.runs.json_files import is_number
from craft.text import fit, width_of
from workbench.actions import bindings_of
from workbench.screens.runs.columns import phase_word
from workbench.screens.runs.rows import TONES, phase_text
from workbench.widgets.cursor_sign import cursor_sign, with_margin
from workbench.widgets.row_cursor import RowCursor

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

_MARGIN = 1  # columns of the cursor's sign
_MARK = 4  # columns of "[x] "
_LOSS, _PHASE, _REFERENCE = 7, 13, 4


@dataclass(frozen=True)
class Item:
    """A line: one run, or a sweep with its runs."""

    runs: tuple[RunSummary, ...]
    group: str = ""
    """The sweep's name; empty for a run."""
    inside: bool = False
    """Whether the run stands below its sweep."""

    @property
    def name(self) -> str:
        """The sweep's or the run's."""
        return self.group or self.runs[0].name

    @property
    def key(self) -> tuple[str, str]:
        """What it is, whatever became of it."""
        return self.group, self.name

    def names(self) -> list[str]:
        """The runs that a mark takes, those of a sweep in the order they were made."""
        return [run.name for run in sorted(self.runs, key=lambda run: (run.created, run.name))]


def items_of(runs: Sequence[RunSummary], closed: set[str]) -> list[Item]:
    """Runs as lines, those of a sweep together at the place of its first; not those of sweeps that are closed."""
    groups: dict[str, list[RunSummary]] = {}
    for run in runs:
        if run.group:
            groups.setdefault(run.group, []).append(run)
    items: list[Item] = []
    for run in runs:
        if not run.group or len(groups[run.group]) < 2:
            items.append(Item((run,)))
        elif groups[run.group][0] is run:
            members = groups[run.group]
            items.append(Item(tuple(members), run.group))
            if run.group not in closed:
                items += [Item((one,), inside=True) for one in members]
    return items


class Picker(RowCursor, can_focus=True):
    """Drawn line by line: ten thousand runs cost no more than those in view."""

    PAGE_KEEPS = 1
    BINDINGS = bindings_of("compare picker")
    COMPONENT_CLASSES = {
        f"pick--{look}" for look in ("cursor", "plain", "quiet", "live", "good", "warn", "bad", "marked", "group")
    }

    cursor: reactive[int] = reactive(0)

    class Marked(Message):
        """Runs are to be compared, or no longer."""

        def __init__(self, names: list[str], on: bool) -> None:
            super().__init__()
            self.names, self.on = names, on

    class Reference(Message):
        """The others are to be measured against this run."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Pressed(Message):
        """The sign of a run's curve was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Moved(Message):
        """The cursor is on another line."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.runs: Sequence[RunSummary] = ()
        self.items: list[Item] = []
        self.without: tuple[str, ...] = ()
        """What is said where there are no lines."""
        self.marked: list[str] = []
        self._marked: frozenset[str] = frozenset()
        self.closed: set[str] = set()
        self.hidden: frozenset[str] = frozenset()
        """Those whose curves are hidden."""
        self.looks: dict[str, tuple[str, Style]] = {}
        """Run -> the mark and the look of its curve."""
        self._lines: list[object] = []

    @property
    def selected(self) -> Item | None:
        """What is under the cursor."""
        return self.items[self.cursor] if self.cursor < len(self.items) else None

    def say_without(self, words: tuple[str, ...]) -> None:
        """What to do where there is nothing to list."""
        if words != self.without:
            self.without = words
            self.refresh()

    def show(
        self,
        runs: Sequence[RunSummary],
        marked: list[str],
        looks: dict[str, tuple[str, Style]],
        hidden: frozenset[str],
    ) -> None:
        """Show `runs`; the cursor stays on its line when the list changes around it."""
        if runs is self.runs and (marked, looks, hidden) == (self.marked, self.looks, self.hidden):
            return
        before = self.selected
        self.runs, self.marked, self.looks, self.hidden = runs, marked, looks, hidden
        self._marked = frozenset(marked)
        self.items = items_of(runs, self.closed)
        if before is not None:
            here = (place for place, item in enumerate(self.items) if item.key == before.key)
            self.cursor = next(here, min(self.cursor, max(len(self.items) - 1, 0)))
        size = Size(0, len(self.items))
        if size != self.virtual_size:
            self.virtual_size = size
        lines = [self._line_key(place) for place in self._in_view()]
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def _in_view(self) -> range:
        top = self.scroll_offset.y
        return range(top, min(top + self.size.height, len(self.items)))

    def _line_key(self, place: int) -> object:
        item = self.items[place]
        return item.name, [(run.phase, run.val_loss, run.fault) for run in item.runs], self._state(item), place

    def _state(self, item: Item) -> tuple[str, str, tuple[str, Style] | None]:
        marked = sum(run.name in self._marked for run in item.runs)
        mark = "[ ]" if not marked else "[x]" if marked == len(item.runs) else "[-]"
        reference = "ref" if self.marked and not item.group and item.name == self.marked[0] else ""
        if marked and all(run.name in self.hidden for run in item.runs if run.name in self._marked):
            reference = "hid"  # also of the reference, which the figures name
        return mark, reference, self.looks.get(item.name)

    # --- drawing ---

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width - _MARGIN
        place = self.scroll_offset.y + y
        if place >= len(self.items):
            words = self.without[y] if not self.items and y < len(self.without) else ""
            said = Segment(f"  {fit(words, max(width - 1, 0), ascii_only=self.ascii_only)}", self._look("quiet"))
            return Strip([said]).adjust_cell_length(width + _MARGIN, self.rich_style)
        item = self.items[place]
        at_cursor = place == self.cursor
        under = self.get_component_rich_style("pick--cursor", partial=True) if at_cursor else Style()
        segments = [Segment(text, look + under) for text, look in self._cells(item, width)]
        line = Strip(segments).adjust_cell_length(width, self.rich_style + under)
        # Only where keys arrive: they mean what is under the cursor of the list or table that has the focus.
        sign = cursor_sign(ascii_only=self.ascii_only) if at_cursor and self.has_focus else " "
        return with_margin(line, sign, self._look("marked") + under)

    def _cells(self, item: Item, width: int) -> list[tuple[str, Style]]:
        mark, reference, look = self._state(item)
        head = (f"{mark} ", self._look("quiet" if mark == "[ ]" else "marked"))
        if item.group:
            return [head, *self._group_cells(item, width - _MARK, reference)]
        sign, style = look or (" ", self._look("plain"))
        indent = "  " if item.inside else ""
        room = width - _MARK - len(indent) - 2
        run = item.runs[0]
        tail: list[tuple[str, Style]] = []
        if room > 16 + _LOSS:
            loss = run.val_loss if is_number(run.val_loss) else None
            tail.append((fit(fit_figure(format_loss(loss), _LOSS), _LOSS, align="right"), self._look("plain")))
        if room > 20 + _LOSS + _PHASE:
            phase = fit(f"  {phase_text(run, self.ascii_only)}", _PHASE + 2, ascii_only=self.ascii_only)
            tail.append((phase, self._look(TONES.get(phase_word(run), "warn"))))
        if reference or room > 24:
            tail.append((f" {reference:<3}", self._look("good")))
        room -= sum(width_of(text) for text, _ in tail)
        name = fit(run.name, max(room, 1), ascii_only=self.ascii_only)
        return [head, (f"{indent}{sign} ", style), (name, self._look("plain")), *tail]

    def _group_cells(self, item: Item, width: int, reference: str) -> list[tuple[str, Style]]:
        is_open = item.group not in self.closed
        sign = ("v" if is_open else ">") if self.ascii_only else ("\u25be" if is_open else "\u25b8")
        tail = f" {len(item.runs)} runs{reference and f' {reference}'}" if width > 24 else ""
        name = fit(item.group, max(width - 2 - len(tail), 1), ascii_only=self.ascii_only)
        return [(f"{sign} ", self._look("quiet")), (name, self._look("group")), (tail, self._look("quiet"))]

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"pick--{name}")

    # --- the cursor ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.items) - 1))

    def watch_cursor(self, cursor: int) -> None:
        rows, top = self.size.height, self.scroll_offset.y
        if rows > 0 and not top <= cursor < top + rows:
            self.scroll_to(y=cursor if cursor < top else cursor - rows + 1, animate=False)
        self.refresh()
        self.screen.refresh_bindings()
        self.post_message(self.Moved())

    def action_fold(self) -> None:
        item = self.selected
        group = (item.group or item.runs[0].group or "") if item and (item.group or item.inside) else ""
        if group:
            self.closed ^= {group}
            self.show(list(self.runs), self.marked, self.looks, self.hidden)
            self.cursor = next(place for place, one in enumerate(self.items) if one.group == group)
            self.refresh(layout=True)

    def action_mark(self) -> None:
        item = self.selected
        if item:
            self._mark(item)
            if not item.group:
                self.cursor += 1

    def _mark(self, item: Item) -> None:
        names = item.names()
        self.post_message(self.Marked(names, not all(name in self._marked for name in names)))

    def on_click(self, event: events.Click) -> None:
        place = self.scroll_offset.y + event.y
        if place >= len(self.items):
            return
        self.cursor = place
        item = self.items[place]
        at = event.x - self.gutter.left - _MARGIN
        if at < _MARK:
            self._mark(item)
        elif not item.group and item.name in self.looks and at < _MARK + 2 * item.inside + 2:
            self.post_message(self.Pressed(item.name))
        elif at >= self.scrollable_content_region.width - _MARGIN - _REFERENCE and item.name in self._marked:
            self.post_message(self.Reference(item.name))
        elif item.group and at < _MARK + 2:
            self.action_fold()
        elif event.chain == 2:
            self._mark(item)
