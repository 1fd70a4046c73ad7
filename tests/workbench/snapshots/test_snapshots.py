"""Whole screens as text, compared with those that are kept beside this file: what changes them by accident is seen.

    CRAFT_RENEW=1 .venv/bin/pytest tests/workbench/snapshots       writes them anew; look at the difference in git

Figures of this machine and of this moment are masked, so that the same screens come out everywhere.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

import pytest

from tests.workbench.harness import SmallScreen, WideScreen, opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run

KEPT = Path(__file__).with_name("kept")
_MASKS = (
    (re.compile(r"\d+(\.\d+)? [kMGT]B"), "N MB"),
    (re.compile(r"\b(now|\d+(\.\d+)?(ms|s|m|h))\b ago"), "T ago"),
    (re.compile(r"[\u2588\u2592\u2591]{8,}"), "[memory]"),
    (re.compile(r"(N MB)( to N MB)?"), "N MB"),
    (re.compile(r"[\d.]+( to [\d.]+)? epochs"), "N epochs"),  # of the text that this Python brings
)

SCREENS = {
    "runs": (("2", "G"), "1.785", "transformer-001"),
    "experiments": (("1",), "params", "transformer"),
    "compare": (("2", "G", "space", "k", "space", "c"), "1.785", "val/loss"),
    "playground": (("4",), "max_new_tokens", "a prompt"),
}
"""Keys that lead to a screen, and what stands on it once it is whole: in a wide window, in any."""


def _project(place: Path) -> Path:
    runs = place / "runs"
    file = make_project(place)
    make_run(runs, "transformer", age=86_000, seed=1)
    make_run(runs, "wide", age=40_000, seed=0)
    make_run(runs, "transformer", phase="failed", step=40, age=20_000, error="the loss became NaN at step 41")
    make_run(runs, "lr", phase="stopped", step=200, age=10_000, seed=2)
    return file


def _masked(text: str) -> str:
    lines = []
    for line in text.splitlines():
        for pattern, mark in _MASKS:
            line = pattern.sub(mark, line)
        # A masked figure has another width, and so has what was aligned behind it.
        lines.append(re.sub(r" {3,}", "   ", line).rstrip())
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("size", [SmallScreen, WideScreen], ids=["80x24", "160x50"])
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    _project(tmp_path)
    keys, wide, small = SCREENS[name]
    kept = KEPT / f"{name}-{size[0]}x{size[1]}.txt"
    before = kept.read_text() if kept.exists() else ""
    seen = ""

    async def story() -> None:
        nonlocal seen
        async with opened(Path("experiments.toml"), size=size) as (app, pilot):
            for key in keys:
                await pilot.press(key)
            await until(pilot, lambda: (wide if size == WideScreen else small) in screen_text(app))
            same = 0
            while same < (2 if seen == before else 8):  # settled, as it was or as something else
                last, seen = seen, _masked(screen_text(app))
                same = same + 1 if seen == last else 0
                await pilot.pause(0.25)

    play(story())
    if os.environ.get("CRAFT_RENEW"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(seen)
        before = seen
    changes = list(difflib.unified_diff(before.splitlines(), seen.splitlines(), "kept", "now", lineterm=""))
    assert not changes, "\n".join(changes)
