"""What the command palette finds: every action that does something now, the screens, runs, experiments and themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.fuzzy import Matcher
from textual.markup import escape

from craft.text import clean_line
from workbench.actions import actions_of, key_name

if TYPE_CHECKING:
    from workbench.bench import Bench

_MOST_RUNS = 200  # that are offered for one word


@dataclass(frozen=True)
class Command:
    """Something that can be done now."""

    name: str
    about: str
    do: Callable[[], Any]
    words: str = ""
    """Others by which it is found."""


def _highlighted(name: str, query: str, matcher: Matcher) -> Content:
    """A name with what was typed of it marked; Textual's own would read it as markup."""
    found = Content(name)
    for place in matcher.fuzzy_search.match(query, name)[1]:
        if not name[place].isspace():
            found = found.stylize(matcher.match_style, place, place + 1)
    return found


class Commands(Provider):
    """Asked anew each time the palette is opened, so what is offered is what can be done."""

    app: Bench  # type: ignore[assignment]

    async def discover(self) -> Hits:
        for command in self._actions():
            yield DiscoveryHit(Content(command.name), command.do, command.name, escape(command.about))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self.all(query):
            if score := max(matcher.match(command.name), matcher.match(command.words)):
                found = _highlighted(command.name, query, matcher)
                yield Hit(score, found, command.do, command.name, escape(command.about))

    def all(self, words: str = "") -> Iterator[Command]:
        """What can be done now; of the runs those that have all of `words` in their names."""
        yield from self._actions()
        yield from self._themes()
        yield from self._experiments()
        yield from self._runs(words)

    def _actions(self) -> Iterator[Command]:
        told = set[tuple[str, str]]()
        for node in self._nodes():
            for place, action in actions_of(node):
                if action.name != "command_palette" and (place, action.name) not in told:
                    told.add((place, action.name))
                    about = f"{place}, key {key_name(action.keys[0], ascii_only=self.app.ascii_only)}"
                    do = partial(self.app.run_action, action.name, node)
                    yield Command(action.help, about, do, action.words)
        yield Command("panes as at first", "everywhere", partial(self.app.run_action, "reset_panes"), "reset layout")
        yield Command(
            "a picture of this screen, as SVG",
            "everywhere",
            partial(self.app.run_action, "picture"),
            "screenshot export",
        )

    def _nodes(self) -> Iterator[DOMNode]:
        """What has the focus and all that holds it, then the other parts that are seen: lists and texts among them are
        moved in with their keys, once they have the focus."""
        chain = [node for node, _ in self.screen._modal_binding_chain]
        yield from chain
        for widget in self.screen.query("*"):
            if not widget.can_focus and widget not in chain and widget.region:
                yield widget

    def _themes(self) -> Iterator[Command]:
        for name, about in self.app.themes().items():
            yield Command(f"theme {name}", about, partial(setattr, self.app, "theme", name), "colours colors")

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
