"""`craft evaluate`: its lines and objects, its errors, and a run that trains on meanwhile."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from craft.cli import main
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsReader
from tests.launch.project import Project, wait_for
from tests.training import runs
from tests.training.test_resume import run_here

TRAINING = {"max_steps": 20, "batch_size": 4, "eval_every": 10}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A finished run, and its project as the working directory."""
    monkeypatch.chdir(tmp_path)
    config = runs.definition(runs.write_text(tmp_path / "text.txt"), training=TRAINING, checkpoint={"every": 10})
    folder = runs.make_run(tmp_path / "runs", config)
    run_here(folder, config)
    return folder


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command in this process: exit status, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["craft", "evaluate", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        return int(left.value.code or 0), output.out, output.err

    return call


def test_it_prints_the_figures_of_training_and_the_speed(real_project: Project) -> None:
    done = real_project.craft("run", "experiments.toml", "tiny")
    assert done.returncode == 0, done.stderr
    found = real_project.craft("evaluate", "tiny", "--json")
    assert (found.returncode, found.stderr) == (0, "")
    split, *speeds = map(json.loads, found.stdout.splitlines())
    reader = MetricsReader(real_project.run("tiny-001").metrics)
    reader.poll()
    for name in ("loss", "perplexity", "accuracy", "bits_per_byte"):
        assert split[name] == reader.last(f"val/{name}"), name
    assert (split["kind"], split["run"], split["step"], split["split"]) == ("split", "tiny-001", 20, "val")
    assert (split["same_as_recorded"], split["differs"]) == (True, [])
    assert (split["tokens"], split["bytes"], split["window"]) == (539, 539, 16)
    assert [(one["kind"], one["batch_size"]) for one in speeds] == [("speed", 1), ("speed", 4), ("speed", 16)]
    for one in speeds:
        for name in ("prompt_tokens_per_second", "first_token_ms", "token_ms", "token_ms_p95", "new_tokens_per_second"):
            assert one[name] > 0, name

    told = real_project.craft("evaluate", "tiny-001@best")
    assert (told.returncode, told.stderr) == (0, "")
    first, figures, where, same, _, speed, headings, *rows = told.stdout.splitlines()
    assert first.startswith("tiny-001, step 20: ")
    assert figures.startswith("val   loss 3.")
    assert "539 tokens of 539 bytes, in windows of 16" in where
    assert same.strip() == "as training recorded them, to the last digit"
    assert speed == f"speed in {split['precision']}, with 8 tokens of prompt and 8 to write"
    assert headings.split()[:3] == ["TEXTS", "READS", "TOK/S"]
    assert [row.split()[0] for row in rows] == ["1", "4", "16"]


def test_several_splits_and_a_step(run: RunFolder, evaluate: Any) -> None:
    status, output, _ = evaluate(f"{run.name}@10", "--split", "train", "--split", "val", "--no-speed", "--json")
    train, val = map(json.loads, output.splitlines())
    assert (status, train["split"], val["split"], val["step"]) == (0, "train", "val", 10)
    assert train["tokens"] > val["tokens"]
    assert (train["recorded"], val["recorded"]["loss"]) == (None, val["loss"])


def test_a_text_and_a_checkpoint_by_itself(run: RunFolder, evaluate: Any, tmp_path: Path) -> None:
    path = checkpoints.resolve(run, "latest").path
    alone = shutil.copytree(path, tmp_path / "alone")
    text = tmp_path / "a\x1b[31m.txt"
    text.write_text("abc def " * 50)
    status, output, error = evaluate("--checkpoint", str(alone), "--text", str(text), "--no-speed")
    assert status == 0
    assert "399 tokens of 399 bytes" in output
    assert "\x1b" not in output + error
    assert error == "", "training has no figures of this text"
    status, _, error = evaluate("--checkpoint", str(alone), "--split", "train", "--no-speed")
    assert status == 0
    assert "which device, precision and threads it was trained with is not known" in error
    status, output, _ = evaluate(run.name, "--text", str(text), "--text", "text.txt", "--no-speed", "--json")
    one, two = map(json.loads, output.splitlines())
    assert (status, one["kind"], one["text"], two["text"]) == (0, "text", str(text), "text.txt")
    assert one["same_as_recorded"] is None


def test_a_run_whose_text_moved(run: RunFolder, evaluate: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").rename(tmp_path / "moved.txt")
    status, output, error = evaluate(run.name, "--no-speed")
    assert (status, output) == (2, "")
    assert "no such file or folder" in error
    for name in ([run.name], ["--checkpoint", str(checkpoints.resolve(run, "latest").path)]):
        status, output, error = evaluate(*name, "data.path=moved.txt", "--no-speed", "--json")
        assert (status, error) == (0, "")
        assert json.loads(output)["same_as_recorded"] is True


def test_what_cannot_be_repeated_is_said(run: RunFolder, evaluate: Any) -> None:
    status, output, error = evaluate(run.name, "--precision", "bf16", "--no-speed")
    assert status == 0
    assert error.count("\n") == 1
    assert "trained in fp32, and is measured in bf16" in error
    assert "training itself recorded loss 2." in output
    status, output, _ = evaluate(run.name, "--precision", "bf16", "--no-speed", "--json")
    found = json.loads(output)
    assert found["differs"] == ["it was trained in fp32, and is measured in bf16"]
    assert found["same_as_recorded"] is False
    assert found["loss"] != found["recorded"]["loss"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "no run"),
        ([], "name either a RUN or a --checkpoint"),
        (["tiny", "--checkpoint", "runs"], "name either a RUN or a --checkpoint"),
        (["tiny@7"], "no checkpoint of step 7; there are: "),
        (["tiny@newest"], "write @latest, @best or a step"),
        (["tiny", "--split", "test"], "there is no test split: data.test_fraction holds none out"),
        (["tiny", "--split", "all"], "'all' is not one of"),
        (["tiny", "--split", "val", "--text", "text.txt"], "give one of them"),
        (["tiny", "--text", "nothing.txt"], "does not exist"),
        (["tiny", "--device", "tpu"], "no device; there are"),
        (["tiny", "--device", "cuda:77"], "cuda:77"),
        (["tiny", "training.max_steps=3"], "a checkpoint is measured as it was trained"),
        (["tiny", "data.pathh=x"], "unknown key"),
        (["tiny", "nonsense"], "is not path=value"),
    ],
)
def test_wrong_use_is_one_message(run: RunFolder, evaluate: Any, arguments: list[str], words: str) -> None:
    status, output, error = evaluate(*arguments)
    assert (status, output) == (2, "")
    assert words in error
    assert "Traceback" not in error


