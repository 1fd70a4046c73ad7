"""What the workbench reads, without a screen."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from craft import platform
from craft.launch.queue.entries import Entry, Queue
from craft.runs.folder import RunFolder
from craft.runs.notes import change_notes
from craft.runs.status import StatusWriter
from craft.runs.store import RunStore, RunSummary
from tests.workbench.harness import opened, play, screen_text, until
from tests.workbench.runs import EXPERIMENTS, make_project, make_run, make_waiting, working
from workbench import memory
from workbench.messages import Looked
from workbench.project import check_project, files_of, read_project, stamp_of
from workbench.screens.runs.arrange import facts_of
from workbench.screens.runs.columns import COLUMNS, columns_for, columns_of, gap_for, progress
from workbench.screens.runs.next_step import state_of
from workbench.screens.runs.rows import cells_of, header
from workbench.watch import ListedRun, RunsReader


def test_project_names_without_the_schema(tmp_path: Path) -> None:
    project = read_project(make_project(tmp_path))
    assert [experiment.name for experiment in project.experiments] == ["transformer", "wide", "lr"]
    assert project.experiments[0].about == "the baseline that everything else must beat"
    assert project.experiments[2].is_sweep and not project.experiments[0].is_sweep
    assert project.runs_dir == tmp_path / "runs"
    assert read_project(project.file, tmp_path / "x").runs_dir == tmp_path / "x"


def test_runs_dir_of_the_file_is_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text('[project]\nruns_dir = "out/runs"\n[experiment.a]\n')
    assert read_project(file).runs_dir == tmp_path / "out" / "runs"


@pytest.mark.parametrize(
    "sound",
    ['[project]\nruns_dir = "r"\n', 'project.runs_dir = "r"\n', 'project = { runs_dir = "r" }\n'],
)
def test_runs_stay_while_the_file_cannot_be_read(tmp_path: Path, sound: str) -> None:
    file = tmp_path / "experiments.toml"
    (tmp_path / "r").mkdir()
    for rest in (b"[broken", b"# \xff"):
        file.write_bytes(sound.encode() + rest)
        project = read_project(file)
        assert project.fault and project.runs_dir == tmp_path / "r" and "still shown" in project.about_runs
    file.write_text('x = "runs_dir')
    assert read_project(file).runs_dir == tmp_path / "runs"
    assert read_project(file, None, tmp_path / "r").runs_dir == tmp_path / "r"
    file.unlink()
    gone = read_project(file, None, tmp_path / "r")
    assert not gone.exists and gone.runs_dir == tmp_path / "r" and gone.is_stale


def test_what_is_no_file_to_read_is_not_looked_through_for_its_runs_either(tmp_path: Path) -> None:
    pipe, large, endless = (tmp_path / name for name in ("pipe.toml", "large.toml", "endless.toml"))
    os.mkfifo(pipe)
    large.write_text('[project]\nruns_dir = "r"\n' + "# \n" * 350_000)
    endless.write_text("project = { runs_dir" + ".a" * 100_000 + " = 1 }\n")  # minutes for tomllib
    for file in (pipe, large, endless):
        project = read_project(file)
        assert project.fault and project.runs_dir == tmp_path / "runs"


def test_runs_are_found_again_though_their_file_was_moved_away(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text('[project]\nruns_dir = "r"\n')
    make_run(tmp_path / "r", "a")

    async def story() -> None:
        async with opened(file) as (app, pilot):
            file.rename(tmp_path / "elsewhere.toml")
            await until(pilot, lambda: "its runs are still shown" in screen_text(app))
            assert [run.name for run in app.runs] == ["a-001"]
        async with opened(file) as (app, _):
            assert [run.name for run in app.runs] == ["a-001"]

    play(story())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "experiment = 3",
        "[experiment]\na = 1\nb = []",
        "project = 5",
        "x = " + "[" * 5000,
        "a." * 5000 + "b = 1",
    ],
)
def test_no_file_is_too_strange(tmp_path: Path, text: str) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text(text)
    project = read_project(file)
    assert project.exists and len(project.experiments) <= 2
    assert check_project(file).count >= 1


def test_missing_file_is_no_fault(tmp_path: Path) -> None:
    project = read_project(tmp_path / "experiments.toml")
    assert not project.exists and not project.fault
    assert stamp_of(project.file) is None


def test_commands_are_quoted_for_a_shell(tmp_path: Path) -> None:
    file = tmp_path / "my experiments.toml"
    file.write_text(EXPERIMENTS)
    assert read_project(file).run_command == f"craft run '{file}'"


def test_the_schema_says_which_experiment_is_wrong(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    assert check_project(file).count == 0
    file.write_text(EXPERIMENTS.replace("model.hidden_size = 256", "model.hidden_sze = 256"))
    check = check_project(file)
    assert list(check.problems) == ["wide"] and "hidden_size" in check.problems["wide"][0]


def test_what_a_file_is_read_with_is_known_also_where_it_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text('plugins = ["own.py"]\n[project]\ninclude = ["sub/a.toml", "gone.toml", "\\u0000", 7]\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.toml").write_text('[project]\ninclude = ["../experiments.toml", "b.toml"]\n')
    found = [str(one.relative_to(tmp_path)) for one in files_of(file)]
    assert found == ["experiments.toml", "sub/a.toml", "gone.toml", "\0", "own.py", "sub/b.toml"]
    assert [stamp_of(one) is None for one in files_of(file)] == [False, False, True, True, True, True]


def test_a_run_without_news_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over, live = make_run(tmp_path, "over", age=10), make_run(tmp_path, "live", phase="running", age=5)
    waiting = make_waiting(tmp_path, "waiting", age=3)
    read: list[str] = []
    summary = RunStore.summary

    def counted(self: RunStore, folder: RunFolder):  # type: ignore[no-untyped-def]
        read.append(folder.name)
        return summary(self, folder)

    def looked(reader: RunsReader) -> tuple[list[RunSummary], list[str]]:
        read.clear()
        return reader.read(), sorted(read)

    monkeypatch.setattr(RunStore, "summary", counted)
    monkeypatch.setattr("workbench.watch._SETTLES_NS", 0)
    reader = RunsReader(tmp_path)
    with working(live):
        first, names = looked(reader)
        assert [run.name for run in first] == [live.name, waiting.name, over.name] and len(names) == 3
        again, names = looked(reader)
        assert names == [live.name] and all(one is other for one, other in zip(first, again, strict=True))
        change_notes(over, star=True, add=["base"])
        starred, names = looked(reader)
        assert over.name in names
        assert [run.notes.star for run in starred if isinstance(run, ListedRun)] == [False, False, True]
        StatusWriter(over).write(phase="running", step=7)  # resumed
        with working(over):
            assert {run.name: run.phase for run in reader.read()}[over.name] == "running"
    phases = {run.name: run.phase for run in reader.read()}
    assert phases == {live.name: "interrupted", over.name: "interrupted", waiting.name: "queued"}
    (tmp_path / over.name).rename(tmp_path.parent / "elsewhere")
    assert {run.name for run in reader.read()} == {live.name, waiting.name}


def test_what_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    """A folder's time moves in steps: within one of them a second change leaves the same time."""
    folder = make_run(tmp_path)
    reader = RunsReader(tmp_path)
    reader.read()
    seen = folder.path.stat()
    StatusWriter(folder).write(step=499)
    os.utime(folder.path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert reader.read()[0].step == 499


def test_those_that_wait_stand_in_the_order_of_the_queue_with_their_reasons(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path, name, phase="queued", step=0, age=age) for name, age in (("a", 30), ("b", 20), ("c", 10))
    ]
    queue = Queue(tmp_path)
    queue.pause()
    queue.add(Entry(folder.name, "cpu", 1, 0.0) for folder in (runs[2], runs[0]))
    reader = RunsReader(tmp_path)
    found = reader.read()
    assert [run.name for run in found] == ["c-001", "a-001", "b-001"]
    assert "the queue is paused" in found[0].reason
    # As `craft runs` says it: its claim alone would have it wait for ever.
    assert (found[2].phase, found[2].reason) == ("interrupted", "it was queued, but is in no queue any more")
    assert all(run is again for run, again in zip(found, reader.read(), strict=True)), "no news, no new object"
    queue.add([Entry("b-001", "cpu", 1, 0.0)])
    assert [(run.name, run.phase) for run in reader.read()][2] == ("b-001", "queued"), "its folder is as it was"


