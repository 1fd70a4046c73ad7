"""A beam search as a tree that can be walked over: nodes as they come, rows as they are drawn. Free of widgets.

def main(args):          each row is a text from where it parts from the one above it, under the very
   │    └ self):         token after which it parts; what parts later stands higher, so no line crosses another
   └ test_one():
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from craft.text import clean_line, width_of

MANY_ROWS = 60
"""From here on what was given up is folded away until someone opens it."""
_WIDEST = 40  # columns of a token's text


@dataclass(frozen=True, slots=True)
class Node:
    """A token of one or more of the texts, as craft/generation/beam_tree.py has it."""

    id: int
    parent: int | None
    depth: int
    token: int
    piece: str
    """Not cleaned."""
    log_probability: float
    total: float
    kept: bool
    state: str
    """kept, finished or given up."""
    step: int
    score: float | None


class SearchTree:
    """The nodes so far, by their ids."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}

    def take(self, nodes: Iterable[Any]) -> None:
        """Nodes of a `beams` message, or of a finished tree: new ones, and what changed."""
        names = Node.__slots__
        for one in nodes:
            node = Node(*(one.get(name) for name in names))
            self.nodes[node.id] = node

    def path(self, node: int | None) -> list[Node]:
        """From the first token to this one."""
        found = []
        while node is not None and (one := self.nodes.get(node)) is not None:
            found.append(one)
            node = one.parent
        return found[::-1]

    def leaf_of(self, pieces: int, total: float) -> int | None:
        """Where the finished text of so many tokens and this log-probability ends."""
        ends = [one for one in self.nodes.values() if one.depth == pieces and one.state == "finished"]
        return min(ends, key=lambda one: abs(one.total - total)).id if ends else None


@dataclass(slots=True)
class Row:
    """One line of the tree."""

    nodes: list[int]
    """From where it parts to where it ends."""
    texts: list[str]
    """What is drawn of each, cleaned."""
    starts: list[int]
    """The column of each, and the one behind the last."""
    joint: int | None
    """The column in which it parts from a row above; None for the first."""
    is_last: bool
    """Of those that part there."""
    rails: frozenset[int]
    """Columns in which others, further below, part."""
    above: int | None
    """The row that it parts from."""
    partings: int = 0
    """Rows that part from it, drawn or not."""
    hidden: int = 0
    """Rows below that are folded away."""

    @property
    def end(self) -> int:
        """The node that it ends with."""
        return self.nodes[-1]


