"""The looks of a screen are its own: Textual loads a sheet when its screen is first shown, and then its rules hold for
all screens."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.css.model import SelectorSet, SelectorType
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen
from textual.widget import Widget

import workbench
from tests.workbench.harness import SmallScreen, opened, play, settled
from tests.workbench.runs import make_project, make_run
from workbench import memory, reading
from workbench.app import Workbench
from workbench.screens.base import PLACES

_HOME = Path(workbench.__file__).parent
_OWN_SHEETS = sorted({*(_HOME / "screens").rglob("*.tcss"), *(_HOME / "dialogs").rglob("*.tcss")})


def _kinds() -> Iterator[type[Widget]]:
    """All kinds of widgets of the workbench."""
    for module in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[Widget]] = [Widget]
    seen: set[type[Widget]] = set()
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.add(kind)
            waiting.extend(kind.__subclasses__())
            if kind.__module__.startswith("workbench."):
                yield kind


def _belongs(kind: type[Widget], sheet: Path) -> bool:
    module = importlib.import_module(kind.__module__).__file__
    return module is not None and Path(module).is_relative_to(sheet.parent)


def _is_scoped(selectors: SelectorSet, types: set[str], parts: set[str]) -> bool:
    """Whether only widgets of these types, what is in them, or these parts of what they draw can be meant."""
    last = selectors.selectors[-1]
    named = any(one.type == SelectorType.TYPE and one.name in types for one in selectors.selectors)
    return named or (last.type == SelectorType.CLASS and last.name in parts)


def _written(selectors: SelectorSet) -> str:
    return " ".join(one.css for one in selectors.selectors)


@pytest.mark.parametrize("sheet", _OWN_SHEETS, ids=lambda sheet: sheet.stem)
def test_a_sheet_speaks_of_its_own_widgets_only(sheet: Path) -> None:
    kinds = set(_kinds())
    own = {kind for kind in kinds if _belongs(kind, sheet)}
    names = Counter(kind.__name__ for kind in kinds)
    elsewhere = {part for kind in kinds - own for part in vars(kind).get("COMPONENT_CLASSES", ())}
    types = {kind.__name__ for kind in own if names[kind.__name__] == 1}
    parts = {part for kind in own for part in vars(kind).get("COMPONENT_CLASSES", ())} - elsewhere
    sheets = Stylesheet(variables=Workbench(Path("experiments.toml")).get_css_variables())
    sheets.read(sheet)
    loose = [one for rule in sheets.rules for one in rule.selector_set if not _is_scoped(one, types, parts)]
    assert sheets.rules
    assert not [_written(one) for one in loose]


def _drawn(screen: Screen[None]) -> list[tuple[str, object, str]]:
    """Where each widget stands, and its style."""
    return [(node.css_identifier, node.region, node.styles.base.css) for node in screen.query("*")]


def test_a_screen_looks_the_same_whatever_was_opened_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TICK", 0.2)
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")
    session = memory.of_project(file)

    async def looks(first: str, turns: int) -> dict[str, list[tuple[str, object, str]]]:
        """Of the places that are opened one after another, each as it was when it was seen last."""
        session.set("place", first)
        session.flush()
        found = {}
        async with opened(file, size=SmallScreen) as (app, pilot):
            for turn in range(turns + 1):
                if turn:
                    await pilot.press("f9")
                await settled(app)
                found[app.place.PLACE] = _drawn(app.screen)
        return found

    async def story() -> None:
        together = await looks(PLACES[-1], 2 * len(PLACES) - 1)
        for place in PLACES:
            alone = await looks(place, 0)
            assert alone[place] == together[place]

    play(story())
