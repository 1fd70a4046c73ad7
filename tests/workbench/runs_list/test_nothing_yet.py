"""Without runs, without a file, with a broken one: what is said, and what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.workbench.harness import SmallScreen, WideScreen, opened, play, screen_text, until
from tests.workbench.runs import EXPERIMENTS, make_demo, make_project, make_run


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
