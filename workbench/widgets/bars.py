"""The first and the last line of the screen: where we are and how many runs there are; what the keys do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.actions import parse
from textual.binding import BindingsMap
from textual.dom import DOMNode
from textual.strip import Strip

from craft.text import shorten, width_of
from workbench.actions import bound_now, key_name
from workbench.widgets.looks import Looking

_PLACES = ("experiments", "runs", "compare", "playground")
if TYPE_CHECKING:
    from workbench.bench import Bench

Part = tuple[str, str]
"""Text and the component class that it is drawn in."""


class _Bar(Looking):
    """One line of parts, drawn again only when they change."""

    app: Bench

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: list[Part] = []

    def set_parts(self, parts: list[Part]) -> None:
        if parts != self._parts:
            self._parts = parts
            self.refresh()

    def line(self, width: int) -> list[Part]:
        """The parts that fit into `width` columns."""
        return self._parts

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        segments = [Segment(text, self.look(name) if name else self.rich_style) for text, name in self.line(width)]
        return Strip(segments).adjust_cell_length(width, self.rich_style)


class TitleBar(_Bar):
    """The places with their keys, the file, and at the right end a summary. A click on a place goes there."""

    COMPONENT_CLASSES = {f"title--{look}" for look in ("name", "quiet", "live", "warn", "good", "bad", "here")}

    def __init__(self, here: str, id: str | None = None) -> None:
        super().__init__(id)
        self._here = here
        self._right: list[Part] = []
        self._ends: list[tuple[int, str]] = []

    def show(self, place: str, summary: list[Part]) -> None:
        self._right = summary
        self.set_parts([("  ", "title--quiet"), (place, "title--quiet"), *summary])

    def line(self, width: int) -> list[Part]:
        left = self._parts[: len(self._parts) - len(self._right)]
        right = sum(width_of(text) for text, _ in self._right)
        shown = self._tabs(width - right - 1)
        room = width - right - 1 - sum(width_of(text) for text, _ in shown)
        for text, name in left:
            text = shorten(text, max(room, 0), ascii_only=self.app.ascii_only)
            shown.append((text, name))
            room -= width_of(text)
        return [*shown, (" " * max(room + 1, 1), ""), *self._right]

    def _tabs(self, room: int) -> list[Part]:
        """The places: by name where there is room, else in short."""
        names = _PLACES if sum(len(place) + 4 for place in _PLACES) <= room else tuple(map(_short, _PLACES))
        parts: list[Part] = []
        self._ends = []
        end = 0
        for number, (place, name) in enumerate(zip(_PLACES, names, strict=True), 1):
            text = f" {number} {name} "
            end += len(text)
            parts.append((text, "title--here" if place == self._here else "title--quiet"))
            self._ends.append((end, place))
        return parts

    async def on_click(self, event: events.Click) -> None:
        place = next((place for end, place in self._ends if event.x < end), None)
        if place:
            await self.app.run_action(f"go('{place}')")


def _short(place: str) -> str:
    return place[:4]


class KeyBar(_Bar):
    """The keys of the screen, from its real bindings: as many as fit, the most important first."""

    COMPONENT_CLASSES = {"keys--key", "keys--label"}

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id)
        self._places: list[tuple[int, str]] = []
        self._offered: list[tuple[DOMNode, list[bool | None]]] = []
        self._namespaces: dict[str, DOMNode] = {}
        self._last = 0  # how many of the parts are of keys that work everywhere

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda screen: self._read())
        self.call_after_refresh(self._read)

    def _read(self) -> None:
        offered = [(node, self._states(node, bindings)) for node, bindings in self.screen._modal_binding_chain]
        if offered == self._offered:
            return  # to find out by which keys takes ten times as long
        self._offered = offered
        active = self.screen.active_bindings
        self._namespaces = {found.binding.action: found.node for found in active.values()}
        parts: list[Part] = []
        self._last = 0
        for place, action, keys in bound_now(active):
            if action.label:
                self._last += 2 * (place == "everywhere")
                parts += [(key_name(keys[0], ascii_only=self.app.ascii_only), action.name), (action.label, "")]
        self.set_parts(parts)

    @staticmethod
    def _states(node: DOMNode, bindings: BindingsMap) -> list[bool | None]:
        """What each binding of a node can do now. Actions of others, which have a dot, are not asked."""
        found = []
        for binding in (one for same in bindings.key_to_bindings.values() for one in same):
            if "." not in binding.action:
                _, name, arguments = parse(binding.action)
                found.append(node.check_action(name, arguments))
        return found

    def line(self, width: int) -> list[Part]:
        shown: list[Part] = []
        self._places = []
        used = 0
        first = self._parts[: len(self._parts) - self._last]
        last = self._parts[len(first) :]
        # Help and the way out are there however much else a screen can do.
        kept = sum(width_of(text) for text, _ in last) + 3 * len(last) // 2
        for parts, room in ((first, width - kept), (last, width)):
            for (key, action), (label, _) in zip(parts[::2], parts[1::2], strict=True):
                size = width_of(key) + width_of(label) + 3
                if used + size > room:
                    break
                shown += [(f" {key}", "keys--key"), (f" {label} ", "keys--label")]
                used += size
                self._places.append((used, action))
        return shown

    async def on_click(self, event: events.Click) -> None:
        for end, action in self._places:
            if event.x < end:
                await self.app.run_action(action, self._namespaces[action])
                break
