"""The playground: any checkpoint, or a run that still trains, writes text.

The screen holds what all tabs share: who writes (`sources`), after what (`prompt`), how (`sampling_settings`), and the
sampler process. A tab is a `Mode`; its module is imported when it is first opened.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.strip import Strip
from textual.worker import get_current_worker

from craft.runs.sampling_settings import SamplingSettings
from workbench.actions import bindings_of
from workbench.memory import project_place
from workbench.screens.base import WorkbenchScreen
from workbench.screens.playground.history_keep import Keeper
from workbench.screens.playground.mode import Mode
from workbench.screens.playground.sampling import Sampling, SamplingChanged
from workbench.screens.playground.settings_panel import SettingsPanel
from workbench.screens.playground.sources import LETTERS, Source, own_generation, read_sources
from workbench.screens.playground.words import Word, Words
from workbench.widgets.bars import Part
from workbench.widgets.typed_lines import Lines

_MODES = {
    "write": "WriteMode",
    "score": "ScoreMode",
    "beams": "BeamsMode",
    "batch": "BatchMode",
    "history": "HistoryMode",
}
"""The tabs: the module beside this one, and its class."""
_HERE = "workbench.screens.playground"
_LOOKS = {"ended": "bad", "starting": "warn", "loading": "warn", "answering": "live", "ready": "good"}


class PromptArea(Lines):
    """The prompt, as it is: what a terminal would obey is shown as marks."""

    BINDINGS = bindings_of("prompt area")

    def action_leave(self) -> None:
        assert isinstance(self.screen, PlaygroundScreen)
        if self.screen.mode is not None:
            self.screen.mode.focus_first()

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        if action == "leave":  # while something is written escape stops it
            assert isinstance(self.screen, PlaygroundScreen)
            return self.screen.mode is not None and not self.screen.mode.busy
        return super().check_action(action, parameters)

    def render_line(self, y: int) -> Strip:
        # Of no width, as for a moment in a tiny window, a placeholder cannot be broken into lines.
        return super().render_line(y) if self.content_size.width > 0 else Strip.blank(self.size.width)


class PlaygroundScreen(WorkbenchScreen):
    """Sources, prompt and settings above, the tab below."""

    PLACE: ClassVar[str] = "playground"
    CSS_PATH = ["playground.tcss", "modes.tcss"]
    BINDINGS = bindings_of("playground")

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[Source] = []
        self.sampling = Sampling(self, project_place(self.app.project.file) / "sampler.log")
        self.keeper = Keeper(self.app)
        self._tabs = [name for name in _MODES if importlib.util.find_spec(f"{_HERE}.{name}")]
        self._prompt_known = bool(self.app.session.get("playground.prompt", ""))
        """Whether the prompt is a person's: else it is the first one that the run's definition has."""
        self._modes: dict[str, Mode] = {}
        self._tab = ""

    def compose_body(self) -> ComposeResult:
        session = self.app.session
        with Vertical(id="playground"):
            yield Words(id="tabs")
            yield Words(id="sources")
            with Horizontal(id="asking"):
                prompt = session.get("playground.prompt", "")
                yield PromptArea(prompt, compact=True, id="prompt", placeholder="a prompt")
                yield SettingsPanel(session.get("playground.settings", {}))
            yield Container(id="modes")

    def on_mount(self) -> None:
        self.prompt_area.edited = self._keep_prompt
        self.sources = read_sources(self.app.session.get("playground.sources", []))
        self._read_own()
        self.call_later(self.open_tab, self.app.session.get("playground.tab", "write"))

    def on_unmount(self) -> None:
        self.sampling.close()
        self.keeper.write()

    # --- what the tabs share ---

    @property
    def prompt_area(self) -> PromptArea:
        """Where the prompt is written."""
        return self.query_one(PromptArea)

    @property
    def prompt(self) -> str:
        """What is written after."""
        return self.prompt_area.text

    @prompt.setter
    def prompt(self, text: str) -> None:
        self.prompt_area.load_text(text)

    def sampling_settings(self) -> SamplingSettings | None:
        """As they are set; None when one is wrong, which is said, and its field has the focus."""
        return self.query_one(SettingsPanel).settings()

    def set_settings(self, values: dict[str, Any]) -> None:
        """Put settings into the panel, by name: those of SamplingSettings, samples, device, precision."""
        self.query_one(SettingsPanel).put(values)

    @property
    def samples(self) -> int:
        """Texts that each source writes; their seeds count up."""
        return self.query_one(SettingsPanel).samples

    def next_seed(self) -> None:
        """Draw another seed, where the settings say that each writing has its own."""
        self.query_one(SettingsPanel).next_seed()

    def where(self) -> dict[str, str]:
        """The device and the precision that were chosen, as a request has them."""
        return self.query_one(SettingsPanel).where()

    def places(self) -> list[dict[str, Any]]:
        """The sources as a request has them."""
        return [source.checkpoint(self.app.project.runs_dir) for source in self.sources]

    def set_sources(self, sources: list[Source]) -> None:
        """Others shall write."""
        self.sources = list(dict.fromkeys(sources))[: len(LETTERS)]
        self.app.session.set("playground.sources", [source.as_json() for source in self.sources])
        self._show_sources()
        self._read_own()
        if self.mode is not None:
            self.mode.show()

    @work(thread=True, group="own settings", exclusive=True, exit_on_error=False)
    def _read_own(self) -> None:
        """What the first source's definition says of writing."""
        if self.sources:
            found = own_generation(self.sources[0], self.app.project.runs_dir)
            if not get_current_worker().is_cancelled:
                self.app.call_from_thread(self._take_own, found)

    def _take_own(self, found: dict[str, Any]) -> None:
        self.query_one(SettingsPanel).set_own(found)
        prompts = found.get("prompts")
        if isinstance(prompts, list) and prompts and isinstance(prompts[0], str) and not self._prompt_known:
            self._prompt_known = True
            self.prompt = prompts[0]

    # --- tabs ---

    @property
    def mode(self) -> Mode | None:
        """The tab that is seen, once it stands."""
        mode = self._modes.get(self._tab)
        return mode if mode is not None and mode.is_mounted else None

    async def open_tab(self, name: str) -> Mode | None:
        """Show a tab, by name; the first time it is made."""
        if name not in self._tabs:
            name = self._tabs[0]
        self._tab = name
        self.app.session.set("playground.tab", name)
        if name not in self._modes:
            made: Mode = getattr(importlib.import_module(f"{_HERE}.{name}"), _MODES[name])()
            self._modes[name] = made
            await self.query_one("#modes", Container).mount(made)
            if not self.app.is_headless:  # tests open a hundred workbenches in one process
                gc.freeze()  # a tab stays: looking for garbage in it, too, would take twice as long, and keys wait
        for other in self._modes.values():
            other.display = self._tab == other.NAME
        mode = self._modes[self._tab]
        whole = self.query_one("#playground")
        whole.set_class(not mode.WITH_PROMPT, "-no-prompt")
        whole.set_class(not mode.WITH_SETTINGS, "-no-settings")
        self._show_tabs()
        mode.show()
        if mode.WITH_PROMPT:
            self.prompt_area.focus()
        else:
            mode.focus_first()
        self.refresh_bindings()
        return mode

    async def restore(self, record: dict[str, Any], *, run: bool = False) -> None:
        """Sources, prompt and settings of an entry of the history, in the tab that asked; with `run` ask at once."""
        request = record["request"]
        results = (one for one in record["results"] if isinstance(one, dict))
        settings = next((one["settings"] for one in results if "settings" in one), request.get("settings"))
        mode = await self.open_tab(record["kind"])
        if mode is None:
            return
        prompt = request.get("prompt")
        if mode.WITH_PROMPT:
            self.prompt = str((prompt.get("text", "") if isinstance(prompt, dict) else prompt) or "")
        where = {name: request[name] for name in ("device", "precision", "samples") if name in request}
        # The seed is a part of what is asked again.
        own = (
            {**settings, "new_seed": "fixed", "preset": "mixed"}
            if mode.WITH_SETTINGS and isinstance(settings, dict)
            else {}
        )
        if sources := read_sources(record.get("sources")):
            self.set_sources(sources)
        self.set_settings({**where, **own})
        mode.restore({**request, "settings": settings})
        tokens = prompt.get("tokens") if isinstance(prompt, dict) else None
        if isinstance(tokens, list) and tokens:
            self.app.say(f"{len(tokens)} tokens were chosen after this prompt; choose them again", "warning")
        if run:
            mode.run()
        else:
            self.app.say("filled in as it was asked; F5 asks it again")
            if own:
                self.query_one(SettingsPanel).tell_seed_is_fixed()

    async def action_turn(self, by: int) -> None:
        await self.open_tab(self._tabs[(self._tabs.index(self._tab) + by) % len(self._tabs)])

    async def action_open(self, name: str) -> None:
        await self.open_tab(name)

    # --- keys ---

    def action_go_on(self) -> None:
        if not self.sources and self._tab != "history":
            self.action_sources()
        elif self.mode is not None:
            self.mode.run()

    def action_stop(self) -> None:
        mode = self.mode
        if mode is None:
            return
        if mode.inside:
            mode.leave()
        elif mode.busy:
            mode.stop()
        else:
            mode.focus_first()

    def action_prompt(self) -> None:
        if self.mode is not None and self.mode.typed is not None:
            self.mode.typed.focus()

    def action_settings(self) -> None:
        panel = self.query_one(SettingsPanel)
        if self.focused is None or panel not in self.focused.ancestors:
            self.query_one("#playground").add_class("-setting")
            panel.focus_first()

    def on_descendant_focus(self) -> None:
        # Where there is little room the settings are seen as long as one has the focus.
        within = self.focused is not None and self.query_one(SettingsPanel) in self.focused.ancestors
        self.query_one("#playground").set_class(within, "-setting")

    def action_preset(self) -> None:
        self.query_one(SettingsPanel).next_preset()

    def action_sources(self) -> None:
        from workbench.screens.playground.picker import SourcePicker

        def take(sources: list[Source] | None) -> None:
            if sources:
                self.set_sources(sources)

        self.app.push_screen(SourcePicker(self.app.runs, self.sources), take)

    # --- news ---

    def unsaved(self) -> str:
        count = self.keeper.refused
        return f"{count:,} in the playground could not be written to the history" if count else ""

    def title_parts(self) -> list[Part]:
        count = self.keeper.refused
        return [(f"{count:,} not in the history  ", "title--warn")] if count else []

    def show_runs(self) -> None:
        self.keeper.try_again()
        if self.mode is not None:
            self.mode.show_runs()

    def show_all(self) -> None:
        asked = self.app.session.get("playground.ask", [])
        if asked:
            self.app.session.forget("playground.ask")
            self.set_sources(read_sources(asked))
        super().show_all()
        self._show_sources()
        if self.mode is not None:
            self.mode.show()

    @on(SamplingChanged)
    def _show_state(self) -> None:
        self._show_tabs()

    def _show_tabs(self) -> None:
        words = [Word(f" {name} ", "here" if name == self._tab else "quiet", f"open('{name}')") for name in self._tabs]
        state = self.sampling.state
        right = []
        if state.word != "off":
            right = [Word(state.word, _LOOKS.get(state.word, "quiet")), Word(f" {state.about} ", "quiet")]
        self.query_one("#tabs", Words).show(words, right)

    def _show_sources(self) -> None:
        if not self.sources:
            words = [Word(" nobody writes yet: ", "quiet"), Word("F2", "key"), Word(" chooses a run or a checkpoint")]
        else:
            words = []
            for letter, source in zip(LETTERS, self.sources, strict=False):
                several = len(self.sources) > 1
                words += [Word(f" {letter} " if several else " ", "strong"), Word(f"{source.label} ", "", "sources")]
        self.query_one("#sources", Words).show(words)

    def _keep_prompt(self) -> None:
        self._prompt_known |= bool(self.prompt)
        self.app.session.set("playground.prompt", self.prompt)

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        mode = self.mode if self.is_mounted else None
        if action in ("settings", "preset"):
            return mode is not None and mode.WITH_SETTINGS
        if action == "stop":
            outside = self.focused is None or mode not in self.focused.ancestors_with_self
            return mode is not None and (mode.busy or mode.inside or outside)
        if action == "prompt":
            return mode is not None and mode.typed is not None
        return True
