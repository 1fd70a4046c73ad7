"""Keys of a widget's own that are done where its letters are, and so without waiting: the app, which keeps all keys in
their order (`workbench.in_order`), would hold the next letter back until a bound one has wandered up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

if TYPE_CHECKING:
    from textual.widget import Widget
else:
    Widget = object  # Textual reads styles from the first base that is a widget, which this is not


class OwnKeys(Widget):
    """Stands first among the bases of a widget that is typed into; its own bindings are done where its letters are."""

    async def _on_key(self, event: events.Key) -> None:
        # Textual calls this for each class in turn, until one says that it was the last.
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return
