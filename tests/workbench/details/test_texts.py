"""Events, definition, system and about."""

from __future__ import annotations

from pathlib import Path

from craft.runs.changes import Change, write_changes
from craft.runs.checkpoints import commit_checkpoint
from craft.runs.events import append_event
from craft.runs.folder import update_identity
from craft.runs.notes import change_notes
from craft.runs.store import RunStore
from tests.workbench.details.stage import append, at_details, full_run, lines_view, row_with, shown_tab
from tests.workbench.harness import play, screen_text, until
from tests.workbench.runs import make_run, working
from workbench.screens.runs.details.definition import _other_of, toml_line
from workbench.screens.runs.details.machine import Gpu, Machine


def test_events_follow_filter_by_kind_and_stand_odd_ones(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs", phase="running")
    odd = [
        {"kind": None},
        {"time": "x", "kind": "z" * 400},
        {"time": 1e300, "kind": "[b]", "text": {"a": ["\x1b]52;c;x"]}},
        {},
    ]
    append(folder.events, "{torn", "[1]", *odd)

    async def story() -> None:
        with working(folder):
            async with at_details(tmp_path, "events") as (app, pilot, details):
                await until(pilot, lambda: "2 damaged lines left out" in screen_text(app))
                assert "the disk is nearly full" in screen_text(app) and "\x1b" not in screen_text(app)
                append_event(folder, "rolled_back", step=10, reason="a spike", from_step=30)
                await until(pilot, lambda: "step 10  a spike  from_step 30" in screen_text(app))
                await pilot.press("f", *"checkpoint", "enter")
                await until(pilot, lambda: "only checkpoint" in screen_text(app))
                assert "a spike" not in screen_text(app) and "step 200" in screen_text(app)
                count = len(lines_view(details).lines)
                append_event(folder, "checkpoint", step=77)
                await until(pilot, lambda: len(lines_view(details).lines) == count + 1)

    play(story())


def test_the_definition_with_changes_and_its_difference(tmp_path: Path) -> None:
    parent = make_run(tmp_path / "runs", age=900)
    child = make_run(tmp_path / "runs", age=5)
    child.definition.write_text(child.definition.read_text().replace("num_layers = 4", "num_layers = 6"))
    write_changes(child, [Change(40, values={"optimizer.lr": 0.01}, before={"optimizer.lr": 0.02})])
    update_identity(child, parent_run=parent.name, parent_step=100)

    async def story() -> None:
        async with at_details(tmp_path, "definition") as (app, pilot, details):
            await until(pilot, lambda: "from step 41 on  optimizer.lr: 0.02 -> 0.01" in screen_text(app))
            assert "num_layers = 6" in screen_text(app)
            await pilot.press("d")
            await until(pilot, lambda: f"against {parent.name}, its parent" in screen_text(app))
            assert row_with(app, "model.num_layers  4  ->  6") > 0 and "model.type" not in screen_text(app)
            child.definition.write_text("[bold]x = \n\x1b[31m")
            shown_tab(details).look()
            await until(pilot, lambda: f"the definition of {child.name} cannot be read" in screen_text(app))
            await pilot.press("d")
            await until(pilot, lambda: "[bold]x =" in screen_text(app))
            assert "\x1b" not in screen_text(app)

    play(story())


def test_the_first_run_of_an_experiment_is_compared_with_one_of_what_it_extends(tmp_path: Path) -> None:
    for name, age in (("base", 900), ("base", 800), ("leaf", 5)):
        make_run(tmp_path, name, age=age)
    runs = RunStore(tmp_path).list()
    leaf = runs[-1]
    # Over a template, which has no runs, and not round and round.
    other, kind = _other_of(leaf, runs, {"leaf": "template", "template": "base", "base": "leaf"})
    assert other is not None and other.name == "base-002"
    assert kind == "the newest run of base, which leaf extends"
    assert _other_of(leaf, runs, {"leaf": "none", "none": "leaf"}) == (None, "")


def test_light_colours_change_no_character() -> None:
    for line in ('[a."b]"]', 'key.sub = "x # y" # z', "a = -1e3, true", "  x = 'it' ]", "= = [", '"open = 3'):
        assert "".join(text for text, _ in toml_line(line)) == line
    assert ("# z", "quiet") in toml_line('key = "x # y" # z')


def test_about_says_who_it_is_what_is_on_disk_and_when_it_last_moved(tmp_path: Path) -> None:
    folder = full_run(tmp_path / "runs", phase="running", step=100)
    for step, value in ((50, 2.0), (100, 3.0)):
        commit_checkpoint(
            folder,
            step,
            lambda place: (place / "a").write_bytes(b"x" * 5000) and None,
            monitor_value=value,
            monitor="val/loss",
        )
    (folder.checkpoints / "step-00000070").mkdir()
    change_notes(folder, star=True, note="look at [this]", add=["good"])

    async def story() -> None:
        with working(folder):
            async with at_details(tmp_path, "about") as (app, pilot, _):
                await until(pilot, lambda: "its worker wrote" in screen_text(app))
                text = screen_text(app)
                assert "look at [this]" in text and "starred  good" in text and "time left" in text
                line = text.splitlines()[row_with(app, "step 50 ")]
                assert "best" in line and "2.000" in line and "kB" in line
                assert "latest" in text.splitlines()[row_with(app, "3.000")]
                assert "damaged: manifest.json" in text.splitlines()[row_with(app, "step 70 ")]
                first = text.splitlines()[row_with(app, "heartbeat")]
                await until(pilot, lambda: screen_text(app).splitlines()[row_with(app, "heartbeat")] != first)
                folder.run_json.write_text("{broken")
                await until(pilot, lambda: "run.json is damaged" in screen_text(app))

    play(story())


def test_the_machine_in_words() -> None:
    gpu = Gpu("H200", "97", "1024", "143771", "61", "[N/A]")
    machine = Machine("box", 8, (0.5, 1.0, 2.0), (3_000_000_000, 16_000_000_000), None, [gpu])
    assert machine.lines() == [
        "box now: 8 cores, load 0.5 1.0 2.0, 3 GB of 16 GB memory free",
        "H200: 97% busy, 1.0 of 140.4 GiB, 61 C",
    ]


def test_what_the_system_callback_recorded_is_drawn(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs")
    records = (
        {"step": 501 + n, "time": 13.0 + n, "tokens": n, "system/memory_gib": 1.5, "system/cpu_percent": 99.0}
        for n in range(3)
    )
    append(folder.metrics, *records)

    async def story() -> None:
        async with at_details(tmp_path, "system") as (app, pilot, _):
            await until(pilot, lambda: "memory of the worker" in screen_text(app) and "1.5 GiB" in screen_text(app))
            await until(pilot, lambda: "processor" in screen_text(app) and " cores, load" in screen_text(app))
            assert "learning rate" not in screen_text(app)

    play(story())
