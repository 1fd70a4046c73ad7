"""Putting what was asked into the history, from any tab, without waiting for the disk."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from craft.errors import CraftError
from workbench.memory import project_place
from workbench.screens.playground.history_store import History, new_id

if TYPE_CHECKING:
    from workbench.bench import Bench
    from workbench.screens.playground.mode import Mode
    from workbench.screens.playground.sources import Source

_KEPT = ("type", "prompt", "prompts", "text", "settings", "samples", "alternatives", "device", "precision", "file")

_Entry = dict[str, Any]  # as `History.add` takes it


class Keeper:
    """Writes to the history in threads, in order. What a full disk refuses waits here until there is room."""

    def __init__(self, app: Bench) -> None:
        self._app = app
        self._history = History(project_place(app.project.file))
        self._waiting: dict[str, _Entry] = {}  # by identifier, of each the newest
        self._waiting_lock = threading.Lock()
        self._writing = threading.Lock()
        self._told = False
        self.refused = 0
        """Entries that could not be written when it was tried."""

    def keep(self, entry: _Entry) -> None:
        """Write an entry soon, with those that wait; it takes the place of what was kept before with its id."""
        with self._waiting_lock:
            self._waiting[entry["identifier"]] = entry
        self._write_soon()

    def try_again(self) -> None:
        """Where something could not be written, there may be room by now."""
        if self.refused and not self._writing.locked():
            self._write_soon()

    def _write_soon(self) -> None:
        self._app.run_worker(
            self.write, name="keep the history", group="playground history", thread=True, exit_on_error=False
        )

    def write(self) -> None:
        """Write all that waits; what cannot be written waits on, and that is said once."""
        with self._writing:
            with self._waiting_lock:
                entries, self._waiting = self._waiting, {}
            refused: dict[str, _Entry] = {}
            fault = ""
            for identifier, entry in entries.items():
                try:
                    self._history.add(**entry)
                except CraftError as error:
                    refused[identifier], fault = entry, str(error)
                except Exception as error:  # a mistake of ours in one entry must not lose the others, nor be silent
                    refused[identifier], fault = entry, f"the history was not written: {error!r}"
            with self._waiting_lock:
                self._waiting = refused | self._waiting  # in the order of then, and what is newer stays
            self.refused = len(refused)
        if fault and not self._told:
            self._app.say(f"{fault}; it waits here, and is written once that can be done", "error")
        self._told = bool(fault)


class Keeping:
    """One thing that is asked: kept at once without an answer, and again with what came.

    `owner` is any widget of the playground; `sources` are those that were asked, in the order of their answers.
    """

    def __init__(self, owner: Mode, kind: str, request: dict[str, Any], sources: list[Source]) -> None:
        self._keeper = owner.playground.keeper
        self._entry: _Entry = {
            "kind": kind,
            "request": {name: request[name] for name in _KEPT if name in request},
            "sources": [source.as_json() for source in sources],
            "identifier": new_id(),
            "moment": time.time(),
        }
        self.keep([], "asked")

    def keep(self, results: list[dict[str, Any]], reason: str) -> None:
        """What came until now: `results` as `done` gives them; it takes the place of what was kept before."""
        # The tree of a search may be larger than all else together, and is there again when it is asked again.
        kept = [{name: value for name, value in one.items() if name != "tree"} for one in results]
        self._keeper.keep({**self._entry, "results": kept, "reason": reason})

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
