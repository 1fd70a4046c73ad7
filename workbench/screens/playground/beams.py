"""The tab "beams": the likeliest texts after the prompt, and the tree of what the search looked at, while it looks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from craft.analysis.numbers import format_percent
from craft.errors import UsageError
from craft.runs.json_files import is_number
from craft.runs.sampler_protocol import is_final
from craft.text import clean, clean_line, shorten
from workbench.actions import bindings_of
from workbench.screens.playground.beams_fields import HELP, BeamFields
from workbench.screens.playground.beams_tree import Node, SearchTree, lines
from workbench.screens.playground.beams_view import TreeView
from workbench.screens.playground.history_keep import Keeping
from workbench.screens.playground.mode import Mode
from workbench.screens.playground.sources import LETTERS
from workbench.screens.playground.words import Word, Words
from workbench.widgets.choices import Choices
from workbench.widgets.split import Split

_SIDE_BY_SIDE = 110  # columns from which on tree and texts stand beside each other
_MOST_SHOWN = 4000  # characters of the text under the cursor


@dataclass
class Search:
    """What one source found."""

    label: str
    tree: SearchTree = field(default_factory=SearchTree)
    step: int = 0
    open: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    ended: str = ""
    """finished or cancelled, once it is over."""
    about: str = ""
    """By what it was searched."""


class BeamsMode(Mode):
    """Settings, the tree, the best texts, and the text up to the cursor."""

    NAME = "beams"
    WITH_SETTINGS = False
    BINDINGS = bindings_of("beams")

    def __init__(self) -> None:
        super().__init__()
        self.searches: list[Search] = []
        self.shown = 0
        self.fault = ""
        self._prompt = ""
        self._most = 0
        self._request = ""
        self._keepings: dict[str, Keeping] = {}
        """Of requests that are not answered yet: the newest, and those that it took the place of."""
        self._listed: list[dict[str, Any]] = []

    def compose(self) -> ComposeResult:
        yield BeamFields()
        yield Words(id="beam-state")
        text = VerticalScroll(Static(id="beam-figures"), Static(id="beam-words"), id="beam-text")
        texts = Vertical(Choices(id="beam-results", compact=True), text, id="beam-texts")
        yield Split(TreeView(id="beam-tree"), texts, name="playground.beams", share=0.6)

    def on_mount(self) -> None:
        self._say()

    def on_resize(self) -> None:
        self.query_one(Split).stacked = self.size.width < _SIDE_BY_SIDE

    @property
    def tree_view(self) -> TreeView:
        """The tree."""
        return self.query_one(TreeView)

    @property
    def search(self) -> Search | None:
        """The one that is seen."""
        return self.searches[self.shown] if self.shown < len(self.searches) else None

    # --- asking ---

    def run(self) -> None:
        fields = self.query_one(BeamFields)
        try:
            settings = fields.settings()
        except UsageError as error:
            self.fault = str(error)
            fields.focus_on(self.fault)
            self._say()
            return
        self.stop()
        sources = list(self.playground.sources)
        self.fault, self._prompt, self._most = "", self.playground.prompt, settings.max_new_tokens
        self.searches = [Search(source.label) for source in sources]
        self.shown = min(self.shown, max(0, len(sources) - 1))
        request = {"type": "beam", "prompt": self._prompt, "settings": asdict(settings), **self.playground.where()}
        keeping = Keeping(self, "beams", request, sources)
        self._request = self.ask(**request, tree=True)
        self._keepings[self._request] = keeping
        self._show_search()

    def answered(self, identifier: str, message: dict[str, Any]) -> None:
        if is_final(message) and identifier in self._keepings:
            self._keepings.pop(identifier).end(message)
        if identifier != self._request:
            return  # of a search that another took the place of
        number = message.get("checkpoint", 0)
        search = self.searches[number] if 0 <= number < len(self.searches) else Search("")
        match message["type"]:
            case "loaded":
                provenance = message.get("provenance", {})
                search.about = ", ".join(str(provenance[name]) for name in ("source", "device", "precision"))
            case "beams":
                search.step, search.open = message["step"], len(message["beams"])
                search.tree.take(message.get("nodes", ()))
            case "error" if "checkpoint" in message:
                search.fault, search.ended = str(message.get("message")), "failed"
            case "error":
                self.fault = str(message.get("message"))
                for one in self.searches:
                    one.ended = one.ended or "failed"
            case "done":
                self._end(message)

    def _end(self, message: dict[str, Any]) -> None:
        for result in message["results"]:
            search = self.searches[result["checkpoint"]]
            if "beams" in result:
                search.results, search.open = result["beams"], 0
                search.tree.take(result.get("tree", {}).get("nodes", ()))
        for search in self.searches:
            search.ended = search.ended or message["reason"]

    def drawn(self) -> None:
        self.tree_view.redraw()
        self._list_results()
        self._say()

    # --- what is shown ---

    def _show_search(self) -> None:
        search = self.search
        if search is not None:
            self.tree_view.show(search.tree)
        self._list_results()
        self._say()
        self.playground.refresh_bindings()

    def _list_results(self) -> None:
        """The best texts, once they are known."""
        results = self.search.results if self.search is not None else []
        if results is self._listed:
            return
        self._listed = results
        listing = self.query_one("#beam-results", OptionList)
        listing.clear_options()
        listing.display = bool(results)
        listing.border_title = "score, log probability, tokens, end, text"
        ascii_only = self.app.ascii_only
        for number, one in enumerate(results, 1):
            figures = f"{number:>2} {_figure(one.get('score'))} {_figure(one.get('log_probability'))}"
            about = f" {len(one.get('tokens', ())):>5}  {clean_line(str(one.get('ended'))):<7}"
            text = shorten(str(one.get("text", "")), 200, ascii_only=ascii_only)
            listing.add_option(Option(Content.assemble((figures, "bold"), (about, "$text-muted"), text)))
        if results:
            listing.highlighted = 0

    def _say(self) -> None:
        """Where the search is, or what is wrong."""
        search, right = self.search, []
        if self.fault:
            words = [Word(" ! ", "bad"), Word(self.fault, "bad")]
        elif search is None:
            words = [Word(" F5", "key"), Word(" looks for the likeliest texts after the prompt", "quiet")]
        else:
            letter = f" {LETTERS[self.shown]} " if len(self.searches) > 1 else " "
            words = [Word(letter, "strong"), Word(f"{search.label}  ")]
            words += self._progress(search)
        if len(self.searches) > 1:
            right = [Word(f" {self.shown + 1} of {len(self.searches)} "), Word("o", "key"), Word(" other ", "quiet")]
        self.query_one("#beam-state", Words).show(words, right)
        if self._fault_seen:  # the line above has no room for a long one
            self._show_fault()
        elif search is None:
            self._show_help()

    @property
    def _fault_seen(self) -> str:
        return self.fault or (self.search.fault if self.search is not None else "")

    def _show_fault(self) -> None:
        """What is wrong, in full; nothing where nothing is."""
        fault = clean(self._fault_seen, ascii_only=self.app.ascii_only)
        self.query_one("#beam-figures", Static).update("")
        self.query_one("#beam-words", Static).update(Content.styled(fault, "$text-error"))

    def _progress(self, search: Search) -> list[Word]:
        if search.fault:
            return [Word(search.fault, "bad")]
        if not search.step:
            return [Word("waits for its turn" if not search.ended else search.ended, "quiet")]
        ended = sum(one.state == "finished" for one in search.tree.nodes.values())
        counts = f"step {search.step} of {self._most}, {search.open} open, {ended} ended"
        if search.ended:
            word = {"finished": "done", "cancelled": "stopped"}.get(search.ended, search.ended)
            return [Word(f"{word}: ", "good"), Word(f"{counts}, {len(search.tree.nodes):,} looked at", "quiet")]
        return [Word("searching: ", "live"), Word(counts, "quiet")]

    def _show_help(self) -> None:
        rows = [(name, clean_line(text)) for name, text in HELP.items()]
        width = max(len(name) for name, _ in rows)
        parts = [Content.assemble((f"{name:<{width}}  ", "$text-accent"), (text, "$text-muted")) for name, text in rows]
        self.query_one("#beam-results").display = False
        self.query_one("#beam-words", Static).update(Content("\n").join(parts))

    @on(TreeView.Pointed)
    def _show_node(self, event: TreeView.Pointed) -> None:
        event.stop()
        node = event.node
        figures, words = self.query_one("#beam-figures", Static), self.query_one("#beam-words", Static)
        if node is None:
            if self.search is not None:
                self._show_fault()
            return
        path = self.tree_view.search.path(node.id)
        ascii_only = self.app.ascii_only
        share = math.exp(min(0.0, node.log_probability))
        about = f"token {node.depth}  {clean_line(repr(node.piece), ascii_only=ascii_only)}"
        figures.update(
            Content.assemble(
                (about, "bold"),
                f"   {format_percent(share)}, {node.log_probability:.3f} nats   all {node.total:.3f}   ",
                (self.tree_view.about(node), "$text-muted"),
            )
        )
        before = clean(self._prompt[-_MOST_SHOWN // 4 :], ascii_only=ascii_only)
        text = clean("".join(one.piece for one in path[:-1])[-_MOST_SHOWN:], ascii_only=ascii_only)
        last = clean(path[-1].piece, ascii_only=ascii_only)
        words.update(Content.assemble((before, "$text-muted"), text, (last, "reverse")))
        self.call_after_refresh(self.query_one("#beam-text", VerticalScroll).scroll_end, animate=False)

    @on(OptionList.OptionHighlighted, "#beam-results")
    def _go_to_result(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        search = self.search
        if search is not None and event.option_index < len(search.results):
            one = search.results[event.option_index]
            leaf = search.tree.leaf_of(len(one.get("tokens", ())), one.get("log_probability", 0.0))
            if leaf is not None:
                self.tree_view.point(leaf)

    def focus_first(self) -> None:
        self.tree_view.focus()

    def restore(self, request: dict[str, Any]) -> None:
        """Take over the settings of a search that was asked before."""
        settings = request.get("settings")
        if isinstance(settings, dict):
            self.query_one(BeamFields).put(settings)

    # --- keys ---

    def _text(self) -> str | None:
        """Up to the cursor: as it was given out where a finished text ends there, else put together from its tokens."""
        search, at = self.search, self.tree_view.at
        if search is None or at is None:
            return None
        path: list[Node] = search.tree.path(at)
        for one in search.results:
            if search.tree.leaf_of(len(one.get("tokens", ())), one.get("log_probability", 0.0)) == at:
                return str(one.get("text"))
        return "".join(node.piece for node in path)

    def action_copy_text(self) -> None:
        text = self._text()
        if text is not None:
            self.app.copy(text, "the text")

    def action_copy_tree(self) -> None:
        ascii_only = self.app.ascii_only
        self.app.copy("\n".join(lines(self.tree_view.made, ascii_only=ascii_only)), "the tree")

    def action_use_text(self) -> None:
        text = self._text()
        if text is not None:
            self.playground.prompt = self._prompt + text
            self.playground.action_prompt()

    def action_other(self) -> None:
        self.shown = (self.shown + 1) % len(self.searches)
        self._show_search()

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        if action == "other":
            return len(self.searches) > 1
        if action in ("copy_text", "use_text", "copy_tree"):
            return bool(self.search is not None and self.search.tree.nodes)
        return True


def _figure(value: Any) -> str:
    return f"{value:8.3f}" if is_number(value) else f"{'-':>8}"
