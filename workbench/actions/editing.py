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
    "toml pane": (
        Action("find", ("ctrl+f",), "find words in the text", "", "editor"),
        Action("find_next", ("f3",), "the next place that has them", "", "editor"),
        Action("find_previous", ("shift+f3",), "the place before", "", "editor"),
        Action("go_to_line", ("ctrl+g",), "go to a line by its number", "", "editor"),
    ),
    "toml": (
        Action("complete", ("ctrl+space", "ctrl+@", "ctrl+n"), "what could be written here", "complete", "editor"),
        Action(
            "comment",
            ("ctrl+underscore", "ctrl+slash"),
            "make the selected lines comments, or lines again",
            "",
            "editor",
        ),
    ),
    "find": (
        Action("leave", ("escape",), "back to the text", "back", "editor"),
        Action("find_previous", ("up", "shift+f3"), "the place before", "", "editor"),
    ),
}
