"""The tab "beams": the tree is the library's, it can be walked over, and what is wrong is said in place."""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path

import pytest
from textual.widgets import Static

from craft.generation.beam_search import Beam, BeamSearch
from craft.generation.checkpoint import load_checkpoint
from craft.runs.sampling_settings import BeamSettings
from craft.text import width_of
from tests.generation.models import LETTERS, make
from tests.workbench.harness import SmallScreen, play, screen_text, until
from tests.workbench.playground.trained import playground, written
from workbench.memory import project_place
from workbench.screens.playground.beams import BeamsMode
from workbench.screens.playground.beams_fields import BeamFields
from workbench.screens.playground.beams_tree import Drawing, Node, SearchTree, drawing, lines
from workbench.screens.playground.history_store import History
from workbench.screens.playground.screen import PlaygroundScreen


def searched(width: int = 4, steps: int = 14) -> tuple[BeamSearch, SearchTree]:
    """A whole search, and the tree as it was told step by step."""
    search = BeamSearch(make("rotary"), LETTERS, "abc", BeamSettings(max_new_tokens=steps, width=width, num_results=2))
    tree = SearchTree()
    for step in search:
        tree.take([asdict(node) for node in search.tree.nodes if node.step == step])
    return search, tree


def check(made: Drawing, tree: SearchTree, shown: set[int]) -> None:
    """Every node stands once, right behind the one it follows, and no line runs through a text."""
    assert set(made.places) == shown
    assert sorted(node for row in made.rows for node in row.nodes) == sorted(shown)
    for row in made.rows:
        for node, place in zip(row.nodes, range(len(row.nodes)), strict=True):
            assert row.starts[place + 1] - row.starts[place] == width_of(row.texts[place]) >= 1
            parent = tree.nodes[node].parent
            if parent in made.places:
                above, at = made.places[parent]
                assert made.rows[above].starts[at + 1] == row.starts[place], "it begins where its parent ends"
        assert all(column < row.starts[0] for column in row.rails), "lines of others stay before the text"
    for number, row in enumerate(made.rows):
        if row.above is not None and row.joint is not None:
            for between in made.rows[row.above + 1 : number]:
                assert row.joint in between.rails or between.joint == row.joint, "the line down is whole"


@pytest.mark.parametrize("looked_at", [False, True])
def test_the_tree_that_is_drawn_is_the_one_that_was_searched(looked_at: bool) -> None:
    search, tree = searched()
    assert [asdict(node) for node in tree.nodes.values()] == [asdict(node) for node in search.tree.nodes]
    made = drawing(list(tree.nodes.values()), opened=set(tree.nodes), looked_at=looked_at)
    check(made, tree, {node.id for node in search.tree.nodes if node.kept or looked_at})
    best: Beam = search.results[0]
    assert "".join(made.rows[0].texts) == best.text, "the best text is the first row"
    for beam in search.results:
        leaf = tree.leaf_of(len(beam.tokens), beam.log_probability)
        assert [node.token for node in tree.path(leaf)] == list(beam.tokens)
    assert all(line.isascii() for line in lines(made, ascii_only=True))


def test_trees_of_any_shape_are_drawn_whole_and_fold() -> None:
    chance = random.Random(4)
    nodes: list[Node] = []
    for number in range(400):
        parent = chance.choice(nodes) if nodes and chance.random() < 0.97 else None
        depth = 1 if parent is None else parent.depth + 1
        piece = chance.choice(["a", "the ", "\u4e16", "\n", "", "\x1b[31m", "x" * 60])
        state = chance.choice(["kept", "given up", "finished"])
        parent_id = None if parent is None else parent.id
        nodes.append(Node(number, parent_id, depth, 7, piece, -1.0, -depth, True, state, depth, -0.5))
    tree = SearchTree()
    tree.nodes = {node.id: node for node in nodes}
    everything = {node.id for node in nodes}
    begins = {row.nodes[0] for row in drawing(nodes, opened=everything).rows}
    opened = drawing(nodes, opened=begins)
    check(opened, tree, everything)
    assert "\x1b" not in "".join(lines(opened))
    folded = drawing(nodes, folded=begins, opened=begins)
    roots = sum(node.parent is None for node in nodes)
    assert len(folded.rows) == roots, "nothing but what follows the prompt is left"
    assert sum(row.hidden for row in folded.rows) + roots == len(opened.rows), "it says how much is folded away"
    by_itself = drawing(nodes)
    assert len(by_itself.rows) + sum(row.hidden for row in by_itself.rows) == len(opened.rows)


