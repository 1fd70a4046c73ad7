"""The list of experiments and what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.workbench.experiments.projects import TEXT, choose, experiments, make_project, text_of
from tests.workbench.harness import SmallScreen, play, screen_text, until
from tests.workbench.runs import make_run
from workbench.dialogs.help import explained
from workbench.screens.experiments.listing import ExperimentList


def rows_of(listing: ExperimentList) -> dict[str, tuple[str, str, int | None]]:
    return {row.name: (row.kind, row.verdict, row.points) for row in listing.rows}


def test_every_template_experiment_and_sweep_is_listed_with_its_costs_and_runs(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    make_run(tmp_path / "runs", "tiny")

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            listing = screen.listing
            await until(pilot, lambda: all(row.brief.memory for row in listing.rows if row.kind == "experiment"))
            assert rows_of(listing) == {
                "base": ("template", "ok", None),
                "tiny": ("experiment", "ok", None),
                "wide": ("experiment", "ok", None),
                "lr": ("experiment", "ok", 2),
            }
            by_name = {row.name: row for row in listing.rows}
            assert by_name["tiny"].made.runs == 1
            assert by_name["tiny"].made.best is not None
            assert by_name["wide"].brief.memory == "fits"
            await choose(pilot, screen, "lr")
            await until(pilot, lambda: "sweep of 2 runs" in screen_text(app))
            assert "\u00d72" in screen_text(app)

    play(story())


def test_the_first_frame_names_the_experiments(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file, inspected=False) as (app, _, screen):
            assert [row.name for row in screen.listing.rows if row.kind == "experiment"] == ["tiny", "wide", "lr"]
            assert "wide" in screen_text(app)

    play(story())


def test_typing_changes_the_costs_and_says_by_how_much(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "wide")
            assert screen.weighed is not None
            assert screen.weighed.costs is not None
            assert screen.weighed.before_name == "tiny"
            before = screen.weighed.costs.figures.total_parameters
            assert screen.panel is not None
            screen.panel.toml.replace_text(TEXT.replace("hidden_size = 32", "hidden_size = 64"))
            await until(pilot, lambda: screen.weighed is not None and screen.weighed.before_name == "saved")
            assert screen.weighed.costs is not None
            assert screen.weighed.costs.figures.total_parameters.high > 2 * before.high
            assert "not saved" in screen_text(app)
            assert "+186 %" in screen_text(app)
            assert screen.unsaved()

    play(story())


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_broken_experiment_breaks_no_other_and_is_gone_to(tmp_path: Path, ascii_only: bool) -> None:
    file = make_project(tmp_path, TEXT.replace("model.hidden_size = 32", "model.hidden_sze = 32"))

    async def story() -> None:
        async with experiments(file, ascii_only=ascii_only) as (app, pilot, screen):
            assert rows_of(screen.listing)["wide"][1] == "wrong"
            assert rows_of(screen.listing)["lr"][1] == "ok"
            await choose(pilot, screen, "wide")
            await until(pilot, lambda: "did you mean 'hidden_size'?" in " ".join(screen_text(app).split()))
            assert ("! 1" if ascii_only else "\u2717 1") in screen_text(app)
            await pilot.press("p")
            assert screen.panel is not None
            assert screen.panel.toml.cursor_location[0] + 1 == TEXT.splitlines().index("model.hidden_size = 32") + 1
            if ascii_only:
                assert screen_text(app).isascii()
            signs = explained(screen)["signs in the list of experiments"]
            assert {"!" if ascii_only else "\u2717", "?", "~"} <= {sign[0] for sign, _ in signs}
            assert str(signs).isascii() or not ascii_only

    play(story())


def test_a_text_that_is_no_toml_keeps_the_list(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            assert screen.panel is not None
            await choose(pilot, screen, "tiny")
            screen.panel.toml.replace_text(TEXT + "[experiment.new\n")
            line = f"line {TEXT.count(chr(10)) + 1}: "
            await until(
                pilot, lambda: line in screen_text(app) and "list and costs are those of before" in screen_text(app)
            )
            assert {row[1] for row in rows_of(screen.listing).values()} == {"ok"}
            assert set(rows_of(screen.listing)) == {"base", "tiny", "wide", "lr"}
            await choose(pilot, screen, "wide")
            assert screen.weighed is not None and screen.weighed.costs is not None
            await pilot.press("r")
            await until(pilot, lambda: screen.panel is not None and screen.panel.toml.has_focus)
            assert app.screen is screen, "nothing is launched from a broken text"
            app.clear_notifications()
            screen.panel.toml.replace_text(TEXT + "[experiment.new]\nextends = 'tiny'\nseed = 2\n")
            await until(pilot, lambda: "new" in rows_of(screen.listing))
            assert rows_of(screen.listing)["tiny"][1] == "ok" and not screen.has_class("-stale")

    play(story())


def test_a_small_terminal_shows_the_list_or_the_editor_and_three_lines_of_costs(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file, size=SmallScreen) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await until(pilot, lambda: "parameters" in screen_text(app))
            shown = screen_text(app)
            assert "wide" in shown
            assert "extends" not in shown
            assert "? help" in shown
            assert "q quit" in shown
            assert "fits" in shown.splitlines()[-3]
            assert "unknown until measured" in shown.splitlines()[-2]
            await pilot.press("enter")
            await until(pilot, lambda: "extends" in screen_text(app))
            assert "wide" not in screen_text(app)
            assert "parameters" in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: screen.listing.has_focus)
            assert "lr" in screen_text(app)

    play(story())


def test_in_a_small_terminal_a_fault_and_what_is_asked_are_seen_whole(tmp_path: Path) -> None:
    text = TEXT.replace("model.hidden_size = 32", "model.hidden_sze = 32")
    file = make_project(tmp_path, text)

    async def story() -> None:
        async with experiments(file, size=SmallScreen) as (app, pilot, screen):
            assert screen.panel is not None
            screen.panel._set_face("form")
            await choose(pilot, screen, "wide")
            await pilot.press("p")
            toml = screen.panel.toml
            await until(pilot, lambda: toml.has_focus and "model.hidden_sze = 32" in screen_text(app))
            assert toml.scroll_offset.x == 0
            await pilot.press("end", "space")
            last_shown = toml.cursor_location[0] - toml.size.height + 1
            toml.scroll_to(y=last_shown, animate=False, immediate=True)  # later it would scroll over what is tested
            file.write_text(f"{text}# theirs\n")
            await until(pilot, lambda: "experiments.toml was changed by another program  ctrl+o" in screen_text(app))
            await until(pilot, lambda: "model.hidden_sze = 32" in screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: screen.listing.has_focus)
            said = "experiments.toml was changed by another program  ctrl+o decide"
            await until(pilot, lambda: said in screen_text(app) and "tiny" in screen_text(app))

    play(story())


def test_filter_marks_and_place_survive_leaving_the_screen_and_the_program(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await pilot.press("slash", *"smallest")
            assert [row.name for row in screen.listing.rows] == ["tiny"]
            await pilot.press("escape")
            assert len(screen.listing.rows) == 4
            await pilot.press("space", "space")
            assert screen.listing.marked == {"tiny", "wide"}
            await pilot.press("2", "1")
            assert screen.listing.marked == {"tiny", "wide"}
            await choose(pilot, screen, "wide")
            app.keep()
        async with experiments(file) as (app, pilot, screen):
            assert screen.listing.selected is not None
            assert screen.listing.selected.name == "wide"
            assert screen.listing.marked == {"tiny", "wide"}

    play(story())


def test_what_was_chosen_is_in_view_after_a_restart(tmp_path: Path) -> None:
    text = TEXT + "".join(f"[experiment.e{i}]\nextends = 'tiny'\nseed = {i}\n" for i in range(60))
    file = make_project(tmp_path, text)

    async def story() -> None:
        for _ in range(2):
            async with experiments(file) as (app, pilot, screen):
                listing = screen.listing
                if listing.selected is None or listing.selected.name != "e55":
                    await choose(pilot, screen, "e55")
                assert listing.scroll_offset.y <= listing.cursor < listing.scroll_offset.y + listing.size.height - 1
                app.keep()

    play(story())


def test_names_and_values_of_others_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    evil = "[bold red]\\u001b[2J[/]"
    file = make_project(tmp_path, TEXT.replace('"the smallest that learns"', f'"{evil}"'))

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await choose(pilot, screen, "tiny")
            await until(pilot, lambda: "[bold red]\u241b[2J[/]" in screen_text(app))

    play(story())


def test_a_template_of_another_file_is_listed_and_not_edited_here(tmp_path: Path) -> None:
    other = "[template.base.model]" + TEXT.split("[template.base.model]")[1].split("[experiment")[0]
    (tmp_path / "shared.toml").write_text(f"craft = 1\n{other}")
    file = make_project(
        tmp_path, TEXT.replace(other, "").replace("[defaults]", '[project]\ninclude = ["shared.toml"]\n[defaults]', 1)
    )

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            assert rows_of(screen.listing)["tiny"][1] == "ok"
            await choose(pilot, screen, "base")
            assert "(template of" in screen_text(app)
            assert screen.panel is not None
            form = screen.panel.form
            await until(pilot, lambda: "stands in shared.toml, line 2," in screen_text(app))
            wide = next(row for row in form.rows.rows if row.path == ("model", "hidden_size"))
            assert (wide.value, wide.origin, wide.line) == (16, "shared.toml, line 6", 0)
            form.rows.go_to(("model", "hidden_size"))
            form.rows.action_edit()
            await until(pilot, lambda: "This cannot be changed here: it stands" in screen_text(app))
            assert form.editing is None
            screen.listing.focus()
            await pilot.press("enter")
            await until(pilot, lambda: "stands in shared.toml" in " ".join(screen_text(app).split()))
            assert screen.listing.has_focus
            assert not screen.check_action("delete", ())

    play(story())


def test_an_included_file_that_changes_or_appears_is_noticed(tmp_path: Path) -> None:
    shared = tmp_path / "shared.toml"
    file = make_project(tmp_path, TEXT.replace("[defaults]", '[project]\ninclude = ["shared.toml"]\n[defaults]', 1))

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            await until(pilot, lambda: app.check is not None)
            assert rows_of(screen.listing)["tiny"][1] == "wrong"
            shared.write_text("craft = 1\n[template.added]\nseed = 3\n")
            await until(pilot, lambda: rows_of(screen.listing).get("added") == ("template", "ok", None))
            assert rows_of(screen.listing)["tiny"][1] == "ok"
            shared.write_text("craft = 1\n[template.other]\nseed = 3\n")
            await until(pilot, lambda: "other" in rows_of(screen.listing))

    play(story())


def test_another_program_that_writes_the_file_is_noticed(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with experiments(file) as (_, pilot, screen):
            file.write_text(TEXT + "[experiment.added]\nextends = 'tiny'\nseed = 5\n")
            await until(pilot, lambda: "added" in rows_of(screen.listing))
            assert "added" in text_of(screen)
            assert not screen.unsaved()

    play(story())


def test_without_a_file_one_is_written_and_its_experiments_are_there(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("the quick brown fox jumps over the lazy dog. " * 120)
    file = tmp_path / "experiments.toml"

    async def story() -> None:
        async with experiments(file, inspected=False) as (app, pilot, screen):
            await until(pilot, lambda: "There is no" in screen_text(app))
            await pilot.press("i")
            await until(pilot, lambda: "over which text?" in screen_text(app))
            app.screen.query_one(Input).value = "nowhere.txt"
            await until(pilot, lambda: "there is no file" in screen_text(app))
            app.screen.query_one(Input).value = str(tmp_path / "book.txt")
            await pilot.press("enter")
            await until(pilot, lambda: screen.inspection is not None)
            assert {row.name for row in screen.listing.rows} >= {"small", "deeper"}
            assert file.exists()

    play(story())


def test_of_a_file_that_is_not_utf_8_nothing_is_run(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    file.write_bytes(file.read_bytes() + b"# \xe9\n")

    async def story() -> None:
        async with experiments(file, inspected=False) as (app, pilot, screen):
            await until(pilot, lambda: "byte 0xe9 is not UTF-8" in screen_text(app))
            await until(pilot, lambda: screen.panel is not None and screen.inspection is not None)
            assert not screen.listing.rows and screen.plan_chosen("tiny") == []

    play(story())
