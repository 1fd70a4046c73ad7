"""Every list has the keys that a hand knows: arrows and those of vim."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from textual.scroll_view import ScrollView
from textual.widget import Widget
from textual.widgets import Input, TextArea

import workbench

KEYS = {"down", "j", "up", "k", "pagedown", "ctrl+d", "pageup", "ctrl+u", "home", "g", "end", "G"}


def _lists() -> Iterator[type[Widget]]:
    """Every widget of the workbench that scrolls lines and takes the keyboard, but for fields of text."""
    for module in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[Widget]] = [ScrollView]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__module__.startswith("workbench.") and kind.can_focus and not issubclass(kind, Input | TextArea):
            yield kind


@pytest.mark.parametrize("kind", sorted(set(_lists()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_a_list_has_the_keys_of_lists(kind: type[Widget]) -> None:
    bound = set(kind._merge_bindings().key_to_bindings)
    assert not KEYS - bound
