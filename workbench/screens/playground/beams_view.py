"""The tree of a beam search on the screen: drawn line by line, walked over by keys and mouse, folded where it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events, work
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.worker import get_current_worker

from craft.text import fit
from workbench.actions import bindings_of
from workbench.screens.playground.beams_tree import Drawing, Node, Row, SearchTree, drawing, what_became

if TYPE_CHECKING:
    from workbench.bench import Bench

GUTTER = 12
"""Columns at the left that stay: what became of a row, and its score."""
_RAILS = ("\u2502", "\u2514", "\u251c", "\u2503", "\u2517", "\u2523")
_ASCII_RAILS = ("|", "`", "+", "#", "#", "#")


class TreeView(ScrollView, can_focus=True):
    """A `SearchTree` with a cursor on one of its tokens; the way to it from the prompt stands out."""

    app: Bench
    BINDINGS = bindings_of("beams tree")
    COMPONENT_CLASSES = {f"tree--{look}" for look in ("plain", "rail", "path", "cursor", "good", "quiet", "fold")}

    class Pointed(Message):
        """The cursor is on another token, or the token has become another; None where there is none."""

        def __init__(self, node: Node | None) -> None:
            super().__init__()
            self.node = node

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.search = SearchTree()
        self.made = Drawing()
        self.at: int | None = None
        """The node under the cursor."""
        self.follows = True
        """Whether the cursor goes with the best text, as it does until a person moves it."""
        self.looked_at = False
        """Whether also what the search never went on from is shown."""
        self._folded: set[int] = set()
        self._opened: set[int] = set()
        self._path: set[int] = set()
        self._path_rails: dict[int, set[int]] = {}
        self._drawing = self._again = False

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal shows nothing else."""
        return self.app.ascii_only

    # --- what is shown ---

    def show(self, tree: SearchTree) -> None:
        """Another tree, from its beginning."""
        self.search, self.at, self.follows = tree, None, True
        self._folded.clear()
        self._opened.clear()
        self.made = Drawing()
        self.scroll_to(0, 0, animate=False)
        self.redraw()

    def redraw(self) -> None:
        """The tree has grown, or shall be drawn in another way: once more after the drawing that is being made."""
        if self._drawing:
            self._again = True
            return
        self._drawing, self._again = True, False
        nodes = list(self.search.nodes.values())
        self._draw(self.search, nodes, frozenset(self._folded), frozenset(self._opened), self.looked_at)

    @work(thread=True, group="beams tree", description="draw", exit_on_error=False)
    def _draw(
        self, tree: SearchTree, nodes: list[Node], folded: frozenset[int], opened: frozenset[int], looked_at: bool
    ) -> None:
        worker = get_current_worker()
        made = None
        try:
            made = drawing(
                nodes,
                folded=folded,
                opened=opened,
                looked_at=looked_at,
                ascii_only=self.ascii_only,
                is_stale=lambda: worker.is_cancelled,
            )
        finally:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._take, tree, made)

    def _take(self, tree: SearchTree, made: Drawing | None) -> None:
        self._drawing = False
        if self._again:
            self.redraw()
        if made is None or tree is not self.search:
            return
        self.made = made
        self.virtual_size = Size(GUTTER + made.width + 14, len(made.rows))
        if self.follows and made.rows:
            self.at = made.rows[0].end
        self._reach(self.at)
        self.refresh()

    def _reach(self, node: int | None) -> None:
        """Put the cursor on a node, or on the nearest before it that is drawn."""
        while node is not None and node not in self.made.places:
            one = self.search.nodes.get(node)
            node = one.parent if one is not None else None
        if node is None and self.made.rows:
            node = self.made.rows[0].nodes[0]
        self.at = node
        self._path = {one.id for one in self.search.path(node)}
        self._path_rails = self.made.rails_of(self._path)
        self._bring_into_view()
        self.post_message(self.Pointed(self.search.nodes.get(node) if node is not None else None))
        self.refresh()

    def point(self, node: int | None) -> None:
        """Put the cursor on a node by hand; rows that hide it are opened."""
        self.follows = False
        hidden = node is not None and node not in self.made.places
        self.at = node
        if hidden:
            self._opened |= {one.id for one in self.search.path(node)}
            self._folded -= self._opened
            self.redraw()
        else:
            self._reach(node)

    def _bring_into_view(self) -> None:
        place = self.made.places.get(self.at) if self.at is not None else None
        if place is None:
            return
        number, token = place
        row = self.made.rows[number]
        begin, end = row.starts[token], row.starts[token + 1]
        # Where the row parts from the one above belongs to it.
        begin = min(begin, max(0, row.starts[0] - 2)) if end - row.starts[0] < self._room - 4 else begin
        x, y = self.scroll_offset
        if end + 2 > x + self._room:
            x = end + 2 - self._room
        if begin < x:
            x = begin
        height = self.scrollable_content_region.height
        if not y <= number < y + height:
            y = number if number < y else number - height + 1
        if (x, y) != tuple(self.scroll_offset):
            self.scroll_to(x, y, animate=False)

    @property
    def _room(self) -> int:
        """Columns beside the gutter."""
        return max(4, self.scrollable_content_region.width - GUTTER)

    # --- drawing ---

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        number = self.scroll_offset.y + y
        if number >= len(self.made.rows):
            return Strip.blank(width, self.rich_style)
        row = self.made.rows[number]
        shift = self.scroll_offset.x
        body = Strip(self._body(number, row)).crop_extend(shift, shift + width - GUTTER, self.rich_style)
        return Strip.join([Strip([self._gutter(row)]), body]).adjust_cell_length(width, self.rich_style)

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"tree--{name}")

    def _gutter(self, row: Row) -> Segment:
        """What became of the row's end, in the columns that do not scroll."""
        end = self.search.nodes.get(row.end)
        if end is None:
            return Segment(" " * GUTTER)
        if end.state == "finished":
            mark, look, figure = "*" if self.ascii_only else "\u2605", "good", f"{end.score or 0.0:.3f}"
        elif end.state == "given up":
            mark, look, figure = "x" if self.ascii_only else "\u00d7", "quiet", f"step {end.step}"
        else:
            mark, look, figure = ">" if self.ascii_only else "\u25b8", "plain", f"{end.total:.3f}"
        return Segment(fit(f"{mark} {figure:>8}", GUTTER, ascii_only=self.ascii_only), self._look(look))

    def _body(self, number: int, row: Row) -> list[Segment]:
        down, last, between, path_down, path_last, path_between = _ASCII_RAILS if self.ascii_only else _RAILS
        rail, path, own = self._look("rail"), self._look("path"), self._path_rails.get(number, set())
        segments: list[Segment] = []
        for column in range(row.starts[0]):
            is_own = column in own
            if column == row.joint:
                leads = row.nodes[0] in self._path
                char = (path_last if row.is_last else path_between) if leads else (last if row.is_last else between)
                char = path_between if is_own and not leads else char
                segments.append(Segment(char, path if leads or is_own else rail))
            elif column in row.rails:
                segments.append(Segment(path_down if is_own else down, path if is_own else rail))
            else:
                segments.append(Segment(" ", rail))
        focused = self.has_focus
        for node, text in zip(row.nodes, row.texts, strict=True):
            if node == self.at:
                style = self._look("cursor") if focused else path + Style(underline=True)
            elif node in self._path:
                style = path
            else:
                one = self.search.nodes[node]
                style = self._look("quiet" if one.state == "given up" else "plain")
            segments.append(Segment(text, style))
        if row.hidden:
            segments.append(Segment(f"  +{row.hidden} folded", self._look("fold")))
        return segments

    # --- the cursor ---

    def _row(self) -> tuple[int, int]:
        """Row of the cursor, and which of its tokens."""
        return self.made.places.get(self.at, (0, 0)) if self.at is not None else (0, 0)

    def _move_rows(self, by: int) -> None:
        if not self.made.rows:
            return
        number, token = self._row()
        column = self.made.rows[number].starts[token]
        self._point_at(max(0, min(number + by, len(self.made.rows) - 1)), column)

    def _point_at(self, number: int, column: int) -> None:
        """The token of a row at a column, or the nearest."""
        row = self.made.rows[number]
        token = next((place for place, start in enumerate(row.starts[1:]) if column < start), len(row.nodes) - 1)
        self.point(row.nodes[token])

    def action_cursor_down(self) -> None:
        self._move_rows(1)

    def action_cursor_up(self) -> None:
        self._move_rows(-1)

    def action_page_down(self) -> None:
        self._move_rows(max(1, self.size.height - 2))

    def action_page_up(self) -> None:
        self._move_rows(-max(1, self.size.height - 2))

    def action_first(self) -> None:
        self._move_rows(-len(self.made.rows))

    def action_last(self) -> None:
        self._move_rows(len(self.made.rows))

    def action_token_right(self) -> None:
        number, token = self._row()
        if self.made.rows:
            nodes = self.made.rows[number].nodes
            self.point(nodes[min(token + 1, len(nodes) - 1)])

    def action_token_left(self) -> None:
        one = self.search.nodes.get(self.at) if self.at is not None else None
        if one is not None and one.parent is not None:
            self.point(one.parent)

    def action_row_end(self) -> None:
        if self.made.rows:
            self.point(self.made.rows[self._row()[0]].end)

    def action_row_start(self) -> None:
        if self.made.rows:
            self.point(self.made.rows[self._row()[0]].nodes[0])

    def action_fold(self) -> None:
        if not self.made.rows:
            return
        row = self.made.rows[self._row()[0]]
        begin = row.nodes[0]
        if row.hidden:
            self._opened.add(begin)
            self._folded.discard(begin)
        elif row.partings:
            self._folded.add(begin)
            self._opened.discard(begin)
        self.redraw()

    def action_looked_at(self) -> None:
        self.looked_at = not self.looked_at
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        number = self.scroll_offset.y + event.y
        if number < len(self.made.rows):
            self._point_at(number, max(0, self.scroll_offset.x + event.x - GUTTER))
            if event.chain == 2:
                self.action_fold()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def about(self, node: Node) -> str:
        """What became of a node, in words."""
        place = self.made.places.get(node.id)
        ends = place is not None and self.made.rows[place[0]].end == node.id
        return what_became(node, goes_on=not ends)
