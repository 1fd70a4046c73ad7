"""What the panel says of every type of model, of code of a person's own, and of what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from craft.analysis.numbers import format_count
from craft.analysis.past_speed import ExpectedTime
from craft.config.estimate import MachineMemory, Range
from tests.workbench.experiments.projects import TEXT, choose, experiments, make_project
from tests.workbench.harness import play, screen_text, until
from workbench.screens.experiments.costing import CostsReader, Weighed
from workbench.screens.experiments.costs_text import CostsText
from workbench.screens.experiments.rows import COLUMNS

OWN = """
from craft.training.callbacks.base import Callback

class {name}(Callback):
    def __init__(self, width=8):
        pass
"""


def weighed(file: Path, text: str, name: str = "one") -> Weighed:
    reader = CostsReader(file)
    return reader.weigh(reader.inspect(text), text, name, "experiment", 1)


def with_model(model: str) -> str:
    return TEXT + f"[experiment.one]\nmodel = {{ {model} }}\n"


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [30, 70, 160])
@pytest.mark.parametrize(
    "model",
    [
        'type = "transformer", num_layers = 2, num_heads = 2, hidden_size = 32',
        'type = "transformer", preset = "gpt2"',
        'type = "lstm", num_layers = 2, hidden_size = 32',
        'type = "rnn", hidden_size = 32',
    ],
)
def test_every_type_of_model_has_all_its_figures(tmp_path: Path, model: str, width: int, ascii_only: bool) -> None:
    found = weighed(make_project(tmp_path), with_model(model))
    assert found.costs is not None
    text = CostsText(width, ascii_only=ascii_only)
    panel, strip = text.panel(found).plain, text.strip(found).plain
    for label in ("time", "memory", "parameters", "FLOPs", "length", "tokens/param"):
        assert label in panel
    assert max(map(len, panel.splitlines())) <= width
    assert len(strip.splitlines()) == 3
    assert max(map(len, strip.splitlines())) <= width
    assert panel.isascii() or not ascii_only


def test_a_model_of_a_library_says_that_it_has_to_be_measured(tmp_path: Path) -> None:
    """The measuring itself is stated in tests/config/estimate/test_measured.py."""
    text = with_model('type = "hf", num_layers = 1, num_heads = 2, hidden_size = 16')
    found = weighed(make_project(tmp_path), text)
    assert found.needs_measuring
    assert "has to be measured" in CostsText(60, ascii_only=False).strip(found).plain


def test_a_name_that_no_folder_bears_is_remarked_on_once() -> None:
    def said(name: str) -> str:
        return CostsText(90, ascii_only=False).panel(Weighed(name, "experiment", 0)).plain

    assert "its runs are called run-001" in said("\u65e5\u672c\u8a9e-\u5b9f\u9a13")
    assert "called" not in said("Wide_2.1")


def test_what_does_not_fit_says_what_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craft.launch.costs.memory_here", lambda _: [MachineMemory("this machine", 2 * 10**9, 10**9)])
    text = with_model('type = "transformer", num_layers = 4, num_heads = 4, hidden_size = 512')
    text += 'data = { type = "text", path = "text.txt", context_length = 512 }\ntraining.batch_size = 64\n'
    found = weighed(make_project(tmp_path), text)
    assert found.costs is not None
    assert found.costs.fit.word == "does not fit"
    size = int(found.costs.advice.split("training.micro_batch_size = ")[1].split()[0])
    assert 1 <= size < 64
    smaller = weighed(make_project(tmp_path), text + f"training.micro_batch_size = {size}\n")
    assert smaller.costs is not None
    assert smaller.costs.fit.word == "fits"
    larger = weighed(make_project(tmp_path), text + f"training.micro_batch_size = {2 * size}\n")
    assert larger.costs is not None
    assert larger.costs.fit.word != "fits"
    assert found.costs.advice in " ".join(CostsText(50, ascii_only=False).panel(found).plain.split())


def test_of_parameters_that_go_by_a_guess_the_list_has_the_most_and_the_panel_says_so(tmp_path: Path) -> None:
    file = make_project(tmp_path)
    reader = CostsReader(file)
    inspection = reader.inspect(TEXT)
    (brief,) = (brief for name, brief in reader.briefs(inspection, lambda: True) if name == "tiny")
    found = weighed(file, TEXT, "tiny")
    assert found.costs is not None and not found.costs.figures.is_prepared
    assert brief.parameters == f"<={format_count(found.costs.figures.total_parameters.high)}"
    assert len(brief.parameters) <= next(column.width for column in COLUMNS if column.title == "params")
    said = " ".join(CostsText(50, ascii_only=True).panel(found).plain.split())
    assert "some figures are ranges, for a vocabulary guessed at 64 to 256" in said


def test_a_sweep_adds_up_its_runs(tmp_path: Path) -> None:
    found = weighed(make_project(tmp_path), TEXT, "lr")
    assert found.totals is not None
    assert found.costs is not None
    assert (found.totals.runs, found.totals.unknown) == (2, 2)
    assert found.totals.disk.high == pytest.approx(
        2 * 2 * (found.costs.figures.memory["weights"].high + found.costs.figures.memory["optimizer"].high)
    )


def test_a_large_sweep_is_said_to_take_as_long_as_its_first_run_each_time(tmp_path: Path) -> None:
    text = (
        with_model('type = "rnn", hidden_size = 32') + f"sweep.axes.optimizer.lr = {[n / 1e4 for n in range(1, 101)]}\n"
    )
    found = weighed(make_project(tmp_path), text)
    assert found.costs is not None and found.totals is None and found.runs == 100
    minute = ExpectedTime(Range(60, 60), Range(1e3, 1e3), "same", ("one-001",))
    found = replace(found, costs=replace(found.costs, expected=minute))
    shown = CostsText(70, ascii_only=False)
    for said in (shown.panel(found).plain, shown.strip(found).plain):
        assert "about 1h 40m" in said and "the first x 100" in said


def test_code_of_ones_own_is_not_checked_until_a_process_has_imported_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN.format(name="Other"))
    text = (
        TEXT + "[experiment.one]\nextends = 'tiny'\ncallbacks.own = { type = 'mine:Own', arguments = { width = 4 } }\n"
    )
    file = make_project(tmp_path, text)

    async def story() -> None:
        async with experiments(file) as (app, pilot, screen):
            verdicts = {row.name: row.verdict for row in screen.listing.rows}
            assert verdicts["one"] == "not checked"
            assert verdicts["tiny"] == "ok"
            await until(
                pilot, lambda: {row.name: row.verdict for row in screen.listing.rows}["one"] == "wrong", within=60
            )
            await choose(pilot, screen, "one")
            await until(pilot, lambda: "has no Own" in " ".join(screen_text(app).split()))
            (tmp_path / "mine.py").write_text(OWN.format(name="Own"))
            assert screen.panel is not None
            screen.panel.apply(text + "seed = 3\n", "another")
            await until(pilot, lambda: {row.name: row.verdict for row in screen.listing.rows}["one"] == "ok", within=60)
            # What it takes is known now, so that no process is needed to see the next mistake at its place.
            screen.panel.apply(text.replace("width", "widht"), "a slip")
            await until(pilot, lambda: "arguments.widht: unknown key" in screen_text(app))
            assert screen.panel.known["mine:Own"].sections == ("callbacks",)

    play(story())
