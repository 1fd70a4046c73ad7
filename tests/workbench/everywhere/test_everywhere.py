"""What every screen shares: places, help, palette, panes, themes, copying, memory, the demo."""

from __future__ import annotations

import base64
import importlib
import os
from pathlib import Path
from pkgutil import iter_modules

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

import workbench.app
from craft.runs.store import RunStore
from tests.workbench.harness import SmallScreen, opened, play, screen_text, settled, until
from tests.workbench.runs import make_demo, make_project
from workbench import actions, clipboard, memory
from workbench.actions import PLACES
from workbench.actions.action import Action, identifier, key_name
from workbench.app import Workbench
from workbench.dialogs.answers import Answers
from workbench.dialogs.choose import Choice, ChooseScreen
from workbench.dialogs.confirm import ConfirmScreen
from workbench.dialogs.prompt import PromptScreen
from workbench.screens.base import PLACES as SCREENS
from workbench.widgets.bars import KeyBar, TitleBar
from workbench.widgets.split import Split


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.reading.TICK", 0.2)


def test_no_two_actions_of_a_place_share_a_key_and_none_takes_what_terminals_swallow() -> None:
    for place, listed in PLACES.items():
        keys = [key for action in listed for key in action.keys]
        assert len(keys) == len(set(keys)), place
        assert not {"ctrl+m", "ctrl+i", "ctrl+h"} & set(keys), place
        assert all(action.help for action in listed), place
    names = [identifier(place, action) for place, listed in PLACES.items() for action in listed]
    assert len(names) == len(set(names))
    reserved = {key for action in PLACES["everywhere"] for key in action.keys} - {"d", "question_mark", "q"}
    words = {"ctrl+left", "ctrl+right"}  # in a text they move over words, as everybody expects
    for place, listed in PLACES.items():
        if place != "everywhere":
            taken = {key for action in listed for key in action.keys}
            allowed = (
                words if place in ("line", "typed lines", "toml") else {"f1", "ctrl+q"} if place == "dialog" else set()
            )
            assert not taken & reserved - allowed, f"{place} takes {taken & reserved}"


def test_no_two_modules_call_a_place_alike() -> None:
    """The later one would take the earlier one's keys away, without a word."""
    modules = [importlib.import_module(f"workbench.actions.{found.name}") for found in iter_modules(actions.__path__)]
    places = [place for module in modules for place in getattr(module, "PLACES", {})]
    assert len(places) == len(set(places)) == len(PLACES)


def test_keys_are_written_for_people() -> None:
    assert [key_name(key) for key in ("question_mark", "ctrl+left", "f5", "G")] == ["?", "ctrl+\u2190", "F5", "G"]
    assert key_name("ctrl+left", ascii_only=True) == "ctrl+left"


def test_the_places_are_reached_by_key_and_mouse_and_the_last_one_is_remembered(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, pilot):
            assert app.current_mode == "runs"
            for place in ("compare", "playground", "experiments", "runs"):
                await pilot.press("f9")
                await until(pilot, lambda place=place: app.current_mode == place)
                await until(pilot, lambda: "7 runs" in screen_text(app).splitlines()[0])
            await pilot.press("4")
            await until(pilot, lambda: app.current_mode == "playground")
            await pilot.press("shift+f9")
            await until(pilot, lambda: app.current_mode == "compare")
            bar = app.screen.query_one(TitleBar)
            await pilot.click(bar, offset=(screen_text(app).splitlines()[0].index("compare") + 1, 0))
            await until(pilot, lambda: app.current_mode == "compare")

    async def again() -> None:
        async with opened(file) as (app, pilot):
            assert app.current_mode == "compare"
            await pilot.press("shift+f9")
            await until(pilot, lambda: app.current_mode == "runs")

    play(story())
    play(again())


@pytest.mark.parametrize("place", SCREENS)
def test_help_lists_what_the_keys_do_and_nothing_else(tmp_path: Path, place: str) -> None:
    async def story() -> None:
        async with opened(make_demo(tmp_path)) as (app, pilot):
            app.action_go(place)
            await until(pilot, lambda: app.current_mode == place and app.place.is_mounted)
            await pilot.press("f1")
            await until(pilot, lambda: "quit; runs go on" in screen_text(app))
            text = screen_text(app)
            assert "take the marked one" not in text, "dialogs are not on the screen"
            assert "a starter file" not in text, "the demo is for where there is nothing"
            await pilot.press("escape")
            await until(pilot, lambda: "this help" not in screen_text(app))

    play(story())


