"""What works in a dialog."""

from workbench.actions.action import Action

PLACES = {
    "confirm": (
        Action("confirm", ("y",), "yes", "yes"),
        Action("refuse", ("n", "escape", "q", "enter"), "no", "no"),
    ),
    "prompt": (
        Action("accept", ("enter",), "take it", "ok"),
        Action("cancel", ("escape",), "leave it as it was", "cancel"),
    ),
    "choose": (
        Action("accept", ("enter",), "take the marked one", "choose"),
        Action("cancel", ("escape",), "choose none", "cancel"),
        Action("cursor_down", ("down", "ctrl+n"), "next"),
        Action("cursor_up", ("up",), "previous"),
        Action("page_down", ("pagedown",), "a page down"),
        Action("page_up", ("pageup",), "a page up"),
    ),
    # In a text these are the hand's own, so that there no divider moves by them; help says so.
    "line": (
        Action("cursor_left_word", ("ctrl+left",), "a word to the left; elsewhere it moves a divider", "", "typing"),
        Action("cursor_right_word", ("ctrl+right",), "a word to the right", "", "typing"),
    ),
    "typed lines": (
        Action("cursor_word_left", ("ctrl+left",), "a word to the left; elsewhere it moves a divider", "", "typing"),
        Action("cursor_word_right", ("ctrl+right",), "a word to the right", "", "typing"),
    ),
    "command": (
        Action("close", ("escape", "q"), "close; a command that still runs is ended", "close"),
        Action("copy_all", ("Y",), "copy all that it printed", "copy all"),
        Action("edit", ("e",), "change the command, and run it again", "again"),
    ),
    "doctor": (Action("repair", ("f",), "put right what safely can be, and look again", "put right"),),
    "choices": (
        Action("cursor_down", ("down", "j"), "next"),
        Action("cursor_up", ("up", "k"), "previous"),
        Action("page_down", ("pagedown", "ctrl+d"), "a page down"),
        Action("page_up", ("pageup", "ctrl+u"), "a page up"),
        Action("first", ("home", "g"), "to the first"),
        Action("last", ("end", "G"), "to the last"),
    ),
    "text": (
        Action("back", ("escape", "enter", "q"), "close", "close"),
        Action("scroll_down", ("down", "j"), "scroll down"),
        Action("scroll_up", ("up", "k"), "scroll up"),
        Action("page_down", ("pagedown", "ctrl+d", "space"), "a page down"),
        Action("page_up", ("pageup", "ctrl+u"), "a page up"),
        Action("scroll_home", ("home", "g"), "to the top"),
        Action("scroll_end", ("end", "G"), "to the end"),
    ),
    "dialog": (
        Action("show_help", ("f1", "question_mark"), "these keys", "keys"),
        Action("quit", ("ctrl+q",), "quit the workbench; runs go on"),
    ),
}
