"""Keys that are done in the order in which they were pressed.

Textual gives a key to the focused widget, which takes letters at once; a key with a binding wanders up through all its
ancestors first, and is done when it arrives. Where several come at once, as over a slow line, letters overtake: "down,
end, x" would write x where the cursor was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

if TYPE_CHECKING:
    from textual.widget import Widget
else:
    Widget = object  # Textual reads styles from the first base that is a widget, which this is not


class KeysInOrder(Widget):
    """Stands first among the bases of a widget that is typed into; its own bindings are done where its letters are."""

    async def _on_key(self, event: events.Key) -> None:
        # Textual calls this for each class in turn, until one says that it was the last.
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return
