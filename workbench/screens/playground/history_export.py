"""A file of one's own from what the playground holds: asked for by name, whose ending says what it is written as."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from textual.widget import Widget

from craft import platform
from craft.errors import CraftError
from craft.runs.json_files import why
from workbench.dialogs.confirm import ConfirmScreen
from workbench.dialogs.prompt import PromptScreen

Formats = Mapping[str, Callable[[], bytes]]
"""By the ending of the name. Called in a thread."""


def export(owner: Widget, what: str, name: str, formats: Formats) -> None:
    """Ask where `what` shall go, and write it there; a file that is there is overwritten only after a yes."""
    app = owner.app
    endings = ", ".join(formats)

    def fault(given: str) -> str:
        path = Path(given.strip()).expanduser()
        if not given.strip() or path.is_dir():
            return "name a file"
        if path.suffix not in formats:
            return f"the name must end in {endings}"
        return "" if path.absolute().parent.is_dir() else f"there is no folder {path.absolute().parent}"

    def take(given: str | None) -> None:
        if given is None:
            return
        path = Path(given.strip()).expanduser()
        if not path.exists():
            write(path, overwrite=False)
            return

        def decide(yes: bool | None) -> None:
            if yes:
                write(path, overwrite=True)

        app.push_screen(ConfirmScreen(f"Overwrite {path.name}?", f"{path} is there already; it would be lost."), decide)

    def write(path: Path, *, overwrite: bool) -> None:
        def run() -> None:
            try:
                write_file(path, formats[path.suffix](), overwrite=overwrite)
            except (CraftError, OSError) as error:
                words = str(error) if isinstance(error, CraftError) else why(error)
                app.say(f"{path}: not written: {words}", "error")  # type: ignore[attr-defined]
            else:
                app.say(f"{what} written to {path}")  # type: ignore[attr-defined]

        # Not a worker of the app: a file that is begun is finished, also when the program ends.
        threading.Thread(target=run, name="export").start()

    app.push_screen(
        PromptScreen(f"Write {what} to a file", detail=f"Its ending says how: {endings}.", value=name, check=fault),
        take,
    )


def write_file(path: Path, content: bytes, *, overwrite: bool) -> None:
    """A whole file or none. Raises OSError, FileExistsError too unless it may be overwritten."""
    if overwrite:
        platform.write_file_atomic(path, content)
        return
    with path.open("xb") as file:  # it is ours from here on
        try:
            file.write(content)
            file.flush()
        except OSError:
            path.unlink(missing_ok=True)
            raise
