"""Everything about one run, in tabs."""

from typing import Any


def __getattr__(name: str) -> Any:
    # The screen that the tabs replace, for as long as the runs screen opens it.
    if name == "DetailsScreen":
        from workbench.screens.runs.details.old_screen import DetailsScreen

        return DetailsScreen
    raise AttributeError(name)
