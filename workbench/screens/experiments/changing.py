"""Changes of the text that need no editor: new, copy, rename, delete, sweep. Each is one step that undo takes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import work

from craft.errors import CraftError
from workbench.dialogs.choose import Choice, ChooseScreen
from workbench.dialogs.confirm import ConfirmScreen
from workbench.dialogs.prompt import PromptScreen
from workbench.paths import is_there, typed_path
from workbench.screens.experiments.parts import Parts

if TYPE_CHECKING:
    from workbench.screens.experiments.rows import Kind


class Changing(Parts):
    """What changes the text goes through `apply` of the editor, so that it is undone like typing."""

    def _apply(self, new_text: str, why: str) -> None:
        assert self.panel is not None
        self.panel.apply(new_text, why)
        self.app.say(f"{why}; ctrl+z takes it back")

    def _names(self) -> set[str]:
        return {row.name for row in self.listing.all_rows}

    def _name_fault(self, name: str, old: str = "") -> str:
        from craft.config.structure import is_name

        if not name:
            return "it needs a name"
        if not is_name(name):
            return "letters, digits, _ . and -, 64 at most, and a letter, digit or _ first"
        if name in self._names() and name != old:
            return f"there is a '{name}' already"
        return ""

    def _free_name(self, stem: str) -> str:
        names = self._names()
        return next(name for number in range(2, 10_000) if (name := f"{stem[:58]}-{number}") not in names)

    # --- new ---

    def action_new(self) -> None:
        from workbench.screens.experiments.starter import starters

        choices = [Choice(one, one.name, one.about) for one in starters(self.listing.all_rows)]
        self.app.push_screen(
            ChooseScreen("A new experiment: what it begins as (its name is asked next)", choices), self._name_new
        )

    def _name_new(self, starter: object) -> None:
        from workbench.screens.experiments.starter import Starter

        if not isinstance(starter, Starter):
            return

        def write(name: str | None) -> None:
            if name and self.panel is not None:
                self._change(lambda text: starter.written(text, name), f"'{name}' is new", select=name)

        names = self._names()
        value = starter.stem if starter.stem not in names else self._free_name(starter.stem)
        self.app.push_screen(PromptScreen("Its name", value=value, check=self._name_fault), write)

    def _change(self, change: Callable[[str], str], why: str, *, select: str, kind: Kind = "experiment") -> None:
        """Apply what a function makes of the text, and go there."""
        assert self.panel is not None
        try:
            text = change(self.panel.buffer.text)
        except CraftError as error:
            self.app.say(str(error), "error")
            return
        if select:
            self.listing.expect(select, kind)
            self.app.session.set("experiments.selected", select)
            self.app.session.set("experiments.kind", kind)
        self._apply(text, why)
        if select:
            self.panel.show_experiment(select, kind)

    # --- copy, rename, delete ---

    def action_copy(self) -> None:
        row = self.listing.selected
        if row is None:
            return
        from craft.config.edit import copy_table

        def write(name: str | None) -> None:
            if name:
                self._change(
                    lambda text: copy_table(text, row.kind, row.name, name),
                    f"'{name}' is a copy of '{row.name}'",
                    select=name,
                    kind=row.kind,
                )

        value = self._free_name(row.name)
        self.app.push_screen(PromptScreen(f"A copy of '{row.name}'", value=value, check=self._name_fault), write)

    def action_rename(self) -> None:
        row = self.listing.selected
        if row is None:
            return
        from craft.config.edit import rename_table

        def write(name: str | None) -> None:
            if name and name != row.name:
                self._change(
                    lambda text: rename_table(text, row.kind, row.name, name),
                    f"'{row.name}' is '{name}' now",
                    select=name,
                    kind=row.kind,
                )

        detail = "Where others extend it, they follow. Runs that were made keep the old name."
        check = self._name_fault
        self.app.push_screen(
            PromptScreen(
                f"Another name for '{row.name}'",
                detail=detail,
                value=row.name,
                check=lambda name: check(name, row.name),
            ),
            write,
        )

    def action_delete(self) -> None:
        row = self.listing.selected
        if row is None:
            return
        from craft.config.edit import delete

        def take_out(yes: bool | None) -> None:
            if yes:
                why = f"{row.kind} '{row.name}' is gone"
                self._change(lambda text: delete(text, (row.kind, row.name)), why, select="")

        children = self._children(row.name)
        if not children:
            take_out(True)
            return
        shown = ", ".join(children[:3]) + (f" and {len(children) - 3:,} more" if len(children) > 3 else "")
        extend, have = ("extends", "has") if len(children) == 1 else ("extend", "have")
        detail = f"{shown} {extend} it and {have} to be mended then. ctrl+z takes it back."
        self.app.push_screen(ConfirmScreen(f"Take {row.kind} '{row.name}' out of the text?", detail), take_out)

    def _children(self, name: str) -> list[str]:
        if self.inspection is None:
            return []
        return [one.name for one in self.inspection.entries if any(parent == name for parent, _ in one.extends)]

    # --- sweep ---

    def action_sweep(self) -> None:
        row = self.listing.selected
        if row is None or self.panel is None:
            return
        from workbench.screens.experiments.fields_dialog import Field, FieldsScreen
        from workbench.screens.experiments.starter import settings_paths, sweep_fault, swept

        runs = self.plan_chosen(row.name)
        if not runs:
            return
        is_sweep = row.points is not None
        name = row.name if is_sweep else self._free_name(f"{row.name}-sweep").removesuffix("-2")
        if not is_sweep and name in self._names():
            name = self._free_name(f"{row.name}-sweep")
        fields = [
            Field("setting, as it is written in the file", "optimizer.lr", suggestions=settings_paths(runs[0])),
            Field("its values, between commas", placeholder="0.01, 0.02, 0.04"),
            Field("seeds, between commas; none: the experiment's own", placeholder="1, 2, 3"),
        ]
        if not is_sweep:
            fields.append(Field("name of the new experiment", name))

        def check(values: list[str]) -> str:
            fault = "" if is_sweep else self._name_fault(values[3])
            return sweep_fault(values) or fault

        def write(values: list[str] | None) -> None:
            if values:
                target = row.name if is_sweep else values[3]
                self._change(
                    lambda text: swept(text, row.name, target, values),
                    f"'{target}' sweeps {values[0].strip()}",
                    select=target,
                )

        question = f"Another axis for the sweep '{row.name}'" if is_sweep else f"A sweep over a setting of '{row.name}'"
        self.app.push_screen(FieldsScreen(question, fields, check), write)

    # --- the text as a whole ---

    def action_undo(self) -> None:
        if self.panel is not None:
            self.panel.action_undo()

    def action_save(self) -> None:
        if self.panel is not None:
            self.panel.action_save()

    def action_external_editor(self) -> None:
        if self.panel is not None:
            self.panel.action_external_editor()

    def action_decide(self) -> None:
        if self.panel is not None:
            self.panel.action_decide()

    def action_reload(self) -> None:
        panel = self.panel
        if panel is None:
            return

        def reload(yes: bool | None) -> None:
            if yes:
                panel.reload()

        lost = panel.buffer.unsaved()
        if lost:
            self.app.push_screen(ConfirmScreen("Give up what is not saved?", lost), reload)
        else:
            reload(True)

    # --- a first file ---

    def action_init(self) -> None:
        def write(text: str | None) -> None:
            if text is not None:
                self._write_first_file(text.strip())

        detail = "A file, a folder (its .txt files) or a glob. Empty: the sources of Python's standard library."
        question = "A first experiments file over which text?"
        self.app.push_screen(PromptScreen(question, detail=detail, check=_text_fault), write)

    @work(thread=True, group="init", exclusive=True, exit_on_error=False)
    def _write_first_file(self, text: str) -> None:
        from craft.config.scaffold import write_scaffold

        try:
            source = write_scaffold(self.app.project.file, text)
        except (CraftError, OSError) as error:
            self.app.say(str(error), "error")
        else:
            self.app.say(f"wrote {self.app.project.file}: experiment 'small' over {source.about}")


def _text_fault(words: str) -> str:
    """Why a path cannot name a text; of a glob only reading tells."""
    text = words.strip()
    if not text or any(sign in text for sign in "*?["):
        return ""
    return "" if is_there(typed_path(text)) else "there is no file or folder of this name"
