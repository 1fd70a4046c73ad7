"""What the tab "score" asks and takes in: the text, and what each source thinks of it. What is seen is in score.py."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from textual import work

from craft.runs.json_files import why
from craft.runs.sampler_protocol import is_final
from workbench.dialogs.prompt import PromptScreen
from workbench.paths import fault_of_file, typed_path
from workbench.screens.playground.history_keep import Keeping
from workbench.screens.playground.mode import Mode
from workbench.screens.playground.score_figures import read_totals
from workbench.screens.playground.score_text import ScoreText
from workbench.screens.playground.score_words import Judged
from workbench.widgets.typed_lines import Lines

_LONGEST = 4 << 20  # bytes of a text here; craft generate --score-file takes any
_ALTERNATIVES = ((30_000, 5), (150_000, 3), (_LONGEST, 2))  # characters of a text, and likeliest tokens at each place
_SLICE = 0.015  # seconds of taking scores in, between two looks at the keys


class Scoring(Mode):
    """One text at a time; another takes its place."""

    def __init__(self) -> None:
        super().__init__()
        self.judged: list[Judged] = []
        self.shown = 0
        self.against: int | None = None
        """The source whose difference to the shown one is seen."""
        self.fault = ""
        self._text = ""
        self._request = ""
        self._keepings: dict[str, Keeping] = {}
        """Of requests that are not answered yet: the newest, and those that it took the place of."""
        self._came: deque[dict[str, Any]] = deque()
        self._working = False
        self._compared: tuple[tuple[int, ...], bool] = ((), True)
        """Whether all have the same tokens, and of how many that was found."""

    @property
    def input(self) -> Lines:
        """What is scored."""
        return self.query_one("#score-input", Lines)

    @property
    def text(self) -> ScoreText:
        """Its tokens."""
        return self.query_one(ScoreText)

    @property
    def busy(self) -> bool:
        return bool(self.asked or self._came)

    # --- what is seen ---

    def _say(self) -> None:
        """Where it is, or what is wrong."""
        raise NotImplementedError

    def _show_source(self) -> None:
        """The scores of one source, or their difference to another's."""
        raise NotImplementedError

    def _show_totals(self) -> None:
        """What the text cost each."""
        raise NotImplementedError

    def _list_worst(self) -> None:
        """The tokens that cost most, or that two differ on most, once all are there."""
        raise NotImplementedError

    # --- asking ---

    def run(self) -> None:
        text = self.input.text
        size = len(text.encode("utf-8", "replace"))
        self.fault = ""
        if not text:
            self.fault = "paste or type a text first, or ctrl+o for a file's"
        elif size > _LONGEST:
            self.fault = f"{size:,} bytes are too many here (at most {_LONGEST:,}): 'craft generate --score-file'"
        if self.fault:
            self._say()
            return
        self.stop()
        self._came.clear()
        sources = list(self.playground.sources)
        self._text, self.judged = text, [Judged(source.label) for source in sources]
        self.shown, self.against, self._compared = 0, None, ((), True)
        request = {
            "type": "score",
            "text": text,
            "alternatives": next(count for size, count in _ALTERNATIVES if len(text) <= size),
            **self.playground.where(),
        }
        keeping = Keeping(self, "score", request, sources)
        self._request = self.ask(**request)
        self._keepings[self._request] = keeping
        self.text.cursor = None
        self._show_source()
        self.text.scroll_to(0, 0, animate=False)
        self.text.focus()

    def answered(self, identifier: str, message: dict[str, Any]) -> None:
        if is_final(message) and identifier in self._keepings:
            self._keepings.pop(identifier).end(message)
        if identifier == self._request:
            self._came.append(message)

    def drawn(self) -> None:
        if not self._working:
            self._work_off()

    def _work_off(self) -> None:
        """Take in what came, a little at a time: keys are answered in between."""
        until = time.monotonic() + _SLICE
        while self._came and time.monotonic() < until:
            self._take(self._came.popleft())
        self._working = bool(self._came)
        if self._working:
            self.set_timer(0.005, self._work_off)
        self._show_totals()
        self._say()

    def _take(self, message: dict[str, Any]) -> None:
        number = message.get("checkpoint", 0)
        judged = self.judged[number] if 0 <= number < len(self.judged) else Judged("")
        match message["type"]:
            case "loaded":
                judged.state, judged.provenance = "scoring", message.get("provenance") or {}
            case "progress":
                judged.read = message["judged"] / message["total"]
            case "scores":
                judged.scored.take(message)
                if number == self.shown:
                    self.text.grown()
            case "error" if "checkpoint" in message:
                judged.fault, judged.state = str(message.get("message")), "failed"
            case "error":
                self.fault = str(message.get("message"))
                for one in self.judged:
                    one.state = "failed"
            case "done":
                self._end(message)

    def _end(self, message: dict[str, Any]) -> None:
        whole = message["reason"] == "finished"
        for result in message["results"]:
            judged = self.judged[result["checkpoint"]]
            if "loss" in result:
                totals = read_totals(result)
                # Stopped in the middle, the totals are still of the whole text; the tokens are not.
                judged.totals = totals if whole or len(judged.scored) == totals.tokens else None
        for judged in self.judged:
            if judged.state in ("waits", "scoring"):
                judged.state = "done" if judged.totals is not None else "stopped"
        self.text.ended()
        if self.judged[self.shown].fault:  # another may have read it
            self.shown = next((at for at, one in enumerate(self.judged) if not one.fault), self.shown)
            self._show_source()
        else:
            self._list_worst()
        if self.text.cursor is None and len(self.text.scored) > 1:
            self.text.put_cursor(1)
        self.playground.refresh_bindings()

    # --- the text ---

    def restore(self, request: dict[str, Any]) -> None:
        """Take over a text that was scored before."""
        text = request.get("text")
        if isinstance(text, str):
            self.input.load_text(text)

    def action_file(self) -> None:
        def take(name: str | None) -> None:
            if name is not None:
                self._read(typed_path(name))

        self.app.push_screen(PromptScreen("Score the text of a file", check=fault_of_file), take)

    @work(thread=True, group="score file", exclusive=True, exit_on_error=False)
    def _read(self, path: Path) -> None:
        text, fault = "", ""
        try:
            with path.open("rb") as file:
                raw = file.read(_LONGEST + 1)
            if len(raw) > _LONGEST:
                fault = f"{path}: more than {_LONGEST:,} bytes; 'craft generate --score-file' takes any"
            else:
                text = raw.decode()
        except UnicodeDecodeError as error:
            fault = f"{path}: not UTF-8 at byte {error.start + 1:,}"
        except OSError as error:
            fault = f"{path}: cannot be read: {why(error)}"
        self.app.call_from_thread(self._take_file, text, fault)

    def _take_file(self, text: str, fault: str) -> None:
        self.fault = fault
        if not fault:
            self.input.load_text(text)
            self.input.focus()
        self._say()
