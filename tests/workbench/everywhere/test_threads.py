"""Many things may be waited for at once: the folders are still read."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.workbench.harness import opened, play, until
from tests.workbench.runs import make_project, make_run


def test_runs_are_read_while_many_verbs_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.reading.TICK", 0.05)
    file, may_end = make_project(tmp_path), threading.Event()
    make_run(tmp_path / "runs", "one")

    def wait() -> None:
        may_end.wait(60)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            try:
                for _ in range(40):  # as stops of runs whose steps take minutes
                    app.run_worker(wait, group="verbs", thread=True)
                make_run(tmp_path / "runs", "two")
                await until(pilot, lambda: len(app.runs) == 2)
            finally:
                may_end.set()

    play(story())
