"""Putting what was asked into the history, from any tab, without waiting for the disk."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from craft.errors import CraftError
from workbench.memory import project_place
from workbench.screens.playground.history_store import History, new_id

if TYPE_CHECKING:
    from workbench.screens.playground.mode import Mode
    from workbench.screens.playground.sources import Source

_KEPT = ("type", "prompt", "prompts", "text", "settings", "samples", "alternatives", "device", "precision", "file")


class Keeping:
    """One thing that is asked: kept at once without an answer, and again with what came.

    `owner` is any widget of the playground; `sources` are those that were asked, in the order of their answers.
    """

    def __init__(self, owner: Mode, kind: str, request: dict[str, Any], sources: list[Source]) -> None:
        self._owner, self._kind = owner, kind
        self._request = {name: request[name] for name in _KEPT if name in request}
        self._sources = [source.as_json() for source in sources]
        self._id = new_id()
        self._moment = time.time()
        self._lock = threading.Lock()
        self._told = self._written = 0
        self.keep([], "asked")

    def keep(self, results: list[dict[str, Any]], reason: str) -> None:
        """What came until now: `results` as `done` gives them; it takes the place of what was kept before."""
        app = self._owner.app
        history = History(project_place(app.project.file))
        self._told += 1
        number = self._told
        # The tree of a search may be larger than all else together, and is there again when it is asked again.
        kept = [{name: value for name, value in one.items() if name != "tree"} for one in results]

        def write() -> None:
            with self._lock:
                if number < self._written:
                    return  # threads came in another order: what is newer stands there already
                self._written = number
                try:
                    history.add(
                        self._kind,
                        self._request,
                        kept,
                        sources=self._sources,
                        reason=reason,
                        identifier=self._id,
                        moment=self._moment,
                    )
                except CraftError as error:
                    app.say(str(error), "error")

        app.run_worker(write, name="keep the history", group="playground history", thread=True, exit_on_error=False)

    def end(self, message: dict[str, Any]) -> None:
        """The final message of the request."""
        if message["type"] == "done":
            self.keep(message["results"], message["reason"])
        else:
            self.failed(message)

    def failed(self, message: dict[str, Any]) -> None:
        """An `error` instead of an answer."""
        fault = {"kind": message.get("kind"), "message": message.get("message")}
        self.keep([{"checkpoint": message.get("checkpoint", 0), "error": fault}], "failed")
