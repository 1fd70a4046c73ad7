"""Everything that a key does, once: bindings, the key bar and the help are all made from this list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Place = Literal["app", "runs", "details", "dialog"]


@dataclass(frozen=True)
class Action:
    """`label` stands in the key bar, most important first; without one the action is in the help only."""

    name: str
    keys: tuple[str, ...]
    help: str
    place: Place
    label: str = ""

    def binding(self) -> Binding:
        """As Textual wants it: the first key is the one that is shown."""
        return Binding(",".join(self.keys), self.name, self.label or self.help, show=bool(self.label), id=self.name)


ACTIONS = (
    Action("cursor_down", ("down", "j"), "next run", "runs"),
    Action("cursor_up", ("up", "k"), "previous run", "runs"),
    Action("page_down", ("pagedown", "ctrl+d"), "a page down", "runs"),
    Action("page_up", ("pageup", "ctrl+u"), "a page up", "runs"),
    Action("first", ("home", "g"), "first run", "runs"),
    Action("last", ("end", "G"), "last run", "runs"),
    Action("details", ("enter",), "definition, events and log of the selected run", "runs", "details"),
    Action("stop", ("s",), "stop the selected run; it saves first", "runs", "stop"),
    Action("log_scale", ("l",), "logarithmic or linear loss axis", "runs", "log axis"),
    Action("back", ("escape", "enter", "q"), "back to the runs", "details", "back"),
    Action("scroll_down", ("down", "j"), "scroll down", "details"),
    Action("scroll_up", ("up", "k"), "scroll up", "details"),
    Action("page_down", ("pagedown", "ctrl+d", "space"), "a page down", "details"),
    Action("page_up", ("pageup", "ctrl+u"), "a page up", "details"),
    Action("scroll_home", ("home", "g"), "to the top", "details"),
    Action("scroll_end", ("end", "G"), "to the end", "details"),
    Action("confirm", ("y",), "yes", "dialog", "yes"),
    Action("refuse", ("escape", "n", "q", "enter"), "no", "dialog", "no"),
    Action("toggle_theme", ("t",), "light or dark; kept for the next time", "app", "theme"),
    Action("show_help", ("question_mark", "f1"), "this help", "app", "help"),
    Action("command_palette", ("ctrl+p",), "every command by name, and more themes", "app"),
    Action("quit", ("q", "ctrl+q"), "quit; runs go on", "app", "quit"),
)

KEY_NAMES = {
    "question_mark": "?",
    "down": "\u2193",
    "up": "\u2191",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
    "f1": "F1",
}


def bindings_of(place: Place, *names: str) -> list[BindingType]:
    """The bindings of one place, or those of its actions that are named."""
    return [action.binding() for action in ACTIONS if action.place == place and (not names or action.name in names)]


def key_name(key: str) -> str:
    """A key as it is written for people."""
    return KEY_NAMES.get(key, key)
