"""The base of the playground's tabs: each asks the same sources in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import Container
from textual.widget import Widget

from workbench.screens.playground.sampling import Answered, Sampling

if TYPE_CHECKING:
    from workbench.bench import Bench
    from workbench.screens.playground.screen import PlaygroundScreen

MOST_KEPT = 1_000_000
"""Characters of a typed text that are kept for the next time: they are written with each change."""


class Mode(Container):
    """One tab. The screen shows its prompt and its settings above the tabs that use them.

    A mode asks by `self.ask(...)`, and gets what comes in `answered`. While it waits for an answer the screen offers
    to stop it. Its own keys are a list in `workbench/actions`, bound on the mode or on what is in it.
    """

    app: Bench
    NAME: ClassVar[str] = ""
    """The word of its tab."""
    WITH_PROMPT: ClassVar[bool] = True
    """Whether it writes after the screen's prompt."""
    WITH_SETTINGS: ClassVar[bool] = True
    """Whether the screen's sampling settings count for it."""

    def __init__(self) -> None:
        super().__init__(id=f"mode-{self.NAME}", classes="mode")
        self.asked: list[str] = []
        """Ids of requests that are not answered yet."""
        self._keeps_typed = True

    @property
    def playground(self) -> PlaygroundScreen:
        """The screen: its `sources` (list of Source), `prompt` (str), `sampling_settings()`, `places()`."""
        from workbench.screens.playground.screen import PlaygroundScreen

        screen = self.screen
        assert isinstance(screen, PlaygroundScreen)
        return screen

    @property
    def sampling(self) -> Sampling:
        """The sampler process."""
        return self.playground.sampling

    # --- for the screen ---

    def run(self) -> None:
        """F5: do what this tab is for."""
        raise NotImplementedError

    def stop(self) -> None:
        """Escape: end what is asked; what came until then stays."""
        for identifier in self.asked:
            self.sampling.cancel(identifier)

    @property
    def busy(self) -> bool:
        """Whether something is asked and not answered."""
        return bool(self.asked)

    def show(self) -> None:
        """The tab is seen: also again, after other runs, sources or settings were chosen."""

    def show_runs(self) -> None:
        """All run folders were looked at, while this tab is seen."""

    def restore(self, request: dict[str, Any]) -> None:
        """Take over what is this tab's own of a request that was made before; the screen does so with the rest."""

    def focus_first(self) -> None:
        """Put the focus where a person goes on from."""
        self.focus()

    @property
    def typed(self) -> Widget | None:
        """The field that its prompt or text is typed into."""
        return self.playground.prompt_area if self.WITH_PROMPT else None

    @property
    def inside(self) -> bool:
        """Whether escape goes one level back inside the tab, which `leave` does."""
        return False

    def leave(self) -> None:
        """One level back inside the tab."""

    # --- for subclasses ---

    def keep_typed(self, name: str, text: str) -> None:
        """Keep a text for the next time, under a name of the session; that one is too long for that is said."""
        fits = len(text) <= MOST_KEPT
        if self._keeps_typed and not fits:
            self.app.say(f"this is too long to be kept for the next time (at most {MOST_KEPT:,} characters)", "warning")
        self._keeps_typed = fits
        self.app.session.set(name, text if fits else "")

    def ask(self, **request: Any) -> str:
        """Ask the sampler process; `checkpoints` are the screen's sources, and device and precision those chosen there,
        unless given."""
        if "checkpoint" not in request and "checkpoints" not in request:
            request["checkpoints"] = self.playground.places()
        identifier = self.sampling.ask(self, **{**self.playground.where(), **request})
        self.asked.append(identifier)
        self.playground.refresh_bindings()
        return identifier

    def answered(self, identifier: str, message: dict[str, Any]) -> None:
        """One message of a request, in order. The last one is `done` or `error` without a `checkpoint`."""
        raise NotImplementedError

    def drawn(self) -> None:
        """All messages of a batch were given to `answered`: the time to draw what changed."""

    def on_answered(self, event: Answered) -> None:
        from craft.runs.sampler_protocol import is_final

        for message in event.messages:
            if is_final(message) and event.id in self.asked:
                self.asked.remove(event.id)
                self.playground.refresh_bindings()
            self.answered(event.id, message)
        self.drawn()
