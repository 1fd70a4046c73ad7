"""Letting go on what broke, leaving without a save, and runs of another host: asked, killed, taken over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from textual.widgets import Static

from craft.config.experiments import load_experiments
from craft.launch.create import create_runs
from craft.launch.queue.entries import Queue
from craft.runs import control
from craft.runs.events import append_event
from craft.runs.folder import RunFolder
from craft.runs.lock import write_owner
from craft.runs.status import KILLED, StatusWriter
from tests.launch.project import EXPERIMENTS
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run, working
from workbench.app import Workbench
from workbench.screens.runs.screen import RunsScreen


def _said(app: Workbench) -> str:
    return "\n".join(str(note.message) for note in app._notifications)


def _created(tmp_path: Path, count: int) -> tuple[Path, Sequence[RunFolder]]:
    """Runs with whole definitions, and their queue on hold, so that nothing is started."""
    file = tmp_path / "experiments.toml"
    file.write_text(EXPERIMENTS)
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 40)
    folders = create_runs(tmp_path / "runs", load_experiments(file).plan(["tiny"]) * count)
    Queue(tmp_path / "runs").pause()
    return file, folders


def test_all_that_failed_or_was_interrupted_goes_on_and_nothing_else(tmp_path: Path) -> None:
    file, folders = _created(tmp_path, 6)
    failed, interrupted, killed, stopped, finished, damaged = folders
    for folder, phase, message in (
        (failed, "failed", None),
        (interrupted, "running", None),  # nobody holds it
        (killed, "running", f"{KILLED} at step 7"),
        (stopped, "stopped", None),
        (finished, "finished", None),
        (damaged, "failed", None),
    ):
        StatusWriter(folder).write(phase=phase, step=7, max_steps=20, message=message, durable=True)
    damaged.definition.write_text("craft = ")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: len(app.runs) == 6)
            # What a filter hides is not meant, and nothing goes on before a yes.
            await pilot.press("slash", *"tiny-002", "enter")
            await until(pilot, lambda: "1 of 6" in screen_text(app))
            await pilot.press("F")
            await until(pilot, lambda: "Let 1 run go on" in screen_text(app))
            assert "tiny-002 goes on" in screen_text(app) and "2 more" in screen_text(app)
            await pilot.press("n", "escape")
            await until(pilot, lambda: app.screen is app.place and "1 of 6" not in screen_text(app))
            await pilot.press("F")
            await until(pilot, lambda: "Let 2 runs go on" in screen_text(app))
            assert any("tiny-006" in str(one.render()) for one in app.screen.query(Static)), "its fault is said"
            assert not Queue(tmp_path / "runs").entries()
            await pilot.press("y")
            await until(pilot, lambda: "tiny-001 goes on from the beginning" in _said(app))
            await until(pilot, lambda: len(Queue(tmp_path / "runs").entries()) == 2)
            assert {entry.run for entry in Queue(tmp_path / "runs").entries()} == {failed.name, interrupted.name}
            phases = {run.name: run.phase for run in app.runs}
            await until(pilot, lambda: [run.phase for run in app.runs].count("queued") == 2)
            assert phases[killed.name] == "interrupted" and phases[stopped.name] == "stopped"
            damaged.definition.unlink()
            StatusWriter(damaged).write(phase="stopped", durable=True)
            await pilot.press("F")
            await until(pilot, lambda: "nothing of it failed and nothing was interrupted" in _said(app))
            app.clear_notifications()

    play(story())


def test_a_run_leaves_without_saving_only_after_a_yes_and_says_what_is_lost(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)

    async def story() -> None:
        with working(folder):
            async with opened(file) as (app, pilot):
                await until(pilot, lambda: "running" in screen_text(app))
                await pilot.press("ctrl+k")
                await until(pilot, lambda: "Stop transformer-001 without saving?" in screen_text(app))
                await pilot.press("enter")
                await until(pilot, lambda: app.screen is app.place)
                assert not control.take(folder)
                await pilot.press("ctrl+k", "y")
                await until(pilot, lambda: any(folder.control.iterdir()))
                (request,) = control.take(folder)
                assert request.kind == "stop" and not request.saves
                lost = "stopped at step 100 without saving; a resume begins anew"
                append_event(folder, "answered", request=request.id, step=100, text=lost)
                await until(pilot, lambda: f"transformer-001 {lost}" in _said(app))

    play(story())


def _elsewhere(folder: RunFolder) -> None:
    """As the worker of another machine leaves it: its own claim and owner, and no lock that is seen here."""
    write_owner(folder)
    theirs = {"host": "cluster-7", "boot_id": "theirs", "machine": "theirs"}
    for file in (folder.owner, folder.status):
        known = json.loads(file.read_text())
        file.write_text(json.dumps({**known, **{key: value for key, value in theirs.items() if key in known}}))


def test_a_run_of_another_host_is_asked_and_not_killed(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100, age=30)
    _elsewhere(folder)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "cluster-7 works on it" in screen_text(app))
            assert app.runs[0].phase == "running" and "cluster-7 works on it" in app.runs[0].reason
            await pilot.press("K")
            assert app.screen is app.place, "it can be killed only there"
            await pilot.press("s")
            await until(pilot, lambda: "it ends once its worker on cluster-7 takes that" in _said(app))
            (request,) = control.take(folder)
            assert request.kind == "stop" and request.saves
            StatusWriter(folder).write(phase="stopped", durable=True)  # as that worker does in the end
            await until(pilot, lambda: "transformer-001 stopped, with nothing saved" in _said(app))

    play(story())


def test_a_run_of_another_host_is_taken_over_only_after_a_yes(tmp_path: Path) -> None:
    file, (folder,) = _created(tmp_path, 1)
    StatusWriter(folder).write(phase="running", step=7, max_steps=20, progressed=True)
    _elsewhere(folder)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "r takes it over" in screen_text(app))
            for answer in ("n", "y"):
                assert not Queue(tmp_path / "runs").entries()
                await pilot.press("r")
                await until(pilot, lambda: "Go on with tiny-001 on this machine?" in screen_text(app))
                assert "cluster-7 said that it trains there" in screen_text(app)
                await pilot.press(answer)
                await until(pilot, lambda: app.screen is app.place)
            await until(pilot, lambda: "tiny-001 goes on from the beginning" in _said(app))
            assert [entry.run for entry in Queue(tmp_path / "runs").entries()] == ["tiny-001"]

    play(story())


def test_of_marked_runs_those_that_do_not_go_on_are_named(tmp_path: Path) -> None:
    file, (stopped, finished, theirs) = _created(tmp_path, 3)
    StatusWriter(stopped).write(phase="stopped", step=7, max_steps=20, durable=True)
    StatusWriter(finished).write(phase="finished", step=20, max_steps=20, durable=True)
    StatusWriter(theirs).write(phase="running", step=7, max_steps=20, progressed=True)
    _elsewhere(theirs)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "r takes it over" in screen_text(app) and len(app.runs) == 3)
            await pilot.press("space", "space", "space", "r")
            await until(pilot, lambda: "tiny-001 goes on from the beginning" in _said(app))
            assert "left out: tiny-002: finished; resume with changes" in _said(app)
            assert "left out: tiny-003: said to train on another machine" in _said(app)
            assert [entry.run for entry in Queue(tmp_path / "runs").entries()] == ["tiny-001"]

    play(story())


def test_a_run_without_its_identity_is_not_counted_as_broken_and_opens_no_dialog(tmp_path: Path) -> None:
    file, runs_dir = make_project(tmp_path), tmp_path / "runs"
    make_run(runs_dir, "robbed", phase="failed").run_json.unlink()

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: [run.is_robbed for run in app.runs] == [True])
            await pilot.press("F")
            await until(pilot, lambda: "nothing of it failed" in _said(app))
            await pilot.press("f")
            await until(pilot, lambda: "its run.json is gone; put it back from a copy" in _said(app))
            assert isinstance(app.screen, RunsScreen)
            app.clear_notifications()

    play(story())
