"""What works among the details of one run."""

from workbench.actions.action import Action

_TABS = (
    ("charts", "C", "the charts"),
    ("samples", "S", "the samples, as a film"),
    ("log", "L", "what the worker printed"),
    ("events", "E", "what happened"),
    ("system", "Y", "memory, processor and GPU"),
    ("definition", "D", "the definition, and its difference from the parent's"),
    ("about", "A", "identity, notes, checkpoints, heartbeat"),
)

PLACES = {
    "run details": (
        Action("next_tab", ("right_square_bracket",), "next tab of the details", "tabs"),
        Action("previous_tab", ("left_square_bracket",), "previous tab of the details"),
        *(Action(f"show_tab('{name}')", (key,), words) for name, key, words in _TABS),
    ),
    "run events": (Action("choose_kind", ("f",), "only one kind of events, or all", "kind"),),
    "run definition": (Action("difference", ("d",), "the whole definition, or what differs", "difference"),),
    "lines": (
        Action("find", ("slash",), "find a text", "find"),
        Action("find_next", ("n",), "the next place with that text", "next"),
        Action("find_previous", ("N",), "the one before"),
        Action("wrap", ("w",), "wrap long lines, or cut them", "wrap"),
        Action("copy", ("y",), "copy the line, or the marked lines", "copy"),
        Action("mark", ("space",), "mark lines from here; again: no mark"),
        Action("last", ("end", "G"), "to the end, and follow"),
        Action("first", ("home", "g"), "to the beginning"),
        Action("cursor_down", ("down", "j"), "a line down"),
        Action("cursor_up", ("up", "k"), "a line up"),
        Action("page_down", ("pagedown", "ctrl+d"), "a page down"),
        Action("page_up", ("pageup", "ctrl+u"), "a page up"),
        Action("pan(16)", ("right", "l"), "more of the right of cut lines"),
        Action("pan(-16)", ("left", "h"), "back to the left"),
    ),
    "finding": (
        Action("find_now", ("enter",), "find it", "find"),
        Action("leave", ("escape",), "find nothing", "cancel"),
    ),
}
