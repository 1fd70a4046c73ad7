"""What prepared data amounts to, and what a batch holds, in lines and as plain values."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from craft.cli.common import shown_path
from craft.config.schema.data import PickledData, TokensData
from craft.text import clean_line, fit, shorten, shows_unicode, width_of

if TYPE_CHECKING:
    from craft.cli.tokenizer_sources import Job
    from craft.data import PreparedData, Tokenizer, TrainBatches
    from craft.data.datasets import Windows
    from craft.data.export import WrittenTokens

WIDTH = 80  # columns of what is printed; a pipe and a wide screen get the same
LABEL = 12  # of these, for the words on the left


# What the text amounts to -----------------------------------------------------------------------------------------


def facts_of(job: Job, prepared: PreparedData, batches: TrainBatches | None = None) -> dict[str, Any]:
    """What is known of a prepared text, as plain values."""
    meta, data = prepared.meta, job.config.data
    facts: dict[str, Any] = {
        "experiment": job.name or None,
        "data": data.type,
        "tokenizer": job.config.tokenizer.type,
        "vocab_size": prepared.tokenizer.vocab_size,
        "content": prepared.corpus_hash,
        "made": prepared.made,
        "path": str(meta.path) if meta and prepared.kept else None,
    }
    if meta:
        facts |= {
            "source": meta.source,
            "documents": meta.num_documents,
            "left_out": meta.num_left_out,
            "bytes": meta.num_bytes,
            "tokens": meta.num_tokens,
        }
    elif isinstance(data, TokensData | PickledData):
        facts["source"] = data.path
    facts["splits"] = {
        name: {"targets": split.num_target_tokens, "windows": split.num_eval_windows}
        for name, split in prepared.splits.items()
    }
    if batches:
        facts["splits"]["train"]["windows"] = batches.num_windows
        facts["steps_per_epoch"] = batches.steps_per_epoch()
    facts["context_length"] = data.context_length
    return facts


def described(facts: dict[str, Any]) -> Iterator[str]:
    """The same in lines."""
    yield shown(f"{facts['experiment']}: data {facts['data']}, tokenizer {facts['tokenizer']}", WIDTH)
    if "source" in facts:
        yield _labelled("source", facts["source"])
    if "documents" in facts:
        left_out = f", {facts['left_out']:,} left out that hold more than ASCII" if facts["left_out"] else ""
        yield _labelled("documents", f"{facts['documents']:,}{left_out}")
        yield _labelled("text", f"{facts['bytes']:,} bytes, {facts['tokens']:,} tokens")
    yield _labelled("vocabulary", f"{facts['vocab_size']:,} tokens")
    for name, split in facts["splits"].items():
        epoch = f", {facts['steps_per_epoch']:,} steps an epoch" if name == "train" else ""
        targets = "" if split["targets"] is None else f"{split['targets']:,} targets in "
        yield _labelled(name, f"{targets}{split['windows']:,} windows{epoch}")
    yield _labelled("content", f"sha256 {facts['content'][:16]}")
    if facts["path"]:
        yield _labelled("kept in", facts["path"])


def shown(text: str, width: int = WIDTH) -> str:
    """Text that is not ours, on one line of at most `width` columns, as this terminal can show it."""
    return shorten(text, width, ascii_only=not shows_unicode(sys.stdout))


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{shown(text, WIDTH - LABEL - 2)}"


def told(job: Job, prepared: PreparedData, seconds: float, *, place: bool = True) -> str:
    """What was prepared, in how long, and where it is."""
    from craft.analysis.numbers import format_bytes, format_rate

    meta, data = prepared.meta, job.config.data
    name = f"{clean_line(job.name)}: " if job.name else ""
    if meta is None:
        if not isinstance(data, TokensData | PickledData):
            return f"{name}a dataset of one's own is not kept; it was made in {seconds:.1f} s"
        counts = ", ".join(f"{split} {_targets(windows)}" for split, windows in prepared.splits.items())
        return f"{name}{counts}: read where they lie, looked through in {seconds:.2f} s\n  {clean_line(data.path)}"
    documents = f"{meta.num_documents:,} document{'' if meta.num_documents == 1 else 's'}"
    what = f"{name}{format_bytes(meta.num_bytes)}, {documents}, {meta.num_tokens:,} tokens"
    rate = format_rate(meta.num_bytes / 1e6 / seconds, "MB/s")
    when = f"in {seconds:.2f} s, {rate}" if prepared.made else "before"
    kept = clean_line(str(meta.path)) if prepared.kept else "not kept"
    return f"{what}: prepared {when}" + (f"\n  {kept}" if place else "")


def _targets(split: Windows) -> str:
    count = split.num_target_tokens
    return f"{split.num_eval_windows:,} windows" if count is None else f"{count:,} targets"


def written_facts(written: WrittenTokens, prepared: PreparedData, tokenizer: str) -> dict[str, Any]:
    """What files were written, and what a definition says to read them, as plain values."""
    table = {"type": tokenizer}
    if written.vocabulary and table["type"] != "char":
        table["path"] = str(written.folder / written.vocabulary)
    return {
        "path": str(written.folder),
        "files": {split: {"name": name, "tokens": count} for split, (name, count) in written.tokens.items()},
        "dtype": written.dtype,
        "vocabulary": written.vocabulary or None,
        "vocab_size": prepared.tokenizer.vocab_size,
        "bytes": written.num_bytes,
        "definition": {"data": {"type": "tokens", "path": str(written.folder)}, "tokenizer": table},
    }


def written_lines(facts: dict[str, Any]) -> Iterator[str]:
    """The same in lines."""
    from craft.analysis.numbers import format_bytes
    from craft.config.toml_values import write_value

    folder = Path(facts["path"])
    yield f"  wrote {clean_line(shown_path(folder))}, {format_bytes(facts['bytes'])}"
    for file in facts["files"].values():
        yield f"    {file['name']:<15} {file['tokens']:>14,} tokens, {facts['dtype']}"
    if facts["vocabulary"]:
        yield f"    {facts['vocabulary']:<15} {facts['vocab_size']:>14,} tokens in the vocabulary"
    yield "  a definition reads it with"
    for section, table in facts["definition"].items():
        values = {key: shown_path(Path(value)) if key == "path" else value for key, value in table.items()}
        inside = ", ".join(f"{key} = {write_value(value)}" for key, value in values.items())
        yield f"  {section} = {{ {clean_line(inside)} }}"


# Token by token ---------------------------------------------------------------------------------------------------


class _Marks:
    """Pieces of text as they can be seen: blanks and controls as marks."""

    def __init__(self) -> None:
        self.ascii_only = not shows_unicode(sys.stdout)
        self.blank = "SP" if self.ascii_only else "\N{OPEN BOX}"

    def of(self, piece: str) -> str:
        """One line, nothing invisible; cleaned."""
        return clean_line(piece, ascii_only=self.ascii_only).replace(" ", self.blank)


def token_lines(tokenizer: Tokenizer, inputs: list[int], targets: list[int]) -> Iterator[str]:
    """Three lines for as many tokens as fit side by side: piece, id, target."""
    from craft.data.datasets import IGNORED

    marks = _Marks()
    rows = {
        "piece": [marks.of(tokenizer.piece(token)) for token in inputs],
        "id": [str(token) for token in inputs],
        "target": ["-" if token == IGNORED else str(token) for token in targets],
    }
    cell = 1 + max(3, *(width_of(text) for texts in rows.values() for text in texts))
    across = max(1, (WIDTH - LABEL) // cell)
    across -= across % 8 if across > 8 else 0
    for start in range(0, len(inputs), across):
        if start:
            yield ""
        for label, texts in rows.items():
            place = f"{start:>4} " if label == "piece" else " " * 5
            cells = "".join(fit(text, cell, align="right") for text in texts[start : start + across])
            yield f"{place}{label:>6}{cells}"
