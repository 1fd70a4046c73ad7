"""A text that grows, each token tinted by what the model thought of it, with a cursor that moves over tokens.

Lines are drawn as they are needed; a token that comes costs the line that it stands on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.actions import bindings_of
from workbench.screens.playground.tokens import PROMPT, TINTS, Run, Token, Wrapped, level_of


class TokenText(ScrollView, can_focus=True):
    """The tokens of one text after its prompt."""

    FOLLOWS: ClassVar[bool] = True
    """Whether the end stays in view while the text grows."""
    BINDINGS = bindings_of("tokens")
    COMPONENT_CLASSES = {
        *(f"text--level{level}" for level in range(5)),
        "text--prompt",
        "text--mark",
        "text--cursor",
        "text--hover",
        "text--part",
    }

    class Pointed(Message):
        """The cursor, or the mouse, is on another token; None when on none."""

        def __init__(self, control: TokenText, token: int | None) -> None:
            super().__init__()
            self.text, self.token = control, token

        @property
        def control(self) -> TokenText:
            return self.text

    class Chosen(Message):
        """A person wants the alternatives of the token under the cursor."""

        def __init__(self, control: TokenText) -> None:
            super().__init__()
            self.text = control

        @property
        def control(self) -> TokenText:
            return self.text

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self.tokens: Sequence[Token] = []
        self.prompt = ""
        self.cursor: int | None = None
        self.hover: int | None = None
        self.tint = TINTS[0]
        self.parting: int | None = None
        """Where another text goes on otherwise; None where it does not, or nothing is compared."""
        self._ascii = ascii_only
        self._wrapped = Wrapped(80, ascii_only=ascii_only)
        self._strips: dict[int, Strip] = {}
        self._looks: dict[str, Style] = {}
        self._put = 0  # tokens that were put into lines

    # --- what is shown ---

    def show(self, tokens: Sequence[Token], prompt: str, *, cursor: int | None = None) -> None:
        """Another text. The list is kept: tokens that are added to it later are shown by `grown`."""
        self.tokens, self.prompt, self.cursor, self.hover = tokens, prompt, cursor, None
        self.parting = None
        self._wrap()
        if cursor is None and self.FOLLOWS:
            self.scroll_end(animate=False, immediate=True)

    def show_tint(self, tint: str) -> None:
        """Tell something else of each token."""
        numbers = "numbers" in (tint, self.tint)
        self.tint = tint
        if numbers:
            self._wrap()
        self._draw_all()

    def show_parting(self, place: int | None) -> None:
        """Another text goes on otherwise from this token on."""
        if place != self.parting:
            before, self.parting = self.parting, place
            self._forget(before)
            self._forget(place)

    def grown(self, given: list[tuple[int, str]]) -> None:
        """Tokens got more text, in order: only what is new is put into lines."""
        before = len(self._wrapped)
        at_end = self.max_scroll_y - self.scroll_offset.y <= 1
        for place, text in given:
            self._number_before(place)
            self._wrapped.add(place, text)
            self._put = max(self._put, place + 1)
        after = len(self._wrapped)
        if after != before:
            self._set_lines(after)
            if self.FOLLOWS and at_end and self.hover is None:
                self.scroll_end(animate=False, immediate=True)
        # A word may have moved from the line before.
        first = before - 1
        for line in range(first, after):
            self._strips.pop(line, None)
        self.refresh(Region(0, first - self.scroll_offset.y, self.size.width, after - first + 1))

    def _number_before(self, place: int) -> None:
        """The number of the token before stands where this one begins."""
        if self._wrapped.numbers and place == self._put and place > 0:
            self._wrapped.number(place - 1, self.tokens[place - 1].probability)

    def ended(self) -> None:
        """No more tokens come."""
        if self._wrapped.numbers and self.tokens:
            self._wrap()

    def new_lines(self, width: int) -> Wrapped:
        """What breaks the text into lines, without any yet."""
        return Wrapped(width, ascii_only=self._ascii, numbers=self.tint == "numbers")

    def _wrap(self) -> None:
        # Out of sight it has no width; seen again in the same one, no resize tells it.
        width = max(self.size.width or self._wrapped.width, 4)
        self._wrapped = self.new_lines(width)
        self._wrapped.add_prompt(self.prompt)
        for place, token in enumerate(self.tokens):
            self._wrapped.add(place, token.text)
            if self._wrapped.numbers and token.text:
                self._wrapped.number(place, token.probability)
        self._put = len(self.tokens)
        self._set_lines(len(self._wrapped))
        self._draw_all()
        if self.cursor is not None:
            self.call_after_refresh(self._scroll_to_cursor)

    def _set_lines(self, count: int) -> None:
        """There are so many. The bar is always there, so nothing of the screen needs to be laid out anew."""
        size = Size(self._wrapped.width, count)
        self.set_reactive(TokenText.virtual_size, size)
        self._scroll_update(size)

    def _draw_all(self) -> None:
        self._strips.clear()
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        if event.size.width != self._wrapped.width:
            at_end = self.max_scroll_y - self.scroll_offset.y <= 1
            self._wrap()
            if self.FOLLOWS and at_end and self.cursor is None:
                self.call_after_refresh(self.scroll_end, animate=False)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._looks.clear()
        self._strips.clear()

    # --- drawing ---

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        number = y + self.scroll_offset.y
        if number >= len(self._wrapped):
            return Strip.blank(width, self.rich_style)
        found = self._strips.get(number)
        if found is None or found.cell_length != width:
            found = Strip(self._segments(self._wrapped.line(number))).adjust_cell_length(width, self.rich_style)
            if number < self._wrapped.whole:
                self._strips[number] = found
        return found

    def _segments(self, runs: list[Run]) -> Iterator[Segment]:
        """A line; what looks alike is drawn as one."""
        alike = ""
        style: Style | None = None
        for segment in map(self._segment, runs):
            if alike and segment.style != style:
                yield Segment(alike, style)
                alike = ""
            alike, style = alike + segment.text, segment.style
        if alike:
            yield Segment(alike, style)

    def _segment(self, run: Run) -> Segment:
        shown, place, is_mark = run
        if place == PROMPT:
            return Segment(shown, self._look("prompt"))
        name = f"level{level_of(self.tokens[place], self.tint)}"
        style = self._look(name)
        if place == self.parting:
            style += self._look("part")
        if is_mark:
            style += self._look("mark")
        if place == self.cursor:
            style += self._look("cursor")
        elif place == self.hover:
            style += self._look("hover")
        return Segment(shown, style)

    def _look(self, name: str) -> Style:
        found = self._looks.get(name)
        if found is None:
            partial = name in ("mark", "cursor", "hover", "part")  # laid over another look
            found = self.get_component_rich_style(f"text--{name}", partial=partial)
            self._looks[name] = found
        return found

    # --- the cursor ---

    def put_cursor(self, place: int | None) -> None:
        """On a token, which is scrolled into view; None takes it away."""
        if place is not None:
            place = max(0, min(place, len(self.tokens) - 1)) if self.tokens else None
        if place != self.cursor:
            self._forget(self.cursor)
            self.cursor = place
            self._forget(place)
            self._scroll_to_cursor()
            self.post_message(self.Pointed(self, place))

    def _forget(self, place: int | None) -> None:
        """Draw the lines of a token again."""
        if place is None:
            return
        first = self._wrapped.line_of(place)
        last = min(self._wrapped.line_of(place + 1), len(self._wrapped) - 1)
        for line in range(first, last + 1):
            self._strips.pop(line, None)
        self.refresh(Region(0, first - self.scroll_offset.y, self.size.width, last - first + 1))

    def _scroll_to_cursor(self) -> None:
        if self.cursor is not None and self.size.height:
            line = self._wrapped.line_of(self.cursor)
            self.scroll_to_region(Region(0, line, 1, 2), animate=False, immediate=True)

    def _move(self, by: int) -> None:
        here = self.cursor
        if here is None:
            here = len(self.tokens) if by < 0 else -1
        place = here + by
        while 0 <= place < len(self.tokens) and not self.tokens[place].text and place != len(self.tokens) - 1:
            place += 1 if by > 0 else -1
        self.put_cursor(place)

    def action_left(self) -> None:
        self._move(-1)

    def action_right(self) -> None:
        self._move(1)

    def action_word(self, by: int) -> None:
        """To the beginning of the next word, or of this one or the one before."""
        place = self.cursor if self.cursor is not None else (-1 if by > 0 else len(self.tokens))
        place += by
        while 0 < place < len(self.tokens) and not self._begins_word(place):
            place += by
        self.put_cursor(place)

    def _begins_word(self, place: int) -> bool:
        here, before = self.tokens[place].text, self.tokens[place - 1].text
        if not here.strip():
            return False
        return here[:1].isspace() or before[-1:].isspace() or (here[0].isalnum() != before[-1:].isalnum())

    def action_line(self, by: int) -> None:
        if self.cursor is None:
            self.put_cursor(len(self.tokens) - 1)
            return
        line = self._wrapped.line_of(self.cursor)
        column = self._column(line, self.cursor)
        for other in range(line + by, len(self._wrapped) if by > 0 else -1, by):
            place = self._token_at(column, other)
            if place is not None and place != self.cursor:
                self.put_cursor(place)
                return

    def action_page(self, by: int) -> None:
        self.action_line(by * max(1, self.size.height - 2))

    def action_first(self) -> None:
        self.put_cursor(0)

    def action_last(self) -> None:
        self.put_cursor(len(self.tokens) - 1)

    def action_choose(self) -> None:
        if self.cursor is None:
            self._move(-1)
        if self.cursor is not None:
            self.post_message(self.Chosen(self))

    def action_leave_cursor(self) -> None:
        self.put_cursor(None)
        self.scroll_end(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "leave_cursor":
            return self.cursor is not None
        return bool(self.tokens)

    # --- places ---

    def _column(self, line: int, place: int) -> int:
        column = 0
        for shown, owner, _ in self._wrapped.line(line):
            if owner == place:
                break
            column += Segment(shown).cell_length
        return column

    def _token_at(self, x: int, line: int) -> int | None:
        """The token in a column of a line; of a short line its last one."""
        if not 0 <= line < len(self._wrapped):
            return None
        found = None
        for shown, place, _ in self._wrapped.line(line):
            if place != PROMPT:
                found = place
            x -= Segment(shown).cell_length
            if x < 0:
                break
        return found

    # --- the mouse ---

    def _under(self, event: events.MouseEvent) -> int | None:
        offset = event.get_content_offset(self)
        return None if offset is None else self._token_at(offset.x, offset.y + self.scroll_offset.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        place = self._under(event)
        if place != self.hover:
            self._forget(self.hover)
            self.hover = place
            self._forget(place)
            self.post_message(self.Pointed(self, self.cursor if place is None else place))

    def on_leave(self) -> None:
        if self.hover is not None:
            self._forget(self.hover)
            self.hover = None
            self.post_message(self.Pointed(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        place = self._under(event)
        if place is not None:
            self.put_cursor(place)
            if event.chain == 2:
                self.post_message(self.Chosen(self))
