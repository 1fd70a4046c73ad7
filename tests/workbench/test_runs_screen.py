from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import workbench.app
from craft.analysis.plots import Drawing
from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter
from craft.runs.store import RunSummary
from tests.workbench.harness import SmallScreen, WideScreen, opened, play, screen_text, until
from tests.workbench.runs import EXPERIMENTS, make_demo, make_project, make_run, working, write_metrics
from workbench.app import Workbench
from workbench.screens.runs.curve_view import CurveView
from workbench.screens.runs.table import RunTable
from workbench.widgets.bars import KeyBar


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench.app, "TICK", 0.05)


def _line(app: Workbench, name: str) -> str:
    return next(line for line in screen_text(app).splitlines() if f" {name} " in line and "/" in line)


@pytest.mark.parametrize("size", [WideScreen, SmallScreen, (120, 30), (250, 70)], ids=str)
def test_runs_are_listed_with_what_they_do(tmp_path: Path, size: tuple[int, int]) -> None:
    async def story() -> None:
        make_demo(tmp_path)
        with working(RunFolder(tmp_path / "runs" / "transformer-003")):
            async with opened(tmp_path / "experiments.toml", size=size) as (app, pilot):
                await until(pilot, lambda: "train" in screen_text(app))
                text = screen_text(app)
                names = [run.name for run in app.screen.query_one(RunTable).runs]
                assert names[:3] == ["transformer-003", "wide-002", "lr-002"] and names[-1] == "transformer-001"
                for name, word in {
                    "wide-002": "queued",
                    "transformer-003": "running",
                    "lr-002": "interrupted",
                    "lr-001": "stopped",
                    "transformer-002": "failed",
                    "transformer-001": "finished",
                }.items():
                    assert word in _line(app, name)
                running = _line(app, "transformer-003")
                for figure in ("310/500", "1.686", "1.825", "25.1k", "4.8s"):
                    assert figure in running
                for title in ("phase", "step", "loss", "val", "tok/s", "ETA", "age"):
                    assert title in text
                for name in ("transformer", "wide", "lr"):
                    assert name in text
                selected = app.screen.query_one(RunTable).selected
                assert selected and selected.name == "transformer-003", "the live one"
                assert "1 running" in text and "7 runs" in text
                assert "transformer-003  loss" in text and "val 1.8" in text and "\u00d7" in text

    play(story())


def test_a_growing_run_is_followed_and_nothing_is_drawn_without_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)
    drawings: list[int] = []
    fresh = CurveView._fresh

    def counted(self: CurveView, width: int, height: int) -> Drawing | None:
        drawings.append(1)
        return fresh(self, width, height)

    monkeypatch.setattr(CurveView, "_fresh", counted)
    looks: list[int] = []
    show = RunTable.show

    def counted_show(self: RunTable, runs: Sequence[RunSummary]) -> None:
        looks.append(1)
        show(self, runs)

    monkeypatch.setattr(RunTable, "show", counted_show)

    async def story() -> None:
        with working(folder):
            async with opened(file) as (app, pilot):
                await until(pilot, lambda: "100/500" in screen_text(app) and "train" in screen_text(app))
                seen, drawn = len(looks), len(drawings)
                await until(pilot, lambda: len(looks) > seen + 5)
                assert len(drawings) == drawn, "five looks, no news, no drawing"

                write_metrics(folder, 101, 250)
                StatusWriter(folder).write(phase="running", step=250, val_loss=1.5, progressed=True)
                await until(pilot, lambda: "250/500" in screen_text(app) and len(drawings) > drawn)
                assert "1.500" in _line(app, "transformer-001")
                assert " 200 " in screen_text(app), "the axis has grown"

                StatusWriter(folder).write(phase="finished", step=500)
            # The lock is free now as well.

    play(story())


