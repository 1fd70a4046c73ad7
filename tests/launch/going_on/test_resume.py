"""What a resume accepts, what it refuses and in which words, and what it writes. No process is started."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from craft import platform
from craft.config.experiments import load_experiments
from craft.errors import ConfigError, RunBusyError, RunError
from craft.launch.create import create_runs
from craft.launch.going_on.resume import plan_resume, resume
from craft.launch.queue import dispatch
from craft.launch.queue.entries import Entry, Queue
from craft.runs import control
from craft.runs.checkpoints import commit_checkpoint
from craft.runs.events import read_events
from craft.runs.folder import RunFolder, read_identity, update_identity
from craft.runs.status import StatusWriter, read_status
from tests.launch.project import EXPERIMENTS


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of 20 steps that was stopped at step 10."""
    (tmp_path / "text.txt").write_text("abc " * 100)
    (tmp_path / "experiments.toml").write_text(EXPERIMENTS)
    (folder,) = create_runs(tmp_path / "runs", load_experiments(tmp_path / "experiments.toml").plan(["tiny"]))
    stand(folder, "stopped", 10)
    return folder


def stand(folder: RunFolder, phase: str, step: int, **changes: Any) -> None:
    def write(place: Path) -> None:
        (place / "state").write_text(str(step))

    commit_checkpoint(folder, step, write)
    StatusWriter(folder).write(phase=phase, step=step, max_steps=20, **changes)


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craft.launch.going_on.resume.start_next", lambda queue, only: None)


@pytest.mark.parametrize(
    ("kept", "given", "slots"), [(0, None, 1), (3, None, 3), (3, 2, 2), (-1, None, 1), (2**40, None, 1)]
)
def test_a_run_goes_on_beside_as_many_as_when_it_was_queued_last(
    run: RunFolder, kept: int, given: int | None, slots: int
) -> None:
    StatusWriter(run).write(slots=kept)
    resume(plan_resume(run, []), cpu_slots=given)
    (entry,) = Queue(run.path.parent).entries()
    assert entry.cpu_slots == slots
    status = read_status(run)
    assert status is not None and status.slots == slots


def test_a_stopped_run_goes_on_as_it_was(run: RunFolder) -> None:
    definition = run.definition.read_bytes()
    control.request(run, "stop")
    plan = plan_resume(run, [])
    assert (plan.step, plan.max_steps, plan.changes, plan.remarks) == (10, 20, {}, [])
    resume(plan)
    assert run.definition.read_bytes() == definition
    assert read_events(run) == []
    assert control.take(run) == [], "an old request would stop it at once"
    status = read_status(run)
    assert status is not None
    assert (status.phase, status.step) == ("queued", 10)
    assert [entry.run for entry in Queue(run.path.parent).entries()] == ["tiny-001"]


def test_a_longer_run_says_what_becomes_of_the_learning_rate(run: RunFolder) -> None:
    stand(run, "finished", 20)
    plan = plan_resume(run, ["training.max_steps=100", "scheduler.type=warmup_stable_decay", "optimizer.lr=0.01"])
    assert plan.changes["training.max_steps"] == (20, 100)
    rise, fall = plan.remarks
    # 20 steps of the cosine end at 0.1 of 0.001 and a little; the plateau of the new schedule is 0.01.
    assert rise.startswith("learning rate: 0.000105")
    assert " at step 20 of 20; 0.01 at step 21 of 100, so it rises again" in rise
    assert fall == "learning rate: it begins to fall after step 60, to 0.0002439 at step 100"


