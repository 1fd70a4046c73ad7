"""What the keys of the list do to runs: real folders, real locks, real processes."""

from __future__ import annotations

import os
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from craft.launch.queue.dispatch import submit, waiting_runs
from craft.launch.queue.entries import Queue
from craft.runs.checkpoints import commit_checkpoint, list_checkpoints
from craft.runs.folder import RunFolder
from craft.runs.notes import read_notes
from tests.launch.project import Project
from tests.workbench.harness import opened, play, screen_text, settled, until
from tests.workbench.runs import make_project, make_run, working
from workbench.app import Workbench
from workbench.screens.runs.edits_screen import EditsScreen
from workbench.screens.runs.fork_screen import ForkScreen
from workbench.screens.runs.queue_screen import QueueScreen
from workbench.screens.runs.table import RunTable


def _phase(app: Workbench, name: str) -> str:
    return next((run.phase for run in app.runs if run.name == name), "")


def _said(app: Workbench) -> str:
    return "\n".join(str(note.message) for note in app._notifications)


def _forget(app: Workbench) -> None:
    """Notes of refusals that a test asked for are no failure of it."""
    app.clear_notifications()


def test_a_run_is_stopped_resumed_and_killed(started_here: Project) -> None:
    project = started_here
    assert project.craft("run", "experiments.toml", "tiny", "training.max_steps=100000", "--detach").returncode == 0
    project.wait_for_step("tiny-001", 12)

    async def story() -> None:
        async with opened(project.folder / "experiments.toml") as (app, pilot):
            await until(pilot, lambda: "running" in screen_text(app) and bool(app.screen.query_one(RunTable).runs))
            await pilot.press("s")
            await until(pilot, lambda: "tiny-001 stopped, saved at step" in _said(app))
            saved = list_checkpoints(project.run("tiny-001"))[-1].step
            assert f"saved at step {saved}" in _said(app) and saved >= 12
            await until(pilot, lambda: f"r resumes it from step {saved}" in screen_text(app))
            await pilot.press("r")
            await until(pilot, lambda: f"tiny-001 goes on from step {saved}" in _said(app))
            await until(pilot, lambda: _phase(app, "tiny-001") == "running" and app.runs[0].step > saved)
            await pilot.press("K")
            await until(pilot, lambda: "Kill tiny-001?" in screen_text(app))
            await pilot.press("enter")  # no is the answer of every key but y
            await until(pilot, lambda: "Kill tiny-001?" not in screen_text(app))
            assert _phase(app, "tiny-001") == "running"
            await pilot.press("K", "y")
            await until(pilot, lambda: _phase(app, "tiny-001") == "interrupted")
            await until(pilot, lambda: "it was killed" in screen_text(app))

    play(story())


def test_a_finished_run_is_asked_how_much_longer(started_here: Project) -> None:
    project = started_here
    assert project.craft("run", "experiments.toml", "tiny").returncode == 0

    async def story() -> None:
        async with opened(project.folder / "experiments.toml") as (app, pilot):
            await until(pilot, lambda: _phase(app, "tiny-001") == "finished" and "resume" in screen_text(app))
            await pilot.press("r")
            await until(pilot, lambda: isinstance(app.screen, EditsScreen) and app.screen._possible)
            assert app.screen.query_one(Input).value == "training.max_steps=40"
            await until(pilot, lambda: "training.max_steps: 20 -> 40" in screen_text(app))
            await pilot.press("end", "backspace", "backspace", *"10")
            await until(pilot, lambda: "10 is behind it" in screen_text(app) or "trained 20 steps" in screen_text(app))
            await pilot.press("enter")
            assert isinstance(app.screen, EditsScreen), "it cannot be"
            await pilot.press("backspace", "backspace", *"30", "enter")
            await until(pilot, lambda: app.screen is app.place)
            await until(pilot, lambda: _phase(app, "tiny-001") == "finished" and app.runs[0].step == 30)

    play(story())


async def _ask(app: Workbench, pilot: Pilot[None], key: str, answer: str) -> None:
    await pilot.press(key)
    await until(pilot, lambda: answer in _said(app))


