"""Charts alone on a screen, and what they post."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator
from pathlib import Path

from textual import on
from textual.app import App, ComposeResult
from textual.pilot import Pilot

import workbench
from craft.analysis.plots import Mark, Series
from workbench.themes import THEMES
from workbench.widgets.chart.chart import Chart

STEPS = [float(step) for step in range(401)]
LOSS = Series("train", STEPS, [1.5 + 3 * math.exp(-x / 50) for x in STEPS])
EVALS = Series("val", STEPS[::50], [1.7 + 3 * math.exp(-x / 50) for x in STEPS[::50]])
EVENTS = [Mark(100, "step-00000100", "checkpoint"), Mark(200, "lr 0.02 -> 0.01", "changed")]


class Charts(App[None]):
    """`count` charts below each other."""

    CSS = "Chart { height: 1fr; }"

    CSS_PATH = [Path(workbench.__file__).parent / "styles" / "chart.tcss"]

    def __init__(self, count: int = 1, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.count, self.ascii_only = count, ascii_only
        self.posted: list[Chart.Pointed | Chart.Ranged | Chart.Relooked] = []
        self.copied = ""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "craft-dark"

    def compose(self) -> ComposeResult:
        for _ in range(self.count):
            yield Chart(ascii_only=self.ascii_only)

    def copy(self, text: str, what: str) -> None:
        self.copied = text

    @on(Chart.Pointed)
    @on(Chart.Ranged)
    @on(Chart.Relooked)
    def keep(self, message: Chart.Pointed | Chart.Ranged | Chart.Relooked) -> None:
        self.posted.append(message)

    @property
    def chart(self) -> Chart:
        return self.query(Chart).first()

    def text(self) -> str:
        return "\n".join(strip.text for strip in self.screen._compositor.render_strips())


@contextlib.asynccontextmanager
async def shown(
    count: int = 1, size: tuple[int, int] = (100, 20), *, ascii_only: bool = False
) -> AsyncIterator[tuple[Charts, Chart, Pilot[None]]]:
    """A focused chart of two curves and two events, and the app around it."""
    app = Charts(count, ascii_only=ascii_only)
    async with app.run_test(size=size) as pilot:
        for chart in app.query(Chart):
            chart.show([LOSS, EVALS], title="loss", x_label="step", marks=EVENTS)
        app.chart.focus()
        await pilot.pause()
        yield app, app.chart, pilot
