"""Many prompts, some at a time: what is asked next, what came, what failed. Free of widgets.

Prompts that stand side by side and have the same settings are asked together, as many as make `AT_ONCE` texts. Where
one of them cannot be read by the tokenizer, the others are asked again without it: a fault is only its own.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craft.errors import UsageError
from craft.runs.prompts_file import PromptLine, PromptsFile, require_text
from craft.runs.sampling_settings import SamplingSettings, sample_seed

AT_ONCE = 16
MOST_TEXTS = 200_000
"""Of one batch here; `craft generate --prompts-file` has no limit."""
_PROMPT_FAULTS = ("TokenizerError", "UsageError")  # those that are a prompt's own, or its settings'


@dataclass(slots=True)
class Row:
    """One text of a batch."""

    source: int
    line: PromptLine
    sample: int
    state: str = "waiting"
    """waiting, writing, done, failed; stopped where it was given up."""
    text: str = ""
    tokens: int = 0
    ended: str = ""
    error: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    """Of the answer: unread, slides."""

    @property
    def seed(self) -> int:
        """It was drawn with."""
        return sample_seed(self.line.settings.seed, self.sample)


@dataclass(frozen=True)
class Chunk:
    """Some prompts that are asked together."""

    source: int
    places: tuple[int, ...]
    """Of the prompts."""


def typed_prompts(text: str, settings: SamplingSettings) -> list[PromptLine]:
    """A line a prompt; lines without anything in them are passed over. Raises UsageError for what is no text."""
    found: list[PromptLine] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            require_text(f"line {number}", line)
            found.append(PromptLine(len(found), number, line, settings))
    return found


def read_prompts(path: Path, settings: SamplingSettings, most: int = MOST_TEXTS) -> list[PromptLine]:
    """The prompts of a file, as `craft generate --prompts-file` reads it. Raises UsageError that names the line."""
    found: list[PromptLine] = []
    for line in PromptsFile(path, settings):
        found.append(line)
        if len(found) > most:
            raise UsageError(f"{path}: more than {most:,} prompts; 'craft generate --prompts-file' takes any number")
    return found


class BatchWork:
    """All texts of a batch, in the order of sources, prompts and samples."""

    def __init__(self, lines: Sequence[PromptLine], samples: int, sources: int = 1) -> None:
        self.lines, self.samples, self.sources = list(lines), samples, sources
        self.rows = [
            Row(source, line, sample) for source in range(sources) for line in self.lines for sample in range(samples)
        ]
        self.provenances: list[dict[str, Any]] = [{} for _ in range(sources)]
        self.finished = self.failed = self.tokens = 0
        """Texts that are whole, texts that cannot be written, and tokens of all of them."""
        self.fault = ""
        """Why the whole could not go on."""
        self.stopped = False
        self._waiting: deque[Chunk] = deque(self._chunks())
        self._asked: dict[str, Chunk] = {}

    def _chunks(self) -> Iterator[Chunk]:
        size = max(1, AT_ONCE // self.samples)
        for source in range(self.sources):
            places: list[int] = []
            for place, line in enumerate(self.lines):
                if places and (len(places) == size or line.settings != self.lines[places[-1]].settings):
                    yield Chunk(source, tuple(places))
                    places = []
                places.append(place)
            if places:
                yield Chunk(source, tuple(places))

    @property
    def total(self) -> int:
        """Texts."""
        return len(self.rows)

    @property
    def over(self) -> bool:
        """Whether nothing is asked and nothing will be."""
        return not self._asked and (not self._waiting or self.stopped or bool(self.fault))

    def at(self, source: int, place: int, sample: int) -> int:
        """The place of a text among the rows."""
        return (source * len(self.lines) + place) * self.samples + sample

    # --- asking ---

    def next_chunk(self) -> Chunk | None:
        """What shall be asked now; None while enough is asked. The first of a source says which checkpoint all take."""
        if not self._waiting or self.stopped or self.fault or len(self._asked) >= 2:
            return None
        first = self._waiting[0]
        if self._asked and (not self.provenances[first.source] or any(c.source != first.source for c in self._open())):
            return None
        return self._waiting.popleft()

    def _open(self) -> list[Chunk]:
        return list(self._asked.values())

    def request(self, chunk: Chunk) -> dict[str, Any]:
        """As the sampler process takes it, but for the checkpoint."""
        prompts = [
            {"text": line.prompt, "tokens": list(line.tokens)} if line.tokens else line.prompt
            for line in (self.lines[place] for place in chunk.places)
        ]
        settings = dataclasses.asdict(self.lines[chunk.places[0]].settings)
        return {"type": "generate", "prompts": prompts, "samples": self.samples, "settings": settings}

    def asked(self, identifier: str, chunk: Chunk) -> None:
        """A chunk was sent."""
        self._asked[identifier] = chunk
        for row in self._rows_of(chunk):
            self.rows[row].state = "writing"

    def _rows_of(self, chunk: Chunk) -> list[int]:
        return [self.at(chunk.source, place, sample) for place in chunk.places for sample in range(self.samples)]

    # --- what comes ---

    def take(self, identifier: str, message: dict[str, Any]) -> list[int]:
        """One message; the places of the rows that changed."""
        chunk = self._asked.get(identifier)
        if chunk is None:
            return []
        match message["type"]:
            case "loaded":
                self.provenances[chunk.source] = message.get("provenance") or {}
                return []
            case "pieces":
                return self._pieces(chunk, message["pieces"])
            case "done":
                del self._asked[identifier]
                return self._done(chunk, message)
            case "error":
                del self._asked[identifier]
                return self._error(chunk, message)
        return []

    def _pieces(self, chunk: Chunk, pieces: Sequence[dict[str, Any]]) -> list[int]:
        changed = set()
        for piece in pieces:
            place = self.at(chunk.source, chunk.places[piece["prompt"]], piece["sample"])
            row = self.rows[place]
            row.text += piece["text"]
            row.tokens += 1
            self.tokens += 1
            changed.add(place)
        return sorted(changed)

    def _done(self, chunk: Chunk, message: dict[str, Any]) -> list[int]:
        changed = self._rows_of(chunk)
        for result in message.get("results", ()):
            for one in result.get("texts", ()):
                row = self.rows[self.at(chunk.source, chunk.places[one["prompt"]], one["sample"])]
                self.tokens += one["tokens"] - row.tokens
                row.text, row.tokens, row.ended = one["text"], one["tokens"], one["ended"]
                row.state = "stopped" if row.ended == "cancelled" else "done"
                row.more = {"unread": one.get("unread", 0), "slides": one.get("slides", 0)}
                self.finished += row.state == "done"
        for place in changed:
            if self.rows[place].state == "writing":  # cancelled before anything of it came
                self.rows[place].state = "stopped"
        return changed

    def _error(self, chunk: Chunk, message: dict[str, Any]) -> list[int]:
        changed, words = self._rows_of(chunk), str(message.get("message", ""))
        if message.get("kind") not in _PROMPT_FAULTS:
            self.fault = self.fault or words
            for place in changed:
                self.rows[place].state = "stopped"
        elif len(chunk.places) > 1:
            middle = len(chunk.places) // 2
            halves = (chunk.places[:middle], chunk.places[middle:])
            self._waiting.extendleft(Chunk(chunk.source, half) for half in reversed(halves))
            for place in changed:
                self._begin_anew(self.rows[place])
        else:
            for place in changed:
                row = self.rows[place]
                row.state, row.error, row.text = "failed", words, ""
            self.failed += len(changed)
        return changed

    def _begin_anew(self, row: Row) -> None:
        self.tokens -= row.tokens
        row.state, row.text, row.tokens = "waiting", "", 0

    def stop(self) -> None:
        """Ask nothing more; what is asked is cancelled by whoever asked."""
        self.stopped = True
        for row in self.rows:
            if row.state == "waiting":
                row.state = "stopped"

    # --- as a record ---

    def prompts_record(self) -> list[dict[str, Any]]:
        """The prompts, each with what it has of its own."""
        common = self.lines[0].settings if self.lines else SamplingSettings()
        found = []
        for line in self.lines:
            one: dict[str, Any] = {"prompt": line.prompt}
            if line.id is not None:
                one["id"] = line.id
            if line.tokens:
                one["tokens"] = list(line.tokens)
            if line.settings != common:
                one["settings"] = dataclasses.asdict(line.settings)
            found.append(one)
        return found

    def results_record(self) -> list[dict[str, Any]]:
        """What came, a result a source as `done` has it."""
        results: list[dict[str, Any]] = []
        for source in range(self.sources):
            rows = self.rows[self.at(source, 0, 0) : self.at(source + 1, 0, 0)]
            texts = [_text_record(row) for row in rows if row.state == "done" or row.text or row.error]
            results.append({"checkpoint": source, "texts": texts, "provenance": self.provenances[source]})
        return results


def _text_record(row: Row) -> dict[str, Any]:
    one: dict[str, Any] = {"prompt": row.line.index, "sample": row.sample, "seed": row.seed}
    if row.error:
        return {**one, "text": None, "error": row.error}
    return {**one, "text": row.text, "tokens": row.tokens, "ended": row.ended or "cancelled"}