def test_what_was_chosen_survives_damage() -> None:
    kept = memory.of_person()
    assert kept.get("theme", "craft-dark") == "craft-dark"
    kept.set("theme", "craft-light")
    kept.set("split.runs", 1)
    kept.flush()
    again = memory.of_person()
    assert again.get("theme", "") == "craft-light" and again.get("split.runs", 0.5) == 1.0
    assert again.get("theme", False) is False, "another type is not taken"
    file = Path(os.environ["CRAFT_STATE_DIR"]) / "workbench.json"
    for text in ("", "[]", '{"theme": 5}', "\x00", "[" * 100_000):
        file.write_text(text)
        assert memory.of_person().get("theme", "craft-dark") == "craft-dark"


def test_what_is_chosen_is_written_by_the_clock_while_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = memory.of_person()
    write = platform.write_file_atomic

    def slowly(path: Path, content: bytes) -> None:
        time.sleep(0.04)
        write(path, content)

    monkeypatch.setattr(platform, "write_file_atomic", slowly)
    for value, written in ((1, 1), (2, 2), (3, 2)):
        kept.set("value", value)
        assert memory.of_person().get("value", 0) == written
    kept.flush()
    assert memory.of_person().get("value", 0) == 3


@pytest.mark.parametrize("width", [10, 24, 40, 60, 77, 78, 79, 99, 100, 118, 160, 300])
def test_rows_are_as_wide_as_their_heading_and_fit(tmp_path: Path, width: int) -> None:
    make_run(tmp_path, "a-very-long-name-of-an-experiment-that-goes-on", step=12_345, max_steps=123_456)
    run = RunStore(tmp_path).list()[0]
    name_width, columns = columns_for(width, len(run.name))
    cells = cells_of(run, run.created + 59, name_width, columns, False)
    gaps = gap_for(width) * len(columns)
    total = sum(len(cell.text) for cell in cells) + gaps
    parts = header(width, len(run.name), False)
    assert total == sum(len(text) for text, _ in parts) + gaps <= width or width < 16
    if width >= 77:
        assert [column.title for column in columns if column.title] == [c.title for c in COLUMNS if c.title]
    assert (width >= 118) <= any(not column.title for column in columns), "the bar comes with room"


