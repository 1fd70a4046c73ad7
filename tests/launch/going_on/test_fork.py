"""A fork's folder: what is in it, what is refused, and that it appears whole or not at all. Nothing is trained."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from craft import platform
from craft.config.definition import load_definition
from craft.config.experiments import load_experiments
from craft.errors import CheckpointError, ConfigError, CraftError, RunError, UsageError
from craft.launch.create import create_runs
from craft.launch.going_on import child as making
from craft.launch.going_on.child import clear_up, copy_metrics
from craft.launch.going_on.edited import edit
from craft.launch.going_on.fork import fork, plan_fork
from craft.launch.going_on.resume import plan_resume, resume
from craft.runs.changes import Change, read_changes, write_changes
from craft.runs.checkpoints import best_step, commit_checkpoint, list_checkpoints, step_folder, verify
from craft.runs.events import EventWriter, read_events, read_samples
from craft.runs.folder import RunFolder, read_identity, update_identity
from craft.runs.metrics import MetricsLog, MetricsReader
from craft.runs.status import StatusWriter, read_status
from craft.runs.store import RunStore
from tests.launch.project import EXPERIMENTS
from tests.runs.crash import crashes, lay_out, watch
from tests.runs.disk import mounted

STEPS = (0, 10, 20)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an experiments file and one run of it, of 20 steps."""
    return a_project(tmp_path / "project")


@pytest.fixture
def run(project: Path) -> RunFolder:
    return RunFolder(project / "runs" / "tiny-001")


def a_project(place: Path) -> Path:
    place.mkdir(exist_ok=True)
    (place / "text.txt").write_text("abc " * 100)
    (place / "experiments.toml").write_text(EXPERIMENTS)
    (run,) = create_runs(place / "runs", load_experiments(place / "experiments.toml").plan(["tiny"]))
    log = MetricsLog(run)
    for step in STEPS:
        log.append({"step": step, "time": step / 10, "tokens": 64 * step, "val/loss": 3 - step / 10})
        EventWriter(run).sample(step=step, prompt="a", text=f"at {step}")
        save(run, step, val=3 - step / 10)
    log.close()
    StatusWriter(run).write(phase="finished", step=20, max_steps=20)
    return place


def save(run: RunFolder, step: int, *, val: float) -> None:
    def write(place: Path) -> None:
        trainer = {"step": step, "max_steps": 20, "fingerprint": "of the text", "evaluated": {"val/loss": val}}
        state = {"trainer": {**trainer, "evaluated_step": step}, "loop": {"tokens": 64 * step}, "callbacks": {}}
        (place / "training.json").write_text(json.dumps(state))
        (place / "model.safetensors").write_text(f"weights of {step}" * 50)
        (place / "experiment.toml").write_bytes(run.definition.read_bytes())

    commit_checkpoint(run, step, write, monitor_value=val, monitor="val/loss")


def names(project: Path) -> list[str]:
    return [folder.name for folder in RunStore(project / "runs").folders()]


def test_the_folder_holds_its_parent_up_to_the_fork(run: RunFolder) -> None:
    child = fork(plan_fork(run, "10", ["optimizer.lr=0.5"]))
    assert child.name == "tiny-002"
    identity, parent = read_identity(child), read_identity(run)
    assert (identity.parent_run, identity.parent_step) == ("tiny-001", 10)
    assert (identity.fork["path"], identity.fork["id"], identity.fork["anew"]) == (str(run.path), parent.id, [])
    assert identity.id != parent.id
    assert (identity.group, identity.axes, identity.overrides) == (None, {}, {"optimizer.lr": 0.5})
    assert load_definition(child.definition)[1].optimizer.lr == 0.5
    reader = MetricsReader(child.metrics)
    reader.poll()
    assert [record["step"] for record in reader.records] == [0, 10]
    assert [sample["step"] for sample in read_samples(child)] == [0, 10]
    (info,) = list_checkpoints(child)
    assert (info.step, verify(info.path), best_step(child)) == (10, [], 10)
    for file in ("model.safetensors", "training.json", "experiment.toml"):
        assert (info.path / file).read_bytes() == (step_folder(run, 10) / file).read_bytes()
        assert (info.path / file).stat().st_nlink == 1
    (forked,) = read_events(child)
    assert (forked["kind"], forked["run"], forked["step"]) == ("forked", "tiny-001", 10)
    status = read_status(child)
    assert status is not None
    assert (status.phase, status.step, status.max_steps, status.tokens, status.best) == ("stopped", 10, 20, 640, 2.0)
    assert [path.name for path in (run.path.parent / ".craft" / "forks").iterdir()] == []


