"""Tests of the workbench press keys as fast as they are answered."""

from __future__ import annotations

import asyncio
import time

import pytest

_WINDOW = 0.01  # seconds
_IDLE = _WINDOW / 20
_LONGEST = 0.2  # seconds


async def _until_idle(*_: float) -> None:
    """What Textual does before and after each key, in half its steps, and not for a second where something goes on
    meanwhile, such as a run that trains: tests wait for what they look at."""
    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        used = time.process_time()
        await asyncio.sleep(_WINDOW)
        if time.process_time() - used < _IDLE:
            return


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.app.wait_for_idle", _until_idle)
    monkeypatch.setattr("textual.pilot.wait_for_idle", _until_idle)
