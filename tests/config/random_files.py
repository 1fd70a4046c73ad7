"""Random documents, written in random ones of the many ways that TOML has."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from craft.config.positions import Path
from craft.config.toml_values import write_key, write_value

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=True),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
)
KEYS = st.sampled_from(["a", "b", "model", "lr", "x y", "é", "1", "extends", "wide", 'q"', "#"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=20),
    max_size=5,
)


class Writer:
    """Writes a document in a random one of the many ways that TOML has, comments wherever they may stand."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.comments = chance, 0
        self.newline = chance.choice(["\n", "\n", "\r\n"])

    def comment(self, likely: float = 0.4) -> str:
        if self.chance.random() > likely:
            return ""
        self.comments += 1
        return f"# comment {self.comments} = [x"

    def value(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = (f"{write_key(k)} ={self.chance.choice(['', ' '])}{self.value(v)}" for k, v in value.items())
            return "{" + " , ".join(pairs) + "}"
        if isinstance(value, list) and self.chance.random() < 0.6:
            lines = [f"[{self.comment()}"]
            lines += [f"  {self.value(v)} , {self.comment()}" for v in value]
            return self.newline.join([*lines, "]"])
        if isinstance(value, str) and "\r" not in value and self.chance.random() < 0.3:
            plain = all(c.isprintable() or c == "\n" for c in value) and "'" not in value
            if plain:
                return f"'''\n{value}'''"
        return write_value(value)

    def pairs(self, table: dict[str, Any], stem: str = "") -> list[str]:
        lines = []
        for key, value in table.items():
            name = f"{stem}{write_key(key)}"
            if isinstance(value, dict) and value and self.chance.random() < 0.6:
                lines += self.pairs(value, f"{name}.")
                continue
            if above := self.comment(0.2):
                lines.append(above)
            lines.append(f"{self.chance.choice(['', '  '])}{name} = {self.value(value)} {self.comment()}")
        return lines

    def tables(self, path: Path, table: dict[str, Any]) -> list[str]:
        own: dict[str, Any] = {}
        inner: dict[str, Any] = {}
        for key, value in table.items():
            is_tables = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            apart = (isinstance(value, dict) or is_tables) and self.chance.random() < 0.7
            (inner if apart else own)[key] = value
        lines = self.pairs(own)
        name = ".".join(write_key(part) for part in path if isinstance(part, str))
        if path and (lines or not inner or self.chance.random() < 0.5):
            brackets = f"[[{name}]]" if isinstance(path[-1], int) else f"[{name}]"
            lines = [
                *self.blank(),
                *filter(None, [self.comment(0.3)]),
                f"{brackets} {self.comment()}",
                *lines,
            ]
        elif path and isinstance(path[-1], int):
            lines = [f"[[{name}]]", *lines]
        for key, value in inner.items():
            if isinstance(value, dict):
                lines += self.tables((*path, key), value)
            for i, element in enumerate(value if isinstance(value, list) else []):
                lines += self.tables((*path, key, i), element)
        return lines

    def blank(self) -> list[str]:
        return [""] * self.chance.choice([0, 1, 1, 2])

    def write(self, document: dict[str, Any]) -> str:
        text = self.newline.join(self.tables((), document))
        return text + self.chance.choice(["", self.newline])
