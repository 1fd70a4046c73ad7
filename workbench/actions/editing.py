"""What works while an experiments file is edited."""

from workbench.actions.action import Action

PLACES: dict[str, tuple[Action, ...]] = {
    "edit panel": (
        Action("save", ("ctrl+s",), "save the file", "save", "editor"),
        Action(
            "other_face",
            ("f2",),
            "the other face of the text: form, TOML, or both where it is wide",
            "form/TOML",
            "editor",
        ),
        Action("undo", ("ctrl+z",), "take back the last change, wherever it was made", "", "editor"),
        Action("redo", ("ctrl+y",), "make it again", "", "editor"),
        Action("external_editor", ("f4",), "edit the text with $VISUAL or $EDITOR", "", "editor"),
        Action("next_problem", ("f8",), "the next problem", "", "editor"),
        Action("previous_problem", ("shift+f8",), "the problem before", "", "editor"),
    ),
    "edit notice": (Action("choose(0)", ("enter",), "the first choice", "", "editor"),),
}
