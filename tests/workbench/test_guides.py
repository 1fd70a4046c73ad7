"""The tables of keys in the guides are those of the actions. `CRAFT_RENEW=1 pytest tests/workbench/test_guides.py`
writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from craft.analysis.filters import NAMES
from workbench.actions import PLACES, key_name

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
_TABLES = re.compile(r"<!-- keys: (.*?) -->\n(.*?)<!-- end -->", re.DOTALL)


def _keys(keys: tuple[str, ...]) -> str:
    names = dict.fromkeys(map(key_name, keys))
    return " ".join(f"`` {name} ``" if "`" in name else f"`{name}`" for name in names).replace("|", "\\|")


def _tables(places: str) -> str:
    tables = []
    for place in places.split(", "):
        rows = "".join(f"| {_keys(action.keys)} | {action.help} |\n" for action in PLACES[place])
        tables.append(f"| {place} | |\n|---|---|\n{rows}")
    return "\n" + "\n".join(tables) + "\n"


@pytest.mark.parametrize("name", ["experiments", "runs", "compare", "playground"])
def test_a_guide_has_the_keys_that_there_are(name: str) -> None:
    guide = GUIDES / f"{name}.md"
    text = guide.read_text()
    assert _TABLES.search(text)
    renewed = _TABLES.sub(lambda found: f"<!-- keys: {found[1]} -->\n{_tables(found[1])}<!-- end -->", text)
    if os.environ.get("CRAFT_RENEW"):
        guide.write_text(renewed)
    assert text == renewed


def test_the_guide_lists_the_names_that_filters_know() -> None:
    guide = GUIDES / "runs.md"
    text = guide.read_text()
    rows = "".join(
        f"| {' '.join(f'`{one}`' for one in (name, *others))} | {about} |\n" for name, (others, about) in NAMES.items()
    )
    before, _, rest = text.partition("<!-- filter names -->\n")
    after = rest.partition("<!-- end of names -->")[2]
    renewed = f"{before}<!-- filter names -->\n\n| name | |\n|---|---|\n{rows}\n<!-- end of names -->{after}"
    if os.environ.get("CRAFT_RENEW"):
        guide.write_text(renewed)
    assert after and text == renewed


@pytest.mark.parametrize("guide", sorted(GUIDES.glob("*.md")), ids=lambda path: path.stem)
def test_a_key_that_a_guide_names_is_one(guide: Path) -> None:
    prose = _TABLES.sub("", guide.read_text())
    named = set(re.findall(r"`([a-zA-Z!*/?]|F\d+|ctrl\+\w+|esc|enter|space)`", prose))
    known = {key_name(key) for actions in PLACES.values() for action in actions for key in action.keys}
    assert named and named <= known, named - known