@pytest.mark.parametrize("place", SCREENS)
@pytest.mark.parametrize("ascii_only", [False, True], ids=["unicode", "ascii"])
def test_the_key_bar_fits_eighty_columns_and_ascii_is_ascii(tmp_path: Path, place: str, ascii_only: bool) -> None:
    async def story() -> None:
        async with opened(make_demo(tmp_path), size=SmallScreen, ascii_only=ascii_only) as (app, pilot):
            app.action_go(place)
            await until(pilot, lambda: app.current_mode == place and app.place.is_mounted)
            await until(pilot, lambda: " help " in screen_text(app).splitlines()[-1])
            text = await settled(app)
            assert "q quit" in text.splitlines()[-1]
            assert all(len(line) <= 80 for line in text.splitlines())
            if ascii_only:
                await pilot.press("f1")
                await until(pilot, lambda: len(app.screen_stack) == 2)
                for seen in (text, await settled(app)):
                    odd = [line for line in seen.splitlines() if not line.isascii()]
                    assert not odd, odd

    play(story())


def test_a_click_on_the_key_bar_does_what_its_key_does(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_demo(tmp_path)) as (app, pilot):
            await until(pilot, lambda: "? help" in screen_text(app).splitlines()[-1])
            bar = app.screen.query_one(KeyBar)
            # The bar follows what is selected.
            at = (await settled(app)).splitlines()[-1].index("? help")
            await pilot.click(bar, offset=(at, 0))
            await until(pilot, lambda: "this help" in screen_text(app))

    play(story())


def test_the_palette_offers_runs_experiments_and_what_can_be_done(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_demo(tmp_path)) as (app, pilot):
            await pilot.press("ctrl+p")
            await until(pilot, lambda: "key enter" in screen_text(app))
            await pilot.press(*"run lr-002")
            await until(pilot, lambda: "run lr-002" in screen_text(app) and "interrupted" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: app.session.get("runs.selected", "") == "lr-002" and len(app.screen_stack) == 1)
            await pilot.press("ctrl+p")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press(*"theme craft-light")
            await until(pilot, lambda: "theme craft-light" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: app.theme == "craft-light")
        assert memory.of_person().get("theme", "") == "craft-light"

    play(story())


def test_themes_go_round_to_the_terminals_own_colours(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_project(tmp_path)) as (app, pilot):
            seen = []
            for _ in range(3):
                app.action_toggle_theme()
                await pilot.pause()
                seen.append(app.theme)
            assert seen == ["craft-light", "ansi-dark", "craft-dark"]

    play(story())


class Panes(App[None]):
    """Two panes, and a memory as the workbench has it."""

    CSS_PATH = str(Path(workbench.app.__file__).with_name("styles") / "workbench.tcss")

    def __init__(self) -> None:
        super().__init__()
        self.memory = memory.of_person()

    def compose(self) -> ComposeResult:
        yield Split(Static(id="first"), Static(id="second"), name="test", share=0.25)


def test_a_divider_is_dragged_put_back_and_remembered() -> None:
    async def story() -> None:
        app = Panes()
        async with app.run_test(size=(100, 20)) as pilot:
            split, first = app.query_one(Split), app.query_one("#first")
            width = first.size.width
            assert 23 <= width <= 26
            await pilot.mouse_down(split, offset=(width, 5))
            await pilot.hover(split, offset=(60, 5))
            await pilot.mouse_up(split, offset=(60, 5))
            await pilot.pause()
            assert 58 <= first.size.width <= 61 and split.share == pytest.approx(0.6, abs=0.02)
            split.move(5.0)
            await pilot.pause()
            assert app.query_one("#second").size.width >= 8, "neither pane vanishes"
            split.stacked = True
            await pilot.pause()
            assert first.size.width == 100 and first.size.height >= 15
            split.put_back()
            await pilot.pause()
            assert split.share == 0.25
            split.share = 0.4
            app.memory.flush()
        again = Panes()
        async with again.run_test(size=(100, 20)):
            assert again.query_one(Split).share == 0.4

    play(story())


def test_dialogs_answer(tmp_path: Path) -> None:
    evil = "a \x1b]52;c;x\x07 [/red] name"

    async def story() -> None:
        async with opened(make_project(tmp_path), size=SmallScreen) as (app, pilot):
            answers: list[object] = []
            app.push_screen(ConfirmScreen(f"Delete {evil}?", evil, evil), answers.append)
            await until(pilot, lambda: "Delete a" in screen_text(app) and "\u241b]52" in screen_text(app))
            await pilot.click(Answers, offset=(1, 0))
            await until(pilot, lambda: answers == [True])
            app.push_screen(ConfirmScreen("Sure?", ""), answers.append)
            await until(pilot, lambda: "Sure?" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: answers == [True, False])
            check = lambda text: "" if text.isdecimal() else f"{text} is no number"  # noqa: E731
            app.push_screen(PromptScreen("How many?", value="x", check=check), answers.append)
            await until(pilot, lambda: "x is no number" in screen_text(app))
            await pilot.press("enter")
            assert len(answers) == 2, "a wrong answer is not taken"
            await pilot.press("backspace", "7", "enter")
            await until(pilot, lambda: answers[2:] == ["7"])
            choices = [Choice(number, f"run-{number:03d}{evil}", "about") for number in range(1200)]
            app.push_screen(ChooseScreen("Which?", choices), answers.append)
            await until(pilot, lambda: "run-003" in screen_text(app))
            await pilot.press(*"1177")
            await until(pilot, lambda: "run-1177" in screen_text(app) and "run-003" not in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: answers[3:] == [1177])

    play(story())


