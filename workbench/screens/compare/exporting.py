"""Writing a comparison into a file: what kind, where, and never over something without asking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.dialogs.choose import Choice, ChooseScreen
from workbench.dialogs.confirm import ConfirmScreen
from workbench.dialogs.prompt import PromptScreen

if TYPE_CHECKING:
    from craft.analysis.comparison.export import Look
    from workbench.app import Workbench
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

    app: Workbench
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
        prompt = PromptScreen("Write to", detail=_KINDS[end], value=str(place), check=_fault)
        self.app.push_screen(prompt, self._take)

    def _take(self, text: str | None) -> None:
        if text is None:
            return
        path = Path(text.strip()).expanduser().absolute()
        if not path.exists():
            self._begin(path)
            return

        def decide(yes: bool | None) -> None:
            if yes:
                self._begin(path)

        self.app.push_screen(ConfirmScreen("Replace the file that is there?", str(path)), decide)

    def _begin(self, path: Path) -> None:
        self.app.run_worker(
            lambda: self._write(path), name="export", group="compare export", thread=True, exit_on_error=False
        )

    def _write(self, path: Path) -> None:
        from craft.analysis.comparison.export import content_of, write_export
        from craft.errors import CraftError

        try:
            write_export(path, content_of(path, self.shown.found, self.look))
        except CraftError as error:
            self.app.say(str(error), "error")
        else:
            self.app.say(f"wrote {path}")


def _fault(text: str) -> str:
    """What is wrong with a place, as far as that can be seen without writing."""
    path = Path(text.strip()).expanduser()
    if not text.strip():
        return "where to?"
    if path.suffix.lower() not in _KINDS:
        return f"the name must end in {', '.join(_KINDS)}"
    try:
        if path.is_dir():
            return "this is a folder"
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}"
    except OSError as error:
        return error.strerror or str(error)
    return ""
