from __future__ import annotations

from pathlib import Path

import pytest
from textual.strip import Strip
from textual.widgets import Input

from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter
from tests.workbench.harness import SmallScreen, WideScreen, opened, play, screen_text, until
from tests.workbench.runs import EXPERIMENTS, make_demo, make_project, make_run, make_waiting, working
from workbench.app import Workbench
from workbench.screens.runs.arrange import Arranged
from workbench.screens.runs.table import RunTable
from workbench.widgets.bars import KeyBar


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.reading.TICK", 0.2)


def _line(app: Workbench, name: str) -> str:
    return next(line for line in screen_text(app).splitlines() if f" {name} " in line and "00 " in line)


@pytest.mark.parametrize("size", [WideScreen, SmallScreen, (120, 30), (250, 70)], ids=str)
def test_runs_are_listed_with_what_they_do(tmp_path: Path, size: tuple[int, int]) -> None:
    async def story() -> None:
        make_demo(tmp_path)
        with working(RunFolder(tmp_path / "runs" / "transformer-003")):
            async with opened(tmp_path / "experiments.toml", size=size) as (app, pilot):
                table = app.screen.query_one(RunTable)
                await until(pilot, lambda: len(table.runs) == 7 and "310/500" in screen_text(app))
                text = screen_text(app)
                names = [run.name for run in table.runs]
                assert names[:3] == ["transformer-003", "wide-002", "lr-002"] and names[-1] == "transformer-001"
                shown = names[: table.size.height - 1]
                for name, word in {
                    "wide-002": "queued",
                    "transformer-003": "running",
                    "lr-002": "interrupted",
                    "lr-001": "stopped",
                    "transformer-002": "failed",
                    "transformer-001": "finished",
                }.items():
                    assert name not in shown or word in _line(app, name)
                running = _line(app, "transformer-003")
                for figure in ("310/500", "1.686", "1.825", "25.1k", "4.8s"):
                    assert figure in running
                for title in ("phase", "step", "loss", "val", "tok/s", "ETA", "age"):
                    assert title in text
                for name in ("transformer", "wide", "lr"):
                    assert name in text
                assert table.selected and table.selected.name == "transformer-003", "the live one"
                assert "1 running" in text and "7 runs" in text

    play(story())


def test_a_growing_run_is_followed_and_no_line_is_drawn_without_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)
    make_run(tmp_path / "runs", "wide", age=90_000)
    drawn: list[int] = []
    render = RunTable.render_line

    def counted(self: RunTable, y: int) -> Strip:
        drawn.append(y)
        return render(self, y)

    monkeypatch.setattr(RunTable, "render_line", counted)
    looks: list[int] = []
    show = RunTable.show

    def counted_show(self: RunTable, arranged: Arranged) -> None:
        looks.append(1)
        show(self, arranged)

    monkeypatch.setattr(RunTable, "show", counted_show)

    async def story() -> None:
        with working(folder):
            async with opened(file) as (app, pilot):
                await until(pilot, lambda: "100/500" in screen_text(app))
                # The age of a young run is news.
                await until(pilot, lambda: "10m" in _line(app, "transformer-001"))

                def no_drawing() -> bool:
                    """Five looks in a row brought no news, and nothing was drawn."""
                    if drawn:
                        drawn.clear()
                        looks.clear()
                    return len(looks) > 5

                await until(pilot, no_drawing)

                StatusWriter(folder).write(phase="running", step=250, val_loss=1.5, progressed=True)
                await until(pilot, lambda: "250/500" in screen_text(app))
                assert "1.500" in _line(app, "transformer-001")
                assert set(drawn) == {1}, "the line of the run that has news"

    play(story())


def test_a_run_that_ends_is_seen_to_end(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs", phase="running", step=100)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "interrupted" in screen_text(app))
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
            await until(pilot, lambda: len(table.runs) == 3)
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
        make_waiting(tmp_path / "runs", age=age)

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
            assert "   run " in screen_text(app).splitlines()[2], "the heading stays"

    play(story())


def test_the_mouse_selects_marks_sorts_and_opens(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 7)
            await pilot.click(RunTable, offset=(10, 4))
            assert table.cursor == 3
            await pilot.click(RunTable, offset=(1, 2))
            assert table.marks == {"transformer-003"} and "1 marked" in screen_text(app)
            await pilot.click(RunTable, offset=(1, 2))
            assert not table.marks
            heading = next(line for line in screen_text(app).splitlines() if "tok/s" in line)
            await pilot.click("#body", offset=(heading.index("val") + 1, 0))
            await until(pilot, lambda: table.arranged.view.sort == "val/loss")
            assert [run.name for run in table.runs][:2] == ["wide-001", "transformer-001"]
            assert "val\u25b4" in screen_text(app)
            await pilot.click(RunTable, offset=(10, 5), times=2)
            await until(pilot, lambda: app.screen.has_class("-opened"))
            await pilot.press("escape")
            assert not app.screen.has_class("-opened")
            await pilot.click(RunTable, offset=(10, 3), button=3)
            await until(pilot, lambda: "What to do with" in screen_text(app))

    play(story())


@pytest.mark.parametrize("theme", ["craft-dark", "craft-light"])
def test_the_most_important_keys_fit_eighty_columns(tmp_path: Path, theme: str) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        with working(RunFolder(tmp_path / "runs" / "transformer-003")):
            async with opened(file, size=SmallScreen) as (app, pilot):
                app.theme = theme
                for keys, labels in (
                    ((), ["details", "menu", "stop", "filter", "mark", "help", "quit"]),
                    (("G",), ["details", "menu", "resume", "filter", "mark", "help", "quit"]),
                ):
                    await pilot.press(*keys)
                    await until(pilot, lambda labels=labels: all(f" {label} " in _last(app) for label in labels))

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
            await until(pilot, lambda: "resume" in _last(app))
            assert "stop" not in _last(app), "a finished run cannot be stopped"

    play(story())


def test_a_click_on_the_bar_is_a_key(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "details" in _last(app))
            await pilot.click(KeyBar, offset=(_last(app).index("details"), 0))
            await until(pilot, lambda: app.screen.has_class("-opened"))

    play(story())


def test_choices_are_kept_for_the_next_time(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 7)
            await pilot.press("j", "j", "space", "slash", *"phase", "equals_sign", *"stopped", "enter")
            await until(pilot, lambda: [run.name for run in table.runs] == ["lr-001"])
            app.session.set("runs.sort", "best")
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: [run.name for run in table.runs] == ["lr-001"])
            assert table.marks == {"lr-002"} and "1 marked" in screen_text(app) and "best\u25b4" not in screen_text(app)
            await pilot.press("escape", "escape")
            await until(pilot, lambda: len(table.runs) == 7)
            assert table.selected and table.selected.name == "lr-001", "where it was left"

    play(story())


