"""`craft fork`, and `craft resume` of several runs, as a person types them."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from craft.runs.checkpoints import list_checkpoints
from craft.runs.folder import read_identity
from tests.launch.going_on.test_fork import a_project
from tests.launch.project import EXPERIMENTS, Project, wait_for

REAL = EXPERIMENTS.replace("[experiment.tiny]", "[defaults.checkpoint]\nevery = 5\nkeep = 10\n[experiment.tiny]")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run that has really trained; tests may fork it."""
    place = tmp_path_factory.mktemp("fork")
    project = Project(place / "project", fake=False, experiments=REAL)
    project.environment |= {"CRAFT_STATE_DIR": str(place / "state"), "CRAFT_CACHE_DIR": str(place / "cache")}
    done = project.craft("run", "experiments.toml", "tiny")
    assert done.returncode == 0, done.stderr
    return project


def test_a_dry_run_says_it_field_by_field_and_makes_nothing(trained: Project) -> None:
    before = sorted(path.name for path in trained.runs_dir.iterdir())
    done = trained.craft("fork", "tiny@10", "seed=5", "optimizer.lr=0.5", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny-NNN goes on from step 10 of tiny-001"
    assert [line for line in lines if line.startswith("  ") and line[2] != " "][:2] == ["  continues", "  starts anew"]
    assert "    optimizer.lr       0.001 -> 0.5" in lines
    assert "    order of the data  seed: 1337 -> 5" in lines
    assert sorted(path.name for path in trained.runs_dir.iterdir()) == before
    (told,) = [
        json.loads(line)
        for line in trained.craft(
            "fork", "tiny-001", "--dry-run", "--json", "training.max_steps=30"
        ).stdout.splitlines()
    ]
    assert (told["kind"], told["run"], told["parent_run"], told["parent_step"]) == ("fork", None, "tiny-001", 20)
    assert told["changes"] == {"training.max_steps": [20, 30]}


def test_a_fork_trains_on_and_is_followed(trained: Project) -> None:
    done = trained.craft("fork", "tiny-001@10", "training.max_steps=25", "--name", "longer", "--json")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told[0]["kind"], told[0]["run"]) == ("fork", "longer-001")
    assert [one["step"] for one in told if one["kind"] == "metrics" and "val/loss" in one] == [20, 25]
    assert (told[-1]["phase"], told[-1]["step"]) == ("finished", 25)
    assert "longer-001 goes on from step 10 of tiny-001" in done.stderr
    status = json.loads(trained.craft("status", "longer-001", "--json").stdout)
    assert (status["parent_run"], status["parent_step"]) == ("tiny-001", 10)
    assert "tiny-001, step 10" in trained.craft("status", "longer-001").stdout
    listed = {one["run"]: one for one in map(json.loads, trained.craft("runs", "--json").stdout.splitlines())}
    assert (listed["longer-001"]["parent_run"], listed["longer-001"]["parent_step"]) == ("tiny-001", 10)
    assert listed["tiny-001"]["parent_run"] is None


def test_detached_it_prints_its_name(trained: Project) -> None:
    done = trained.craft("fork", "tiny-001@5", "--detach", "--name", "apart")
    assert (done.returncode, done.stdout) == (0, "apart-001\n")
    wait_for(lambda: trained.phase("apart-001") == "finished")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tiny@10", "model.hidden_size=32"], "model.hidden_size 16 -> 32: the weights do not fit"),
        (["tiny@10", "tokenizer.type=byte"], "tokenizer.type char -> byte"),
        (["tiny@7"], "no checkpoint of step 7; there are: 0, 5, 10, 15, 20"),
        (["tiny"], "is at its end at step 20"),
        (["tiny@10", "optimizer.rl=1"], "unknown key"),
        (["nobody"], "no run 'nobody'"),
        (["./text.safetensors"], "no run of Craft"),
        (["hf:openai-community/gpt2"], "no run of Craft"),
        (["tiny@10", "--with", "none.toml"], "none.toml"),
        (["tiny@10", "--with", "experiments.toml:other"], "model.hidden_size 16 -> 32"),
    ],
)
def test_what_cannot_be_is_one_message(words: list[str], said: str, trained: Project) -> None:
    (trained.folder / "text.safetensors").write_bytes(b"0")
    done = trained.craft("fork", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_advised_command_does_what_was_meant(trained: Project) -> None:
    refused = trained.craft("fork", "tiny@10", "model.num_layers=2")
    advised = shlex.split(refused.stderr.strip().partition("of the weights: ")[2])
    done = trained.craft(*advised[1:], "--detach")
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    wait_for(lambda: trained.phase(name) == "finished")
    initial = read_identity(trained.run(name)).initial
    assert 0 < initial["tensors"] < initial["all_tensors"]


def test_the_latest_of_a_run_that_trains_is_saved_first(real_project: Project) -> None:
    assert (
        real_project.craft("run", "experiments.toml", "tiny", "training.max_steps=1000000", "--detach").returncode == 0
    )
    real_project.wait_for_step("tiny-001", 30)
    done = real_project.craft("fork", "tiny-001", "optimizer.lr=0.5", "--detach")
    assert done.returncode == 0, done.stderr
    assert "tiny-001 trains, and saves now" in done.stderr
    child = real_project.run("tiny-002")
    (info,) = list_checkpoints(child)
    assert info.step >= 30
    assert real_project.phase("tiny-001") in ("running", "evaluating")
    assert real_project.phase("tiny-002") == "queued", "the one slot is its parent's"
    waiting = real_project.craft("fork", "tiny-002", "--detach", "--slots", "9", "--after", "tiny-001")
    assert waiting.returncode == 0, waiting.stderr
    assert "tiny-001" in json.loads(real_project.craft("status", "tiny-003", "--json").stdout)["reason"]


def test_a_group_goes_on_where_it_can(fake_project: Project) -> None:
    sweep = "[experiment.lr.sweep]\naxes.optimizer.lr = [0.1, 0.2]\n"
    (fake_project.folder / "experiments.toml").write_text(EXPERIMENTS + "[experiment.lr]\n" + sweep)
    assert fake_project.craft("run", "experiments.toml", "lr").returncode == 0
    refused = fake_project.craft("resume", "--group", "lr")
    assert refused.returncode == 2
    assert "none of 2 runs can go on" in refused.stderr
    done = fake_project.craft("resume", "--group", "lr", "training.max_steps=30")
    assert done.returncode == 0, done.stderr
    assert {fake_project.phase(f"lr-00{n}") for n in (1, 2)} == {"finished"}
    named = fake_project.craft("resume", "lr-00*", "lr-001")
    assert named.returncode == 2
    assert "lr-001 is finished" in named.stderr


def test_a_run_may_lie_where_there_is_a_sign_of_equality(fake_project: Project) -> None:
    place = fake_project.folder / "a=b"
    shutil.copytree(a_project(fake_project.folder / "other") / "runs", place)
    done = fake_project.craft("resume", str(Path("a=b") / "tiny-001"))
    assert done.returncode == 2
    assert "tiny-001 is finished, with all its 20 steps" in done.stderr
