"""How text is drawn, as a form of a few lines: each setting with its name, what is wrong with it, and what it does."""

from __future__ import annotations

import random
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Grid, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from craft.errors import UsageError
from craft.runs.sampling_settings import SamplingSettings
from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.screens.playground.fields import Fields
from workbench.screens.playground.settings_values import read_number, read_stops, written
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from workbench.bench import Bench

_OWN = "run's own"
PRESETS: dict[str, dict[str, Any]] = {
    _OWN: {},
    "greedy": {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0},
    "balanced": {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.0},
    "wild": {"temperature": 1.4, "top_k": 0, "top_p": 1.0, "min_p": 0.02},
}
"""What each changes. The first one is what the [generation] section of the run's definition says."""

_CHOICES = {
    "preset": (*PRESETS, "mixed"),
    "new_seed": ("each time", "fixed"),
    "device": ("auto", "cpu", "cuda", "mps"),  # and each GPU by its number, where there are several
    "precision": ("auto", "fp32", "bf16", "int8"),
}
_ORDER = (
    ("preset", "max_new_tokens"),
    ("temperature", "samples"),
    ("top_k", "seed"),
    ("top_p", "new_seed"),
    ("min_p", "stop"),
    ("repetition_penalty", "device"),
    ("frequency_penalty", "precision"),
)
_OF_RUN = {*PRESETS["greedy"], "max_new_tokens", "repetition_penalty", "frequency_penalty", "stop"}
_KINDS = {one.name: str(one.type) for one in fields(SamplingSettings)} | {"samples": "int"}
_DEFAULTS = {one.name: one.default for one in fields(SamplingSettings)} | {"temperature": 0.8, "top_k": 40}
_MOST_SAMPLES = 16
_HELP = {
    "preset": "space: settings that go well together; the run's own are those of [generation] in its definition",
    "seed": "the same seed, checkpoint and settings give the same text",
    "new_seed": "space: whether each writing draws another seed",
    "samples": f"texts of each source side by side, 1 to {_MOST_SAMPLES}; their seeds count up. More: the tab batch",
    "stop": "texts that end the writing, with | between them; \\n is a new line, \\t a tab, \\| and \\\\ themselves",
    "device": "space: where to compute; auto leaves a GPU to the run that trains on it",
    "precision": "space: of the weights; auto is bf16 on a GPU that is fast in it, else fp32; int8 only on a CPU",
}


def devices(gpus: int, chosen: str) -> tuple[str, ...]:
    """What can be chosen on a machine of so many GPUs; what was chosen elsewhere stays, and its fault is said."""
    *others, last = _CHOICES["device"]
    words = (*others, *(f"cuda:{number}" for number in range(gpus if gpus > 1 else 0)), last)
    return words if chosen in words else (*words, chosen)


class Choice(Widget, can_focus=True):
    """One of a few words; space, enter, a click and the arrows take the next."""

    BINDINGS = bindings_of("setting")

    class Changed(Message):
        """Another word was taken by a person."""

        def __init__(self, control: Choice) -> None:
            super().__init__()
            self.choice = control

        @property
        def control(self) -> Choice:
            return self.choice

    def __init__(self, words: tuple[str, ...], value: str, id: str) -> None:
        super().__init__(id=id)
        self._words, self.value = words, value

    def render(self) -> Content:
        return Content(self.value)

    def offer(self, words: tuple[str, ...]) -> None:
        """Let others be chosen."""
        self._words = words

    def put(self, value: str) -> None:
        """Show another word."""
        if value in self._words and value != self.value:
            self.value = value
            self.refresh()

    def turn(self, by: int) -> None:
        """The next word, or the one before."""
        self.put(self._words[(self._words.index(self.value) + by) % len(self._words)])
        self.post_message(self.Changed(self))

    def action_word(self, by: int) -> None:
        self.turn(by)

    def on_click(self) -> None:
        self.turn(1)


