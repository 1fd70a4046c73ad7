"""Texts of the playground in a file: as they are, or with all that is known of them as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.dialogs.export import export
from workbench.screens.playground.pane import TextPane
from workbench.screens.playground.sources import Source

if TYPE_CHECKING:
    from workbench.bench import Bench


def ask_where(app: Bench, panes: Sequence[TextPane], as_json: dict[str, Any]) -> None:
    """Ask for the file's name and write it: JSON where the name ends so, else the texts."""
    text = texts_as_text(panes)  # now: while the name is typed another text may take the place of one
    formats = {
        ".txt": lambda: text.encode("utf-8", "surrogatepass"),
        ".json": lambda: json.dumps(as_json, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"),
    }
    detail = "A name in .json keeps prompt, settings, sources, and each token with what the model thought of it."
    name = time.strftime("playground-%Y%m%d-%H%M%S.txt")
    export(app, "the texts", name, formats, detail=detail)


def texts_as_text(panes: Sequence[TextPane]) -> str:
    """Only the text where there is one; else each under a line that says whose it is."""
    written = [pane for pane in panes if pane.branch.tokens]
    if len(written) == 1:
        return written[0].prompt + written[0].branch.text
    parts = []
    for pane in written:
        source = pane.branch.provenance.get("source") or pane.source.label
        parts.append(f"=== {source}, seed {pane.branch.seed}\n{pane.prompt}{pane.branch.text}\n")
    return "\n".join(parts)


def texts_as_json(request: dict[str, Any], sources: Sequence[Source], panes: Sequence[TextPane]) -> dict[str, Any]:
    """What was asked, and all texts with their tokens, those that were left for others too."""
    return {
        "request": request,
        "sources": [source.as_json() for source in sources],
        "texts": [
            {
                "source": pane.source.as_json(),
                "sample": pane.sample,
                "text_number": number,
                "parent": branch.parent,
                "parts_at": branch.at,
                "seed": branch.seed,
                "ended": branch.state,
                "fault": branch.fault,
                "text": branch.text,
                "tokens": [vars(token) for token in branch.tokens],
                "unread": branch.unread,
                "slides": branch.slides,
                "tokens_per_second": branch.result.get("tokens_per_second"),
                "provenance": branch.provenance,
            }
            for pane in panes
            for number, branch in enumerate(pane.branches)
        ],
    }
