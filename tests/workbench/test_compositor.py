"""What is drawn with fewer questions to the widgets is what Textual draws."""

from __future__ import annotations

from pathlib import Path

from textual._compositor import Compositor
from textual.geometry import Region
from textual.strip import Strip

from tests.workbench.harness import opened, play, until
from tests.workbench.runs import make_project, make_run
from workbench.compositor import SparingCompositor


def test_every_line_is_as_textual_draws_it(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: bool(app.screen.query("Chart")))
            app.say("a note that lies over the charts", "warning")
            await until(pilot, lambda: bool(app.screen.query("Toast")))
            compositor = app.screen._compositor
            assert isinstance(compositor, SparingCompositor)
            whole = compositor.size.region
            for lines in (set(range(whole.height)), {0, 1, 30, whole.height - 2}):
                ours = compositor._render_chops(whole, lines.__contains__)
                textuals = Compositor._render_chops(compositor, whole, lines.__contains__)
                for y in lines:
                    assert list(ours[y]) == list(textuals[y])
                    assert Strip.join(ours[y].values()) == Strip.join(textuals[y].values()), f"line {y}"

    play(story())


def test_only_the_widgets_that_are_seen_on_a_line_are_asked_for_it(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: bool(app.screen.query("Chart")))
            asked: list[tuple[str, Region]] = []
            for widget in app.screen._compositor.visible_widgets:
                widget.render_lines = (  # type: ignore[method-assign]
                    lambda crop, widget=widget, lines=widget.render_lines: (
                        asked.append((type(widget).__name__, crop)) or lines(crop)  # type: ignore[func-returns-value]
                    )
                )
            app.screen._compositor._render_chops(app.size.region, {0}.__contains__)
            assert asked == [("TitleBar", Region(0, 0, app.size.width, 1))]

    play(story())