def test_a_run_without_a_checkpoint(run: RunFolder, evaluate: Any) -> None:
    shutil.rmtree(run.checkpoints)
    status, output, error = evaluate(run.name)
    assert (status, output, error) == (2, "", f"craft: {run.name} has no checkpoint yet\n")


def test_a_damaged_checkpoint(run: RunFolder, evaluate: Any) -> None:
    newest, before = (checkpoints.resolve(run, step).path for step in ("20", "10"))
    (newest / "model.safetensors").write_bytes(b"\0" * 100)
    status, output, error = evaluate(f"{run.name}@20")
    assert (status, output) == (2, "")
    assert "damaged" in error
    assert "Other steps of this run: " in error
    status, output, _ = evaluate(run.name, "--no-speed", "--json")
    assert (status, json.loads(output)["checkpoint"]) == (0, str(before)), "the newest that is whole"


def test_a_run_that_trains_on_meanwhile(run: RunFolder, evaluate: Any, tmp_path: Path) -> None:
    config = runs.definition(
        tmp_path / "text.txt",
        training={**TRAINING, "max_steps": 1_000_000},
        checkpoint={"every": 1, "keep": 1},
    )
    live = runs.make_run(tmp_path / "runs", config, name="live")
    worker = runs.start(live)
    try:
        runs.wait_for_step(live, 1, worker)
        steps = []
        for _ in range(5):
            status, output, error = evaluate(live.name, "--no-speed", "--json")
            assert (status, error) == (0, ""), error
            steps.append(json.loads(output)["step"])
        assert worker.poll() is None
        assert steps == sorted(steps)
    finally:
        runs.kill(worker)


def test_a_long_text_shows_how_far_it_is_and_ctrl_c_ends_it(real_project: Project) -> None:
    assert real_project.craft("run", "experiments.toml", "tiny").returncode == 0
    (real_project.folder / "long.txt").write_text("the quick brown fox jumps over the lazy dog. " * 300_000)
    child = real_project.terminal("evaluate", "tiny", "--text", "long.txt")
    child.expect(r"long\.txt: .*%, [\d,]+ of [\d,]+ batches, .*left")
    child.sendintr()
    child.expect(pexpect.EOF)
    wait_for(lambda: not child.isalive())
    assert child.exitstatus == 130
    assert "Traceback" not in child.before