def test_what_changed_is_on_disk_before_it_is_said(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    real = platform.write_file_durable

    def watched(path: Path, content: bytes) -> None:
        real(path, content)
        order.append((path.name, run.events.exists()))

    monkeypatch.setattr(platform, "write_file_durable", watched)
    before = read_identity(run).definition_hash
    resume(plan_resume(run, ["training.max_steps=40", "optimizer.lr=0.5"]))
    assert order[0] == ("experiment.toml", False)
    document = tomllib.loads(run.definition.read_text())
    assert document["experiment"]["tiny"]["training"]["max_steps"] == 40
    (changed,) = read_events(run)
    assert changed["kind"] == "changed"
    assert changed["changes"] == {"optimizer.lr": [0.001, 0.5], "training.max_steps": [20, 40]}
    assert read_identity(run).definition_hash != before


@pytest.mark.parametrize(
    ("override", "said", "advised"),
    [
        ("model.hidden_size=32", "model.hidden_size is 16, not 32", "fresh"),
        ("model.num_layers=2", "model.num_layers is 1, not 2", "run"),
        ("model.mlp=gelu", "model.mlp is relu2, not gelu", "fork"),
        ("data.context_length=32", "data.context_length is 16, not 32", "fork"),
        ("data.val_fraction=0.2", "data.val_fraction is 0.1, not 0.2", "fork"),
        ("tokenizer.type=byte", "tokenizer.type is char, not byte", "run"),
        ("seed=5", "seed is 1337, not 5", "fork"),
        ("training.batch_size=8", "training.batch_size is 4, not 8", "fork"),
        ("optimizer.type=muon", "optimizer.type is adamw, not muon", "fork"),
    ],
)
def test_a_change_that_makes_another_run_is_refused(override: str, said: str, advised: str, run: RunFolder) -> None:
    before = run.definition.read_bytes()
    with pytest.raises(RunError) as refused:
        plan_resume(run, [override])
    assert said in str(refused.value)
    does_what_was_meant = {
        "run": f"craft run {run.definition} {override} init_from=tiny-001@10",
        "fresh": f"init_from=tiny-001@10 has none that fits: craft run {run.definition} {override}",
        "fork": f"craft fork tiny-001@10 {override}",
    }
    assert str(refused.value).endswith(does_what_was_meant[advised])
    assert run.definition.read_bytes() == before


def test_all_refused_changes_are_named_at_once(run: RunFolder) -> None:
    with pytest.raises(RunError, match=r"seed is 1337, not 5; model.hidden_size is 16, not 32"):
        plan_resume(run, ["model.hidden_size=32", "seed=5", "training.max_steps=40"])


def test_a_wrong_override_is_a_wrong_override(run: RunFolder) -> None:
    with pytest.raises(ConfigError, match="max_stps"):
        plan_resume(run, ["training.max_stps=40"])


def test_a_finished_run_says_so(run: RunFolder) -> None:
    stand(run, "finished", 20)
    with pytest.raises(RunError, match=r"tiny-001 is finished, with all its 20 steps; to train longer: craft resume"):
        plan_resume(run, [])
    with pytest.raises(RunError, match="finished"):
        plan_resume(run, ["optimizer.lr=0.5"])
    assert plan_resume(run, ["training.max_steps=21"]).max_steps == 21


def test_it_cannot_become_shorter_than_it_is(run: RunFolder) -> None:
    with pytest.raises(RunError, match=r"has trained 10 steps already; training.max_steps=5 is behind it"):
        plan_resume(run, ["training.max_steps=5"])


def test_a_run_that_reached_its_own_goal_early_needs_a_reason(run: RunFolder) -> None:
    stand(run, "finished", 10, message="val/loss has not improved")
    with pytest.raises(RunError, match="is finished: val/loss has not improved"):
        plan_resume(run, [])
    assert plan_resume(run, ["optimizer.lr=0.5"]).step == 10


def test_longer_by_epochs_counts_the_steps_of_the_old_ones(run: RunFolder) -> None:
    text = run.definition.read_text().replace("max_steps = 20\nmax_epochs = 0", "max_steps = 0\nmax_epochs = 2")
    run.definition.write_text(text)
    assert plan_resume(run, ["training.max_epochs=6"]).max_steps == 60


def test_a_run_that_trains_now_is_left_alone(run: RunFolder) -> None:
    lock = platform.FileLock(run.lock)
    assert lock.acquire()
    StatusWriter(run).write(phase="running")
    with pytest.raises(RunBusyError, match=r"is being trained by .* right now"):
        plan_resume(run, [])
    lock.release()


def test_of_two_resumes_the_second_gets_one_error(run: RunFolder) -> None:
    first, second = plan_resume(run, []), plan_resume(run, ["optimizer.lr=0.5"])
    resume(first)
    before = run.definition.read_bytes()
    with pytest.raises(RunBusyError, match="already queued or being started"):
        resume(second)
    assert run.definition.read_bytes() == before
    assert len(Queue(run.path.parent).entries()) == 1


def test_a_worker_that_took_it_meanwhile_wins(run: RunFolder) -> None:
    plan = plan_resume(run, ["optimizer.lr=0.5"])
    lock = platform.FileLock(run.lock)
    assert lock.acquire()
    with pytest.raises(RunBusyError):
        resume(plan)
    lock.release()


def test_another_machines_run_needs_force(run: RunFolder) -> None:
    StatusWriter(run).write(phase="running")
    claim = json.loads(run.status.read_text())
    run.status.write_text(json.dumps({**claim, "host": "elsewhere"}))
    with pytest.raises(RunError, match=r"elsewhere says that it trains tiny-001.*--force"):
        plan_resume(run, [])
    assert plan_resume(run, [], force=True).step == 10


def test_an_interrupted_run_says_what_is_trained_again(run: RunFolder) -> None:
    StatusWriter(run).write(phase="running", step=17)
    assert plan_resume(run, []).remarks == ["it had reached step 17; what came after step 10 is trained again"]


def test_what_auto_chose_is_chosen_anew_only_when_it_is_changed(run: RunFolder) -> None:
    update_identity(run, chosen={"precision": "bf16", "device": "cpu"})
    resume(plan_resume(run, ["optimizer.lr=0.5"]))
    assert read_identity(run).chosen
    Queue(run.path.parent).drop(["tiny-001"])
    StatusWriter(run).write(phase="stopped")
    plan = plan_resume(run, ["precision=fp32"])
    assert "the same bits are no longer promised" in plan.remarks[-1]
    resume(plan)
    assert read_identity(run).chosen == {}


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        plan_resume(RunFolder(tmp_path), [])


def test_a_stale_entry_of_a_run_that_was_taken_over_is_no_hindrance(run: RunFolder) -> None:
    Queue(run.path.parent).add([Entry("tiny-001", "cpu", 1, 1.0)])
    assert dispatch.was_taken_over(run)
    resume(plan_resume(run, []))
    assert len(Queue(run.path.parent).entries()) == 1


def test_a_file_that_says_something_else_by_now_is_named(run: RunFolder, tmp_path: Path) -> None:
    experiments = tmp_path / "experiments.toml"
    experiments.write_text(experiments.read_text().replace("[defaults]\n", "[defaults]\nseed = 9\n", 1))
    (remark,) = plan_resume(run, []).remarks
    assert "experiments.toml defines tiny otherwise by now: seed is 9 there and" in remark
    assert remark.endswith(f"for a new run with the other: craft run {experiments} tiny")
    assert plan_resume(run, []).changes == {}, "the run's own definition is what counts"
    experiments.write_text("craft = 2")
    assert plan_resume(run, []).remarks == []


def test_a_run_of_epochs_is_lengthened_by_epochs(run: RunFolder) -> None:
    text = run.definition.read_text().replace("max_steps = 20\nmax_epochs = 0", "max_steps = 0\nmax_epochs = 2")
    run.definition.write_text(text)
    stand(run, "finished", 20)
    for overrides in ([], ["training.max_steps=90"]):
        with pytest.raises(RunError, match=r"to train longer: craft resume tiny-001 training.max_epochs=4"):
            plan_resume(run, overrides)
    assert plan_resume(run, ["training.max_epochs=4"]).max_steps == 40


def test_what_a_person_overrode_is_no_change_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abc " * 100)
    experiments = tmp_path / "experiments.toml"
    experiments.write_text(EXPERIMENTS)
    planned = load_experiments(experiments).plan(["tiny"], ["optimizer.lr=0.5"])
    (folder,) = create_runs(tmp_path / "runs", planned)
    stand(folder, "stopped", 10)
    assert read_identity(folder).overrides == {"optimizer.lr": 0.5}
    assert plan_resume(folder, []).remarks == []
    resume(plan_resume(folder, ["training.max_steps=40"]))
    Queue(folder.path.parent).drop([folder.name])
    stand(folder, "stopped", 20)
    StatusWriter(folder).write(max_steps=40)
    assert plan_resume(folder, []).remarks == []
    experiments.write_text(EXPERIMENTS.replace("num_heads = 2", "num_heads = 4"))
    (remark,) = plan_resume(folder, []).remarks
    assert "otherwise by now: model.num_heads is 4 there and 2 here. This run" in remark


def test_a_command_that_is_advised_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    (folder / "text.txt").write_text("abc " * 100)
    (folder / "experiments.toml").write_text(EXPERIMENTS)
    (run,) = create_runs(folder / "runs", load_experiments(folder / "experiments.toml").plan(["tiny"]))
    stand(run, "stopped", 10)
    with pytest.raises(RunError) as refused:
        plan_resume(run, ["seed=5", 'data={ type = "text", path = "an other.txt", context_length = 8 }'])
    advised = str(refused.value).partition("for a new run with it: ")[2]
    _, command, which, *overrides = shlex.split(advised)
    assert (command, which) == ("fork", "tiny-001@10")
    (planned,) = load_experiments(run.definition).plan([], overrides)
    assert (planned.config.seed, planned.config.data.context_length) == (5, 8)


@pytest.mark.parametrize(
    ("steps", "epochs", "taken", "advice"),
    [
        (0, 2, 20, ["training.max_epochs=4"]),
        (20, 50, 20, ["training.max_steps=40", "training.max_epochs=0"]),
        (30, 2, 20, ["training.max_epochs=4", "training.max_steps=40"]),
        (90, 2, 20, ["training.max_epochs=4"]),
    ],
)
def test_what_is_advised_to_train_longer_does(
    run: RunFolder, steps: int, epochs: int, taken: int, advice: list[str]
) -> None:
    text = run.definition.read_text()
    run.definition.write_text(
        text.replace("max_steps = 20\nmax_epochs = 0", f"max_steps = {steps}\nmax_epochs = {epochs}")
    )
    stand(run, "finished", taken)
    with pytest.raises(RunError) as refused:
        plan_resume(run, [])
    assert str(refused.value).partition("craft resume tiny-001 ")[2].split() == advice
    assert plan_resume(run, advice).max_steps == 2 * taken


def test_a_rate_that_follows_a_figure_is_not_foretold(run: RunFolder) -> None:
    (to_plateau,) = plan_resume(run, ["scheduler.type=plateau"]).remarks
    assert to_plateau == "learning rate: it begins at the peak and falls when val/loss stops improving"
    resume(plan_resume(run, ["scheduler.type=plateau"]))
    Queue(run.path.parent).drop([run.name])
    stand(run, "stopped", 10)
    (longer,) = plan_resume(run, ["training.max_steps=40", "optimizer.lr=0.01"]).remarks
    assert longer == (
        "learning rate: it goes on from the part of its peak that it came to, now 0.01, not 0.001, "
        "and falls when val/loss stops improving"
    )
    (to_cosine,) = plan_resume(run, ["scheduler.type=cosine"]).remarks
    assert to_cosine.startswith("learning rate: it falls from there on, to ")


def test_what_a_schedule_of_ones_own_makes_of_it_is_said_to_be_unknown(run: RunFolder) -> None:
    (remark,) = plan_resume(run, ["scheduler.type=mine:Steps"]).remarks
    assert remark == "learning rate: what becomes of it only the schedule's own class knows"


def test_a_plan_does_not_hold_for_a_run_that_has_gone_on_since(run: RunFolder) -> None:
    """Two commands at once: the second one planned before the first began, and acts when the first is done."""
    stand(run, "stopped", 20)
    plan = plan_resume(run, ["training.max_steps=200"])
    stand(run, "finished", 200)
    with pytest.raises(RunBusyError, match="has gone on meanwhile: it is finished, at step 200"):
        resume(plan)
    status = read_status(run)
    assert status is not None
    assert status.phase == "finished"
    assert Queue(run.path.parent).is_empty()
