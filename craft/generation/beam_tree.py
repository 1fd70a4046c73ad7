"""What a beam search looked at: every text that it went on from, ended or gave up, token by token."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from craft.text import clean_line, fit, shorten, width_of

State = Literal["kept", "finished", "given up"]
"""kept: the search goes on from here, or from what follows; at its end, what leads to a finished text. finished: a text
ends here that is one of the best. given up: others were better, or better ones ended."""

_FIGURES = 28  # columns beside the text of a line: a log-probability and what became of it
_LEAST = 6  # columns of its text, however deep it stands


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

    def drawing(
        self, *, columns: int = 100, depth: int = 0, given_up: bool = True, ascii_only: bool = False
    ) -> list[str]:
        """Lines for a terminal: each a text as far as it came, under the one that it parts from, the best on top.

        Before each stands the step in which it parts. depth: steps that are drawn, 0 for all; where a text goes on, it
        says so. given_up: draw texts that were given up as well. What is wider than `columns` is cut at its beginning.
        The text is cleaned.
        """
        reached = self._reached()
        children: dict[int | None, list[BeamNode]] = {}
        for node in self.nodes:
            if node.kept and (not depth or node.depth <= depth) and (given_up or node.state != "given up"):
                children.setdefault(node.parent, []).append(node)
        for some in children.values():
            some.sort(key=lambda node: reached[node.id], reverse=True)
        marks = ("|- ", "`- ", "|  ", "   ") if ascii_only else ("├─ ", "└─ ", "│  ", "   ")
        lines: list[str] = []
        waiting = [(node, "", "") for node in reversed(children.get(None, []))]
        while waiting:
            node, lead, indent = waiting.pop()
            step, text, parting = node.depth, node.piece, list[BeamNode]()
            while below := children.get(node.id):
                node = below[0]
                text += node.piece
                parting += below[1:]
            figures = _figures(node, cut=self.goes_on(node.id))
            lines.append(_line(f"{step:4} ", lead, text, figures, columns, ascii_only=ascii_only))
            for place, one in enumerate(reversed(parting)):
                last = place == 0
                waiting.append((one, indent + marks[last], indent + marks[2 + last]))
        return lines

    def _reached(self) -> list[tuple[int, float]]:
        """How far what follows each node came: the best finished text, else the likeliest open one, else the last step
        in which it was not given up."""
        reached: list[tuple[int, float]] = []
        for node in self.nodes:
            if node.state == "finished":
                reached.append((2, node.score or 0.0))
            else:
                is_open = node.state == "kept" and not self.goes_on(node.id)
                reached.append((1, node.total) if is_open else (0, node.step))
        for node in reversed(self.nodes):
            if node.parent is not None:
                reached[node.parent] = max(reached[node.parent], reached[node.id])
        return reached


def _figures(node: BeamNode, *, cut: bool) -> str:
    match node.state:
        case "finished":
            what = f"score {node.score:.3f}"
        case "given up":
            what = f"given up at {node.step}"
        case _:
            what = "goes on" if cut else ""
    return f"{node.total:9.3f}  {what}"


def _line(step: str, lead: str, text: str, figures: str, columns: int, *, ascii_only: bool) -> str:
    free = columns - _FIGURES - len(step)
    room = max(_LEAST, free - len(lead))
    lead, text = _end_of(lead, max(1, free - room), "<"), _end_of(clean_line(text, ascii_only=ascii_only), room)
    line = step + lead + fit(text, room, ascii_only=ascii_only) + figures
    return shorten(line.rstrip(), columns, ascii_only=ascii_only)


def _end_of(text: str, columns: int, mark: str = "~") -> str:
    """The end of a text, which is what tells it from others above it."""
    if width_of(text) <= columns:
        return text
    text = text[-(columns - 1) :] if columns > 1 else ""
    while width_of(text) >= columns:  # wide characters
        text = text[1:]
    return mark + text
