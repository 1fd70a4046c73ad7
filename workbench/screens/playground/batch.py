"""The tab "batch": texts after many prompts, typed a line each or from a file, in a table that grows."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from craft.analysis.numbers import format_count, format_duration, format_rate
from craft.errors import CraftError
from craft.runs.prompts_file import PromptLine
from craft.runs.sampling_settings import SamplingSettings
from craft.text import clean, clean_line
from workbench.actions import bindings_of
from workbench.dialogs.export import export
from workbench.dialogs.prompt import PromptScreen
from workbench.paths import fault_of_file, typed_path
from workbench.screens.playground import batch_export
from workbench.screens.playground.batch_table import BatchTable
from workbench.screens.playground.batch_work import MOST_TEXTS, BatchWork, read_prompts, typed_prompts
from workbench.screens.playground.history_keep import Keeping
from workbench.screens.playground.mode import Mode
from workbench.screens.playground.sources import Source, same_weights
from workbench.screens.playground.words import Word, Words
from workbench.widgets.split import Split
from workbench.widgets.typed_lines import Lines

_MOST_SHOWN = 20_000  # characters of the text of one row


class PromptLines(Lines):
    """Prompts, a line each; what a terminal would obey is shown as marks."""

    BINDINGS = bindings_of("batch prompts")

    def action_leave(self) -> None:
        self.screen.query_one(BatchTable).focus()

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        if action == "leave":  # while a batch is written escape stops it
            return bool(not self.screen.query_one(BatchMode).busy)
        return super().check_action(action, parameters)


class BatchMode(Mode):
    """Prompts, how far it is, and what came."""

    NAME = "batch"
    WITH_PROMPT = False
    BINDINGS = bindings_of("batch")

    def __init__(self) -> None:
        super().__init__()
        self.work = BatchWork([], 1)
        self.file = ""
        """Whose prompts are asked next; none: those that are typed."""
        self._file_of_work = ""
        self.fault = ""
        self._told = ""
        self._sources: list[Source] = []
        self._keeping: Keeping | None = None
        self._keep_at = 0  # texts at which the history is told again
        self._started = self._took = 0.0
        self._changed: set[int] = set()
        self._reading = False

    def compose(self) -> ComposeResult:
        yield Words(id="batch-state")
        lines = PromptLines(
            "", compact=True, id="batch-prompts", placeholder="prompts, a line each; ctrl+o takes those of a file"
        )
        text = VerticalScroll(Static(id="batch-words"), id="batch-text")
        below = Split(BatchTable(), text, name="playground.batch.text", share=0.7)
        yield Split(lines, below, name="playground.batch", share=0.25, stacked=True)

    def on_mount(self) -> None:
        self.lines.load_text(self.app.session.get("playground.batch", ""))
        self.lines.edited = self._keep_typed
        self._take_file(self.app.session.get("playground.batch_file", ""))
        self._say()

    def on_resize(self) -> None:
        self.query(Split).last().stacked = self.size.width < 120

    @property
    def lines(self) -> PromptLines:
        """What is typed."""
        return self.query_one(PromptLines)

    @property
    def table(self) -> BatchTable:
        """What came."""
        return self.query_one(BatchTable)

    @property
    def busy(self) -> bool:
        return self._reading or not self.work.over

    @property
    def typed(self) -> Widget | None:
        return None if self.file else self.lines

    def focus_first(self) -> None:
        (self.table if self.work.rows or self.file else self.lines).focus()

    # --- asking ---

    def run(self) -> None:
        settings = self.playground.sampling_settings()
        if settings is None or self._reading:
            return
        if self.busy:
            self.fault = "a batch is being written; escape stops it and keeps what came"
            self._say()
            return
        self.fault, self._reading = "", True
        self._read(self.file, self.lines.text, settings)
        self._say()

    @work(thread=True, group="batch prompts", exclusive=True, exit_on_error=False)
    def _read(self, file: str, typed: str, settings: SamplingSettings) -> None:
        fault, lines = "", list[PromptLine]()
        try:
            lines = read_prompts(typed_path(file), settings) if file else typed_prompts(typed, settings)
        except CraftError as error:
            fault = str(error)
        finally:
            self.app.call_from_thread(self._begin, file, lines, fault)

    def _begin(self, file: str, lines: list[PromptLine], fault: str) -> None:
        self._reading = False
        sources, samples = list(self.playground.sources), self.playground.samples
        if not fault and not lines:
            fault = f"{file} has no prompts" if file else "type prompts first, or ctrl+o for a file"
        count = len(lines) * samples * len(sources)
        if not fault and count > MOST_TEXTS:
            fault = f"{count:,} texts are too many here (at most {MOST_TEXTS:,}): 'craft generate --prompts-file'"
        self.fault = fault
        if not fault:
            self._sources = sources
            self.work, self._file_of_work = BatchWork(lines, samples, len(sources)), file
            self._started, self._took, self._keep_at = time.monotonic(), 0.0, 16
            request: dict[str, Any] = {
                "type": "generate",
                "prompts": self.work.prompts_record(),
                "samples": samples,
                "settings": dataclasses.asdict(lines[0].settings),
                **self.playground.where(),
            }
            if file:
                request["file"] = str(typed_path(file).absolute())
            self._keeping = Keeping(self, "batch", request, sources)
            self.table.show(self.work)
            self._ask_more()
        self._say()
        self.playground.refresh_bindings()

    def _ask_more(self) -> None:
        while (chunk := self.work.next_chunk()) is not None:
            source, known = self._sources[chunk.source], self.work.provenances[chunk.source]
            # All of a batch come from one checkpoint, though the run may train on meanwhile.
            runs_dir = self.app.project.runs_dir
            place = same_weights(source, known, runs_dir) if known else source.checkpoint(runs_dir)
            self.work.asked(self.ask(checkpoint=place, **self.work.request(chunk)), chunk)

    def stop(self) -> None:
        self.work.stop()
        super().stop()
        self.table.refresh()
        self._say()

    def answered(self, identifier: str, message: dict[str, Any]) -> None:
        self._changed.update(self.work.take(identifier, message))

    def drawn(self) -> None:
        was_open = not self._took
        self._ask_more()
        if self.work.over and was_open and self._started:
            self._took = time.monotonic() - self._started
            self._end()
        elif self.work.finished >= self._keep_at and self._keeping is not None:
            # Ever rarer, so that all goes together write about twice what is kept in the end.
            self._keep_at = 2 * self.work.finished
            self._keeping.keep(self.work.results_record(), "cancelled")
        self.table.changed(sorted(self._changed))
        at = self.table.cursor
        if at in self._changed:
            self._show_row()
        self._changed.clear()
        self._say()

    def _end(self) -> None:
        if self._keeping is None:
            return
        reason = "failed" if self.work.fault else "cancelled" if self.work.stopped else "finished"
        results = self.work.results_record()
        if self.work.fault:
            results[-1]["error"] = {"kind": "CraftError", "message": self.work.fault}
        self._keeping.keep(results, reason)
        self._keeping = None
        self.playground.refresh_bindings()

    # --- what is shown ---

    def _say(self) -> None:
        work = self.work
        right = [Word(" file ", "quiet"), Word(f"{self.file} ", "strong")] if self.file else []
        if work.rows and self.file != self._file_of_work:
            right = [Word(" next: ", "quiet"), Word(f"{Path(self.file).name or 'what is typed'} ", "strong")]
        if self.fault or work.fault:
            words = [Word(" ! ", "bad"), Word(self.fault or work.fault, "bad")]
        elif self._reading:
            words = [Word(" reads the prompts", "live")]
        elif not work.rows:
            words = [Word(" F5", "key"), Word(" writes after each prompt, with the settings above", "quiet")]
        else:
            words = self._progress()
        self.query_one("#batch-state", Words).show(words, right)
        if (fault := self.fault or work.fault) != self._told:
            self._told = fault
            self._show_row()

    def _progress(self) -> list[Word]:
        work = self.work
        seconds = self._took or time.monotonic() - self._started
        ended = work.finished + work.failed
        counts = f"{ended:,} of {work.total:,} texts"
        if self.file != self._file_of_work:
            counts += f" of {Path(self._file_of_work).name or 'what was typed'}"
        if work.over:
            word = Word(" stopped: " if work.stopped else " done: ", "warn" if work.stopped else "good")
            rest = f"{format_count(work.tokens)} tokens in {format_duration(seconds)}"
        else:
            word = Word(" writing: ", "live")
            rest = format_rate(work.tokens / seconds if seconds > 0 else None, "tok/s")
            if ended:
                rest += f", {format_duration((work.total - ended) * seconds / ended)} left"
        failed = [Word(f", {work.failed:,} failed", "bad")] if work.failed else []
        return [word, Word(counts), *failed, Word(f", {rest}", "quiet")]

    @on(BatchTable.Pointed)
    def _show_row(self) -> None:
        row, words = self.table.selected, self.query_one("#batch-words", Static)
        ascii_only, fault = self.app.ascii_only, self.fault or self.work.fault
        if fault or row is None:  # the line above has no room for a long one
            words.update(Content.styled(clean(fault, ascii_only=ascii_only), "$text-error"))
            return
        name = f", id {clean_line(str(row.line.id))}" if row.line.id is not None else ""
        about = f"prompt {row.line.index + 1}{name}, line {row.line.line}, seed {row.seed}, {row.state}\n"
        prompt = clean(row.line.prompt[-_MOST_SHOWN:], ascii_only=ascii_only)
        text = clean(row.text[:_MOST_SHOWN], ascii_only=ascii_only)
        error = clean(f"\n{row.error}", ascii_only=ascii_only) if row.error else ""
        parts = Content.assemble(
            (about, "$text-muted"), (prompt, "$text-muted"), (text, "bold"), (error, "$text-error")
        )
        words.update(parts)

    def _keep_typed(self) -> None:
        self.keep_typed("playground.batch", self.lines.text)

    def restore(self, request: dict[str, Any]) -> None:
        """Take over the prompts of a batch that was asked before."""
        prompts = request.get("prompts")
        texts = [str(one.get("prompt", "")) for one in prompts or [] if isinstance(one, dict)]
        file = request.get("file")
        self._take_file(file if isinstance(file, str) else "")
        if not self.file:
            self.lines.load_text("\n".join(texts))
        self._say()

    # --- keys ---

    def _take_file(self, name: str) -> None:
        self.file = name
        self.lines.display = not name
        self.app.session.set("playground.batch_file", name)

    def action_file(self) -> None:
        def fault(name: str) -> str:
            return fault_of_file(name) if name.strip() else ""

        def take(name: str | None) -> None:
            if name is not None:
                self._take_file(name.strip())
                self.fault = ""
                self._say()

        detail = "A prompt a line, or JSON lines with settings of their own. Empty: what is typed here."
        self.app.push_screen(PromptScreen("A file of prompts", detail=detail, value=self.file, check=fault), take)

    def action_copy_row(self) -> None:
        row = self.table.selected
        if row is not None:
            self.app.copy(row.line.prompt + row.text, f"text {row.line.index + 1}")

    def action_copy_all(self) -> None:
        count = len(batch_export.written(self.work))
        self.app.copy(batch_export.as_text(self.work), f"{count:,} texts")

    def action_export(self) -> None:
        batch, labels = self.work, [source.label for source in self._sources]
        formats = {
            ".jsonl": lambda: batch_export.as_jsonl(batch),
            ".csv": lambda: batch_export.as_csv(batch, labels),
            ".md": lambda: batch_export.as_markdown(batch, labels),
        }
        export(
            self.app,
            f"{len(batch_export.written(batch)):,} texts",
            time.strftime("batch-%Y%m%d-%H%M%S.jsonl"),
            formats,
        )

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        if action in ("copy_row", "copy_all", "export"):
            return bool(self.work.rows)
        return True
