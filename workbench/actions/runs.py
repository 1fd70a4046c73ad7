"""What works among the runs."""

from workbench.actions.action import Action

PLACES = {
    "runs": (
        Action("details", ("enter",), "definition, events and log of the selected run", "details"),
        Action("stop", ("s",), "stop the selected run; it saves first", "stop"),
        Action("log_scale", ("l",), "logarithmic or linear loss axis", "log axis"),
    ),
    "run table": (
        Action("cursor_down", ("down", "j"), "next run"),
        Action("cursor_up", ("up", "k"), "previous run"),
        Action("page_down", ("pagedown", "ctrl+d"), "a page down"),
        Action("page_up", ("pageup", "ctrl+u"), "a page up"),
        Action("first", ("home", "g"), "first run"),
        Action("last", ("end", "G"), "last run"),
    ),
}
