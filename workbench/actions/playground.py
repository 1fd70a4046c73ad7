"""What works in the playground."""

from workbench.actions.action import Action

PLACES: dict[str, tuple[Action, ...]] = {
    "playground": (
        Action("go_on", ("f5", "ctrl+j"), "write after the prompt, or what the tab is for (ctrl+enter too)", "write"),
        Action("stop", ("escape",), "stop the writing at once; else leave the field", "stop"),
        Action("sources", ("f2", "s"), "who writes: runs, checkpoints, paths", "who writes"),
        Action("settings", ("f3", "e"), "the settings", "settings"),
        Action("preset", ("f4", "p"), "the next preset: the run's own, greedy, balanced, wild", "preset"),
        Action("prompt", ("i",), "to the prompt", "prompt"),
        Action("turn(1)", ("right_square_bracket", "f8"), "next tab"),
        Action("turn(-1)", ("left_square_bracket",), "tab before"),
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
