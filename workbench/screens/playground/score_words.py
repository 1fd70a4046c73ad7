"""Scores in words: totals of each source beside each other, one token in full, and as files. Free of widgets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from textual.content import Content

from craft.analysis.numbers import format_count, format_loss, format_number, format_percent
from craft.runs.json_files import encode_line
from craft.text import clean_line, fit, width_of
from workbench.screens.playground.score_figures import UNITS, Scored, Totals
from workbench.screens.playground.sources import LETTERS

QUIET = "$text-muted"


@dataclass
class Judged:
    """What one source thought of the text."""

    label: str
    scored: Scored = field(default_factory=Scored)
    totals: Totals | None = None
    """Once all is there."""
    state: str = "waits"
    """waits, scoring, done, stopped or failed."""
    fault: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    read: float = 0.0
    """The share of the text that was read; the tokens come when all of it is."""

    @property
    def words(self) -> str:
        """How far it is, or what went wrong."""
        if self.fault:
            return self.fault
        if len(self.scored):
            return f"{self.state}, {len(self.scored):,} tokens"
        return f"{self.state}, {format_percent(self.read)} read" if self.state == "scoring" else self.state


def totals_table(judged: Sequence[Judged], shown: int, width: int, unit: str, *, ascii_only: bool) -> Content:
    """A line a source; the best of several by bits per byte, which does not depend on how a text is cut into tokens."""
    several = len(judged) > 1
    name = max(8, min(max((width_of(one.label) for one in judged), default=0), width - (42 if several else 35)))
    counted = width >= name + 52  # columns; which is best matters more than how many tokens there are
    heading = f"{'':{4 if several else 2}}{'':{name}}  {unit + '/token':>10} {'perplexity':>10} {'bits/byte':>9}"
    heading += f" {'tokens':>8}" if counted else ""
    lines = [Content.styled(heading, QUIET)]
    known = [one.totals.bits_per_byte for one in judged if one.totals and one.totals.bits_per_byte is not None]
    best = min(known) if several and len(known) > 1 else None
    for number, one in enumerate(judged):
        mark = (">" if ascii_only else "\u25b8") if number == shown and several else " "
        letter = f"{LETTERS[number]} " if several else ""
        begin = f"{mark} {letter}{fit(one.label, name, ascii_only=ascii_only)}  "
        style = "bold" if number == shown else ""
        totals = one.totals
        if totals is None:
            look = "$text-error" if one.fault else QUIET
            lines.append(Content.assemble((begin, style), (clean_line(one.words), look)))
            continue
        loss = None if totals.loss is None else totals.loss * UNITS[unit]
        figures = f"{format_loss(loss):>10} {format_number(totals.perplexity):>10} "
        bits = f"{format_loss(totals.bits_per_byte):>9}"
        tokens = f" {format_count(totals.tokens):>8}" if counted else ""
        is_best = best is not None and totals.bits_per_byte == best
        lines.append(
            Content.assemble(
                (begin + figures, style),
                (bits, "bold $text-success" if is_best else style),
                (tokens, QUIET),
                (" best" if is_best else "", "bold $text-success"),
            )
        )
    return Content("\n").join(lines)


def token_words(
    judged: Sequence[Judged], shown: int, place: int, unit: str, *, comparable: bool, ascii_only: bool
) -> Content:
    """All that is known of one token; beside what the others thought of it, where they read the same tokens."""
    one = judged[shown].scored
    thought = one.thought(place)
    lines = [Content.assemble((f"token {place + 1:,} of {len(one):,}  ", QUIET), (_shown(thought.piece), "bold"))]
    per_nat = UNITS[unit]
    for number, other in enumerate(judged):
        if place >= len(other.scored) or (number != shown and not comparable):
            continue
        found = other.scored.thought(place)
        letter = f"{LETTERS[number]} " if len(judged) > 1 else ""
        if found.loss is None or found.probability is None:
            words = "the first token: nothing is expected of it"
        else:
            loss = f"{found.loss * per_nat:.2f}" if math.isfinite(found.loss) else "endless"
            rank = f"rank {found.rank:,}" if found.rank is not None else ""
            words = f"{loss:>6} {unit}   {_share(found.probability):>7}   {rank}"
            if found.entropy is not None:
                words += f"   expected {found.entropy * per_nat:.2f}"
        lines.append(Content.assemble((letter, "bold" if number == shown else ""), words))
    if thought.alternatives:
        lines.append(Content.styled("instead", QUIET))
        width = max(4, min(20, max(width_of(_shown(piece, ascii_only)) for piece, _ in thought.alternatives)))
        for place, (piece, share) in enumerate(thought.alternatives, 1):
            name = fit(_shown(piece, ascii_only), width, ascii_only=ascii_only)
            here = piece == thought.piece
            bar = ("#" if ascii_only else "\u2588") * round(12 * share)
            line = f"{place:>2}  {name}  {_share(share):>7}  "
            lines.append(Content.assemble((line, "bold" if here else ""), (bar, "$primary")))
    return Content("\n").join(lines)


def _share(probability: float) -> str:
    return format_percent(probability) if probability >= 0.0005 or not probability else f"{100 * probability:.1e}%"


def _shown(piece: str, ascii_only: bool = False) -> str:
    """A token so that blanks at its ends can be seen."""
    mark = "'" if ascii_only or "'" not in piece else '"'
    return f"{mark}{clean_line(piece, ascii_only=ascii_only)}{mark}"


def worst_line(scored: Scored, place: int, figure: float | None, unit: str, *, ascii_only: bool) -> Content:
    """A token of a list, with a few of the words before it."""
    start = max(0, place - 12)
    before = "".join(scored.piece(at) for at in range(start, place))[-16:]
    number = "endless" if figure is None else f"{figure:7.2f}"
    return Content.assemble(
        (f"{number} {unit}  ", "bold"),
        (clean_line(before, ascii_only=ascii_only), QUIET),
        (clean_line(scored.piece(place), ascii_only=ascii_only), "bold underline"),
    )


# As files ------------------------------------------------------------------------------------------------------------


def as_jsonl(judged: Sequence[Judged]) -> bytes:
    """A line a source with its totals, then a line a token."""
    parts = []
    for number, one in enumerate(judged):
        totals = vars(one.totals) if one.totals else {}
        parts.append(encode_line({"source": number, "label": one.label, **totals, "provenance": one.provenance}))
        for place in range(len(one.scored)):
            thought = one.scored.thought(place)
            others = [{"text": piece, "probability": share} for piece, share in thought.alternatives]
            record: dict[str, Any] = {"source": number, "place": place, "token": thought.token, "text": thought.piece}
            record |= {"loss": thought.loss, "probability": thought.probability, "entropy": thought.entropy}
            parts.append(encode_line({**record, "rank": thought.rank, "alternatives": others}))
    return b"".join(parts)


def as_csv(judged: Sequence[Judged]) -> bytes:
    """A row a token of each source."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("source", "place", "token", "text", "loss", "probability", "entropy", "rank"))
    for one in judged:
        for place in range(len(one.scored)):
            found = one.scored.thought(place)
            figures = (found.loss, found.probability, found.entropy, found.rank)
            writer.writerow((one.label, place, found.token, found.piece, *("" if x is None else x for x in figures)))
    return out.getvalue().encode("utf-8", "replace")


def as_markdown(judged: Sequence[Judged], text: str) -> bytes:
    """The totals as a table, and the text."""
    lines = ["| source | loss | perplexity | bits/byte | tokens | bytes |", "|---|---:|---:|---:|---:|---:|"]
    for one in judged:
        label, totals = one.label.replace("|", "\\|"), one.totals
        if totals is None:
            lines.append(f"| {label} | {one.fault or one.state} | | | | |")
            continue
        figures = (
            format_loss(totals.loss),
            format_number(totals.perplexity),
            format_loss(totals.bits_per_byte),
            f"{totals.tokens:,}",
            f"{totals.num_bytes:,}",
        )
        lines.append(f"| {label} | {' | '.join(figures)} |")
    body = "\n".join(f"    {line}" for line in text.split("\n"))
    return ("\n".join(lines) + f"\n\n{body}\n").encode("utf-8", "replace")
