"""`craft estimate`, as a process."""

from __future__ import annotations

import json
from pathlib import Path

from craft.config.experiments import load_experiments
from tests.cli.test_validate_show import craft
from tests.config.files import RICH
from tests.launch.project import EXPERIMENTS


def test_figures_of_a_text_that_was_not_read_are_ranges_and_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    done = craft(tmp_path, "estimate", "experiments.toml", "transformer", "precision=fp32", "device=cpu")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "transformer: transformer on python_stdlib, cpu, fp32"
    rows = {line[:32].strip(): line[32:].split() for line in lines[2:] if line}
    assert rows["parameters"] == ["802,816", "to", "851,968"]
    assert rows["attention"] == ["262k"]
    assert "(a guess, not counted yet; craft data prepare experiments.toml transformer)" in done.stdout
    assert "unknown until measured here" in done.stdout
    assert lines[-1].startswith("fits: needs ")


def test_json_has_a_line_for_each_run_of_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    done = craft(tmp_path, "estimate", "experiments.toml", "list", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["axes"]["optimizer.lr"] for record in records] == [0.01, 0.02]
    low, high = records[1]["memory"]["peak"]
    assert 0 < low < high
    assert records[0]["fits"] is True


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    huge = ["model.hidden_size=65536", "model.num_layers=1000", "device=cpu"]
    done = craft(tmp_path, "estimate", "experiments.toml", "transformer", *huge)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("does not fit: needs ")


def test_the_largest_of_a_sweep_is_shown(tmp_path: Path) -> None:
    text = RICH.replace("[experiment.lr.sweep]", "[experiment.lr.sweep]\naxes.model.hidden_size = [64, 512, 128]")
    (tmp_path / "experiments.toml").write_text(text)
    count = len(load_experiments(tmp_path / "experiments.toml").plan(["lr"]))
    done = craft(tmp_path, "estimate", "experiments.toml", "lr")
    line = done.stdout.splitlines()[2]
    assert line.startswith(f"of {count} runs the one that needs most memory: ")
    assert "model.hidden_size = 512" in line


def test_an_unknown_name_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(RICH)
    done = craft(tmp_path, "estimate", "experiments.toml", "transfomer")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'transformer'?" in done.stderr


def test_a_few_real_steps_are_measured_and_known_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 120)
    (tmp_path / "experiments.toml").write_text(EXPERIMENTS)
    done = craft(tmp_path, "estimate", "experiments.toml", "tiny", "training.max_steps=50", "--measure")
    assert done.returncode == 0
    rows = {line[:32].strip(): line[32:].strip() for line in done.stdout.splitlines()}
    assert float(rows["seconds a step"].split()[0]) > 0
    assert rows["loss"].startswith(("2", "3"))
    assert rows["time"].endswith("(measured by a dry run)")
    assert "dry run: measuring" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["experiments.toml", "text.txt"]
    later = craft(tmp_path, "estimate", "experiments.toml", "tiny", "training.max_steps=50", "--json")
    (record,) = map(json.loads, later.stdout.splitlines())
    assert record["seconds_from"] == {"basis": "measured", "sources": ["dry run"]}
    assert 0 < record["seconds"][0] <= record["seconds"][1]
    assert record["measured"]["steps"] > 3
