"""Writing a comparison into a file: what kind, where, and never over something without asking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.dialogs.choose import Choice, ChooseScreen
from workbench.dialogs.export import export

if TYPE_CHECKING:
    from craft.analysis.comparison.export import Look
    from workbench.bench import Bench
    from workbench.screens.compare.reading import Shown

_KINDS = {
    ".svg": "the curves, as a picture that can be enlarged",
    ".png": "the curves, as a picture for slides and chats",
    ".md": "figures, settings and what follows, as Markdown",
    ".csv": "every run's figures with all digits, and settings",
}


@dataclass(frozen=True)
class Export:
    """A comparison to be written, with the axes as they are shown."""

    app: Bench
    shown: Shown
    look: Look

    def ask(self) -> None:
        """Ask for the kind, then for the place."""
        choices = [Choice(end, end.removeprefix("."), about) for end, about in _KINDS.items()]
        last = self.app.session.get("compare.export", ".svg")
        at = list(_KINDS).index(last) if last in _KINDS else 0
        self.app.push_screen(ChooseScreen("Write the comparison as", choices, at=at), self._ask_where)

    def _ask_where(self, end: str | None) -> None:
        if end is None:
            return
        self.app.session.set("compare.export", end)
        metric = re.sub(r"[^a-z0-9.-]+", "-", self.shown.found.metric.lower()).strip("-") or "metric"
        place = self.app.project.file.parent.absolute() / f"compare-{metric}{end}"
        formats = {one: partial(self._content, f"comparison{one}") for one in (*_KINDS, ".markdown")}
        export(self.app, "the comparison", str(place), formats, detail=_KINDS[end])

    def _content(self, name: str) -> bytes:
        from craft.analysis.comparison.export import content_of

        return content_of(Path(name), self.shown.found, self.look)
