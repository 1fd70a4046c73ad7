"""What the command palette finds: every action that does something now, the screens, runs, experiments and themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher
from textual.markup import escape

from craft.text import clean_line
from workbench.actions import bound_now, key_name

if TYPE_CHECKING:
    from workbench.app import Workbench

_MOST_RUNS = 200  # that are offered for one word


@dataclass(frozen=True)
class Command:
    """Something that can be done now."""

    name: str
    about: str
    do: Callable[[], Any]


def _highlighted(name: str, query: str, matcher: Matcher) -> Content:
    """A name with what was typed of it marked; Textual's own would read it as markup."""
    found = Content(name)
    for place in matcher.fuzzy_search.match(query, name)[1]:
        if not name[place].isspace():
            found = found.stylize(matcher.match_style, place, place + 1)
    return found


class Commands(Provider):
    """Asked anew each time the palette is opened, so what is offered is what can be done."""

    app: Workbench  # type: ignore[assignment]

    async def discover(self) -> Hits:
        for command in self._actions():
            yield DiscoveryHit(Content(command.name), command.do, command.name, escape(command.about))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self.all(query):
            if score := matcher.match(command.name):
                found = _highlighted(command.name, query, matcher)
                yield Hit(score, found, command.do, command.name, escape(command.about))

    def all(self, words: str = "") -> Iterator[Command]:
        """What can be done now; of the runs those that have all of `words` in their names."""
        yield from self._actions()
        yield from self._themes()
        yield from self._experiments()
        yield from self._runs(words)

    def _actions(self) -> Iterator[Command]:
        active = self.screen.active_bindings
        for place, action, keys in bound_now(active):
            if action.name != "command_palette":
                about = f"{place}, key {key_name(keys[0], ascii_only=self.app.ascii_only)}"
                yield Command(action.help, about, partial(self.app.run_action, action.name, active[keys[0]].node))
        yield Command("panes as at first", "everywhere", self.app.action_reset_panes)
        yield Command("a picture of this screen, as SVG", "everywhere", self.app.action_picture)

    def _themes(self) -> Iterator[Command]:
        for name in self.app.available_themes:
            yield Command(f"theme {name}", "colours", partial(setattr, self.app, "theme", name))

    def _experiments(self) -> Iterator[Command]:
        for experiment in self.app.project.experiments:
            name = clean_line(experiment.name)
            yield Command(f"experiment {name}", "edit it", partial(self.app.show_experiment, experiment.name))

    def _runs(self, query: str) -> Iterator[Command]:
        words = query.lower().removeprefix("run").split()
        shown = 0
        for run in self.app.runs:
            name = clean_line(run.name)
            if all(word in name.lower() for word in words):
                yield Command(f"run {name}", clean_line(run.phase), partial(self.app.show_run, run.name))
                shown += 1
                if shown == _MOST_RUNS:
                    return
