"""How a beam search is made, as a line of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from craft.errors import UsageError
from craft.runs.sampling_settings import BeamSettings
from craft.text import clean_line
from workbench.screens.playground.fields import Fields
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from workbench.bench import Bench

_FIELDS = (
    ("width", "width", 4),
    ("num_results", "results", 4),
    ("max_new_tokens", "tokens", 5),
    ("length_penalty", "length penalty", 5),
    ("early_stopping", "early stop", 3),
)
"""The setting, its word, and the columns of its value."""
_FIRST = {"width": "4", "num_results": "4", "max_new_tokens": "40", "length_penalty": "1", "early_stopping": "no"}
_YES, _NO = ("yes", "y", "true", "1", "on"), ("no", "n", "false", "0", "off", "")
HELP = {
    "width": "texts that are followed at each step; 1 is the likeliest token, always",
    "num_results": "texts to give, the best first; at most the width",
    "max_new_tokens": "tokens that a text has at most",
    "length_penalty": "a text scores its log-probability divided by its length to this power; 0 favours short ones",
    "early_stopping": "yes ends as soon as `width` texts have ended; no goes on while an open one scores better",
}


class BeamFields(Fields):
    """The line. What was typed is kept in the session."""

    app: Bench

    def __init__(self) -> None:
        super().__init__(id="beam-fields")

    def compose(self) -> ComposeResult:
        kept: dict[str, Any] = self.app.session.get("playground.beams", {})
        for name, word, width in _FIELDS:
            yield Static(Content(word), classes="fields--name")
            line = Line(str(kept.get(name, _FIRST[name])), compact=True, id=f"beam-{name}", select_on_focus=True)
            line.styles.width = width
            yield line

    def values(self) -> dict[str, str]:
        """What stands in the fields."""
        return {name: self.query_one(f"#beam-{name}", Line).value.strip() for name, _, _ in _FIELDS}

    def settings(self) -> BeamSettings:
        """As they are set. Raises UsageError that begins with the setting's name."""
        values = self.values()
        parsed: dict[str, Any] = {}
        for name in ("width", "num_results", "max_new_tokens"):
            try:
                parsed[name] = int(values[name].replace("_", ""))
            except ValueError:
                raise UsageError(f"{name} must be a whole number, found '{clean_line(values[name])[:40]}'") from None
        try:
            parsed["length_penalty"] = float(values["length_penalty"])
        except ValueError:
            found = clean_line(values["length_penalty"])[:40]
            raise UsageError(f"length_penalty must be a number, found '{found}'") from None
        early = values["early_stopping"].lower()
        if early not in (*_YES, *_NO):
            raise UsageError(f"early_stopping must be yes or no, found '{clean_line(early)[:40]}'")
        return BeamSettings(**parsed, early_stopping=early in _YES)

    def put(self, settings: dict[str, Any]) -> None:
        """Other values, by name."""
        for name, _, _ in _FIELDS:
            value = settings.get(name)
            if value is not None:
                text = ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"
                self.query_one(f"#beam-{name}", Line).value = text

    def focus_on(self, fault: str) -> None:
        """To the field that a fault begins with."""
        name = next((name for name, _, _ in _FIELDS if fault.startswith(name)), "width")
        self.query_one(f"#beam-{name}", Line).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_mounted and len(self.query(Line)) == len(_FIELDS):
            self.app.session.set("playground.beams", self.values())
