"""What stands in the place of the list while there are no runs: what to press, or to type, next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from craft.text import clean_line, shorten
from workbench.screens.runs.rows import QUIET

if TYPE_CHECKING:
    from workbench.bench import Bench


def empty_state(app: Bench) -> Content:
    """The next step, a key first and the command for a shell below it."""
    project, ascii_only = app.project, app.ascii_only
    folder = shorten(project.shown_runs_dir, 60, ascii_only=ascii_only)
    lines = [Content.styled(f"No runs yet in {folder}/", QUIET), Content("")]
    if not project.exists:
        lines += _key("1", "write experiments for a text of your own")
        if app.check_action("demo", ()):
            lines += _key("d", "train a small model on the standard library's sources, and watch it")
        lines += [Content(""), Content("or in a shell:"), _command(project.command("init"))]
    elif project.fault or (app.check and app.check.count):
        lines += _key("1", "mend the experiments file; each fault is shown at its line")
        lines += [Content(""), Content("or see them all in a shell:")]
        lines.append(_command(project.command("validate", str(project.file))))
    else:
        lines += _key("1", "choose experiments and launch them")
        lines += [Content(""), Content("or all of them in a shell:"), _command(project.run_command)]
        if len(project.experiments) > 1:
            one = project.command("run", str(project.file), project.experiments[0].name)
            lines += [Content("or one:"), _command(one)]
    return Content("\n").join(lines)


def _key(key: str, what: str) -> list[Content]:
    return [Content.assemble((f"  {key}  ", "bold $text-accent"), what)]


def _command(text: str) -> Content:
    # Never cut, it is there to be typed.
    return Content.styled(f"  {clean_line(text)}", "bold $text-accent")