def test_what_runs_that_are_over_are_sorted_and_filtered_by_stands_in_the_list(tmp_path: Path) -> None:
    make_run(tmp_path, tokens_per_second=25_100.0, eta_seconds=9.0)
    (run,) = RunStore(tmp_path).list()
    for key in ("train/loss", "val/loss", "speed", "eta", "age"):
        _, cell = cells_of(run, run.created + 59, 20, columns_of([key]), False)
        assert (cell.text.strip() == "-") == (facts_of(run)(key) is None), key
    _, cell = cells_of(run, run.created + 59, 20, columns_of(["speed"]), False)
    assert cell.text == "25.1k" and cell.tone == "quiet", "no worker is at it"


@pytest.mark.parametrize(("gone", "said"), [(False, "; x deletes it"), (True, "mended")])
def test_deleting_is_not_advised_where_it_is_refused(tmp_path: Path, gone: bool, said: str) -> None:
    folder = make_run(tmp_path)
    folder.run_json.unlink() if gone else folder.run_json.write_text("{")
    (run,) = RunStore(tmp_path).list()
    state = state_of(run, 0.0)
    assert state.word == "damaged" and state.next.endswith(said)


def test_progress_of_odd_claims(tmp_path: Path) -> None:
    make_run(tmp_path, step=600, max_steps=500)
    make_run(tmp_path, step=5, max_steps=0)
    runs = RunStore(tmp_path).list()
    assert sorted(str(progress(run)) for run in runs) == ["1.0", "None"]


def test_a_look_that_comes_while_the_program_ends_is_let_go(tmp_path: Path) -> None:
    file = make_project(tmp_path)

    async def story() -> None:
        async with opened(file) as (app, _):
            place = app.place
        app._take_look(Looked([], place, lambda: pytest.fail("shown on a screen that is taken down")))

    play(story())
