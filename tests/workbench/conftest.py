"""Tests of the workbench press keys as fast as they are answered."""

from __future__ import annotations

import asyncio
import time

import pytest
from textual._context import active_app
from textual.pilot import Pilot

_WINDOW = 0.01  # seconds
_IDLE = _WINDOW / 20
_LONGEST = 0.2  # seconds
_HOPS = 3  # the program, its screen, the widget that has the focus


async def _until_idle(*_: float) -> None:
    """What Textual does before and after each key, in half its steps, and not for a second where something goes on
    meanwhile, such as a run that trains: tests wait for what they look at."""
    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        used = time.process_time()
        await asyncio.sleep(_WINDOW)
        if time.process_time() - used < _IDLE:
            return
    if app := active_app.get(None):  # others compute: what came is handed from one to the next all the same
        for _ in range(_HOPS):
            await Pilot(app)._wait_for_screen()


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.app.wait_for_idle", _until_idle)
    monkeypatch.setattr("textual.pilot.wait_for_idle", _until_idle)