def test_a_run_that_another_screen_asks_for_is_selected(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 7)
            await pilot.press("slash", *"lr", "enter")
            await until(pilot, lambda: len(table.runs) == 2)
            await pilot.press("1")
            await until(pilot, lambda: app.place.PLACE == "experiments")
            app.show_run("transformer-001")
            await until(pilot, lambda: bool(table.selected and table.selected.name == "transformer-001"))
            assert len(table.runs) == 7, "the filter hid it"

    play(story())


def test_no_runs_yet_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with opened(Path("experiments.toml"), size=SmallScreen) as (app, pilot):
            await until(pilot, lambda: "craft run experiments.toml transformer" in screen_text(app))
            assert "craft run experiments.toml\n" in "\n".join(map(str.rstrip, screen_text(app).splitlines()))
            make_run(tmp_path / "runs")
            await until(pilot, lambda: "transformer-001" in screen_text(app))
            assert "craft run" not in screen_text(app)

    play(story())


def test_no_file_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with opened(Path("experiments.toml")) as (app, pilot):
            await until(pilot, lambda: "craft init" in screen_text(app))
            await pilot.press("question_mark", "escape")
            assert not isinstance(app.focused, Input), "letters are keys here, also after a look at the help"
            Path("experiments.toml").write_text(EXPERIMENTS)
            await until(pilot, lambda: "wide" in screen_text(app) and "craft run" in screen_text(app))

    play(story())


def test_a_broken_file_is_named_with_its_place_and_mends_itself(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    file.write_text("craft = 1\n[experiment.x\n")

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            await until(pilot, lambda: ":2:" in screen_text(app) and "craft validate" in screen_text(app))
            file.write_text(EXPERIMENTS)
            await until(pilot, lambda: "wide" in screen_text(app))

    play(story())


def test_runs_of_another_folder(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "other", "elsewhere")

    async def story() -> None:
        async with opened(file, runs_dir=tmp_path / "other") as (app, pilot):
            await until(pilot, lambda: "elsewhere-001" in screen_text(app) and "wide" in screen_text(app))

    play(story())


def test_a_queued_run_says_why_it_waits(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_waiting(tmp_path / "runs")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "queued: " in screen_text(app))

    play(story())


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file, ascii_only=True) as (app, pilot):
            await pilot.press("G")
            await until(pilot, lambda: "+ finished" in screen_text(app))
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


@pytest.mark.parametrize("size", [WideScreen, SmallScreen], ids=str)
def test_faults_are_shown_beside_what_they_are_about(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_demo(tmp_path).parent)
    file = Path("experiments.toml")
    file.write_text(EXPERIMENTS.replace("model.hidden_size = 256", "model.hidden_sze = 256"))

    async def story() -> None:
        async with opened(file, size=size) as (app, pilot):
            await until(pilot, lambda: "1 problem" in screen_text(app) and "line 15: model.hidden" in screen_text(app))
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


def test_what_went_wrong_and_what_to_do_stand_below_the_list(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", phase="failed", step=40, error="the loss became NaN at step 41")
    make_run(tmp_path / "runs", "wide", phase="paused", step=40, age=5)
    folder = make_run(tmp_path / "runs", "lr", age=900)
    folder.run_json.write_text("{")

    async def story() -> None:
        with working(RunFolder(tmp_path / "runs" / "wide-001")):
            async with opened(file, size=SmallScreen) as (app, pilot):
                await until(pilot, lambda: "P lets it go on" in screen_text(app))
                await pilot.press("j")
                await until(pilot, lambda: "ago: the loss became NaN at step 41" in screen_text(app))
                assert "r starts it again from the beginning" in screen_text(app)
                await pilot.press("space")
                await until(pilot, lambda: "1 marked: verbs act on them" in screen_text(app))
                assert "r starts it" not in screen_text(app), "r acts on what is marked"
                await pilot.press("space", "k", "j", "j")
                await until(pilot, lambda: "damaged: run.json is damaged" in screen_text(app))

    play(story())
