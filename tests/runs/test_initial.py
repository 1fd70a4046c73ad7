"""What an `init_from` names, and where it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.config.initial_weights import WeightsSource, absolute_source, parse_source
from craft.errors import CheckpointError, ConfigError, RunError
from craft.runs.checkpoints import commit_checkpoint, step_folder
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.initial import find_weights, require_weights
from tests.config.files import load


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("base", WeightsSource("run", "base", "")),
        ("base-001@500", WeightsSource("run", "base-001", "500")),
        ("base@best", WeightsSource("run", "base", "best")),
        ("runs/base-001@latest", WeightsSource("path", "runs/base-001", "latest")),
        ("ckpt.pt", WeightsSource("path", "ckpt.pt", "")),
        ("./a@b", WeightsSource("path", "./a@b", "")),
        ("hf:openai-community/gpt2", WeightsSource("hub", "openai-community/gpt2", "")),
        ("hf:gpt2", WeightsSource("hub", "gpt2", "")),
    ],
)
def test_a_text_names_a_run_a_path_or_a_model_of_the_hub(text: str, source: WeightsSource) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize("text", ["a@first", "hf:", "hf:../x", "hf:a/b/c", "hf:a b", "@best", " "])
def test_what_names_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"experiments.toml:3:13: .*init_from: "):
        load(tmp_path, f"craft = 1\n[experiment.x]\ninit_from = '{text}'\nmodel = {{ type = 'transformer' }}\n")


def test_a_path_is_seen_from_the_file_it_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "craft = 1\n[experiment.x]\ninit_from = 'runs/a-001@best'\nmodel = { type = 'transformer' }\n"
    file = load(tmp_path, text)
    assert file.plan()[0].config.init_from == f"{tmp_path}/runs/a-001@best"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (planned,) = file.plan(["x"], ["init_from=../w.pt"])
    assert planned.config.init_from == f"{tmp_path}/w.pt"
    assert absolute_source(tmp_path, "a-001@best") == "a-001@best"
    assert absolute_source(tmp_path, "hf:a/b") == "hf:a/b"


def make(runs_dir: Path, experiment: str, *steps: int) -> RunFolder:
    identity = RunIdentity(experiment=experiment)
    folder = create_run(runs_dir, experiment=experiment, definition_toml="", identity=identity)
    for step in steps:
        commit_checkpoint(
            folder, step, lambda partial: (partial / "a").write_text("x") and None, monitor_value=abs(step - 20)
        )
    return folder


def test_a_run_gives_the_checkpoint_that_is_named(tmp_path: Path) -> None:
    first = make(tmp_path, "base", 10, 20, 30)
    for text, step in [("base", 30), ("base-001@10", 10), ("base@best", 20), (f"{first.path}@20", 20)]:
        assert find_weights(text, tmp_path) == step_folder(first, step), text
    assert find_weights(str(step_folder(first, 10)), tmp_path) == step_folder(first, 10)


def test_an_experiment_means_its_newest_run_with_weights_and_never_the_one_that_asks(tmp_path: Path) -> None:
    make(tmp_path, "base", 10)
    second, own = make(tmp_path, "base", 10), make(tmp_path, "base", 20)
    make(tmp_path, "base")  # queued, without a checkpoint
    assert find_weights("base", tmp_path, own=own.name) == step_folder(second, 10)
    with pytest.raises(RunError, match="this is the run itself"):
        find_weights(own.name, tmp_path, own=own.name)


def test_what_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path, "base", 10)
    with pytest.raises(RunError, match='init_from = "bse": no run'):
        find_weights("bse", tmp_path)
    with pytest.raises(CheckpointError, match='init_from = "base@5": base-001 has no checkpoint of step 5'):
        find_weights("base@5", tmp_path)
    place = step_folder(folder, 10)
    (place / "a").write_text("y")
    with pytest.raises(CheckpointError, match="a: its content is not what was written"):
        find_weights(str(place), tmp_path)


def test_weights_of_a_run_that_is_planned_beside_may_come_later(tmp_path: Path) -> None:
    require_weights("base@best", tmp_path, {"base", "next"})
    with pytest.raises(RunError):
        require_weights("base@best", tmp_path, {"next"})
