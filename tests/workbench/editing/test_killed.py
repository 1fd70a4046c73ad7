"""A workbench that is killed while somebody types: the next one has what was typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from workbench.screens.experiments.editing.buffer import Buffer

TYPES_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from tests.workbench.editing.harness import edited

async def story():
    async with edited(Path(sys.argv[1])) as (app, pilot):
        app.panel.go_to(1)
        number = 0
        while True:
            number += 1
            app.panel.toml.insert(f"# {number}\\n")
            await pilot.pause(0.02)
            print(number, flush=True)

asyncio.run(story())
"""


def test_what_was_typed_until_a_second_before_is_there_after_sigkill(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    text = "craft = 1\n[experiment.a]\nmodel.type = 'lstm'\n"
    file.write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-c", TYPES_FOR_EVER, str(file)], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    assert process.stdout is not None
    typed: list[tuple[float, int]] = []
    try:
        deadline = time.monotonic() + 60
        for line in process.stdout:
            typed.append((time.monotonic(), int(line)))
            if typed[-1][0] - typed[0][0] > 2.5 or time.monotonic() > deadline:
                break
        assert Buffer(file).drafts() == [], "it lives, and holds its draft"
        process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert file.read_text() == text
    [draft] = Buffer(file).drafts()
    # 0.4 s between two looks, and what a busy machine takes to force one file to disk.
    old_enough = max(number for when, number in typed if when < killed - 1.5)
    kept = int(draft.text.partition("craft")[0].split()[-1])
    assert kept >= old_enough
    assert draft.text == "".join(f"# {number}\n" for number in range(1, kept + 1)) + text
