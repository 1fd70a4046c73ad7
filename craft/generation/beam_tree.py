"""What a beam search looked at: every text that it went on from, ended or gave up, token by token."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from craft.text import clean_line, fit, shorten, width_of

State = Literal["kept", "finished", "given up"]
"""kept: the search goes on from here, or from what follows; at its end, what leads to a finished text. finished: a text
ends here that is one of the best. given up: others were better, or better ones ended."""

_FIGURES = 30  # columns beside the text of a line: a log-probability and what became of it


@dataclass(slots=True)
class BeamNode:
    """One token of one or more of the texts."""

    id: int
    """Its place among the nodes; a parent's is smaller than its children's."""
    parent: int | None
    """None where it follows the prompt."""
    depth: int
    """How many tokens were written with it, which is the step that it came in."""
    token: int
    piece: str
    """What the token stands for; not cleaned for a terminal."""
    log_probability: float
    """Of this token after those before it, in nats."""
    total: float
    """Of all tokens from the prompt to this one."""
    kept: bool
    """Whether the search went on from it, or it ended a text; else it was only looked at."""
    state: State
    step: int
    """The step in which it came into this state."""
    score: float | None = None
    """Of the text that ends here."""


class BeamTree:
    """All nodes of a search so far. It is the same object throughout, and grows with each step."""

    def __init__(self) -> None:
        self.nodes: list[BeamNode] = []
        self.step = 0
        """The newest."""
        self._alive: dict[int | None, int] = {}  # children of each that are not given up

    def add(
        self,
        parent: int | None,
        token: int,
        piece: str,
        log_probability: float,
        total: float,
        *,
        kept: bool,
        score: float | None = None,
    ) -> BeamNode:
        """A token that was looked at in the newest step; with a score, a text ends there."""
        depth = 1 if parent is None else self.nodes[parent].depth + 1
        state: State = "given up" if not kept else "kept" if score is None else "finished"
        node = BeamNode(
            len(self.nodes), parent, depth, token, piece, log_probability, total, kept, state, self.step, score
        )
        self.nodes.append(node)
        if kept:
            self._alive[parent] = self._alive.get(parent, 0) + 1
        return node

    def give_up(self, node: int) -> None:
        """The search does not go on from here any more, nor from what led only here."""
        at: int | None = node
        while at is not None and not self._alive.get(at) and self.nodes[at].state != "given up":
            one = self.nodes[at]
            one.state, one.step = "given up", self.step
            self._alive[one.parent] -= 1
            at = one.parent

    def goes_on(self, node: int) -> bool:
        """Whether anything that follows a node is kept or finished."""
        return bool(self._alive.get(node))

    def path(self, node: int) -> list[BeamNode]:
        """From the first token to this one."""
        nodes, at = [], self.nodes[node]
        while True:
            nodes.append(at)
            if at.parent is None:
                return nodes[::-1]
            at = self.nodes[at.parent]

    def as_json(self) -> dict[str, Any]:
        """The newest step and all nodes; what each is named says `BeamNode`."""
        return {"step": self.step, "nodes": [asdict(node) for node in self.nodes]}

    # Drawing ---------------------------------------------------------------------------------------------------------

    def drawing(self, *, columns: int = 100, depth: int = 0, ascii_only: bool = False) -> list[str]:
        """Lines for a terminal: the texts that the search went on from, joined where they begin alike.

        depth: tokens that are drawn, 0 for all; where a text goes on, it says so. Beyond `columns` text is cut at its
        beginning, which stands further up or matters least. The text is cleaned.
        """
        children: dict[int | None, list[BeamNode]] = {}
        for node in self.nodes:
            if node.kept and (not depth or node.depth <= depth):
                children.setdefault(node.parent, []).append(node)
        marks = ("|- ", "`- ", "|  ", "   ") if ascii_only else ("├─ ", "└─ ", "│  ", "   ")
        lines: list[str] = []
        waiting = self._branches(children, None, "")
        while waiting:
            first, indent, last = waiting.pop()
            node, text = first, first.piece
            # What has one child alone stands on one line with it.
            while len(children.get(node.id, ())) == 1:
                node = children[node.id][0]
                text += node.piece
            below = children.get(node.id, [])
            cut = not below and self.goes_on(node.id)
            lead = indent + (marks[1] if last else marks[0])
            lines.append(_line(lead, text, _figures(node, cut=cut), columns, ascii_only=ascii_only))
            waiting += self._branches(children, node.id, indent + (marks[3] if last else marks[2]))
        return lines

    def _branches(
        self, children: dict[int | None, list[BeamNode]], parent: int | None, indent: str
    ) -> list[tuple[BeamNode, str, bool]]:
        """The children of a node, the likeliest on top of a stack, and which of them is the last."""
        ordered = sorted(children.get(parent, []), key=lambda node: node.total)
        return [(node, indent, place == 0) for place, node in enumerate(ordered)]


def _figures(node: BeamNode, *, cut: bool) -> str:
    match node.state:
        case "finished":
            what = f"score {node.score:.3f}"
        case "given up":
            what = f"given up at {node.step}"
        case _:
            what = "goes on" if cut else ""
    return f"{node.total:9.3f}  {what}"


def _line(lead: str, text: str, figures: str, columns: int, *, ascii_only: bool) -> str:
    room = max(8, columns - _FIGURES - width_of(lead))
    text = clean_line(text, ascii_only=ascii_only)
    if width_of(text) > room:
        # The end is what tells it from others; what is wide or combining may leave a column free.
        text = ("~" if ascii_only else "\N{HORIZONTAL ELLIPSIS}") + text[len(text) - (room - 1) :]
        while width_of(text) > room:
            text = text[0] + text[2:]
    line = lead + fit(text, room, ascii_only=ascii_only) + figures
    return shorten(line.rstrip(), columns, ascii_only=ascii_only)
