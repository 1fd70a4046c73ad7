"""One picture: the workbench in so many columns and rows, once it shows what the picture is of."""

from __future__ import annotations

import os
import re
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from workbench import memory
from workbench.app import Workbench
from workbench.picture.project import Trained
from workbench.widgets.chart.chart import Chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from workbench.picture.scenes import Scene

_PATIENCE = 180.0
# A picture must not fetch fonts from anywhere; the text is placed by its cells, so any monospaced one will do.
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class NotSeenError(Exception):
    """What the picture is of did not come; says what."""


class Stage:
    """The workbench without a terminal, its keys and what stands on it."""

    def __init__(self, app: Workbench, pilot: Pilot[None]) -> None:
        self.app = app
        self._pilot = pilot

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    def is_drawn(self) -> bool:
        """Whether there are charts, and each that is to be seen has its curves."""
        seen = [chart for chart in self.app.screen.query(Chart) if chart.region.overlaps(self.app.screen.region)]
        return bool(seen) and all(chart.series and chart.drawing is not None for chart in seen)

    async def press(self, *keys: str) -> None:
        """As a person would."""
        await self._pilot.press(*keys)

    async def sees(self, *wanted: str, where: Callable[[], bool] | None = None) -> None:
        """Wait for words, all of them, and a condition. Raises NotSeenError when they do not come."""
        deadline = monotonic() + _PATIENCE
        while not (all(words in self.text for words in wanted) and (where is None or where())):
            if monotonic() > deadline:
                missing = [words for words in wanted if words not in self.text]
                raise NotSeenError(f"{' and '.join(missing) or 'it'} did not appear on the screen:\n{self.text}")
            await self._pilot.pause(0.05)

    async def rests(self) -> None:
        """Wait until nothing changes but what lives: two looks that are the same, or a second."""
        for _ in range(5):
            before = self.text
            await self._pilot.pause(0.2)
            if self.text == before:
                return


async def take(scene: Scene, trained: Trained, size: tuple[int, int]) -> str:
    """The SVG of a scene. Raises NotSeenError when what it shows does not come."""
    session = memory.of_project(trained.file)
    for name, value in scene.session(trained).items():
        session.set(name, value)
    session.flush()
    before = Path.cwd()
    os.chdir(trained.file.absolute().parent)  # so that the title names the file and no folder of this machine
    try:
        app = Workbench(trained.file.absolute().relative_to(trained.file.absolute().parent))
        async with app.run_test(size=size, notifications=True) as pilot:
            app.theme = scene.theme
            stage = Stage(app, pilot)
            await scene.play(stage, trained)
            await stage.rests()
            drawn = app.export_screenshot(title="craft-workbench")
            await pilot.pause(0)
    finally:
        os.chdir(before)
    return _FONT_FACE.sub("", drawn).replace("Fira Code", _FONTS)
