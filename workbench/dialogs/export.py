"""A file of a person's own: asked for by name, whose ending says what is written; over another only after a yes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from craft import platform
from craft.errors import CraftError
from craft.runs.json_files import why
from workbench.dialogs.confirm import ConfirmScreen
from workbench.dialogs.prompt import PromptScreen
from workbench.paths import fault_of_place, is_taken, typed_path

if TYPE_CHECKING:
    from workbench.bench import Bench

Formats = Mapping[str, Callable[[], bytes]]
"""By the ending of the name. Called in a thread."""


def export(app: Bench, what: str, name: str, formats: Formats, *, detail: str = "") -> None:
    """Ask where `what` shall go, and write it there. `name` is proposed; `detail` says more of the formats."""
    endings = list(formats)

    def take(given: str | None) -> None:
        if given is None:
            return
        path = typed_path(given)
        if not is_taken(path):
            write(path, overwrite=False)
            return

        def decide(yes: bool | None) -> None:
            if yes:
                write(path, overwrite=True)

        app.push_screen(
            ConfirmScreen("Replace the file that is there?", f"{path}: what it holds would be lost."), decide
        )

    def write(path: Path, *, overwrite: bool) -> None:
        def run() -> None:
            try:
                write_file(path, formats[path.suffix.lower()](), overwrite=overwrite)
            except (CraftError, OSError) as error:
                words = str(error) if isinstance(error, CraftError) else why(error)
                app.say(f"{path}: not written: {words}", "error")
            else:
                app.say(f"wrote {what} to {path}")

        # Not a worker of the app: a file that is begun is finished, also when the program ends.
        threading.Thread(target=run, name="export").start()

    said = detail or f"Its ending says how: {', '.join(endings)}."
    prompt = PromptScreen(f"Write {what} to", detail=said, value=name, check=lambda text: fault_of_place(text, endings))
    app.push_screen(prompt, take)


def write_file(path: Path, content: bytes, *, overwrite: bool) -> None:
    """A whole file on disk, or none. Raises OSError, FileExistsError too unless it may be overwritten."""
    if overwrite:
        platform.write_file_durable(path, content)
        return
    with path.open("xb") as file:  # it is ours from here on
        try:
            file.write(content)
            file.flush()
            platform.sync_data(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