@dataclass(slots=True)
class Drawing:
    """The rows of a tree, and where each node stands."""

    rows: list[Row] = field(default_factory=list)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Row, and which of its tokens."""
    width: int = 0

    def row_of(self, node: int | None) -> int | None:
        """The row that a node stands in; None when it is not drawn."""
        place = self.places.get(node) if node is not None else None
        return place[0] if place else None

    def rails_of(self, path: Collection[int]) -> dict[int, set[int]]:
        """The columns of each row in which the way to what `path` holds goes down."""
        found: dict[int, set[int]] = {}
        for number, row in enumerate(self.rows):
            if row.joint is not None and row.above is not None and row.nodes[0] in path:
                for between in range(row.above + 1, number + 1):
                    found.setdefault(between, set()).add(row.joint)
        return found


def drawing(
    nodes: Collection[Node],
    *,
    folded: Collection[int] = (),
    opened: Collection[int] = (),
    looked_at: bool = False,
    ascii_only: bool = False,
    is_stale: Callable[[], bool] = lambda: False,
) -> Drawing:
    """The rows of a tree. folded, opened: rows by the node that they begin with, as a person left them; else what was
    given up is folded in a tree of many rows. looked_at: also what the search never went on from."""
    shown = [one for one in nodes if looked_at or one.kept]
    below: dict[int | None, list[Node]] = {}
    for one in shown:
        below.setdefault(one.parent, []).append(one)
    reached = _reached(nodes)
    for some in below.values():
        some.sort(key=lambda one: reached[one.id], reverse=True)
    many = sum(len(some) - 1 for some in below.values()) > MANY_ROWS

    made = Drawing()
    # first nodes of rows that wait, the next one last: node, row above, column it parts in, last there, rails
    first = [(one, None, 0, place == 0, frozenset[int]()) for place, one in enumerate(reversed(below.get(None, [])))]
    waiting: list[tuple[Node, int | None, int, bool, frozenset[int]]] = list(first)
    while waiting and not is_stale():
        node, above, joint, is_last, rails = waiting.pop()
        number = len(made.rows)
        is_first = number == 0
        row = Row([], [], [], None if is_first else joint, is_last, rails, above if not is_first else None)
        column = joint + 1
        partings: list[tuple[int, list[Node]]] = []  # column in which they part, and the nodes
        here: Node | None = node
        begin = node.id
        while here is not None:
            text = shown_piece(here.piece, ascii_only=ascii_only)
            made.places[here.id] = (number, len(row.nodes))
            row.nodes.append(here.id)
            row.texts.append(text)
            row.starts.append(column)
            column += width_of(text)
            following = below.get(here.id, [])
            if len(following) > 1:
                partings.append((column - 1, following[1:]))
            here = following[0] if following else None
        row.starts.append(column)
        made.rows.append(row)
        made.width = max(made.width, column)
        row.partings = sum(len(some) for _, some in partings)
        passing = rails | {joint} if not is_last else rails
        is_folded = begin in folded or (many and begin not in opened)
        shut = [one for _, some in partings for one in some if is_folded and _may_hide(one, reached, begin in folded)]
        if shut:
            gone = {one.id for one in shut}
            partings = [(at, [one for one in some if one.id not in gone]) for at, some in partings]
            partings = [(at, some) for at, some in partings if some]
            row.hidden = _rows_below(shut, below)
        # The earliest goes to the bottom, so it is put on the pile first.
        pending = passing
        for at, some in partings:
            for place, one in enumerate(reversed(some)):
                waiting.append((one, number, at, place == 0, pending))
            pending = pending | {at}
    return made


def _may_hide(node: Node, reached: dict[int, tuple[int, float]], by_hand: bool) -> bool:
    """By itself only what was given up is folded."""
    return by_hand or reached[node.id][0] == 0


def _rows_below(nodes: Iterable[Node], below: dict[int | None, list[Node]]) -> int:
    """How many rows a part of the tree has: one for each end."""
    count, waiting = 0, list(nodes)
    while waiting:
        following = below.get(waiting.pop().id)
        if following:
            waiting += following
        else:
            count += 1
    return count


def shown_piece(piece: str, *, ascii_only: bool = False) -> str:
    """What a token stands for, in at least one column; a blank at its end is to be seen too."""
    text = clean_line(piece, ascii_only=ascii_only)
    if width_of(text) > _WIDEST:
        while width_of(text) >= _WIDEST:
            text = text[:-1]
        text += "~" if ascii_only else "\u2026"
    return text if width_of(text) else ("~" if ascii_only else "\u00b7")


def _reached(nodes: Collection[Node]) -> dict[int, tuple[int, float]]:
    """How far what follows each node came: the best finished text, else the likeliest open one, else the last step in
    which it was not given up."""
    goes_on = {one.parent for one in nodes if one.kept and one.state != "given up"}
    reached: dict[int, tuple[int, float]] = {}
    for one in nodes:
        if one.state == "finished":
            reached[one.id] = (2, one.score or 0.0)
        else:
            is_open = one.state == "kept" and one.id not in goes_on
            reached[one.id] = (1, one.total) if is_open else (0, one.step)
    for one in sorted(nodes, key=lambda one: one.id, reverse=True):
        if one.parent in reached:
            reached[one.parent] = max(reached[one.parent], reached[one.id])
    return reached


def what_became(node: Node, *, goes_on: bool) -> str:
    """A node's end in words."""
    if node.state == "finished":
        return f"ended, score {node.score:.3f}" if node.score is not None else "ended"
    if node.state == "given up":
        return f"given up in step {node.step}" if node.kept else "not among the kept"
    return "goes on" if goes_on else "open"


def lines(made: Drawing, *, ascii_only: bool = False) -> Iterator[str]:
    """The tree as text, to be copied."""
    for number, row in enumerate(made.rows):
        yield lead(made, number, ascii_only=ascii_only) + "".join(row.texts)


def lead(made: Drawing, number: int, *, ascii_only: bool = False) -> str:
    """What stands before a row's first token."""
    row = made.rows[number]
    size = row.starts[0]
    down, last, between = ("|", "`", "+") if ascii_only else ("\u2502", "\u2514", "\u251c")
    cells = [" "] * size
    for column in row.rails:
        if column < size:
            cells[column] = down
    if row.joint is not None:
        cells[row.joint] = last if row.is_last else between
    return "".join(cells)