def test_a_dialog_is_closed_once_also_by_a_burst_of_keys(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(make_project(tmp_path), size=SmallScreen) as (app, pilot):
            answers: list[object] = []
            below = app.screen
            app.push_screen(ChooseScreen("Which?", [Choice("a", "first"), Choice("b", "second")]), answers.append)
            await until(pilot, lambda: "second" in screen_text(app))
            dialog = app.screen
            assert isinstance(dialog, ChooseScreen)
            dialog.action_accept()
            dialog.action_accept()
            dialog.action_cancel()
            await until(pilot, lambda: answers == ["a"] and app.screen is below)

    play(story())


def test_what_is_copied_lies_in_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    kept = Path(os.environ["CRAFT_STATE_DIR"]) / "copied.txt"

    async def story() -> None:
        async with opened(make_project(tmp_path)) as (app, pilot):
            app.copy("loss \u2713 \udcff", "the figure")
            await until(pilot, lambda: "the figure copied" in screen_text(app))
            assert kept.read_text() == "loss \u2713 ?"
            app.copy("x" * (clipboard.MOST + 1), "the log")
            await until(pilot, lambda: "too long for a terminal" in screen_text(app))
            assert kept.stat().st_size == clipboard.MOST + 1

    play(story())


@pytest.mark.timeout(120)
def test_the_demo_reaches_a_moving_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        app = Workbench()
        async with app.run_test(size=SmallScreen, notifications=True) as pilot:
            await until(pilot, lambda: "d demo" in screen_text(app))
            await pilot.press("d")
            await until(pilot, lambda: bool(app.runs) and (app.runs[0].step or 0) > 1, within=60)
            assert (tmp_path / "experiments.toml").read_text().startswith("#:schema")
            await until(pilot, lambda: "d demo" not in screen_text(app))
            from craft.launch.groups.several import stop_all

            stop_all([app.runs[0].folder])
            await until(pilot, lambda: app.runs[0].phase == "stopped", within=60)

    play(story())
    assert [run.name for run in RunStore(tmp_path / "runs").list()] == ["small-001"]


def test_a_pane_that_stood_alone_does_so_at_the_next_start(tmp_path: Path) -> None:
    file = make_demo(tmp_path)

    def zoomed(app: Workbench) -> str:
        return (app.screen.maximized and app.screen.maximized.id) or ""

    async def story(before: str, after: str) -> None:
        app = Workbench(file)
        async with app.run_test(size=SmallScreen, notifications=True) as pilot:
            await pilot.press("2")
            await until(pilot, lambda: zoomed(app) == before and bool(app.screen.query("#runs:focus")))
            assert [note.message for note in app._notifications] == ["alone as you left it: z shows all"] * bool(before)
            await pilot.press("z")
            await until(pilot, lambda: zoomed(app) == after)

    for before, after in (("", "runs"), ("runs", ""), ("", "runs")):
        play(story(before, after))


def test_the_demo_writes_over_nothing(tmp_path: Path) -> None:
    from workbench.demo import write_starter

    file = tmp_path / "experiments.toml"
    file.write_text("# mine\n")
    write_starter(file)
    assert file.read_text() == "# mine\n"


def test_an_action_is_one_of_its_place() -> None:
    one = Action("cursor_down", ("down", "j"), "next run")
    assert identifier("run table", one) == "run-table.cursor_down"
    assert one.binding("run table").id == "run-table.cursor_down"


def test_gnu_screen_is_handed_what_is_copied_in_pieces_that_it_passes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STY", raising=False)
    assert clipboard.through_screen("words") == ""
    monkeypatch.setenv("STY", "1.pts-0")
    pieces = clipboard.through_screen("loss \u2713 " * 100).split("\x1b\\")
    assert pieces.pop() == "" and all(piece.startswith("\x1bP") and len(piece) <= 78 for piece in pieces)
    whole = "".join(piece[2:] for piece in pieces)
    assert whole[:7] == "\x1b]52;c;" and whole[-1] == "\a"
    assert base64.b64decode(whole[7:-1]).decode() == "loss \u2713 " * 100
