"""Everything that a key does, once: bindings, the key bar, the help and the palette are made from these lists.

A module a place; a place is a screen, or a part of one that has the focus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.actions import parse
from textual.binding import ActiveBinding, BindingType
from textual.dom import DOMNode

from workbench.actions import (
    chart,
    compare,
    details,
    dialogs,
    editing,
    everywhere,
    experiments,
    playground,
    playground_modes,
    runs,
)
from workbench.actions.action import Action, identifier, key_name

PLACES: dict[str, tuple[Action, ...]] = {
    **details.PLACES,
    **runs.PLACES,
    **experiments.PLACES,
    **compare.PLACES,
    **playground_modes.PLACES,
    **playground.PLACES,
    **editing.PLACES,
    **chart.PLACES,
    **dialogs.PLACES,
    **everywhere.PLACES,
}
"""The actions of each place, the most important first."""

# Textual reads the arguments of an action with `ast`, once for each. Python 3.11 fails with a SystemError where two
# threads do that at a time, as the import of the schema does in one: so all are read now, before there are threads.
for _actions in PLACES.values():
    for _action in _actions:
        parse(_action.name)

_BY_ID = {identifier(place, action): (place, action) for place, actions in PLACES.items() for action in actions}
_ORDER = {name: number for number, name in enumerate(_BY_ID)}

__all__ = ["PLACES", "Action", "actions_of", "bindings_of", "bound_now", "key_name"]


def bindings_of(place: str, *names: str, but: tuple[str, ...] = ()) -> list[BindingType]:
    """The bindings of one place; those that are named, or all `but` some."""
    chosen = (action for action in PLACES[place] if (not names or action.name in names) and action.name not in but)
    return [action.binding(place) for action in chosen]


def bound_now(active: Mapping[str, ActiveBinding]) -> Iterator[tuple[str, Action, list[str]]]:
    """Place, action and keys of all that does something now, in the order of the lists; `active` as a screen has it."""
    for place, actions in PLACES.items():
        for action in actions:
            name = identifier(place, action)
            keys = [key for key in action.keys if key in active and active[key].binding.id == name]
            if keys and active[keys[0]].enabled:
                yield place, action, keys


def actions_of(node: DOMNode) -> Iterator[tuple[str, Action]]:
    """Place and action of all that `node` itself can do now, in the order of the lists, also where what has the focus
    takes the keys."""
    known = {one.id for same in node._bindings.key_to_bindings.values() for one in same if one.id in _BY_ID}
    for name in sorted((name for name in known if name), key=_ORDER.__getitem__):
        place, action = _BY_ID[name]
        _, called, arguments = parse(action.name)
        if node.check_action(called, arguments):
            yield place, action
