"""What works on every screen."""

from workbench.actions.action import Action

PLACES = {
    "everywhere": (
        Action("show_help", ("question_mark", "f1"), "this help", "help"),
        Action("quit", ("q", "ctrl+q"), "quit; runs go on", "quit"),
        Action("demo", ("d",), "a starter file and its first run, at once", "demo"),
        Action("go('experiments')", ("1",), "the experiments: edit, estimate, launch", words="start train run"),
        Action("go('runs')", ("2",), "the runs: watch, stop, resume, fork"),
        Action("go('compare')", ("3",), "compare runs"),
        Action("go('playground')", ("4",), "the playground: let a checkpoint write", words="generate sample text"),
        Action("next_place(1)", ("f9",), "the next of the four, also while typing"),
        Action("next_place(-1)", ("shift+f9", "f21"), "the one before"),
        Action("zoom", ("z",), "the focused pane alone, or all panes again", words="zoom maximize full"),
        Action(
            "toggle_theme",
            ("t",),
            "dark, light or the terminal's own colours; kept for the next time",
            words="theme colors",
        ),
        Action("resize('left')", ("ctrl+left",), "the divider beside the focused pane to the left"),
        Action("resize('right')", ("ctrl+right",), "the divider to the right"),
        Action("resize('up')", ("ctrl+up",), "the divider up"),
        Action("resize('down')", ("ctrl+down",), "the divider down"),
        Action("redraw", ("ctrl+l",), "draw the screen anew, where something else wrote on it"),
        Action("craft", ("colon",), "any craft command, with what it prints"),
        Action("command_palette", ("ctrl+p",), "every command by name"),
    ),
}