def test_the_parent_stays_as_it_is(run: RunFolder) -> None:
    def content() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}

    before = content()
    fork(plan_fork(run, "best", ["seed=5", "training.max_steps=30"]))
    assert content() == before


def test_what_auto_chose_stays_unless_it_is_another(run: RunFolder) -> None:
    chosen = {
        "device": "cpu",
        "precision": "bf16",
        "threads": 2,
        "micro_batch_size": 4,
        "compile": False,
        "reasons": [],
    }
    update_identity(run, chosen=chosen)
    assert read_identity(fork(plan_fork(run, "10", ["optimizer.lr=0.5"]))).chosen == chosen
    assert read_identity(fork(plan_fork(run, "10", ["precision=fp32"]))).chosen == {}
    larger = read_identity(fork(plan_fork(run, "10", ["training.batch_size=12"]))).chosen
    assert larger == {**chosen, "micro_batch_size": 12}


def test_it_says_what_continues_what_starts_anew_and_what_cannot_be(run: RunFolder) -> None:
    plan = plan_fork(run, "10", ["seed=5", "optimizer.type=muon", "model.dropout=0.5"])
    rows = plan.rows()
    assert [(kind, what) for kind, what, _ in rows] == [
        ("continues", "weights"),
        ("continues", "schedule"),
        ("continues", "model.dropout"),
        ("anew", "order of the data"),
        ("anew", "random states"),
        ("anew", "optimizer state"),
    ]
    assert {what: how for _, what, how in rows}["optimizer state"] == "optimizer.type: adamw -> muon"
    refused = plan_fork(run, "10", ["model.num_layers=2", "tokenizer.type=byte", "optimizer.lr=0.5"])
    with pytest.raises(RunError) as error:
        fork(refused)
    words = str(error.value)
    assert "model.num_layers 1 -> 2: the weights do not fit" in words
    assert "tokenizer.type char -> byte: other tokens" in words
    advised = shlex.split(words.partition("of the weights: ")[2])
    assert advised[:3] == ["craft", "run", str(run.definition)]
    (planned,) = load_experiments(run.definition).plan([], advised[3:])
    assert planned.config.init_from == "tiny-001@10"
    assert planned.config.model.model_dump()["num_layers"] == 2
    assert names(run.path.parent.parent) == ["tiny-001"]


def test_the_last_step_needs_a_longer_run(run: RunFolder) -> None:
    with pytest.raises(RunError, match=r"a run of 20 steps is at its end at step 20.*training.max_steps=40.*@0, @10"):
        plan_fork(run, "latest")
    assert plan_fork(run, "latest", ["training.max_steps=21"]).max_steps == 21


def test_a_damaged_checkpoint_is_refused_and_the_others_are_named(run: RunFolder) -> None:
    file = step_folder(run, 10) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match=r"damaged.*Other steps of this run: 0, 20"):
        plan_fork(run, "10")
    with pytest.raises(CheckpointError, match="no checkpoint of step 11; there are: 0, 10, 20"):
        plan_fork(run, "11")
    damaged = step_folder(run, 20) / "training.json"
    damaged.write_bytes(b"{}")
    plan = plan_fork(run, "latest")
    assert plan.step == 0
    assert "step 20 is damaged" in plan.remarks[0]


def test_what_is_damaged_between_the_look_and_the_copy_is_refused(run: RunFolder, project: Path) -> None:
    plan = plan_fork(run, "10")
    file = step_folder(run, 10) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        fork(plan)
    shutil.rmtree(step_folder(run, 10))
    with pytest.raises(CheckpointError, match="went while it was copied"):
        fork(plan)
    assert sorted(path.name for path in (project / "runs").iterdir()) == [".craft", "tiny-001"]


def test_a_checkpoint_of_weights_only_is_refused_with_what_takes_them(run: RunFolder) -> None:
    def write(place: Path) -> None:
        (place / "model.safetensors").write_text("w")

    commit_checkpoint(run, 30, write)
    with pytest.raises(CheckpointError, match=r"only weights.*craft run FILE init_from="):
        plan_fork(run, "30")


