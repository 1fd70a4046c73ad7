"""What there are pictures of: a screen, what was chosen on it, and how one knows that all of it is seen."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.picture.project import Trained
from workbench.picture.taking import Stage
from workbench.themes import THEMES

_DARK, _LIGHT = (theme.name for theme in THEMES)


@dataclass(frozen=True)
class Scene:
    """`session` is what a person chose before; `play` waits, and presses keys, until the picture can be taken."""

    name: str
    size: tuple[int, int]
    session: Callable[[Trained], Mapping[str, Any]]
    play: Callable[[Stage, Trained], Awaitable[None]]
    theme: str = _DARK


async def _experiments(stage: Stage, trained: Trained) -> None:
    """The costs of an experiment are known, its time from runs that were made, and where its values come from."""
    await stage.sees("fits", "FLOPs", "memory", *(["as deep-001 took here"] if trained.compared else []))


async def _runs(stage: Stage, trained: Trained) -> None:
    """A run that trains, with its curve; or the newest."""
    name = trained.live or trained.run
    if trained.live:
        await stage.sees("running", where=lambda: not re.search(r" \d{1,2}/4000", stage.text))  # a hundred steps
    await stage.sees(name, "train ", where=stage.is_drawn)


async def _details(stage: Stage, trained: Trained) -> None:
    """One run alone: all its charts."""
    await _runs(stage, Trained(trained.file, trained.run, trained.compared, ""))
    await stage.press("enter")
    await stage.sees("train ", where=lambda: "phase" not in stage.text and stage.is_drawn())


async def _compare(stage: Stage, trained: Trained) -> None:
    """Runs over each other, with what differs and what follows."""
    await stage.sees("val/loss", "differ", *trained.compared, where=stage.is_drawn)


async def _playground(stage: Stage, trained: Trained) -> None:
    """A text that a checkpoint really wrote, and what it could have written instead."""
    await stage.sees(f"{trained.run}@best")
    await stage.press("f5")
    await stage.sees("tok/s", where=lambda: "writing" not in stage.text)
    await stage.press("escape", "g", *"llllll")


def _looked_at(trained: Trained) -> dict[str, Any]:
    return {"place": "runs", "runs.selected": trained.run}


SCENES = (
    Scene(
        "experiments",
        (140, 38),
        lambda trained: {"place": "experiments", "experiments.selected": "deep"},
        _experiments,
    ),
    Scene("runs", (120, 34), lambda trained: {"place": "runs", "runs.selected": trained.live or trained.run}, _runs),
    Scene("details", (120, 34), _looked_at, _details),
    Scene(
        "compare",
        (160, 44),
        lambda trained: {"place": "compare", "compare.pane": "chart", "compare.runs": list(trained.compared)},
        _compare,
    ),
    Scene(
        "playground",
        (120, 34),
        lambda trained: {
            "place": "playground",
            "playground.prompt": "def ",
            "playground.sources": [{"run": trained.run, "at": "best"}],
            "playground.settings": {"new_seed": "fixed", "seed": 1},
        },
        _playground,
    ),
    Scene("light", (120, 34), _looked_at, _runs, theme=_LIGHT),
)
