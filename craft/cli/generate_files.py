"""`craft generate --prompts-file`: many prompts to JSON lines, which a second go completes."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from craft import platform
from craft.cli.generate_sources import Source, load_source, say
from craft.errors import CraftError, UsageError
from craft.runs.prompts_file import PromptLine, PromptsFile
from craft.text import shorten

if TYPE_CHECKING:
    from craft.cli.terminal import Screen
    from craft.generation.checkpoint import LoadedCheckpoint
    from craft.generation.files.many_prompts import Answer
    from craft.generation.writing import Piece
    from craft.runs.sampling_settings import SamplingSettings

# Seconds between two words about progress: of a line that moves, and where standard error is no terminal.
_MOVES_EVERY, _SAID_EVERY = 0.1, 10.0


def write_file(source: Source, given: dict[str, Any], settings: SamplingSettings) -> None:
    """Write from all prompts of a file."""
    path, output, samples = given["prompts_file"], given["output"], given["samples"] or 1
    prompts = PromptsFile(path, settings)
    count = prompts.count()
    if output is not None and output.exists() and path.samefile(output):
        raise UsageError(f"{output}: --output is the file of prompts itself; name another")
    if not count:
        say(f"{path} has no prompts, so there is nothing to write")

    from craft.cli.terminal import Screen
    from craft.generation.files.answers_file import AnswersFile, open_answers
    from craft.generation.files.many_prompts import write_many

    answers = open_answers(output, overwrite=given["overwrite"])
    try:
        platform.keep_freed_memory()
        source, loaded, digest = load_source(source, given["device"], given["precision"] or "auto")
        common = _common(loaded, digest, given)
        done = 0
        if isinstance(answers, AnswersFile):
            done = answers.go_on(_expected(prompts, samples, common))
        if done:
            rest = "nothing is missing" if done == count * samples else "going on with the rest"
            say(f"{output} has {done:,} of {count * samples:,} texts: {rest}")
        screen = Screen(sys.stderr)
        progress = _Progress(screen, count * samples, done)
        lines = itertools.islice(prompts, done // samples, None)
        found = write_many(
            loaded, lines, samples=samples, alternatives=given["alternatives"], on_piece=progress.advance
        )
        failed: list[Answer] = []
        try:
            # Of the first prompt some samples may be there already.
            for answer in itertools.islice(found, done % samples, None):
                answers.append(_record(answer, loaded, common, given["alternatives"] is not None))
                progress.wrote()
                if answer.error and len(failed) < 1000:
                    failed.append(answer)
        except KeyboardInterrupt:
            screen.erase()
            say(_how_to_go_on(source, output, progress))
            raise
        finally:
            screen.erase()
    finally:
        answers.close()
    progress.end()
    if failed:
        first = failed[0]
        raise CraftError(
            f"{len(failed):,} of {count * samples:,} texts could not be written, and have the reason as their "
            f'"error"; the first: {path}:{first.line.line}: {first.error}'
        )


def _common(loaded: LoadedCheckpoint, digest: str, given: dict[str, Any]) -> dict[str, Any]:
    """What all lines say of where they come from."""
    from craft.generation.records import origin, versions

    return {
        **origin(loaded),
        "weights_sha256": digest,
        "alternatives": given["alternatives"],
        "versions": versions(),
    }


def _identity(line: PromptLine, sample: int) -> dict[str, Any]:
    """What a line is for."""
    return {
        "index": line.index,
        **({"id": line.id} if line.id is not None else {}),
        "prompt": line.prompt,
        "sample": sample,
        **({"tokens_before": list(line.tokens)} if line.tokens else {}),
    }


def _expected(prompts: PromptsFile, samples: int, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the lines of an output must have to be gone on with, in their order."""
    from craft.generation.provenance import settings_record

    same = {name: common[name] for name in ("weights_sha256", "precision", "alternatives")}
    for line in prompts:
        for sample in range(samples):
            yield {**_identity(line, sample), **settings_record(line.settings, sample), **same}


def _record(answer: Answer, loaded: LoadedCheckpoint, common: dict[str, Any], thoughts: bool) -> dict[str, Any]:
    from craft.generation.provenance import settings_record
    from craft.generation.records import text_record
    from craft.generation.writing import Prompt

    line, record = answer.line, _identity(answer.line, answer.sample)
    if answer.written is None:
        record |= {"text": None, "error": answer.error, **settings_record(line.settings, answer.sample)}
    else:
        prompt = Prompt(line.prompt, line.tokens)
        record |= text_record(answer.written, prompt, line.settings, loaded.tokenizer, alternatives=thoughts)
        record |= {"seconds": answer.seconds, "side_by_side": answer.side_by_side}
    return {**record, **common, "time": round(time.time(), 3)}


def _how_to_go_on(source: Source, output: Path | None, progress: _Progress) -> str:
    words = f"{progress.written:,} of {progress.total:,} texts are written"
    if output is None:
        return f"{words}; with --output a second go writes what is missing"
    if source.run is None:
        return f"{words}: the same command goes on"
    return f"{words}: the same command goes on, with {source.run.name}@{_step(source)}"


def _step(source: Source) -> str:
    return str(int(source.path.name.removeprefix("step-")))


class _Progress:
    """How far it is, on standard error."""

    def __init__(self, screen: Screen, total: int, written: int) -> None:
        self.total, self.written = total, written
        self._screen, self._every = screen, _MOVES_EVERY if screen.live else _SAID_EVERY
        self._started = self._said = time.monotonic()
        self._finished, self._before, self._tokens = written, written, 0

    def advance(self, piece: Piece) -> None:
        """Another token."""
        self._tokens += 1
        self._finished += bool(piece.ended)
        now = time.monotonic()
        if now - self._said >= self._every:
            self._said = now
            line = self._line(now - self._started)
            if self._screen.live:
                self._screen.redraw(shorten(line, self._screen.width, ascii_only=not self._screen.unicode))
            else:
                self._screen.line(line)

    def wrote(self) -> None:
        """Another line is written."""
        self.written += 1

    def end(self) -> None:
        """The last word, where there was something to do."""
        if self._tokens:
            self._screen.line(self._line(time.monotonic() - self._started, ended=True))

    def _line(self, seconds: float, *, ended: bool = False) -> str:
        from craft.analysis.numbers import format_count, format_duration

        rate = self._tokens / max(seconds, 1e-6)
        words = [f"{self._finished:,} of {self.total:,} texts", f"{format_count(rate)} tok/s"]
        new = self._finished - self._before
        if ended:
            words.append(f"in {format_duration(seconds)}")
        elif new > 0:
            left = (self.total - self._finished) * seconds / new
            words.insert(1, f"{100 * self._finished / self.total:.0f}%")
            words.append(f"{format_duration(left)} left")
        return "  ".join(words)
