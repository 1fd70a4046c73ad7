"""What runs are looked at, remembered and tidied up by; their course stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from craft.text import clean_line
from workbench.screens.runs.acting import ActingScreen, named
from workbench.verbs.which import fitting

if TYPE_CHECKING:
    from craft.runs.store import RunSummary


class Tending(ActingScreen):
    """The verbs that leave what runs do as it is."""

    # --- elsewhere ---

    def action_compare(self) -> None:
        self.app.session.set("compare.runs", [run.name for run in fitting("compare", self.targets)])
        self.app.session.set("compare.pane", "chart")  # they are chosen; what is wanted now are their curves
        self.app.action_go("compare")

    def action_play(self) -> None:
        self.app.session.set("playground.ask", [run.name for run in fitting("play", self.targets)])
        self.app.action_go("playground")

    def action_copy_path(self) -> None:
        paths = [str(folder.path) for folder in self.fitting("copy_path")]
        self.app.copy("\n".join(paths), "the path" if len(paths) == 1 else f"{len(paths)} paths")

    def action_copy_command(self) -> None:
        (run,) = fitting("copy_command", self.targets)
        self.app.copy(self.app.resume_command(run), "the command")

    # --- measured and taken apart, by commands ---

    def action_measure(self) -> None:
        from workbench.dialogs.command import ask_for_command

        (run,) = fitting("measure", self.targets)
        detail = "@best, @latest or @STEP is the checkpoint; --split test, --text FILE; --speed times it too."
        ask_for_command(self.app, ("evaluate", f"{self._word_for(run)}@best", "--no-speed"), detail)

    def action_batch(self) -> None:
        (run,) = fitting("batch", self.targets)
        self._command("data", "inspect", str(run.folder.definition), run.experiment)

    def action_pieces(self) -> None:
        from workbench.dialogs.command import ask_for_command

        (run,) = fitting("pieces", self.targets)
        detail = "Of some of the text that it was made for; --text 'words' or --file FILE: of another."
        ask_for_command(self.app, ("tokenizer", "inspect", self._word_for(run)), detail)

    def action_sum_up(self) -> None:
        (run,) = fitting("sum_up", self.targets)
        self._command("group", run.group or "", "--runs-dir", str(self.app.project.runs_dir))

    def _word_for(self, run: RunSummary) -> str:
        return self.app.word_for(run, self.app.project.home)

    def _command(self, *words: str) -> None:
        from workbench.dialogs.command import CommandScreen

        self.app.push_screen(CommandScreen(words))

    def action_doctor(self) -> None:
        from workbench.screens.runs.doctor_screen import DoctorScreen

        self.app.push_screen(DoctorScreen(self.app.project.runs_dir))

    # --- notes ---

    def action_star(self) -> None:
        self.do("noting.star", self.fitting("star"))

    def action_tags(self) -> None:
        from workbench.dialogs.prompt import PromptScreen
        from workbench.screens.runs.columns import tags_of
        from workbench.verbs.noting import tags_fault

        runs = self.targets
        folders = [run.folder for run in runs]
        known = sorted({tag for run in self.app.runs for tag in tags_of(run)})
        one = len(runs) == 1
        how = "words with a blank between them" if one else "tags to add; -tag takes one away"
        detail = how + (f"\nin use: {' '.join(known[:12])}" if known else "")

        def take(text: str | None) -> None:
            if text is not None:
                self.do("noting.set_tags", folders, text)

        value = clean_line(" ".join(tags_of(runs[0]))) if one else ""
        question = f"Tags of {named(folders)}"
        damage = _damaged_notes(runs)
        self.app.push_screen(
            PromptScreen(question, detail=detail, value=value, check=lambda words: tags_fault(words) or damage), take
        )

    def action_note(self) -> None:
        from craft.runs.notes import note_fault
        from workbench.dialogs.prompt import PromptScreen

        runs = self.targets
        folders = [run.folder for run in runs]
        notes = getattr(runs[0], "notes", None)
        value = clean_line(notes.note) if notes is not None and len(runs) == 1 else ""

        def take(text: str | None) -> None:
            if text is not None:
                self.do("noting.set_note", folders, text)

        question, damage = f"Note on {named(folders)}", _damaged_notes(runs)

        def check(note: str) -> str:
            return note_fault(note) or damage

        self.app.push_screen(PromptScreen(question, value=value, check=check), take)

    # --- deleting ---

    def action_remove(self) -> None:
        self.ask_first("removing.plan_deletion", "removing.delete", [self.fitting("remove")])

    def action_prune(self) -> None:
        runs_dir = self.app.project.runs_dir
        self.ask_first("removing.plan_pruning", "removing.prune", [runs_dir, self.fitting("prune")])


def _damaged_notes(runs: Sequence[RunSummary]) -> str:
    """Why nothing can be written about one of some runs, and how to mend it; empty where all can be."""
    from craft.runs.notes import how_to_mend

    known = ((run.folder, getattr(run, "notes", None)) for run in runs)
    return next((how_to_mend(folder, notes) for folder, notes in known if notes is not None and notes.fault), "")
