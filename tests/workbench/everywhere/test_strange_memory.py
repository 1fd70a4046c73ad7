"""What was kept may be anything: another version wrote it, or a person did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.memory import Memory
from workbench.screens.base import PLACES

KINDS: dict[type, Any] = {
    str: "strange \x1b[31m",
    list: [{"a": 1}, [], 5, None, "wide-001"],
    dict: {"a": []},
    float: 7.5,
}


def test_every_screen_opens_on_values_that_it_never_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", "wide")
    kept: dict[str, Any] = {}
    get = Memory.get

    def strange(self: Memory, name: str, default: Any) -> Any:
        if name not in kept:
            kept[name] = KINDS.get(type(default), default)
            self._values[name] = kept[name]
        return get(self, name, default)

    monkeypatch.setattr(Memory, "get", strange)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            for place in PLACES:
                app.action_go(place)
                await until(pilot, lambda place=place: place == app.place.PLACE and app.place.is_ready)
                for key in "CMWEUDA" if place == "runs" else "":
                    await pilot.press(key)
                await pilot.pause()
            for tab in ("write", "score", "beams", "batch", "history"):
                await app.screen.run_action(f"open('{tab}')")
            app.action_go("compare")
            await until(pilot, lambda: "1 of 1" in screen_text(app))

    play(story())
    assert {"compare.hidden", "experiments.form.folded", "runs.marked", "playground.sources"} <= kept.keys()
