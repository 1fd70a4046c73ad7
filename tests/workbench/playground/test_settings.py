"""The settings: one stop of the tab key, arrows inside, and the devices that a machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workbench.harness import play
from tests.workbench.playground.trained import playground
from workbench.screens.playground.settings_panel import Choice, devices


def test_gpus_are_chosen_by_number_where_there_are_several() -> None:
    assert devices(0, "auto") == devices(1, "cuda") == ("auto", "cpu", "cuda", "mps")
    assert devices(3, "cuda:1") == ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:2", "mps")
    assert devices(0, "cuda:1")[-1] == "cuda:1", "chosen on another machine: it is shown, and refused when it is asked"


def test_the_tab_key_passes_the_settings_in_one_step(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craft.launch.queue.slots.nvidia_gpus", lambda: ["GPU-1", "GPU-2"])

    async def story() -> None:
        async with playground(project, "tiny-001") as (_, screen, pilot):

            def here() -> str:
                return (screen.focused and screen.focused.id) or ""

            assert here() == "prompt"
            await pilot.press("tab")
            assert here() == "preset"
            await pilot.press("down", "down")
            assert here() == "top_k"
            await pilot.press("up", "up", "up")
            assert here() == "precision", "from the first to the last, down the second column"
            await pilot.press("up")
            assert here() == "device"
            device = screen.query_one("#device", Choice)
            await pilot.press(*["right"] * 4)
            assert device.value == "cuda:1" and screen.where()["device"] == "cuda:1"
            await pilot.press("tab")
            assert here() == "token"
            await pilot.press("shift+tab", "shift+tab")
            assert here() == "prompt"
            await pilot.press("f3")
            assert here() == "temperature"

        # What was chosen is there again, before the GPUs were counted.
        monkeypatch.setattr("craft.launch.queue.slots.nvidia_gpus", list)
        async with playground(project, remembered=1) as (_, screen, _):
            assert screen.where()["device"] == "cuda:1"
            assert screen.query_one("#device", Choice).value == "cuda:1"

    play(story())
