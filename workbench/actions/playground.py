"""What works on this screen."""

from workbench.actions.action import Action

PLACES: dict[str, tuple[Action, ...]] = {"playground": ()}
