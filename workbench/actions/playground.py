"""What works in the playground."""

from workbench.actions.action import Action

PLACES: dict[str, tuple[Action, ...]] = {
    "alternatives": (
        Action("take", ("enter", "space"), "take this one instead, and go on from there", "take it"),
        Action("cursor_down", ("down", "j"), "next"),
        Action("cursor_up", ("up", "k"), "previous"),
        Action("other(-1)", ("left", "h"), "the token before in the text"),
        Action("other(1)", ("right", "l"), "the next token in the text"),
    ),
    "tokens": (
        Action("choose", ("enter", "space"), "the alternatives of this token: take one and go on from there", "choose"),
        Action("right", ("right", "l"), "next token"),
        Action("left", ("left", "h"), "token before"),
        Action("line(1)", ("down", "j"), "a line down"),
        Action("line(-1)", ("up", "k"), "a line up"),
        Action("word(1)", ("w",), "next word"),
        Action("word(-1)", ("b",), "word before"),
        Action("page(1)", ("pagedown", "ctrl+d"), "a page down"),
        Action("page(-1)", ("pageup", "ctrl+u"), "a page up"),
        Action("first", ("home", "g"), "first token"),
        Action("last", ("end", "G"), "last token"),
        Action("leave_cursor", ("backspace",), "no cursor: follow what comes"),
    ),
    "writing": (
        Action("again(0)", ("r",), "again with the same seed", "again"),
        Action("again(1)", ("n",), "again with the next seed", "next seed"),
        Action("tint", ("v",), "tokens tinted by probability, by entropy, with numbers, or not", "tint"),
        Action("former(-1)", ("u",), "back to the text before another choice was taken", "undo choice"),
        Action("former(1)", ("U",), "forward to the later text again"),
        Action("copy", ("y",), "copy the text as it is", "copy"),
        Action("export", ("x",), "write the texts, or all that is known of them, to a file", words="export save"),
    ),
    "playground": (
        Action(
            "go_on",
            ("f5", "ctrl+j"),
            "write after the prompt, or what the tab is for (ctrl+enter too)",
            "go",
            words="start generate",
        ),
        Action("stop", ("escape",), "stop the writing at once; else leave the field", "stop"),
        Action("sources", ("f2", "s"), "who writes: runs, checkpoints, paths", "who writes", words="sources model"),
        Action("settings", ("f3", "e"), "the settings", "settings"),
        Action("preset", ("f4", "p"), "the next preset: the run's own, greedy, balanced, wild", "preset"),
        Action("prompt", ("i",), "to the prompt, or the text that is typed in its place", "prompt"),
        Action("turn(1)", ("f8", "right_square_bracket"), "next tab", "next tab"),
        Action("turn(-1)", ("left_square_bracket",), "tab before"),
    ),
    "prompt area": (Action("leave", ("escape",), "from the prompt to the texts", "leave the field"),),
    "setting": (
        Action("word(1)", ("space", "enter", "right"), "the next word of a setting that has a few", "other word"),
        Action("word(-1)", ("left",), "the word before"),
    ),
    "settings": (
        Action("field(1)", ("down",), "the setting below, then those of the next column", "settings"),
        Action("field(-1)", ("up",), "the setting above"),
        Action("leave(1)", ("tab",), "out of the settings, to what comes next", "leave"),
        Action("leave(-1)", ("shift+tab",), "out of the settings, to what comes before"),
    ),
    "pick sources": (
        Action("accept", ("enter",), "take it, or those that are marked", "choose"),
        Action("mark", ("space",), "mark it: those that are marked write side by side", "mark"),
        Action("steps", ("right", "l"), "its checkpoints"),
        Action("runs", ("left", "h"), "back to the runs"),
        Action("find", ("slash",), "find a run, or type a path", "find"),
        Action("cursor_down", ("down", "j"), "next"),
        Action("cursor_up", ("up", "k"), "previous"),
        Action("cancel", ("escape",), "choose none", "cancel"),
    ),
}
