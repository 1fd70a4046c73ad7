"""Texts of the playground in a file: as they are, or with all that is known of them as JSON."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textual.widget import Widget

from workbench.dialogs.prompt import PromptScreen
from workbench.screens.playground.pane import TextPane
from workbench.screens.playground.sources import Source


def ask_where(owner: Widget, panes: Sequence[TextPane], as_json: Callable[[], dict[str, Any]]) -> None:
    """Ask for the file's name and write it: JSON where the name ends so, else the texts."""
    app = owner.app

    def check(name: str) -> str:
        place = Path(name.strip()).expanduser()
        if not name.strip() or not place.name:
            return "a file's name"
        if not place.parent.is_dir():
            return f"there is no folder {place.parent}"
        return "there is a file of that name already" if place.exists() else ""

    def write(name: str | None) -> None:
        if name is None:
            return
        place = Path(name.strip()).expanduser()
        text = json.dumps(as_json(), ensure_ascii=False, indent=1) if place.suffix == ".json" else texts_as_text(panes)

        def put() -> None:
            try:
                with place.open("x", encoding="utf-8", errors="surrogatepass", newline="") as file:
                    file.write(text)
            except OSError as error:
                app.say(f"{place}: not written: {error.strerror or error}", "error")  # type: ignore[attr-defined]
            else:
                app.say(f"written to {place}")  # type: ignore[attr-defined]

        threading.Thread(target=put, name="export", daemon=True).start()

    app.push_screen(
        PromptScreen(
            "Write the texts to a file",
            detail="A name in .json keeps prompt, settings, sources, and each token with what the model thought of it.",
            value=time.strftime("playground-%Y%m%d-%H%M%S.txt"),
            check=check,
        ),
        write,
    )


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