class SettingsPanel(Fields):
    """The form. `Changed` is posted when a value was changed, by a person or by `put`."""

    app: Bench
    COLUMNS = 2

    class Changed(Message):
        """Something is set otherwise."""

    def __init__(self, stored: dict[str, Any]) -> None:
        super().__init__(id="settings")
        known = {name: value for name, value in stored.items() if isinstance(value, str)}
        self._values = {name: words[0] for name, words in _CHOICES.items()}
        self._values |= {name: written(value) for name, value in _DEFAULTS.items()} | {"samples": "1"}
        self._values |= {name: value for name, value in known.items() if self._values.get(name) is not None}
        self._gpus = 0
        for name in _CHOICES:
            if self._values[name] not in self._words(name):
                self._values[name] = _CHOICES[name][0]
        self._own: dict[str, Any] | None = None
        """What the run's definition says; None while that is not read."""
        self._help = dict(_HELP)
        self._fault: tuple[str, str] = ("", "")
        self._on_seed = ""

    def compose(self) -> ComposeResult:
        with Grid(id="fields"):
            for name in (name for row in _ORDER for name in row):
                with Horizontal(classes="field"):
                    yield Static(Content(name), classes="field--name")
                    if name in _CHOICES:
                        yield Choice(self._words(name), self._values[name], id=name)
                    else:
                        yield Line(self._values[name], compact=True, id=name, select_on_focus=False)
        yield Static(id="settings-help")

    def _words(self, name: str) -> tuple[str, ...]:
        """What a choice can be."""
        if name != "device":
            return _CHOICES[name]
        chosen = self._values[name]
        return devices(self._gpus, chosen if re.fullmatch(r"cuda:\d{1,3}", chosen) else "auto")

    def on_mount(self) -> None:
        self._judge()
        self._read_rest()

    @work(thread=True, group="settings help", exclusive=True, exit_on_error=False)
    def _read_rest(self) -> None:
        """What takes longer: the words of help, and how many GPUs there are."""
        from craft.config.schema.generation import GenerationConfig
        from craft.launch.queue.slots import nvidia_gpus

        found = {name: field.description or "" for name, field in GenerationConfig.model_fields.items()}
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take_rest, found, len(nvidia_gpus()))

    def _take_rest(self, found: dict[str, str], gpus: int) -> None:
        self._help, self._gpus = {**found, **self._help}, gpus
        self.query_one("#device", Choice).offer(self._words("device"))
        self._say()

    # --- reading ---

    def settings(self) -> SamplingSettings | None:
        """As they are set; None when one is wrong, which is said, and its field has the focus."""
        self._judge()
        name, fault = self._fault
        if fault:
            self.app.say(fault, "error")
            self.query_one(f"#{name}").focus()
            return None
        return SamplingSettings(**self._parsed())

    @property
    def samples(self) -> int:
        """How many texts of each source; 1 where that is wrong."""
        try:
            return max(1, min(int(self._values["samples"]), _MOST_SAMPLES))
        except ValueError:
            return 1

    def where(self) -> dict[str, str]:
        """Device and precision, as a request has them."""
        return {"device": self._values["device"], "precision": self._values["precision"]}

    def next_seed(self) -> None:
        """Draw another seed, where each writing shall have its own."""
        if self._values["new_seed"] == "each time":
            self.put({"seed": random.randrange(1_000_000)})

    def _parsed(self) -> dict[str, Any]:
        """The values as SamplingSettings has them. Raises UsageError that begins with the field's name."""
        values: dict[str, Any] = {}
        for name, kind in _KINDS.items():
            text = self._values[name].strip()
            if name == "stop":
                values[name] = read_stops(text)
            elif name != "samples":
                values[name] = read_number(name, text, kind)
        return values

    def _judge(self) -> None:
        """Find what is wrong, and show it."""
        self._fault = ("", "")
        try:
            SamplingSettings(**self._parsed())
            if not 1 <= int(read_number("samples", self._values["samples"], "int")) <= _MOST_SAMPLES:
                raise UsageError(f"samples must be 1 to {_MOST_SAMPLES}, found {self._values['samples']}")
        except UsageError as error:
            message = str(error)
            name = next((name for name in _KINDS if message.startswith(name)), "max_new_tokens")
            self._fault = (name, message)
        for line in self.query(Line):
            line.set_class(line.id == self._fault[0], "-wrong")
        self._say()

    def _say(self) -> None:
        """What is wrong; else what the field with the focus does."""
        focused = self.screen.focused
        name = focused.id if focused is not None and self in focused.ancestors else ""
        help_line = self.query_one("#settings-help", Static)
        if self._fault[1]:
            help_line.update(Content.styled(f"! {clean_line(self._fault[1])}", "$text-error"))
        else:
            text = self._on_seed or "F4 takes the next preset"
            text = self._help.get(name or "", text)
            help_line.update(Content.styled(clean_line(" ".join(text.split())), "$foreground 55%"))

    # --- changing ---

    def put(self, values: dict[str, Any]) -> None:
        """Set some, by name."""
        for name, value in values.items():
            if name in self._values:
                text = value if name in _CHOICES and isinstance(value, str) else written(value)
                self._values[name] = text
                field = self.query_one(f"#{name}")
                if isinstance(field, Choice):
                    field.offer(self._words(name))
                    field.put(text)
                elif isinstance(field, Line):
                    field.value = text
        self._changed(*values)

    def set_own(self, section: dict[str, Any]) -> None:
        """The [generation] section of the first source's definition; in force while the preset says so."""
        self._own = {name: section[name] for name in _KINDS if name in section and name != "seed"}
        if self._values["preset"] == _OWN:
            self._apply(_OWN)

    def tell_seed_is_fixed(self) -> None:
        """The seed came with what is asked again: said until it is no longer so."""
        self._on_seed = f"seed {self._values['seed']}, fixed by the history: F3, then space on new_seed, draws new ones"
        self._say()

    def next_preset(self) -> None:
        """The preset after this one."""
        names = list(PRESETS)
        here = self._values["preset"]
        self._take_preset(names[(names.index(here) + 1) % len(names)] if here in names else names[0])

    def _take_preset(self, name: str) -> None:
        self._apply(_OWN if name == "mixed" else name)

    def _apply(self, name: str) -> None:
        self.put({**((self._own or {}) if name == _OWN else PRESETS[name]), "preset": name})

    def _preset_now(self) -> str:
        """The preset that the values are; it stays as long as they are those that it sets."""
        here = self._values["preset"]
        wanted = {**PRESETS, _OWN: self._own or {}}
        names = [here, *(name for name in PRESETS if name not in (here, _OWN))] if here in wanted else list(PRESETS)[1:]
        return next((name for name in names if self._holds(wanted[name])), "mixed")

    def _holds(self, preset: dict[str, Any]) -> bool:
        return all(self._values[name] == written(value) for name, value in preset.items())

    def _changed(self, *names: str) -> None:
        if self._own is None and "preset" not in names and self._values["preset"] == _OWN and _OF_RUN & {*names}:
            self._values["preset"] = "mixed"  # a person was faster: what is read later does not replace it
        preset = self._preset_now()
        self._values["preset"] = preset
        if {"seed", "new_seed"} & {*names}:
            self._on_seed = ""
        self.query_one("#preset", Choice).put(preset)
        self._judge()
        self.app.session.set("playground.settings", dict(self._values))
        self.post_message(self.Changed())

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        name = event.input.id or ""
        if self._values.get(name) != event.value:
            self._values[name] = event.value
            self._changed(name)

    def on_choice_changed(self, event: Choice.Changed) -> None:
        event.stop()
        name = event.choice.id or ""
        if name == "preset":
            self._take_preset(event.choice.value)
        else:
            self._values[name] = event.choice.value
            self._changed(name)

    def on_descendant_focus(self) -> None:
        self._say()

    def on_descendant_blur(self) -> None:
        self.call_after_refresh(self._say)

    def focus_first(self) -> None:
        """To the first setting that people change."""
        self.query_one("#temperature").focus()
