"""What works in the playground's tabs for scores, beams, batches and the history."""

from workbench.actions.action import Action

_ROWS = (
    Action("cursor_down", ("down", "j"), "next"),
    Action("cursor_up", ("up", "k"), "previous"),
    Action("page_down", ("pagedown", "ctrl+d"), "a page down"),
    Action("page_up", ("pageup", "ctrl+u"), "a page up"),
    Action("first", ("home", "g"), "to the first"),
    Action("last", ("end", "G"), "to the last"),
)

PLACES: dict[str, tuple[Action, ...]] = {
    "beams tree": (
        Action("fold", ("space", "enter"), "fold what parts from this text, or show it again", "fold"),
        Action("looked_at", ("x",), "also what the search looked at and never went on from", "all looked at"),
        Action("token_right", ("right", "l"), "next token"),
        Action("token_left", ("left", "h"), "the token before"),
        Action("row_end", ("dollar_sign",), "to the end of this text"),
        Action("row_start", ("circumflex_accent", "0"), "to where this text parts"),
        *_ROWS,
    ),
    "beams": (
        Action("copy_text", ("y",), "copy the text up to the marked token", "copy"),
        Action("use_text", ("u",), "go on from here: prompt and text become the prompt", "use"),
        Action("other", ("o",), "the search of the next source", "other source"),
        Action("copy_tree", ("Y",), "copy the tree as text"),
    ),
    "batch": (
        Action("file", ("ctrl+o",), "the prompts of a file, or again those that are typed", "file"),
        Action("copy_row", ("y",), "copy prompt and text of the selected row", "copy"),
        Action(
            "export", ("x",), "write all texts to a file: JSON lines, CSV or Markdown", "export", words="export save"
        ),
        Action("copy_all", ("Y",), "copy all texts"),
    ),
    "batch prompts": (Action("leave", ("escape",), "from the prompts to the texts", "to the texts"),),
    "batch table": _ROWS,
    "score input": (Action("leave", ("escape",), "from the text to its tokens", "to the tokens"),),
    "score": (
        Action("difference", ("d",), "which tokens another source likes better", "difference"),
        Action("other", ("o",), "the scores of the next source", "other source"),
        Action("worst(1)", ("n",), "to the next of the most surprising tokens", "next worst"),
        Action("tint", ("v",), "tokens tinted by surprise, with numbers, or plain", "tint"),
        Action("file", ("ctrl+o",), "score the text of a file", "file"),
        Action("unit", ("m",), "nats or bits"),
        Action("worst(-1)", ("N",), "to the surprising token before"),
        Action("copy", ("y",), "copy totals and text as Markdown", "copy"),
        Action(
            "export", ("x",), "write the scores to a file: JSON lines, CSV or Markdown", "export", words="export save"
        ),
    ),
    "history": (
        Action(
            "again", ("enter",), "fill in prompt, settings and sources in the tab that asked; F5 asks again", "fill in"
        ),
        Action("filter", ("slash",), "only what holds some words", "filter"),
        Action("copy", ("y",), "copy all of it as text", "copy"),
        Action("copy_command", ("c",), "copy the command that asks the same", "command"),
        Action("mark", ("space",), "mark it, to be written to a file", "mark"),
        Action(
            "export", ("x",), "write the marked ones, or all that are seen, to a file", "export", words="export save"
        ),
        Action("delete", ("delete", "D"), "delete it for good", "delete"),
    ),
    "history list": _ROWS,
}
