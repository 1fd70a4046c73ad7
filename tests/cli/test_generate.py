"""`craft generate`: texts, thoughts, beams, scores and files, its errors, and a run that trains on meanwhile."""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from craft.cli import main
from craft.cli.generate_show import TextPrinter
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from tests.launch.project import Project, wait_for
from tests.training import runs
from tests.training.test_resume import run_here

CRAFT = str(Path(sys.executable).with_name("craft"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a finished run that saved at steps 0, 10 and 20."""
    folder = tmp_path_factory.mktemp("project")
    training = {"max_steps": 20, "batch_size": 4, "eval_every": 10}
    generation = {"prompts": ["a", "b"], "max_new_tokens": 8, "top_k": 0, "frequency_penalty": 0.5}
    text = runs.write_text(folder / "text.txt")
    config = runs.definition(text, training=training, checkpoint={"every": 10}, generation=generation)
    run_here(runs.make_run(folder / "runs", config), config)
    return folder


@pytest.fixture
def run(made: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """That run, and its project as the working directory."""
    monkeypatch.chdir(made)
    return RunFolder(made / "runs" / "tiny-001")


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """The command in this process: exit status, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["craft", "generate", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        output = capfd.readouterr()
        return int(left.value.code or 0), output.out, output.err

    return call


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_definition_says_what_is_not_given(run: RunFolder, generate: Any) -> None:
    status, output, error = generate("tiny", "--json")
    one, two = objects(output)
    assert (status, error) == (0, "")
    assert (one["run"], one["step"], one["prompt"], two["prompt"]) == ("tiny-001", 20, "a", "b")
    assert (one["max_new_tokens"], one["frequency_penalty"], one["temperature"], one["seed"]) == (8, 0.5, 0.8, 7)
    assert (len(one["tokens"]), one["ended"], one["unread"], one["slides"]) == (8, "length", 0, 0)
    assert one["checkpoint"] == str(checkpoints.resolve(run, "latest").path)
    status, shown, _ = generate("tiny")
    assert shown == f"== prompt 1\na{one['text']}\n== prompt 2\nb{two['text']}\n"


def test_a_seed_gives_the_same_text_in_another_process(run: RunFolder, generate: Any) -> None:
    arguments = ["tiny", "--prompt", "ab", "--samples", "2", "--seed", "11", "--top-p", "0.9"]
    _, output, _ = generate(*arguments)
    again = subprocess.run([CRAFT, "generate", *arguments], capture_output=True, text=True, check=True)
    assert (again.stdout, again.stderr) == (output, "")
    _, second, _ = generate("tiny", "--prompt", "ab", "--seed", "12", "--top-p", "0.9")
    assert f"== sample 2, seed 12\n{second}" in output


def test_several_checkpoints_write_from_the_same_prompt_and_seed(run: RunFolder, generate: Any) -> None:
    alone = str(checkpoints.resolve(run, "10").path)
    arguments = ["tiny@0", "tiny@20", "--checkpoint", alone, "--prompt", "a", "--max-new-tokens", "30"]
    _, output, _ = generate(*arguments, "--json")
    found = objects(output)
    assert [one["step"] for one in found] == [0, 20, 10]
    assert len({one["text"] for one in found}) == 3
    assert len({(one["seed"], one["prompt"], one["top_k"]) for one in found}) == 1
    _, shown, _ = generate(*arguments)
    headings = [line for line in shown.splitlines() if line.startswith("== ")]
    assert headings == ["== tiny-001, step 0", "== tiny-001, step 20", f"== {alone}, step 10"]


def test_what_the_model_thought(run: RunFolder, generate: Any) -> None:
    _, output, _ = generate("tiny", "--prompt", "a", "--max-new-tokens", "4", "--alternatives", "3", "--json")
    (found,) = objects(output)
    assert [one["token"] for one in found["thoughts"]] == found["tokens"]
    assert "".join(one["text"] for one in found["thoughts"]) == found["text"]
    for one in found["thoughts"]:
        shares = [other["probability"] for other in one["alternatives"]]
        assert len(shares) == 3
        assert shares == sorted(shares, reverse=True)
        assert 0 < one["probability"] <= shares[0]
        assert 0 < one["entropy"] < math.log(30)
    status, shown, _ = generate("tiny", "--prompt", "a", "--max-new-tokens", "4", "--alternatives", "3")
    text, headings, *rows = shown.splitlines()
    assert (status, text, headings.split()[:3]) == (0, "a" + found["text"], ["TOKEN", "PROB", "ENTROPY"])
    assert [int(row.split()[0]) for row in rows] == found["tokens"]
    assert "\x1b" not in shown


def test_another_alternative_is_gone_on_from(run: RunFolder, generate: Any) -> None:
    _, output, _ = generate("tiny", "--prompt", "a", "--max-new-tokens", "6", "--json")
    (whole,) = objects(output)
    head = ",".join(map(str, whole["tokens"][:2]))
    _, output, _ = generate("tiny", "--prompt", "a", "--max-new-tokens", "4", "--tokens", head, "--json")
    (rest,) = objects(output)
    assert (rest["tokens"], rest["tokens_before"]) == (whole["tokens"][2:], whole["tokens"][:2])
    _, shown, _ = generate("tiny", "--prompt", "a", "--max-new-tokens", "4", "--tokens", head)
    assert shown == f"a{whole['text']}\n"


def test_beams(run: RunFolder, generate: Any) -> None:
    _, output, _ = generate("tiny", "--prompt", "a", "--beams", "1", "--json")
    _, greedy, _ = generate("tiny", "--prompt", "a", "--greedy", "--frequency-penalty", "0", "--json")
    assert objects(output)[0]["tokens"] == objects(greedy)[0]["tokens"]
    _, output, _ = generate("tiny", "--prompt", "a", "--beams", "3", "--results", "2", "--tree", "--json")
    first, second, tree = objects(output)
    assert (first["result"], second["result"], first["width"]) == (0, 1, 3)
    assert first["score"] >= second["score"]
    assert first["log_probability"] == pytest.approx(sum(map(math.log, first["probabilities"])))
    assert tree["tree"]["nodes"]
    _, shown, _ = generate("tiny", "--prompt", "a", "--beams", "3", "--results", "2", "--tree")
    assert shown.startswith(f"== result 1, score {first['score']:.4f}\na{first['text']}\n== result 2, ")
    assert f"score {first['score']:.3f}" in shown.split("== result 2, ")[1]


def test_a_text_is_scored(run: RunFolder, generate: Any, tmp_path: Path) -> None:
    _, output, _ = generate("tiny", "--score", "abc d", "--alternatives", "2", "--json")
    (found,) = objects(output)
    losses = [one["loss"] for one in found["scores"]]
    assert losses[0] is None
    assert found["loss"] == pytest.approx(sum(losses[1:]) / 4)
    assert [one["text"] for one in found["scores"]] == list("abc d")
    assert [len(one["alternatives"]) for one in found["scores"]] == [0, 2, 2, 2, 2]
    file = tmp_path / "text"
    file.write_text("abc d")
    status, shown, _ = generate("tiny", "--score-file", str(file))
    assert (status, shown.splitlines()[0].split("  ")[:2]) == (0, ["5 tokens", f"loss {found['loss']:.4f}"])
    assert len(shown.splitlines()) == 2 + 5


def test_a_text_longer_than_the_context(run: RunFolder, generate: Any, tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("abcdefgh " * 110_000)
    status, output, error = generate("tiny", "--prompt-file", str(file), "--max-new-tokens", "40", "--json")
    (found,) = objects(output)
    assert (status, found["unread"]) == (0, 989_984)
    assert found["slides"] > 1
    first, second = error.splitlines()
    assert first.endswith("its last 16 are read, and the 989,984 before them are not")
    assert second == "craft: longer than the context of 16 tokens: it goes on over a window of its last 8 to 16"


def test_what_is_said_stands_between_texts_and_never_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    both = io.StringIO()  # a terminal, or one file for both
    monkeypatch.setattr(sys, "stdout", both)
    monkeypatch.setattr(sys, "stderr", both)
    printer = TextPrinter(["", "second"], ["a", "b"], tinted=False)
    printer.push(0, "x", ended=False)
    printer.remark("of the first")
    printer.push(1, "y", ended=True)
    printer.push(0, "z", ended=True)
    printer.remark("of all")
    assert both.getvalue() == "axz\ncraft: of the first\n== second\nby\ncraft: of all\n"


def test_stop_texts_are_no_part_of_the_text(run: RunFolder, generate: Any) -> None:
    _, output, _ = generate("tiny", "--prompt", "a", "--max-new-tokens", "40", "--json")
    whole = objects(output)[0]["text"]
    stop = whole[5:7]
    _, output, _ = generate("tiny", "--prompt", "a", "--max-new-tokens", "40", "--stop", "?", "--stop", stop, "--json")
    (found,) = objects(output)
    assert (found["text"], found["ended"], found["stop"]) == (whole[: whole.index(stop)], "stop", ["?", stop])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a RUN, or a checkpoint"),
        (["nobody"], "no run"),
        (["tiny@7"], "no checkpoint of step 7; there are: 0, 10, 20"),
        (["--checkpoint", "none"], "none: there is no such file or folder"),
        (["--checkpoint", "text.txt"], "text.txt: no checkpoint"),
        (["tiny", "--temperature", "-1"], "temperature must be 0"),
        (["tiny", "--temperature", "nan"], "temperature must be 0"),
        (["tiny", "--top-p", "0"], "top_p must be above 0"),
        (["tiny", "--top-k", "-1"], "top_k must be 0"),
        (["tiny", "--min-p", "1.1"], "min_p must be 0 (off) to 1"),
        (["tiny", "--repetition-penalty", "0"], "repetition_penalty must be above 0"),
        (["tiny", "--frequency-penalty", "inf"], "frequency_penalty must be a number"),
        (["tiny", "--max-new-tokens", "0"], "max_new_tokens must be at least 1"),
        (["tiny", "--seed", "-1"], "seed must be 0 to"),
        (["tiny", "--stop", ""], "stop: an empty text"),
        (["tiny", "--greedy", "--temperature", "1"], "--temperature says otherwise"),
        (["tiny", "--prompt", "\udcff"], "--prompt: character 1 is no text: a byte that is not UTF-8"),
        (["tiny", "--prompt-file", "none"], "none: cannot be read"),
        (["tiny", "--prompt", "a", "--prompt", "b", "--tokens", "1"], "--tokens follow one prompt"),
        (["tiny", "--tokens", "1,b"], "whole numbers with commas"),
        (["tiny", "--beams", "2", "--top-k", "3", "--seed", "1"], "leave out --top-k, --seed"),
        (["tiny", "--beams", "0"], "width must be at least 1"),
        (["tiny", "--tree"], "leave out --tree"),
        (["tiny", "--score", "a", "--prompt", "b"], "leave out --prompt"),
        (["tiny", "--output", "x"], "leave out --output"),
        (["tiny", "tiny@0", "--prompts-file", "text.txt"], "takes one RUN"),
        (["tiny@0", "--fresh"], "leave out @0"),
    ],
)
def test_slips_of_the_pen_are_answered_before_a_model_is_loaded(
    run: RunFolder, generate: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr("craft.generation.checkpoint.load_checkpoint", never)
    status, output, error = generate(*arguments)
    assert (status, output) == (2, "")
    assert words in error
    assert "Traceback" not in error


def test_a_wrong_setting_needs_no_torch(run: RunFolder) -> None:
    program = (
        "import sys; from craft.cli import main; sys.argv = ['craft', 'generate', 'tiny', '--top-p', '2']\n"
        "try: main()\nexcept SystemExit as left: print(left.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "a", "--prompt", "??"], "craft: prompt 2: character 1 of the text is '?', U+003F"),
        (["--prompt", "?", "--beams", "2"], "craft: character 1 of the text is '?'"),
        (["--prompt", "a", "--tokens", "99"], "outside the vocabulary"),
        (["--score", ""], "nothing to score"),
        (["--device", "tpu"], "no device"),
        (["--device", "cuda:77"], "CUDA devices are visible"),
    ],
)
def test_what_only_the_model_can_refuse(run: RunFolder, generate: Any, arguments: list[str], words: str) -> None:
    status, output, error = generate("tiny", *arguments)
    assert (status, output) == (2, "")
    assert words in error


def test_obvious_results(run: RunFolder, generate: Any) -> None:
    _, plain, _ = generate("tiny", "--prompt", "", "--seed", "1")
    assert len(plain) == 9
    assert generate("tiny", "--prompt", "", "--seed", "1", "--top-k", "10000000000000000000000")[1] == plain


# Files ---------------------------------------------------------------------------------------------------------------

TIMES = ("time", "seconds", "side_by_side")


def lasting(path: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key not in TIMES} for one in objects(path.read_text())]


def test_a_file_of_prompts(run: RunFolder, generate: Any, tmp_path: Path) -> None:
    prompts, output = tmp_path / "prompts.txt", tmp_path / "out.jsonl"
    prompts.write_text("a\n\nbcd\n")
    arguments = ["tiny", "--prompts-file", str(prompts), "--samples", "2"]
    status, printed, error = generate(*arguments, "--output", str(output))
    assert (status, printed) == (0, "")
    assert "6 of 6 texts" in error
    found = objects(output.read_text())
    assert [(one["index"], one["prompt"], one["sample"], one["seed"]) for one in found] == [
        (place, prompt, sample, 7 + sample) for place, prompt in enumerate(["a", "", "bcd"]) for sample in (0, 1)
    ]
    manifest = json.loads((checkpoints.resolve(run, "latest").path / "manifest.json").read_text())
    for one in found:
        assert (one["run"], one["step"], one["precision"], one["device"]) == ("tiny-001", 20, "fp32", "cpu")
        assert one["weights_sha256"] == manifest["files"]["model.safetensors"]["sha256"]
        assert {"craft", "torch", "python"} == one["versions"].keys()
        assert one["seconds"] > 0
    _, output_of_one, _ = generate("tiny", "--prompt", "bcd", "--seed", "8", "--json")
    assert objects(output_of_one)[0]["tokens"] == found[5]["tokens"]
    _, printed, _ = generate(*arguments)
    assert [{key: one[key] for key in one if key not in TIMES} for one in objects(printed)] == lasting(output)

    # Cut in the middle of the second sample of the second prompt, it goes on there.
    whole, lines = lasting(output), output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    status, _, error = generate(*arguments, "--output", str(output))
    assert (status, lasting(output)) == (0, whole)
    assert "has 3 of 6 texts: going on" in error
    before = output.read_bytes()
    _, _, error = generate(*arguments, "--output", str(output))
    assert "nothing is missing" in error
    for change, words in [
        (["--temperature", "0.5"], "temperature was 0.8, and is now 0.5"),
        (["--precision", "bf16"], "precision was 'fp32', and is now 'bf16'"),
    ]:
        status, _, error = generate(*arguments, "--output", str(output), *change)
        assert (status, output.read_bytes()) == (2, before)
        assert words in error
    other = ["tiny@0", *arguments[1:], "--output", str(output)]
    status, _, error = generate(*other)
    assert (status, output.read_bytes()) == (2, before)
    assert "another checkpoint wrote it: 'checkpoint of tiny-001, step 20'" in error
    assert generate(*other, "--overwrite")[0] == 0
    assert {one["step"] for one in objects(output.read_text())} == {0}


def test_a_prompt_that_cannot_be_read_stops_no_other(run: RunFolder, generate: Any, tmp_path: Path) -> None:
    prompts, output = tmp_path / "prompts.jsonl", tmp_path / "out.jsonl"
    prompts.write_text('{"prompt": "a"}\n{"prompt": "?", "id": "x"}\n{"prompt": "b", "max_new_tokens": 2}\n')
    status, _, error = generate("tiny", "--prompts-file", str(prompts), "--output", str(output))
    assert status == 2
    assert "1 of 3 texts could not be written" in error
    assert "prompts.jsonl:2: character 1 of the text is '?'" in error
    one, two, three = objects(output.read_text())
    assert (two["id"], two["text"], len(one["tokens"]), len(three["tokens"])) == ("x", None, 8, 2)
    assert "not among" in two["error"]
    prompts.write_text('{"prompt": "a"}\n{"promt": "b"}\n')
    status, _, error = generate("tiny", "--prompts-file", str(prompts))
    assert (status, "prompts.jsonl:2: " in error) == (2, True)
    status, _, error = generate("tiny", "--prompts-file", "text.txt", "--output", "text.txt")
    assert (status, "the file of prompts itself" in error) == (2, True)


@pytest.mark.slow
def test_killed_and_interrupted_it_goes_on(run: RunFolder, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"{'abcdefgh'[: i % 9]}\n" for i in range(1500)))
    command = [CRAFT, "generate", "tiny", "--prompts-file", str(prompts), "--max-new-tokens", "12", "--output"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    left = tmp_path / "killed.jsonl"
    for ending, status in [(signal.SIGKILL, -9), (signal.SIGINT, 130)]:
        size = left.stat().st_size if left.exists() else 0

        def has_grown(size: int = size) -> bool:
            return left.exists() and left.stat().st_size > size

        with subprocess.Popen([*command, str(left)], stderr=subprocess.PIPE, text=True, env=environment) as child:
            wait_for(has_grown)
            child.send_signal(ending)
            _, error = child.communicate()
        assert child.returncode == status
        assert left.read_bytes().count(b"\n") < 1500
    assert "the same command goes on, with tiny-001@20" in error
    assert "Traceback" not in error
    subprocess.run([*command, str(left)], check=True, capture_output=True, env=environment)
    whole = tmp_path / "whole.jsonl"
    subprocess.run([*command, str(whole)], check=True, capture_output=True, env=environment)
    assert lasting(left) == lasting(whole)
    assert len(lasting(whole)) == 1500


# Terminals and pipes -------------------------------------------------------------------------------------------------


def test_a_reader_that_leaves_ends_it_quietly(run: RunFolder) -> None:
    command = f"{CRAFT} generate tiny --max-new-tokens 3000 --samples 3 | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert re.sub("craft: longer than.*\n", "", done.stderr) == ""
    assert done.stdout.splitlines()[-1] == "0"


def test_standard_input_is_a_prompt(run: RunFolder, generate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, status, words in [
        (b"abc", 0, '"prompt": "abc"'),
        (b"ab\xff", 2, "standard input: not UTF-8 at byte 3"),
    ]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        found, output, error = generate("tiny", "--prompt", "-", "--json")
        assert (found, words in output + error) == (status, True)


@pytest.mark.slow
def test_a_terminal_shows_how_likely_tokens_were(real_project: Project, made: Path) -> None:
    shutil.copytree(made / "runs", real_project.runs_dir)
    arguments = ["generate", "tiny", "--prompt", "a", "--max-new-tokens", "3", "--alternatives", "2"]
    child = real_project.terminal(*arguments)
    child.expect("\x1b\\[3[123]m[ a-h]\x1b\\[0m")
    child.expect("INSTEAD")
    child.expect_exact("%")
    child.wait()
    child = real_project.terminal(*arguments, changes={"NO_COLOR": "1"})
    child.expect("INSTEAD")
    assert "\x1b" not in child.before
    child.wait()


@pytest.mark.slow
def test_a_run_that_trains_saves_first(real_project: Project) -> None:
    started = real_project.craft(
        "run", "experiments.toml", "tiny", "training.max_steps=1000000", "training.eval_every=0", "checkpoint.every=0",
        "--detach",
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    folder = real_project.run("tiny-001")
    try:
        wait_for(lambda: checkpoints.list_checkpoints(folder) and real_project.phase("tiny-001") == "running")
        steps = []
        for _ in range(2):
            done = real_project.craft("generate", "tiny", "--fresh", "--max-new-tokens", "2", "--json")
            assert (done.returncode, done.stderr) == (0, "")
            steps.append(json.loads(done.stdout)["step"])
        assert 0 < steps[0] < steps[1]
    finally:
        real_project.craft("stop", "tiny-001")
    done = real_project.craft("generate", "tiny", "--fresh", "--max-new-tokens", "2", "--json")
    assert json.loads(done.stdout)["step"] > steps[1]
    assert done.stderr == "craft: tiny-001 does not train now: what it saved last is taken\n"