def beams(screen: PlaygroundScreen) -> BeamsMode:
    mode = screen.mode
    assert isinstance(mode, BeamsMode)
    return mode


def test_a_search_is_the_librarys_and_can_be_walked_over(project: Path) -> None:
    settings = BeamSettings(max_new_tokens=10, width=3, num_results=2, length_penalty=0.5)
    loaded = load_checkpoint(project.parent / "runs" / "tiny-001")
    search = BeamSearch(loaded.model, loaded.tokenizer, "ab", settings)
    for _ in search:
        pass

    async def story() -> None:
        async with playground(project, "tiny-001", "other-001") as (app, screen, pilot):
            await screen.open_tab("beams")
            mode = beams(screen)
            mode.query_one(BeamFields).put({**asdict(settings), "width": 1})
            screen.prompt = "ab"
            await pilot.press("f5")
            await until(pilot, lambda: "num_results must be 1 to the width of 1, found 2" in screen_text(app))
            assert "num_results" in str(mode.query_one("#beam-words", Static).content), "in full below the line"
            mode.query_one(BeamFields).put(asdict(settings))
            await pilot.press("f5")
            await written(screen, pilot)
            first, second = mode.searches
            assert [one["text"] for one in first.results] == [beam.text for beam in search.results]
            nodes = [asdict(node) for node in search.tree.nodes]
            assert [asdict(node) for node in first.tree.nodes.values()] == [
                {
                    **node,
                    "log_probability": pytest.approx(node["log_probability"]),
                    "total": pytest.approx(node["total"]),
                }
                | {"score": None if node["score"] is None else pytest.approx(node["score"])}
                for node in nodes
            ]
            await until(pilot, lambda: "done: step 10 of 10" in screen_text(app))
            view = mode.tree_view
            await until(pilot, lambda: len(view.made.rows) > 1)
            mode.focus_first()
            await pilot.press("g", "dollar_sign", "y")
            assert app.clipboard == search.results[0].text
            # Down and up again, token by token to the first, and on from there.
            await pilot.press("j", "0")
            assert view.at == view.made.rows[1].nodes[0]
            await pilot.press(*["h"] * 12)
            assert view.at is not None and first.tree.nodes[view.at].parent is None
            await pilot.press("u")
            assert screen.prompt == "ab" + first.tree.nodes[view.at].piece
            mode.focus_first()
            rows = len(view.made.rows)
            await pilot.press("g", "space")
            await until(pilot, lambda: len(view.made.rows) < rows and "folded" in screen_text(app))
            await pilot.press("space", "x")
            await until(pilot, lambda: len(view.made.rows) > rows)
            assert second.tree.nodes and mode.search is first
            await pilot.press("o")
            assert mode.search is second
            await until(pilot, lambda: "B other-001@latest" in screen_text(app) and "2 of 2" in screen_text(app))
            history = History(project_place(project))
            await until(pilot, lambda: history.poll() or history.entries[0].reason == "finished")
            assert history.entries[0].kind == "beams" and history.entries[0].count == 4
            assert "tree" not in history.read(history.entries[0])["results"][0]

    play(story())


def test_a_long_search_is_stopped_and_a_small_terminal_shows_it(project: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001", size=SmallScreen, ascii_only=True) as (app, screen, pilot):
            await screen.open_tab("beams")
            mode = beams(screen)
            mode.query_one(BeamFields).put({"width": 8, "num_results": 1, "max_new_tokens": 5000})
            await pilot.press("f5")
            await until(pilot, lambda: bool(mode.searches and mode.searches[0].step > 5), within=60)
            assert "searching: step" in screen_text(app)
            mode.stop()
            await written(screen, pilot)
            await until(pilot, lambda: "stopped: step" in screen_text(app))
            assert mode.searches[0].step < 5000
            below = screen_text(app).split("width", 1)[1]
            assert below.isascii(), below

    play(story())