def test_a_definition_of_a_file_takes_the_place_of_its_own(run: RunFolder, project: Path) -> None:
    file = project / "experiments.toml"
    file.write_text(EXPERIMENTS + '[experiment.slow]\noptimizer = { type = "adamw", lr = 0.5 }\n')
    same = plan_fork(run, "10", file=file)
    assert (same.experiment, same.effects) == ("tiny", [])
    slow = fork(plan_fork(run, "10", ["training.max_steps=30"], file=file, experiment="slow"))
    assert slow.name == "slow-001"
    assert load_definition(slow.definition)[1].optimizer.lr == 0.5
    assert load_definition(slow.definition)[1].training.max_steps == 30
    assert read_identity(slow).source == str(file)
    with pytest.raises(ConfigError, match="no experiment 'slwo'"):
        plan_fork(run, "10", file=file, experiment="slwo")
    file.write_text(EXPERIMENTS.replace("tiny", "small") + "[experiment.b]\n")
    with pytest.raises(UsageError, match=r"has no experiment 'tiny'; say which, as --with .*:NAME, of small, other, b"):
        plan_fork(run, "10", file=file)
    refused = plan_fork(run, "10", ["training.max_steps=30"], file=file, experiment="other")
    with pytest.raises(RunError) as error:
        fork(refused)
    advised = shlex.split(str(error.value).partition("has none that fits: ")[2])
    assert advised[2:] == [str(file), "other", "training.max_steps=30"]


def test_a_fork_of_a_sweeps_run_is_a_run_by_itself(project: Path) -> None:
    file = project / "experiments.toml"
    file.write_text(EXPERIMENTS + "[experiment.lr]\n[experiment.lr.sweep]\naxes.optimizer.lr = [0.1, 0.2]\n")
    first, second = create_runs(project / "runs", load_experiments(file).plan(["lr"]))
    save(second, 10, val=1.0)
    child = fork(plan_fork(second, "10", ["training.max_steps=30"], file=file))
    assert (read_identity(first).group, read_identity(child).group) == ("lr", None)
    assert load_definition(child.definition)[1].optimizer.lr == 0.2, "the file's point that the run is"


@pytest.mark.parametrize("name", ["", "a b", "../up", "-x", "a" * 65, "\x1b[2J"])
def test_a_name_that_cannot_be_one_is_refused(name: str, run: RunFolder) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        plan_fork(run, "10", name=name)


def test_it_can_be_called_otherwise(run: RunFolder) -> None:
    child = fork(plan_fork(run, "10", name="Other.Order"))
    assert child.name == "other.order-001"
    assert load_definition(child.definition)[0] == read_identity(child).experiment == "Other.Order"
    long = "a" * 64
    assert len(fork(plan_fork(run, "10", name=long)).name) <= 64


def test_live_changes_go_along_up_to_the_fork(run: RunFolder) -> None:
    write_changes(
        run,
        [
            Change(5, values={"optimizer.lr": 0.5}, before={"optimizer.lr": 0.001}),
            Change(10, values={"training.eval_every": 4}, before={"training.eval_every": 10}),
            Change(15, values={"optimizer.lr": 0.7}, before={"optimizer.lr": 0.5}),
        ],
    )
    plan = plan_fork(run, "10")
    assert plan.effects == []
    assert [words for words in plan.remarks if "optimizer.lr stays 0.5" in words]
    child = fork(plan)
    assert [change.step for change in read_changes(child)] == [5, 10]
    assert edit(child, 10, []).after.optimizer.lr == 0.5

    given = plan_fork(run, "10", ["optimizer.lr=0.001"])
    assert [(one.path, one.before, one.after) for one in given.effects] == [("optimizer.lr", 0.5, 0.001)]
    child = fork(given)
    assert [change.values for change in read_changes(child)] == [{"training.eval_every": 4}]
    assert edit(child, 10, []).after.optimizer.lr == 0.001

    other = fork(plan_fork(run, "10", ["optimizer.type=muon"]))
    assert [change.values for change in read_changes(other)] == [{"training.eval_every": 4}]