def test_a_run_that_trains_does_what_it_is_asked_for_and_says_at_which_step(real_project: Project) -> None:
    project = real_project
    words = ("training.max_steps=1000000", "checkpoint.every=0", "training.eval_every=0")
    assert project.craft("run", "experiments.toml", "tiny", *words, "--detach").returncode == 0
    project.wait_for_step("tiny-001", 1)

    async def story() -> None:
        async with opened(project.folder / "experiments.toml") as (app, pilot):
            await until(pilot, lambda: "\u25cf running" in screen_text(app))
            await _ask(app, pilot, "w", "tiny-001 saved at step")
            assert list_checkpoints(project.run("tiny-001"))[-1].step > 0
            await _ask(app, pilot, "e", "tiny-001 was measured at step")
            await _ask(app, pilot, "i", "tiny-001 wrote 1 text at step")
            await _ask(app, pilot, "P", "tiny-001 paused at step")
            await until(pilot, lambda: _phase(app, "tiny-001") == "paused" and "P lets it go on" in screen_text(app))
            await _ask(app, pilot, "P", "tiny-001 goes on from step")
            await until(pilot, lambda: _phase(app, "tiny-001") == "running")

            await pilot.press("u")
            await until(pilot, lambda: "optimizer.lr = 0.001" in screen_text(app))
            app.screen.query_one(Input).value = "optimizer.l"
            await pilot.press("end", "r")
            await until(pilot, lambda: app.screen.query_one(Input)._suggestion == "optimizer.lr=")
            await pilot.press("right", *"0.01")
            await until(pilot, lambda: "optimizer.lr 0.001 -> 0.01" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: "saved at step" in _said(app) and "0.01" in _said(app))

            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, ForkScreen) and "weights" in screen_text(app))
            edits = app.screen.query_one("#edits", Input)
            edits.value = "seed=7"
            await until(pilot, lambda: "random states" in screen_text(app) and "seed: 1337 -> 7" in screen_text(app))
            assert "starts anew" in screen_text(app) and "optimizer state" in screen_text(app)
            edits.value = "seed=7 model.hidden_size=32"
            await until(pilot, lambda: "cannot be" in screen_text(app) and "the weights do not fit" in screen_text(app))
            await pilot.press("enter")
            await settled(app)
            assert isinstance(app.screen, ForkScreen), "what cannot be is not made"
            edits.value = "seed=7"
            await until(pilot, lambda: "cannot be" not in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: "tiny-002 goes on from step" in _said(app))
            await until(pilot, lambda: _phase(app, "tiny-002") in ("queued", "starting", "running", "preparing"))

    play(story())


def test_several_are_marked_and_stopped_at_once(started_here: Project) -> None:
    project = started_here
    names = ["tiny", "other"]
    assert project.craft("run", "experiments.toml", *names, "training.max_steps=100000", "--detach").returncode == 0
    project.wait_for_step("tiny-001", 1)

    async def story() -> None:
        async with opened(project.folder / "experiments.toml") as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: {run.phase for run in app.runs} == {"running", "queued"})
            await until(pilot, lambda: len(table.runs) == 2)
            assert "waiting for a slot: tiny-001" in next(run.reason for run in app.runs if run.phase == "queued")
            await pilot.press("a", "s")
            await until(pilot, lambda: "other-001 is out of the queue" in _said(app))
            await until(pilot, lambda: {run.phase for run in app.runs} == {"stopped"})
            await until(pilot, lambda: "tiny-001 stopped, saved" in _said(app))
            assert table.marks == {"tiny-001", "other-001"}
            await pilot.press("escape")
            assert not table.marks

    play(story())


def _queue(tmp_path: Path, count: int) -> list[RunFolder]:
    """Runs that wait in a queue on hold, so that nothing is started."""
    runs_dir = tmp_path / "runs"
    folders = [make_run(runs_dir, phase="queued", step=0, age=100 - n) for n in range(count)]
    Queue(runs_dir).pause()
    submit(runs_dir, [(folder, "cpu") for folder in folders])
    return folders


def _order(tmp_path: Path) -> str:
    return "".join(one.entry.run[-1] for one in waiting_runs(tmp_path / "runs"))


def test_the_queue_is_ordered_from_the_list_and_from_its_own_page(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    _queue(tmp_path, 4)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: [run.name[-1] for run in table.runs] == ["1", "2", "3", "4"])
            await pilot.press("G", "less_than_sign")
            await until(pilot, lambda: _order(tmp_path) == "1243")
            await until(pilot, lambda: [run.name[-1] for run in table.runs] == ["1", "2", "4", "3"])
            await pilot.press("circumflex_accent")
            await until(pilot, lambda: _order(tmp_path) == "4123")
            await pilot.press("Q")
            await until(pilot, lambda: isinstance(app.screen, QueueScreen) and "4 wait" in screen_text(app))
            assert "on hold" in screen_text(app)
            names = [str(option.prompt) for option in app.screen.query_one(OptionList)._options]
            assert ["transformer-004" in names[0], "transformer-003" in names[3]] == [True, True]
            await pilot.press("greater_than_sign")
            await until(pilot, lambda: _order(tmp_path) == "1423")
            await until(pilot, lambda: app.screen.query_one(OptionList).highlighted == 1)
            await pilot.press("ampersand")
            await until(pilot, lambda: "begins when" in screen_text(app))
            await pilot.press(*"002", "enter")
            await until(pilot, lambda: "waits for transformer-002" in screen_text(app))
            await pilot.press("s")
            await until(pilot, lambda: _order(tmp_path) == "123")
            await pilot.press("escape")
            await until(pilot, lambda: _phase(app, "transformer-004") == "stopped")

    play(story())


