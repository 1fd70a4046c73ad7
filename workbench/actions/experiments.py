"""What works among the experiments, in their list and beside it."""

from workbench.actions.action import Action

PLACES: dict[str, tuple[Action, ...]] = {
    "experiments": (
        Action(
            "launch",
            ("r", "f6"),
            "run the marked experiments, or the chosen one, after showing the costs",
            "run",
            words="launch start train",
        ),
        Action("measure", ("f5",), "a dry run: a few real steps, timed; nothing stays", "dry run"),
        Action("edit", ("enter", "e"), "edit the chosen one", "edit"),
        Action(
            "back", ("escape",), "back: stop the dry run, leave the editor, take the filter or the marks away", "back"
        ),
        Action("new", ("n",), "a new experiment", "new"),
        Action("sweep", ("w",), "a sweep over a setting of the chosen experiment"),
        Action("resolved", ("v",), "the whole definition, with where each value comes from"),
        Action("copy", ("c",), "a copy of the chosen one under another name"),
        Action("rename", ("m",), "another name for the chosen one, also where others extend it"),
        Action("delete", ("d", "delete"), "take the chosen one out of the text"),
        Action("undo", ("u", "ctrl+z"), "take back the last change of the text"),
        Action("save", ("ctrl+s", "s"), "save the file"),
        Action("external_editor", ("E",), "edit the text with $VISUAL or $EDITOR"),
        Action(
            "decide", ("ctrl+o",), "decide what the line above the text asks: a draft, or a file that changed", "decide"
        ),
        Action("reload", ("L",), "read the file anew; what is not saved is given up"),
        Action("problem", ("p",), "go to the first problem of the chosen one"),
        Action("runs", ("o",), "its newest run"),
        Action("batch", ("b",), "what a batch of the chosen one holds, token by token"),
        Action("pieces", ("T",), "what its tokenizer makes of its text"),
        Action("prepare", ("P",), "read and tokenize its text now, not at the start of the run"),
        Action("filter", ("slash",), "show only what has certain words in name or purpose", "filter"),
        Action("init", ("i",), "write a first experiments file over a text of one's own", "first file"),
    ),
    "experiment list": (
        Action("mark", ("space",), "mark it, to run several", "mark"),
        Action("cursor_down", ("down", "j"), "next"),
        Action("cursor_up", ("up", "k"), "previous"),
        Action("page_down", ("pagedown", "ctrl+d"), "a page down"),
        Action("page_up", ("pageup", "ctrl+u"), "a page up"),
        Action("first", ("home", "g"), "first"),
        Action("last", ("end", "G"), "last"),
    ),
    "text dialog": (Action("copy", ("y",), "copy the text", "copy"),),
    "launch": (
        Action("accept", ("enter", "ctrl+s"), "start the runs", "start"),
        Action("cancel", ("escape",), "start nothing", "cancel"),
    ),
    "fields": (
        Action("accept", ("enter", "ctrl+s"), "take it", "ok"),
        Action("cancel", ("escape",), "leave it as it was", "cancel"),
    ),
}
