"""The experiments of the file: a list beside the runs where there is room, else one line above them."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from craft.text import shorten, width_of
from workbench.project import Check, Experiment, Project
from workbench.rows import QUIET


class ExperimentsView(Widget):
    """Names, purposes, how often each was run, and what the schema says about them."""

    def __init__(self, project: Project, id: str | None = None) -> None:
        super().__init__(id=id)
        self.project = project
        self.check: Check | None = None
        self.counts: dict[str, int] = {}

    def show(self, project: Project, check: Check | None, counts: dict[str, int]) -> None:
        if (project, check, counts) != (self.project, self.check, self.counts):
            self.project, self.check, self.counts = project, check, counts
            self.refresh(layout=True)

    def render(self) -> Content:
        width = self.content_size.width
        return self._tall(width) if self.content_size.height > 3 else self._flat(width)

    # --- one line ---

    def _flat(self, width: int) -> Content:
        project = self.project
        if not project.exists:
            return _line(width, (f"no {project.file} here", QUIET))
        if project.fault:
            return _line(width, (project.fault.partition("\n")[0], "$text-error"))
        verdict = self._verdict()
        room = width - width_of(verdict[0]) - 2
        lead = "experiments  "
        names = [experiment.name for experiment in project.experiments]
        shown: list[str] = []
        for index, name in enumerate(names):
            rest = f"  +{len(names) - index} more"
            if width_of(lead + "  ".join([*shown, shorten(name, 40)]) + rest) > room and shown:
                shown.append(f"+{len(names) - index} more")
                break
            shown.append(shorten(name, 40))
        text = shorten("  ".join(shown) or "none in this file", max(room - len(lead), 4))
        return Content.assemble((lead, QUIET), (text, "$foreground"), ("  ", ""), (verdict[0], verdict[1]))

    # --- a column ---

    def _tall(self, width: int) -> Content:
        project = self.project
        head = _two_ends(width, ("experiments", QUIET), self._verdict())
        if not project.exists:
            missing = Content.styled(shorten(f"no {project.file} here", width), "$foreground")
            return Content("\n").join([head, missing])
        if project.fault:
            return Content("\n").join([head, *self._wrapped(project.fault, width, 6)])
        blocks = [self._block(experiment, width) for experiment in project.experiments]
        height = self.content_size.height
        # A blank line between two experiments where they all fit with it.
        gap = [Content("")] if sum(len(block) + 1 for block in blocks) < height else []
        lines = [head, *gap]
        for index, block in enumerate(blocks):
            if len(lines) + len(block) + len(gap) >= height and index < len(blocks) - 1:
                lines.append(Content.styled(f"+{len(blocks) - index} more", QUIET))
                break
            lines += [*block, *gap]
        return Content("\n").join(lines)

    def _block(self, experiment: Experiment, width: int) -> list[Content]:
        """Name and runs; below them its first fault, or what it is for."""
        runs = self.counts.get(experiment.name, 0)
        count = f"{runs} run{'s' * (runs != 1)}" if runs else ""
        right = "  ".join(word for word in ("sweep" if experiment.is_sweep else "", count) if word)
        lines = [_two_ends(width, (experiment.name, "bold $foreground"), (right, QUIET))]
        problems = self.check.problems.get(experiment.name) if self.check else None
        if problems:
            lines.append(Content.styled(shorten(_short(problems[0]), width), "$text-error"))
        elif experiment.about:
            lines.append(Content.styled(shorten(experiment.about, width), QUIET))
        return lines

    def _wrapped(self, text: str, width: int, most: int) -> list[Content]:
        lines = [line for line in text.splitlines() if line.strip()][:most]
        return [Content.styled(shorten(line, width), "$text-error") for line in lines]

    def _verdict(self) -> tuple[str, str]:
        if self.check is None:
            return "", QUIET
        if not self.check.count:
            return "all valid", "$text-success"
        return f"{self.check.count} problem{'s' * (self.check.count != 1)}", "$text-error"


def _two_ends(width: int, left: tuple[str, str], right: tuple[str, str]) -> Content:
    """Left text cut to what the right one leaves of the line."""
    text = shorten(left[0], max(width - width_of(right[0]) - 1, 4))
    gap = " " * max(width - width_of(text) - width_of(right[0]), 1)
    return Content.assemble((text, left[1]), gap, right)


def _line(width: int, *parts: tuple[str, str]) -> Content:
    return Content.assemble(*((shorten(text, width), style) for text, style in parts))


def _short(problem: str) -> str:
    """A problem's first line without the file, which is the one that this list is about."""
    first = problem.partition("\n")[0]
    place, separator, rest = first.partition(": ")
    return f"{place.rpartition('/')[2].partition(':')[2]}: {rest}" if separator else first