def test_deleting_says_what_goes_and_leaves_what_lives(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    runs = tmp_path / "runs"
    one, two = make_run(runs, "one", age=30), make_run(runs, "two", age=20)
    live = make_run(runs, "live", phase="running", step=10, age=10)

    async def story() -> None:
        with working(live):
            async with opened(file) as (app, pilot):
                await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 3)
                await pilot.press("x")
                await settled(app)
                assert app.screen is app.place, "what trains cannot be deleted"
                await pilot.press("a", "x")
                await until(pilot, lambda: "Delete 2 runs for good?" in screen_text(app))
                assert "one-001" in screen_text(app) and "become free" in screen_text(app)
                await pilot.press("n")
                await until(pilot, lambda: app.screen is app.place)
                assert one.path.exists() and two.path.exists()
                await pilot.press("x")
                await until(pilot, lambda: "Delete 2 runs" in screen_text(app))
                await pilot.press("y")
                await until(pilot, lambda: [run.name for run in app.runs] == ["live-001"])
                assert "deleted 2 runs" in _said(app) and not one.path.exists()

    play(story())


def test_stars_tags_and_notes_are_written_and_found(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder, other = make_run(tmp_path / "runs", "one", age=30), make_run(tmp_path / "runs", "two", age=40)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 2)
            await pilot.press("asterisk")
            await until(pilot, lambda: "\u2605 one-001" in screen_text(app))
            await pilot.press("T")
            await until(pilot, lambda: "Tags of one-001" in screen_text(app))
            await pilot.press(*"base x[y]", "enter")
            await until(pilot, lambda: "'x[y]' is no tag" in screen_text(app))
            assert "base x[y]" in screen_text(app) and not read_notes(folder).tags, "what is typed stays"
            await pilot.press(*["backspace"] * 4, *"x/y", "enter")
            await until(pilot, lambda: read_notes(folder).tags == ("base", "x/y"))
            await pilot.press("n", *"the one", "enter")
            await until(pilot, lambda: read_notes(folder).note == "the one")
            await pilot.press("slash", *"the tag~base", "enter")
            await until(pilot, lambda: [run.name for run in table.runs] == ["one-001"])
            await pilot.press("escape", "a", "T")
            await until(pilot, lambda: "Tags of 2 runs" in screen_text(app))
            await pilot.press(*"-base new", "enter")
            await until(pilot, lambda: read_notes(folder).tags == ("x/y", "new") and read_notes(other).tags == ("new",))
            await pilot.press("a")
            place = folder.path / "notes.json"
            place.write_text('{"star": tr')
            os.utime(folder.path)
            await until(pilot, lambda: "notes.json is damaged" in screen_text(app))
            await pilot.press("n", *"more", "enter")
            await until(pilot, lambda: "nothing is changed in it" in screen_text(app))
            assert place.read_text() == '{"star": tr' and "more" in screen_text(app)

    play(story())


def test_the_menu_lists_what_makes_sense_and_does_it(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 1)
            await pilot.press("m")
            await until(pilot, lambda: "What to do with transformer-001" in screen_text(app))
            assert "resume" in screen_text(app) and "stop" not in screen_text(app)
            await pilot.press(*"star", "enter")
            await until(pilot, lambda: "\u2605" in screen_text(app))
            await pilot.press("c")
            await until(pilot, lambda: app.place.PLACE == "compare")
            assert app.session.get("compare.runs", []) == ["transformer-001"]

    play(story())


def test_pruning_says_what_stays_and_deletes_the_rest(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs")
    os.utime(folder.run_json, (1e9, 1e9))  # made long ago, so that no command is about to queue it
    for step, loss in ((10, 3.0), (20, 1.0), (30, 2.0)):
        commit_checkpoint(folder, step, lambda place: (place / "state").write_text("x") and None, monitor_value=loss)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 1)
            await until(pilot, lambda: "r trains it longer" in screen_text(app))
            await pilot.press("X")
            await until(pilot, lambda: "Delete 1 older checkpoint of 1 run?" in screen_text(app))
            assert "20 best, 30 newest" in screen_text(app)
            await pilot.press("y")
            await until(pilot, lambda: "1 checkpoint deleted" in _said(app))
            assert [info.step for info in list_checkpoints(folder)] == [20, 30]
            await pilot.press("X")
            await until(pilot, lambda: "nothing to tidy up" in _said(app))
            await pilot.press("y")
            await until(pilot, lambda: "the path copied" in _said(app))
            assert app.clipboard == str(folder.path)

    play(story())
