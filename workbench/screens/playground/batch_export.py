"""The texts of a batch as files: JSON lines as `craft generate --prompts-file` writes them, CSV, Markdown."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from craft import __version__
from craft.runs.json_files import encode_line
from workbench.screens.playground.batch_work import BatchWork, Row

_COLUMNS = ("source", "index", "id", "prompt", "sample", "seed", "text", "ended", "tokens", "error")


def written(work: BatchWork) -> list[Row]:
    """What came: whole texts, what was written of those that were stopped, and failures."""
    return [row for row in work.rows if row.text or row.error or row.state == "done"]


def as_jsonl(work: BatchWork) -> bytes:
    """A line a text."""
    return b"".join(encode_line(record) for record in _records(work))


def _records(work: BatchWork) -> Iterator[dict[str, Any]]:
    for row in written(work):
        line, provenance = row.line, work.provenances[row.source]
        record: dict[str, Any] = {"index": line.index}
        if line.id is not None:
            record["id"] = line.id
        record |= {"prompt": line.prompt, "sample": row.sample}
        if line.tokens:
            record["tokens_before"] = list(line.tokens)
        if row.error:
            record |= {"text": None, "error": row.error}
        else:
            record |= {"text": row.text, "num_tokens": row.tokens, "ended": row.ended or "cancelled", **row.more}
        settings = dataclasses.asdict(line.settings)
        record |= {**settings, "stop": list(line.settings.stop), "seed": row.seed}
        record |= {name: provenance.get(name) for name in ("run", "step", "source", "device", "precision")}
        record["checkpoint"] = provenance.get("path")
        yield {**record, "versions": {"craft": __version__, "torch": provenance.get("torch")}}


def as_csv(work: BatchWork, labels: Sequence[str]) -> bytes:
    """A table with a heading, as RFC 4180 has it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for row in written(work):
        line = row.line
        name = "" if line.id is None else line.id
        known = (labels[row.source], line.index, name, line.prompt, row.sample, row.seed)
        writer.writerow((*known, row.text, row.ended, row.tokens, row.error))
    return out.getvalue().encode("utf-8", "replace")


def as_markdown(work: BatchWork, labels: Sequence[str]) -> bytes:
    """A section a text."""
    lines = [f"# {len(work.lines):,} prompts", ""]
    for row in written(work):
        name = f" ({row.line.id})" if row.line.id is not None else ""
        about = [labels[row.source]] if len(labels) > 1 else []
        about += [f"sample {row.sample + 1}"] if work.samples > 1 else []
        about += [f"seed {row.seed}", (row.error and "failed") or f"{row.tokens} tokens, {row.ended or 'stopped'}"]
        lines += [f"## {row.line.index + 1}{name}", "", ", ".join(about), "", *_fenced(row.line.prompt)]
        lines += [*_fenced(row.error or row.text)]
    return "\n".join(lines).encode("utf-8", "replace")


def _fenced(text: str) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence, ""]


def as_text(work: BatchWork) -> str:
    """To be copied: a row a text, prompt and text in one, with a line between them."""
    return "\n---\n".join(row.line.prompt + row.text for row in written(work) if not row.error) + "\n"