def test_a_resume_that_gives_a_setting_anew_drops_what_was_changed_live(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("craft.launch.going_on.resume.start_next", lambda queue, only: None)
    StatusWriter(run).write(phase="stopped")
    write_changes(run, [Change(5, values={"optimizer.lr": 0.5, "training.grad_clip": 2.0})])
    assert plan_resume(run, []).changes == {}
    plan = plan_resume(run, ["optimizer.lr=0.001", "training.max_steps=30"])
    assert plan.changes == {"optimizer.lr": (0.5, 0.001), "training.max_steps": (20, 30)}
    assert any("is given anew: optimizer.lr" in words for words in plan.remarks)
    resume(plan)
    assert [change.values for change in read_changes(run)] == [{"training.grad_clip": 2.0}]
    (changed,) = read_events(run)
    assert changed["dropped"] == ["optimizer.lr"]


def test_a_run_that_was_resumed_with_other_settings_says_so(run: RunFolder) -> None:
    text = run.definition.read_text()
    run.definition.write_text(text.replace("max_steps = 20", "max_steps = 40"))
    plan = plan_fork(run, "10")
    assert "training.max_steps was 20 at step 10; the run was resumed with 40 since" in plan.remarks
    assert plan.max_steps == 40


def test_a_fork_of_a_fork_that_never_began_starts_the_same_parts_anew(run: RunFolder) -> None:
    child = fork(plan_fork(run, "10", ["seed=5", "optimizer.type=muon"]))
    plan = plan_fork(child, "latest", ["optimizer.type=adamw"])
    assert sorted(plan.anew) == ["data", "optimizer", "random"]
    grandchild = read_identity(fork(plan))
    assert grandchild.fork["anew"] == ["data", "optimizer", "random"]
    assert (grandchild.parent_run, grandchild.fork["data_begins"]) == ("tiny-002", 10)


def test_the_log_is_copied_up_to_the_fork_without_what_was_superseded(tmp_path: Path) -> None:
    lines = [{"step": 0}, {"step": 5, "a": 1}, {"step": 9, "a": 1}, {"resumed_from": 5}, {"step": 7}, {"step": 20}]
    source = tmp_path / "metrics.jsonl"
    source.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"step": 3, "torn')
    copy_metrics(source, tmp_path / "copy.jsonl", 10)
    copied = [json.loads(line) for line in (tmp_path / "copy.jsonl").read_text().splitlines()]
    assert copied == [{"step": 0}, {"step": 5, "a": 1}, {"step": 7}]
    copy_metrics(tmp_path / "none.jsonl", tmp_path / "no.jsonl", 10)
    assert not (tmp_path / "no.jsonl").exists()


# Nothing half made ------------------------------------------------------------------------------------------------

FORK = """
import sys
from pathlib import Path
from craft.launch.going_on.fork import fork, plan_fork
from craft.runs.folder import RunFolder
run = RunFolder(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    print(fork(plan_fork(run, "10", ["optimizer.lr=0.5"])).name, flush=True)
"""


def forking(run: RunFolder, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FORK, str(run.path), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def content(folder: RunFolder) -> str:
    """Of all that two forks of one checkpoint have in common."""
    found = hashlib.sha256()
    for path in sorted(folder.path.rglob("*")):
        if path.is_file() and path.name not in ("run.json", "status.json", "events.jsonl", "worker.lock"):
            found.update(f"{path.relative_to(folder.path)}\0".encode() + path.read_bytes())
    return found.hexdigest()


def test_two_forks_at_once_are_two_runs(run: RunFolder, project: Path) -> None:
    both = [forking(run, 8) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [error for _, error in said] == ["", ""]
    made = [line for out, _ in said for line in out.split()]
    assert len(set(made)) == 16
    assert sorted(names(project)) == sorted(["tiny-001", *made])
    children = [RunFolder(project / "runs" / name) for name in made]
    assert len({content(child) for child in children}) == 1
    assert len({read_identity(child).id for child in children}) == 16


def test_a_fork_that_is_killed_leaves_nothing_half_made(
    run: RunFolder, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(0)
    for _ in range(4):
        process = forking(run, 1000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.1))  # an instant by chance, not something that is waited for
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    monkeypatch.setattr(making, "_ABANDONED", -1.0)
    clear_up(project / "runs")
    left = {path.name for path in (project / "runs").iterdir()}
    assert left == {".craft", *names(project)}
    assert list((project / "runs" / ".craft" / "forks").iterdir()) == []
    children = [RunFolder(project / "runs" / name) for name in names(project) if name != run.name]
    assert len({content(child) for child in children}) == 1


def test_what_another_fork_is_making_is_left_alone(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_ABANDONED", -1.0)
    forks = run.path.parent / ".craft" / "forks"
    (forks / "tiny-007").mkdir(parents=True)
    (run.path.parent / "tiny-007").mkdir()
    lock = platform.FileLock(forks / "tiny-007" / "worker.lock")
    assert lock.acquire()
    assert clear_up(run.path.parent) == []
    lock.release()
    monkeypatch.setattr(making, "_ABANDONED", 60.0)
    assert clear_up(run.path.parent) == [], "it may have been begun this very moment"
    monkeypatch.setattr(making, "_ABANDONED", -1.0)
    assert clear_up(run.path.parent) == ["tiny-007"]
    assert not (run.path.parent / "tiny-007").exists()


def test_a_run_of_the_same_name_is_never_cleared_away(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_ABANDONED", -1.0)
    (run.path.parent / ".craft" / "forks" / "tiny-001").mkdir(parents=True)
    assert clear_up(run.path.parent) == ["tiny-001"]
    assert run.run_json.is_file()


def test_a_full_disk_leaves_nothing_and_a_later_try_succeeds(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=400k") as disk:
        project = a_project(disk.path / "project")
        run = RunFolder(project / "runs" / "tiny-001")
        plan = plan_fork(run, "10")
        disk.fill()
        with (disk.path / "filler").open("r+b") as filler:
            room = filler.seek(0, os.SEEK_END)
            tried = 0
            while True:  # a little more room each time, so that it ends at every place by turns
                try:
                    fork(plan)
                    break
                except RunError as error:
                    tried += 1
                    assert "cannot be made there" in str(error) or "does not take it" in str(error)
                assert names(project) == ["tiny-001"]
                assert {path.name for path in (project / "runs").iterdir()} == {".craft", "tiny-001"}
                forks = project / "runs" / ".craft" / "forks"
                assert not forks.exists() or list(forks.iterdir()) == []
                room -= 4096
                filler.truncate(room)
        assert tried > 5
        assert names(project) == ["tiny-001", "tiny-002"]
        assert verify(step_folder(RunFolder(project / "runs" / "tiny-002"), 10)) == []


def test_a_power_cut_at_any_instant_leaves_a_whole_fork_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "watched"
    root.mkdir()
    project = a_project(root / "project")
    run = RunFolder(project / "runs" / "tiny-001")
    plan = plan_fork(run, "10", ["seed=5"])
    with pytest.MonkeyPatch.context() as patch:
        watched = watch(root, patch)
        watched.note = False
        child = fork(plan)
        watched.note = True
        watched.take()
    expected = content(child)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr(making, "_ABANDONED", -1.0)
    chance, seen = random.Random(0), set[str]()
    (tmp_path / "after").mkdir()
    for picture in (one for one in watched.pictures if one.note is not None):
        for name, tree in crashes(picture, root, chance):
            if (key := repr((tree, picture.note))) in seen:
                continue
            seen.add(key)
            place = tmp_path / "after" / str(len(seen))
            lay_out(tree, place)
            after = place / "project"
            clear_up(after / "runs")
            listed = names(after)
            allowed = [["tiny-001", "tiny-002"], *([] if picture.note else [["tiny-001"]])]
            assert listed in allowed, name
            assert {path.name for path in (after / "runs").iterdir()} - {".craft"} == {*listed}, name
            if "tiny-002" in listed:
                found = RunFolder(after / "runs" / "tiny-002")
                assert content(found) == expected, name
                assert read_identity(found).parent_run == "tiny-001"
                assert read_status(found) is not None
            shutil.rmtree(place)
    assert len(seen) > 60


def test_a_fork_that_cannot_be_queued_stays_whole(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from craft.launch.going_on import fork as forking_module

    def full(*arguments: Any, **settings: Any) -> None:
        raise RunError("the queue cannot be written: No space left on device")

    child = fork(plan_fork(run, "10"))
    monkeypatch.setattr(forking_module, "submit", full)
    with pytest.raises(CraftError, match=r"tiny-002 is made, but not queued.*'craft resume tiny-002' starts it"):
        forking_module.start_fork(child, "cpu")
    assert plan_resume(child, []).step == 10