def test_a_run_that_ends_is_seen_to_end(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            assert "interrupted" in _line(app, "transformer-001")
            with working(folder):
                await until(pilot, lambda: "running" in _line(app, "transformer-001"))
                StatusWriter(folder).write(phase="finished", step=500, durable=True)
            await until(pilot, lambda: "finished" in _line(app, "transformer-001"))
            with working(folder):
                StatusWriter(folder).write(phase="running", step=501, max_steps=900)
                await until(pilot, lambda: "501/900" in _line(app, "transformer-001"))

    play(story())


def test_the_cursor_stays_on_its_run_when_others_come_and_go(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    runs = tmp_path / "runs"
    for age in (30, 20, 10):
        make_run(runs, age=age)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await pilot.press("down")
            assert table.selected and table.selected.name == "transformer-002"
            make_run(runs, "wide", age=1)
            await until(pilot, lambda: len(table.runs) == 4)
            assert table.cursor == 2 and table.selected.name == "transformer-002"
            (runs / "transformer-002").rename(tmp_path / "elsewhere")
            await until(pilot, lambda: len(table.runs) == 3)
            assert table.selected is not None

    play(story())


def test_keys_move_the_cursor_and_scroll(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    for age in range(60, 0, -1):
        make_run(tmp_path / "runs", phase="queued", step=0, age=age)

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 60)
            for keys, place in (
                (["j", "down"], 2),
                (["k"], 1),
                (["up", "up"], 0),
                (["G"], 59),
                (["g"], 0),
                (["end"], 59),
                (["j"], 59),
                (["home"], 0),
            ):
                await pilot.press(*keys)
                assert table.cursor == place
            await pilot.press("pagedown")
            page = table.cursor
            assert 3 <= page < 20
            await pilot.press("ctrl+d", "ctrl+u", "pageup")
            assert table.cursor == 0
            await pilot.press("G")
            # Those that wait stand in their order, the last to start at the end.
            await until(pilot, lambda: " transformer-060 " in screen_text(app))
            selected = table.selected
            assert selected and selected.name == "transformer-060"
            assert "run " in screen_text(app).splitlines()[3], "the heading stays"

    play(story())


def test_the_mouse_selects_and_opens(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await pilot.click(RunTable, offset=(10, 4))
            assert table.cursor == 3
            await pilot.click(RunTable, offset=(10, 5), times=2)
            await until(pilot, lambda: "definition" in screen_text(app))

    play(story())


@pytest.mark.parametrize("theme", ["craft-dark", "craft-light"])
def test_every_key_of_the_bar_fits_eighty_columns(tmp_path: Path, theme: str) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        with working(RunFolder(tmp_path / "runs" / "transformer-003")):
            async with opened(file, size=SmallScreen) as (app, pilot):
                app.theme = theme
                for open_it, labels in (
                    ((), ["details", "stop", "log axis", "theme", "help", "quit"]),
                    (("enter",), ["back", "theme", "help"]),
                ):
                    await pilot.press(*open_it)
                    await until(pilot, lambda labels=labels: all(f" {label} " in _last(app) for label in labels))
                    bar = app.screen.query_one(KeyBar)
                    assert len(bar.line(80)) == len(bar._parts), "nothing had to be left out"

    play(story())


def _last(app: Workbench) -> str:
    return screen_text(app).splitlines()[-1]


def test_keys_that_would_do_nothing_are_not_offered(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "quit" in _last(app))
            assert "stop" not in _last(app) and "details" not in _last(app)
            await pilot.press("s", "enter")
            assert app.screen is app.screen_stack[0]
            make_run(tmp_path / "runs")
            await until(pilot, lambda: "details" in _last(app))
            assert "stop" not in _last(app), "a finished run cannot be stopped"

    play(story())


def test_a_click_on_the_bar_is_a_key(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "details" in _last(app))
            await pilot.click(KeyBar, offset=(_last(app).index("details"), 0))
            await until(pilot, lambda: "definition" in screen_text(app))

    play(story())


@pytest.mark.parametrize("key", ["question_mark", "f1"])
def test_help_lists_the_bindings_that_are_there(tmp_path: Path, key: str) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            await pilot.press(key)
            await until(pilot, lambda: "keys" in screen_text(app))
            text = screen_text(app)
            for words in ("\u2193  j", "home  g", "log of the selected run", "?  F1", "q  ctrl+q"):
                assert words in text
            assert "stop the selected run" in text or "interrupted" in text
            await pilot.press("escape")
            await until(pilot, lambda: "a page down" not in screen_text(app))

    play(story())


def test_stopping_asks_first_and_no_is_the_answer_of_every_other_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_project(tmp_path).parent)
    file = Path("experiments.toml")
    folder = make_run(tmp_path / "runs", phase="running", step=100)
    worker = subprocess.Popen([sys.executable, "-c", _WORKER, str(folder.path)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout and worker.stdout.readline() == "ready\n"

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "running" in _line(app, "transformer-001"))
            for no in ("n", "escape", "enter"):
                await pilot.press("s")
                await until(pilot, lambda: "Stop transformer-001?" in screen_text(app))
                assert "craft resume transformer-001" in screen_text(app)
                await pilot.press(no)
                await until(pilot, lambda: "Stop transformer-001?" not in screen_text(app))
                assert worker.poll() is None
            await pilot.press("s", "y")
            await until(pilot, lambda: worker.poll() is not None)
            assert worker.returncode == -signal.SIGTERM
            await until(pilot, lambda: "interrupted" in _line(app, "transformer-001"))

    try:
        play(story())
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


_WORKER = """
import sys, time
from pathlib import Path
from craft.analysis.plots import Drawing
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.analysis.plots import Drawing
from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter
from craft.runs.store import RunSummary
folder = RunFolder(Path(sys.argv[1]))
lock = hold_run_lock(folder)
StatusWriter(folder).write(progressed=True)
print("ready", flush=True)
time.sleep(120)
"""


def test_details_show_definition_events_and_log(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await pilot.press("G", "enter")
            await until(pilot, lambda: "definition" in screen_text(app))
            text = screen_text(app)
            for words in ("transformer-001", "finished", "500 of 500", "started", "device cpu", "num_layers = 4"):
                assert words in text
            await pilot.press("escape")
            await until(pilot, lambda: "loss" in screen_text(app) and "num_layers" not in screen_text(app))

    play(story())


def test_choices_are_kept_for_the_next_time(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            assert app.theme == "craft-dark" and not app.screen.query_one(CurveView).log_scale
            await pilot.press("t", "l")
            assert app.theme == "craft-light" and app.screen.query_one(CurveView).log_scale
        async with opened(file) as (app, pilot):
            assert app.theme == "craft-light" and app.screen.query_one(CurveView).log_scale

    play(story())


def test_no_runs_yet_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with opened(Path("experiments.toml"), size=SmallScreen) as (app, pilot):
            text = screen_text(app)
            assert "craft run experiments.toml\n" in "\n".join(map(str.rstrip, text.splitlines()))
            assert "craft run experiments.toml transformer" in text
            make_run(tmp_path / "runs")
            await until(pilot, lambda: "transformer-001" in screen_text(app))
            assert "craft run" not in screen_text(app)

    play(story())


def test_no_file_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with opened(Path("experiments.toml")) as (app, pilot):
            assert "craft init" in screen_text(app)
            Path("experiments.toml").write_text(EXPERIMENTS)
            await until(pilot, lambda: "wide" in screen_text(app) and "craft run" in screen_text(app))

    play(story())


def test_a_broken_file_is_named_with_its_place_and_mends_itself(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    file.write_text("craft = 1\n[experiment.x\n")

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            assert ":2:" in screen_text(app) and "craft validate" in screen_text(app)
            file.write_text(EXPERIMENTS)
            await until(pilot, lambda: "wide" in screen_text(app))

    play(story())


def test_runs_of_another_folder(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "other", "elsewhere")

    async def story() -> None:
        async with opened(file, runs_dir=tmp_path / "other") as (app, _):
            assert "elsewhere-001" in screen_text(app) and "wide" in screen_text(app)

    play(story())


def test_a_queued_run_says_why_it_waits(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", phase="queued", step=0)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "queued: " in screen_text(app))

    play(story())


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file, ascii_only=True) as (app, pilot):
            await pilot.press("G")
            await until(pilot, lambda: "train" in screen_text(app))
            own = "".join(line for line in screen_text(app).splitlines() if "\u2502" not in line)
            assert own.isascii()
            assert "+ finished" in screen_text(app)

    play(story())


@pytest.mark.parametrize("size", [(1, 1), (8, 2), (20, 5), (40, 12), (79, 15), (300, 8)], ids=str)
def test_no_size_is_too_small(tmp_path: Path, size: tuple[int, int]) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        app = Workbench(file)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: len(app.screen.query_one(RunTable).runs) == 7)
            for keys in (["G"], ["question_mark"], ["escape"], ["enter"], ["escape"], ["t", "l", "j", "g"]):
                await pilot.press(*keys)
            await pilot.resize_terminal(120, 40)
            await until(pilot, lambda: "transformer-001" in screen_text(app))

    play(story())


def test_every_command_is_found_by_name(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await pilot.press("ctrl+p")
            await until(pilot, lambda: "Theme" in screen_text(app) and "Quit" in screen_text(app))
            await pilot.press("escape")

    play(story())


@pytest.mark.parametrize("size", [WideScreen, SmallScreen], ids=str)
def test_faults_are_shown_beside_what_they_are_about(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_demo(tmp_path).parent)
    file = Path("experiments.toml")
    file.write_text(EXPERIMENTS.replace("model.hidden_size = 256", "model.hidden_sze = 256"))

    async def story() -> None:
        async with opened(file, size=size) as (app, pilot):
            await until(pilot, lambda: "1 problem" in screen_text(app))
            assert "line 15: model.hidden" in screen_text(app)
            assert "craft validate experiments.toml" in screen_text(app)
            file.write_text(EXPERIMENTS)
            await until(pilot, lambda: "all valid" in screen_text(app))
            assert "craft validate" not in screen_text(app)

    play(story())


def test_many_experiments_are_counted_where_they_do_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    tables = [f'[experiment.number-{n:02d}]\nwhy = "{n}"\nmodel = {{ type = "transformer" }}\n' for n in range(60)]
    file.write_text("".join(["craft = 1\n", *tables]))

    async def story() -> None:
        for size in (WideScreen, SmallScreen):
            async with opened(file, size=size) as (app, pilot):
                await until(pilot, lambda: "all valid" in screen_text(app))
                text = screen_text(app)
                shown = sum(f"number-{n:02d}" in text for n in range(60))
                assert f"+{60 - shown} more" in text

    play(story())


def test_what_went_wrong_stands_above_the_curve(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", phase="failed", step=40, error="the loss became NaN at step 41")

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            await until(pilot, lambda: "failed: the loss became NaN at step 41" in screen_text(app))
            await until(pilot, lambda: "train 3." in screen_text(app) and "step" in screen_text(app).splitlines()[-2])

    play(story())
