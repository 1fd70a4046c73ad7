"""Run folders, files and logs can hold anything: nothing of it may command the terminal or the toolkit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from craft.runs.events import append_event
from craft.runs.folder import RunFolder
from craft.runs.json_files import sealed
from tests.escapes import HARMFUL, MARKUP, TERMINAL_ESCAPES
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.app import Workbench
from workbench.screens.runs.details.panel import RunDetails
from workbench.screens.runs.table import RunTable

CORPUS = [*TERMINAL_ESCAPES.values(), *MARKUP]
TOGETHER = 10  # texts of the corpus that share a run, so that one visit to its details shows them all


def _is_clean(app: Workbench) -> bool:
    return not (HARMFUL - {"\n"}) & set(screen_text(app))


def _name_for_a_folder(text: str) -> str:
    return text.replace("\x00", "").replace("/", "|").encode("utf-8", "replace").decode()[:60]


def _evil_run(runs: Path, name: str, evil: str, number: int) -> None:
    """A run that holds `evil` wherever a run can hold text, and is called `name`."""
    folder = make_run(runs, phase="failed", step=20, age=1000 - number, error=f"error {evil}", message=evil)
    append_event(folder, f"kind {evil}", words=f"words {evil}", **{f"name {evil}": [evil]})
    folder.log.write_bytes(f"log {evil}\nlast line {number}".encode("utf-8", "surrogatepass"))
    folder.definition.write_bytes(f"definition = {evil}\n".encode("utf-8", "surrogatepass"))
    identity = json.loads(folder.run_json.read_text())
    identity |= {"experiment": evil, "source": evil, "axes": {evil: evil}, "versions": {evil: evil}, "group": evil}
    folder.run_json.write_text(json.dumps(sealed(identity)))
    (folder.path / "notes.json").write_text(json.dumps({"star": True, "tags": [evil], "note": evil}))
    folder.path.rename(folder.path.with_name(f"{_name_for_a_folder(name)}-{number}"))


def test_every_place_that_shows_foreign_text(tmp_path: Path) -> None:
    """Names, claims, events, logs and definitions, on every screen and in notes; no click on them runs anything."""
    file = make_project(tmp_path)
    tables = [f"[experiment.{json.dumps(evil)}]\nextends = 'small'\nwhy = {json.dumps(evil)}\n" for evil in CORPUS]
    file.write_text(file.read_text() + "".join(tables).replace("\\ud800", "\\ufffd").replace("\x7f", "\\u007f"))
    for number, evil in enumerate(CORPUS):
        _evil_run(tmp_path / "runs", evil, " ".join(CORPUS[number : number + TOGETHER]), number)

    async def story() -> None:
        async with opened(file, size=(160, 60)) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == len(CORPUS) and "problem" in screen_text(app))
            for number in range(0, len(CORPUS), TOGETHER):
                place = next(i for i, run in enumerate(table.runs) if run.name.endswith(f"-{number}"))
                table.cursor = place
                name = table.runs[place].name
                app.say(" ".join(CORPUS[number : number + TOGETHER]), "warning")
                await until(pilot, lambda: "failed" in screen_text(app) and "error" in screen_text(app))
                assert _is_clean(app)
                await pilot.press("enter")
                for key, words in (
                    ("W", f"last line {number}"),
                    ("E", "words "),
                    ("D", "definition ="),
                    ("A", "experiment"),
                ):
                    await pilot.press(key)
                    await until(pilot, lambda words=words: words in screen_text(app))
                    assert _is_clean(app)
                    await pilot.click(RunDetails, offset=(18, 3))
                    await pilot.click(RunDetails, offset=(14, 6))
                await pilot.press("escape")
                await until(pilot, lambda: table.has_focus)
                for key, question in (("m", "What to do with"), ("n", "Note on"), ("T", "Tags of"), ("x", "Delete")):
                    await pilot.press(key)
                    await until(pilot, lambda question=question: question in screen_text(app))
                    assert _is_clean(app)
                    await pilot.press("escape")
                    await until(pilot, lambda: app.screen is app.place)
                assert table.selected and table.selected.name == name
            assert app.is_running

    play(story())


DAMAGE: list[Any] = [
    "",
    "{",
    "null",
    "[]",
    '"text"',
    "\x00\x00",
    '{"experiment": 5}',
    '{"phase": "running", "step": "many", "max_steps": null, "updated": "yesterday", "progressed": []}',
    '{"phase": "running", "step": 1e999, "max_steps": -1, "train_loss": "NaN", "tokens_per_second": {}}',
    '{"phase": "finished", "step": 18446744073709551616, "eta_seconds": -1e300, "error": 5, "message": []}',
    '{"phase": "dancing", "step": true}',
    '{"experiment": "x", "created": "long ago", "axes": 3, "versions": [], "chosen": null}',
    '{"experiment": "x", "created": -1e308}',
    "{}" * 1000,
]


def test_damaged_folders_are_listed_and_harm_nobody(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    for number, damage in enumerate(DAMAGE):
        # Identity and claim hold values; of the others the lines alone count.
        for name in ("run_json", "status", *(("metrics", "events", "owner") if number < 4 else ())):
            folder = make_run(tmp_path / "runs", name.replace("_", "-"), step=10, age=100)
            getattr(folder, name).write_text(damage)

    async def story() -> None:
        async with opened(file, size=(100, 40)) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 2 * len(DAMAGE) + 12)
            for index, run in enumerate(table.runs):
                table.cursor = index
                if run.name.startswith("run-json") or index % 10 == 0:
                    await pilot.press("enter")
                    await until(pilot, lambda: app.screen.has_class("-opened"))
                    await pilot.press("A", "escape")
                    await until(pilot, lambda: table.has_focus)

    play(story())


def test_a_folder_that_is_damaged_says_how(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    folder = make_run(tmp_path / "runs")
    folder.run_json.write_text("{")
    folder.metrics.unlink()

    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "damaged" in screen_text(app) and "run.json" in screen_text(app))

    play(story())


def test_files_that_cannot_be_read_are_no_end(tmp_path: Path) -> None:
    """Folders in the place of files, a pipe in the place of the log, a link to nowhere."""
    file = make_project(tmp_path)
    for name in ("status", "metrics", "events", "log", "definition"):
        folder = make_run(tmp_path / "runs", name)
        path: Path = getattr(folder, name)
        path.unlink()
        path.mkdir()
    dangling = RunFolder(tmp_path / "runs" / "dangling-001")
    dangling.path.symlink_to(tmp_path / "nowhere")
    (tmp_path / "runs" / "a file").write_text("")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            table = app.screen.query_one(RunTable)
            await until(pilot, lambda: len(table.runs) == 5)
            for _ in range(5):
                await pilot.press("enter", "A")
                await until(pilot, lambda: "folder" in screen_text(app))
                await pilot.press("W", "E", "D", "escape")
                await until(pilot, lambda: table.has_focus)
                await pilot.press("down")

    play(story())


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CLAIMED = ["phase", "step", "max_steps", "tokens", "tokens_per_second", "eta_seconds", "train_loss", "val_loss"]
CLAIMED += ["best", "best_step", "message", "error", "host", "updated", "progressed"]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(CLAIMED), json_values))
def test_any_claim_makes_a_row(tmp_path_factory: pytest.TempPathFactory, claim: dict[str, Any]) -> None:
    from craft.runs.store import RunStore
    from workbench.screens.runs.columns import columns_for
    from workbench.screens.runs.rows import cells_of

    folder = make_run(tmp_path_factory.mktemp("runs"), step=0)
    folder.status.write_text(json.dumps({"phase": "running", **claim}))
    for run in RunStore(folder.path.parent).list():
        for width in (40, 80, 140):
            name_width, columns = columns_for(width, 20)
            assert cells_of(run, 1e9, name_width, columns, False)
