"""The experiments of the file: a list beside the runs where there is room, else two lines above them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from craft.text import clean_line, shorten, width_of
from workbench.project import Check, Experiment, Project
from workbench.screens.runs.rows import QUIET

if TYPE_CHECKING:
    from workbench.bench import Bench

Styled = tuple[str, str]
"""Text and its style."""

_FAULT, _COMMAND, _PLAIN = "$text-error", "$text-accent", "$foreground"
_FAULT_LINES = 6


class ExperimentsView(Widget):
    """Names, purposes, how often each was run, and what the schema says about them."""

    app: Bench

    def __init__(self, project: Project, id: str | None = None) -> None:
        super().__init__(id=id)
        self.project = project
        self.check: Check | None = None
        self.counts: dict[str, int] = {}

    def show(self, project: Project, check: Check | None, counts: dict[str, int]) -> None:
        """`counts`: runs by experiment."""
        if (project, check, counts) != (self.project, self.check, self.counts):
            self.project, self.check, self.counts = project, check, counts
            self.set_class(bool(check and check.count), "-faults")
            self.refresh()

    def render(self) -> Content:
        width, height = self.content_size.width, self.content_size.height
        lines = self._list(width, height) if height > 3 else [self._names(width), self._first_fault(width)]
        return Content("\n").join(lines[:height])

    # --- two lines ---

    def _names(self, width: int) -> Content:
        if not self.project.exists:
            return self._styled((f"no {self.project.file} here", QUIET), width)
        if self.project.fault:
            return self._styled((_first_line(self.project.fault), _FAULT), width)
        lead, gap = "experiments  ", "  "
        verdict, look = self._verdict()
        room = width - width_of(lead) - width_of(gap + verdict)
        names = [self._cut(experiment.name, 40) for experiment in self.project.experiments]
        shown: list[str] = []
        for index, name in enumerate(names):
            rest = f"+{len(names) - index - 1} more"
            needed = [*shown, name] if index == len(names) - 1 else [*shown, name, rest]
            if width_of(gap.join(needed)) > room:
                shown.append(f"+{len(names) - index} more")
                break
            shown.append(name)
        text = self._cut(gap.join(shown) or "none in this file", max(room, 0))
        return Content.assemble((lead, QUIET), (text, _PLAIN), gap, (verdict, look))

    def _first_fault(self, width: int) -> Content:
        """What to mend, and the command that says all of it."""
        if self.project.is_stale:
            return self._styled((self.project.about_runs, QUIET), width)
        problems = [problem for found in self.check.problems.values() for problem in found] if self.check else []
        if not problems:
            return Content("")
        command = self._validate()
        if width_of(command) > width // 2:
            return self._styled((problems[0], _FAULT), width)
        return self._two_ends(width, (problems[0], _FAULT), (command, _COMMAND))

    # --- a column ---

    def _list(self, width: int, height: int) -> list[Content]:
        head = self._two_ends(width, ("experiments", QUIET), self._verdict())
        if not self.project.exists:
            return [head, self._styled((f"no {self.project.file} here", _PLAIN), width), *self._about_runs(width)]
        if self.project.fault:
            said = [line for line in self.project.fault.splitlines() if line.strip()][:_FAULT_LINES]
            faults = [self._styled((line, _FAULT), width) for line in said]
            return [head, *faults, *self._about_runs(width), *self._hint(width)]
        general = self.check.problems.get("", []) if self.check else []
        lines = [head, *(self._styled((problem, _FAULT), width) for problem in general[:_FAULT_LINES])]
        hint = self._hint(width)
        blocks = [self._block(experiment, width) for experiment in self.project.experiments]
        room = height - len(lines) - len(hint)
        # A blank line above each where they all fit with it.
        gap = [Content("")] if sum(len(block) + 1 for block in blocks) <= room else []
        for index, block in enumerate(blocks):
            last = index == len(blocks) - 1
            if len(gap) + len(block) + (not last) > room:
                lines.append(self._styled((f"+{len(blocks) - index} more", QUIET), width))
                break
            lines += [*gap, *block]
            room -= len(gap) + len(block)
        return [*lines, *hint]

    def _about_runs(self, width: int) -> list[Content]:
        rows = textwrap.wrap(clean_line(self.project.about_runs, ascii_only=self.app.ascii_only), max(width, 1))
        return [Content.styled(row, QUIET) for row in rows]

    def _block(self, experiment: Experiment, width: int) -> list[Content]:
        """Name and runs; below them its first fault, or what it is for."""
        runs = self.counts.get(experiment.name, 0)
        count = f"{runs} run{'s' * (runs != 1)}" if runs else ""
        right = "  ".join(word for word in ("sweep" if experiment.is_sweep else "", count) if word)
        lines = [self._two_ends(width, (experiment.name, f"bold {_PLAIN}"), (right, QUIET))]
        problems = self.check.problems.get(experiment.name) if self.check else None
        if problems:
            lines.append(self._styled((problems[0], _FAULT), width))
        elif experiment.about:
            lines.append(self._styled((experiment.about, QUIET), width))
        return lines

    def _hint(self, width: int) -> list[Content]:
        """The command that shows every fault with its line; wrapped rather than cut, it is there to be typed."""
        if not (self.project.fault or (self.check and self.check.count)):
            return []
        command = clean_line(self._validate(), ascii_only=self.app.ascii_only)
        rows = [command[start : start + width] for start in range(0, len(command), max(width, 1))]
        return [Content(""), *(Content.styled(row, _COMMAND) for row in rows)]

    def _validate(self) -> str:
        return self.project.command("validate", str(self.project.file))

    def _verdict(self) -> Styled:
        if self.check is None or self.project.fault:
            return "", QUIET
        if not self.check.count:
            return "all valid", "$text-success"
        return f"{self.check.count} problem{'s' * (self.check.count != 1)}", _FAULT

    def _cut(self, text: str, width: int) -> str:
        return shorten(text, width, ascii_only=self.app.ascii_only)

    def _styled(self, styled: Styled, width: int) -> Content:
        return Content.styled(self._cut(styled[0], width), styled[1])

    def _two_ends(self, width: int, left: Styled, right: Styled) -> Content:
        """One line; the left text is cut to what the right one leaves."""
        end = clean_line(right[0], ascii_only=self.app.ascii_only)
        text = self._cut(left[0], max(width - width_of(end) - 1, 4))
        gap = " " * max(width - width_of(text) - width_of(end), 1)
        return Content.assemble((text, left[1]), gap, (end, right[1]))


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
