"""What works among the details of one run."""

from workbench.actions.action import Action

_TABS = (
    ("charts", "C", "the charts"),
    ("samples", "M", "the samples, as a film"),
    ("log", "W", "what the worker printed"),
    ("events", "E", "what happened"),
    ("system", "U", "memory, processor and GPU of the machine"),
    ("definition", "D", "the definition, and its difference from the parent's"),
    ("about", "A", "identity, notes, checkpoints, heartbeat"),
)

PLACES = {
    "run details": (
        Action("next_tab", ("right_square_bracket",), "next tab of the details", "tabs"),
        Action("previous_tab", ("left_square_bracket",), "previous tab of the details"),
        *(Action(f"show_tab('{name}')", (key,), words) for name, key, words in _TABS),
    ),
    "run charts": (
        Action("next_axis", ("x",), "over steps, tokens, training time or FLOPs", "x axis"),
        Action("enlarge", ("enter",), "this chart alone, or all again", "enlarge"),
        Action("pick", ("v",), "which metrics are shown", "metrics"),
        Action("filter", ("slash",), "only charts with these words", "filter"),
        Action("next_page", ("pagedown", "ctrl+d"), "the next charts"),
        Action("previous_page", ("pageup", "ctrl+u"), "the charts before"),
        Action("explain", ("i",), "what this metric is, and which shapes are bad", "what is it"),
        Action("back", ("escape",), "all charts again, no filter"),
    ),
    "chart filter": (
        Action("done", ("enter", "down"), "to the charts", "charts"),
        Action("clear", ("escape",), "no filter", "clear"),
    ),
    "metric picker": (
        Action("take_or_leave", ("enter",), "show it, or not", "take/leave"),
        Action("take_all", ("ctrl+a",), "all of them, or none", "all/none"),
        Action("done", ("escape",), "that is it", "done"),
        Action("cursor_down", ("down",), "next"),
        Action("cursor_up", ("up",), "previous"),
    ),
    "run film": (
        Action("earlier", ("left", "h"), "the text before", "earlier"),
        Action("later", ("right", "l"), "the text after", "later"),
        Action("play", ("space",), "play them like a film, or stop", "play"),
        Action("next_prompt", ("down", "J"), "the next prompt", "prompt"),
        Action("previous_prompt", ("up", "K"), "the prompt before"),
        Action("differences", ("d",), "mark what changed since the text before, or not", "changes"),
        Action("copy", ("y",), "copy the text", "copy"),
        Action("newest", ("end", "G"), "the newest, and follow"),
        Action("oldest", ("home", "g"), "the first"),
        Action("scroll_text(1)", ("j", "pagedown", "ctrl+d"), "down in a long text"),
        Action("scroll_text(-1)", ("k", "pageup", "ctrl+u"), "up in a long text"),
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
