"""One or two lines below the list: how the selected run is, what to press next, and how many are marked."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip

from craft.text import shorten, width_of
from workbench.screens.runs.next_step import State
from workbench.widgets.looks import Looking


class StateLine(Looking):
    """Told by the screen; drawn again only when there is something else to say."""

    COMPONENT_CLASSES = {f"state--{tone}" for tone in ("quiet", "live", "warn", "good", "bad", "plain", "key")}

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self._said: tuple[State | None, int] = (None, 0)

    def show(self, state: State | None, marked: int) -> None:
        """`state` is the selected run's, None where there is none; `marked` how many are."""
        if (state, marked) != self._said:
            self._said = (state, marked)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        lines = self._lines(width)
        if y >= len(lines):
            return Strip.blank(width, self.rich_style)
        segments = [Segment(text, self.look(f"state--{tone}")) for text, tone in lines[y]]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _lines(self, width: int) -> list[list[tuple[str, str]]]:
        state, marked = self._said
        parts: list[tuple[str, str]] = []
        if marked:
            parts.append((f"{marked} marked: verbs act on them  ", "key"))
        if state is None:
            return [parts]
        following = "" if marked else state.next  # a verb would act on the marked ones
        room = width - sum(width_of(text) for text, _ in parts)
        if self.size.height > 1:
            said = self._fit(f"{state.word}: {state.why}" if state.why else state.word, room)
            return [[*parts, (said, state.tone)], [(self._fit(following, width), "key")]]
        arrow = "  -> " if self.ascii_only else "  \u2192 "
        hint = self._fit(f"{arrow}{following}", max(room - 20, 0)) if following else ""
        why = f": {state.why}" if state.why else ""
        said = self._fit(state.word + why, max(room - width_of(hint), 10))
        return [[*parts, (said, state.tone), (hint, "key")]]

    def _fit(self, text: str, room: int) -> str:
        return shorten(text, room, ascii_only=self.ascii_only)
