"""Keys are done in the order in which they came, also where many come at once, as over a slow line.

Textual hands each on as soon as it comes. A letter is taken by the field that it goes to, but a key with a binding
wanders up through all that the field stands in and is done when it arrives: letters that come after it overtake it. And
what a key does may be a message on its way just so, or a dialog that is still to be made.
"""

from __future__ import annotations

import asyncio
from collections import deque

from textual import events, on
from textual.app import App, ScreenStackError
from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump

_LONGEST = 3.0  # seconds that a key may keep the next one waiting


class _Done(Message, bubble=False):
    """A key and what it led to are done."""


class KeysInOrder(App[None]):
    """Hands a key on when the one before is done, and where it led to: to a field, or to a dialog that was opened.

    Letters of one field follow each other at once, and so do all of a key that is held down: they go the same way, in
    their order, and need not be drawn one by one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[events.Event] = deque()
        self._under_way: asyncio.Task[None] | None = None
        self._first: tuple[events.Event, DOMNode] | None = None
        """What is under way, and where it goes."""
        self._handed_on = 0

    async def on_event(self, event: events.Event) -> None:
        is_input = isinstance(event, events.InputEvent | events.Paste)
        if is_input and self._exit:
            return  # what came with the key that ends the program opens nothing any more
        if event.is_forwarded or not is_input:
            await super().on_event(event)
        elif self._under_way is None or (not self._waiting and self._may_follow(event)):
            await self._hand_on(event)
        else:
            self._waiting.append(event)

    def _may_follow(self, event: events.Event) -> bool:
        """Whether it goes the way of what is under way, and is done at the same place."""
        if self._first is None or self._first[1] is not self._target:
            return False
        first, target = self._first
        if not isinstance(first, events.Key) or not isinstance(event, events.Key):
            return False
        return event.key == first.key or all(target.check_consume_key(one.key, one.character) for one in (first, event))

    async def _hand_on(self, event: events.Event) -> None:
        if self._exit:
            return
        target = self._target
        way = target.ancestors_with_self
        self._handed_on += 1
        await super().on_event(event)
        if self._under_way is None and isinstance(event, events.Key | events.Paste):
            self._first = event, target
            self._under_way = asyncio.create_task(self._see_through(way))

    @property
    def _target(self) -> DOMNode:
        """Where a key goes now."""
        return self.focused or self.screen

    async def _see_through(self, way: list[DOMNode]) -> None:
        """Wait for all that a key goes through, and where it led to then for what that goes through."""
        try:
            while True:
                handed_on = self._handed_on
                async with asyncio.timeout(_LONGEST):
                    for node in way:
                        await _at_rest(node)
                if self._exit or (self._target is way[0] and self._handed_on == handed_on):
                    break
                way = self._target.ancestors_with_self
        except (TimeoutError, ScreenStackError):
            pass  # whatever is slow, or gone, keeps nobody from typing
        finally:
            self.post_message(_Done())

    @on(_Done)
    async def _hand_on_next(self) -> None:
        self._under_way = self._first = None
        while self._waiting and (self._under_way is None or self._may_follow(self._waiting[0])):
            await self._hand_on(self._waiting.popleft())


async def _at_rest(node: MessagePump) -> None:
    """Wait until `node` has done what it was sent before."""
    done = asyncio.Event()
    if node.call_later(done.set):  # else it is taken down
        await done.wait()
