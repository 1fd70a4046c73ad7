"""What an experiment makes of its text, as `craft data` and `craft tokenizer` show it."""

from __future__ import annotations

from workbench.screens.experiments.parts import Parts


class Looking(Parts):
    """The commands read the file, not what was typed since it was saved."""

    def action_batch(self) -> None:
        self._run("data", "inspect")

    def action_pieces(self) -> None:
        self._run("tokenizer", "inspect")

    def action_prepare(self) -> None:
        self._run("data", "prepare")

    def _run(self, *words: str) -> None:
        from workbench.dialogs.command import CommandScreen

        row = self.listing.selected
        assert row is not None
        if self.panel is not None and self.panel.buffer.dirty:
            self.app.say("this is of the saved file; what was typed since is not in it", "warning")
        self.app.push_screen(CommandScreen((*words, self.app.project.file.name, row.name)))
