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
        Action("decide", ("ctrl+o",), "decide what the line above the text asks", "decide", "editor"),
        Action("undo", ("ctrl+z",), "take back the last change, wherever it was made", "", "editor"),
        Action("redo", ("ctrl+y",), "make it again", "", "editor"),
        Action("external_editor", ("f4",), "edit the text with $VISUAL or $EDITOR", "", "editor"),
        Action("next_problem", ("f12",), "the next problem", "problem", "editor"),
        Action("previous_problem", ("shift+f12", "f24"), "the problem before", "", "editor"),
    ),
    "toml pane": (
        Action("find", ("ctrl+f",), "find words in the text", "", "editor"),
        Action("find_next", ("f3",), "the next place that has them", "", "editor"),
        Action("find_previous", ("shift+f3", "f15"), "the place before", "", "editor"),
        Action("go_to_line", ("ctrl+g",), "go to a line by its number", "", "editor"),
    ),
    "toml": (
        Action("cursor_word_left", ("ctrl+left",), "a word to the left; elsewhere it moves a divider", "", "editor"),
        Action("cursor_word_right", ("ctrl+right",), "a word to the right", "", "editor"),
        Action("text_start", ("ctrl+home",), "the beginning of the text", "", "editor"),
        Action("text_end", ("ctrl+end",), "its end", "", "editor"),
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
        Action("find_previous", ("up", "shift+f3", "f15"), "the place before", "", "editor"),
    ),
    "form": (
        Action("edit", ("enter",), "edit the setting, or fold the section", "edit", "form"),
        Action("step", ("space",), "the next value of a switch or a choice", "", "form"),
        Action(
            "reset", ("delete", "backspace", "x"), "take the own value away: the inherited one holds", "reset", "form"
        ),
        Action("add", ("a",), "add a callback, a metric, an axis or a run here", "add", "form"),
        Action("origin", ("o",), "go to the line that the value comes from", "origin", "form"),
        Action("copy_setting", ("y",), "copy path=value, as the command line takes it", "", "form"),
        Action("cursor_down", ("down", "j"), "next row", "", "form"),
        Action("cursor_up", ("up", "k"), "previous row", "", "form"),
        Action("page_down", ("pagedown", "ctrl+d"), "a page down", "", "form"),
        Action("page_up", ("pageup", "ctrl+u"), "a page up", "", "form"),
        Action("first", ("home", "g"), "first row", "", "form"),
        Action("last", ("end", "G"), "last row", "", "form"),
        Action("next_section", ("right_curly_bracket", "J"), "next section", "", "form"),
        Action("previous_section", ("left_curly_bracket", "K"), "previous section", "", "form"),
        Action("close", ("left", "h"), "fold the section", "", "form"),
        Action("open", ("right", "l"), "unfold it", "", "form"),
        Action("fold_all", ("minus",), "fold or unfold all sections", "", "form"),
    ),
    "form pane": (
        Action("filter", ("slash",), "only settings with these words", "filter", "form"),
        Action("unfilter", ("escape",), "all settings again", "", "form"),
        Action("view", ("v",), "all settings, those that are set, or only those that are set here", "view", "form"),
    ),
}
