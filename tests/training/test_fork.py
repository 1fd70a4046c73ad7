"""A fork trains on from its parent's state, but for the parts that start anew; killed and resumed, to the same bits."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from craft.config.definition import load_definition
from craft.errors import CheckpointError, RunError
from craft.launch.going_on.fork import fork, plan_fork
from craft.runs import checkpoints
from craft.runs.changes import Change, read_changes, write_changes
from craft.runs.checkpoints import best_step, list_checkpoints, step_folder
from craft.runs.events import read_events
from craft.runs.folder import RunFolder, read_identity
from craft.runs.metrics import MetricsReader
from craft.training.experiment import Experiment
from craft.training.recovery import step_within_memory
from craft.training.trainer import Trainer
from tests.training import runs

AT = 20
EARLY = {"early_stopping": {"type": "early_stopping", "patience": 50}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, another text of the same letters, and a finished run of 40 steps, all of it kept."""
    place = tmp_path_factory.mktemp("fork")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRAFT_CACHE_DIR", str(place / "cache"))
        text = runs.write_text(place / "text.txt")
        (place / "other.txt").write_text(text.read_text()[::-1])
        (place / "foreign.txt").write_text(text.read_text().upper())
        config = runs.definition(text, checkpoint={"every": 10, "keep": 10}, callbacks=EARLY)
        train(runs.make_run(place / "runs", config))
    return place


@pytest.fixture
def parent(trained: Path, tmp_path: Path) -> RunFolder:
    """The run by itself: forks of it lie beside it."""
    shutil.copytree(trained / "runs" / "tiny-001", tmp_path / "runs" / "tiny-001")
    return RunFolder(tmp_path / "runs" / "tiny-001")


def begin(folder: RunFolder) -> Experiment:
    """Set a run up in this process."""
    experiment = Experiment(load_definition(folder.definition)[1], folder=folder)
    experiment.setup()
    return experiment


def leave(experiment: Experiment) -> None:
    """Let go of a run as a killed process would: nothing more is written."""
    assert experiment._lock is not None
    experiment._lock.release()


def train(folder: RunFolder) -> Trainer:
    """Train a run to its end in this process."""
    experiment = Experiment(load_definition(folder.definition)[1], folder=folder)
    experiment.run()
    assert experiment.trainer is not None
    return experiment.trainer


def child_of(parent: RunFolder, *overrides: str, at: int | str = AT, **settings: Any) -> RunFolder:
    return fork(plan_fork(parent, str(at), overrides, **settings))


def digest(folder: RunFolder, step: int = 40) -> str:
    """Of everything that a checkpoint holds but the text of its definition and the seconds that it took."""
    place = step_folder(folder, step)
    found = hashlib.sha256((place / "model.safetensors").read_bytes())
    found.update((place / "training.safetensors").read_bytes())
    return found.hexdigest()


def test_an_unchanged_fork_ends_in_the_bits_of_its_parent(parent: RunFolder) -> None:
    child = child_of(parent)
    train(child)
    assert digest(child) == digest(parent)
    grandchild = child_of(child, at=30)
    train(grandchild)
    assert digest(grandchild) == digest(parent)


def test_its_curve_is_that_of_its_parent(parent: RunFolder) -> None:
    child = child_of(parent)
    train(child)
    theirs, ours = MetricsReader(parent.metrics), MetricsReader(child.metrics)
    theirs.poll()
    ours.poll()
    for name in ("train/loss", "val/loss"):
        assert ours.series(name) == theirs.series(name)
    assert ours.series("train/loss", x="tokens") == theirs.series("train/loss", x="tokens")
    seconds = [record["time"] for record in ours.records]
    assert seconds == sorted(seconds)


def test_a_fork_needs_nothing_of_its_parent(parent: RunFolder) -> None:
    expected = digest(parent)
    child = child_of(parent)
    shutil.rmtree(parent.path)
    train(child)
    assert digest(child) == expected


ANEW = {
    "optimizer.type=adamw": ["optimizer"],
    "seed=8": ["data", "random"],
    "training.batch_size=6": ["data"],
    "data.shuffle=false": ["data"],
    "data.context_length=8": ["data", "figures"],
    "data.val_fraction=0.3": ["data", "figures"],
    "scheduler.type=plateau": ["scheduler"],
    "training.ema_decay=0.9": ["ema"],
}


@pytest.mark.parametrize("override", ANEW)
def test_what_starts_anew_does_so_at_every_start_from_the_copy(override: str, parent: RunFolder) -> None:
    child, other = child_of(parent, override), child_of(parent, override)
    assert read_identity(child).fork["anew"] == ANEW[override]
    train(child)
    assert digest(child) != digest(parent)

    killed = begin(other)
    assert killed.trainer is not None
    killed.trainer.step += 1
    step_within_memory(killed.trainer)  # nothing of it was saved: the next start is from the parent's copy again
    leave(killed)
    killed = begin(other)
    assert killed.trainer is not None
    killed.trainer.fit(until=AT + 3)  # this one has saved its own state of the step
    leave(killed)
    shutil.rmtree(step_folder(other, AT + 3))
    train(other)
    assert digest(other) == digest(child)


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.lr=0.5",
        "training.grad_clip=0.1",
        "model.dropout=0.3",
        "model.logit_softcap=5.0",
        "training.max_steps=60",
    ],
)
def test_with_other_settings_it_goes_on_from_the_very_state(override: str, parent: RunFolder) -> None:
    child = child_of(parent, override)
    assert read_identity(child).fork["anew"] == []
    experiment = begin(child)
    assert experiment.trainer is not None
    path = step_folder(child, AT)
    again = child.path / "again"
    again.mkdir()
    experiment.trainer.checkpoints.folder = RunFolder(again)
    (again / "experiment.toml").write_bytes(child.definition.read_bytes())
    saved = experiment.trainer.checkpoints.save(AT, None)
    for file in ("model.safetensors", "training.safetensors"):
        assert (saved / file).read_bytes() == (path / file).read_bytes()
    leave(experiment)
    train(child)
    assert digest(child) != digest(parent)


def test_an_optimizer_of_another_type_begins_with_nothing(parent: RunFolder) -> None:
    experiment = begin(child_of(parent, "optimizer.type=adamw"))
    assert experiment.trainer is not None
    assert all(not tensor.any() for tensor in experiment.trainer.optimizer.state_dict().values())
    assert experiment.trainer.step == AT
    leave(experiment)


def test_data_that_begin_anew_begin_their_first_epoch(parent: RunFolder) -> None:
    child = child_of(parent, "seed=8", "training.max_epochs=1", "training.max_steps=0")
    experiment = begin(child)
    trainer = experiment.trainer
    assert trainer is not None
    batches = trainer.prefetch.batches
    assert trainer.max_steps == AT + batches.steps_per_epoch()
    assert (trainer.epochs_done(AT), trainer.epochs_done(trainer.max_steps)) == (0, 1)
    assert trainer.last_step_of_epoch(1) == trainer.max_steps
    seen = [int(w) for step in range(AT + 1, trainer.max_steps + 1) for _, ws in batches.windows(step) for w in ws]
    assert sorted(seen) == list(range(batches.num_windows)), "one pass, without replacement"
    leave(experiment)


def test_an_average_begins_with_the_weights_as_they_are(parent: RunFolder) -> None:
    child = child_of(parent, "training.ema_decay=0.9")
    train(child)
    without = child_of(child, "training.ema_decay=0", at=30)
    begun = begin(child_of(without, "training.ema_decay=0.5", at=30))
    trained = begin(without)
    assert begun.trainer is not None
    assert trained.trainer is not None
    for one, other in zip(begun.trainer.model.parameters(), trained.trainer.model.parameters(), strict=True):
        assert torch.equal(one, other), "what is trained, not the average, goes on"
    leave(begun)
    leave(trained)


def test_the_same_text_elsewhere_goes_on_and_another_begins_anew(parent: RunFolder, trained: Path) -> None:
    (parent.path.parent / "moved.txt").write_bytes((trained / "text.txt").read_bytes())
    moved = child_of(parent, f"data.path={parent.path.parent / 'moved.txt'}")
    train(moved)
    assert read_identity(moved).fork["anew"] == []
    assert digest(moved) == digest(parent)

    other = child_of(parent, f"data.path={trained / 'other.txt'}")
    experiment = begin(other)
    trainer = experiment.trainer
    assert trainer is not None
    assert read_identity(other).fork["anew"] == ["data", "figures"]
    assert (trainer.best, trainer.evaluated, trainer.evaluation_owed, trainer.data_begins) == (None, {}, True, AT)
    leave(experiment)
    train(other)
    figures = [event for event in read_events(other) if event["kind"] == "evaluated"]
    assert figures[0]["step"] == AT, "what it has from its parent is measured on its own text"
    assert best_step(other) in [event["step"] for event in figures]


def test_a_text_of_other_characters_is_refused(parent: RunFolder, trained: Path) -> None:
    place = f"data.path={trained / 'foreign.txt'}"
    with pytest.raises(RunError, match=r"other characters, which are the tokens: it has 'A', .*; it lacks 'a', "):
        child_of(parent, place)
    unread = child_of(parent, place, "data.processors=['normalise']")  # what that makes of it, the worker finds out
    with pytest.raises(CheckpointError, match=r"other tokens than its parent's weights know.*init_from="):
        Experiment(load_definition(unread.definition)[1], folder=unread).run()


def test_a_text_that_was_written_over_begins_anew(parent: RunFolder, trained: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes((trained / "text.txt").read_bytes())
    own = child_of(parent, f"data.path={text}")
    train(own)
    text.write_bytes((trained / "other.txt").read_bytes())
    plan = plan_fork(own, str(AT))
    assert [(one.path, one.kind) for one in plan.effects] == [("data", "anew")]
    train(fork(plan))


def test_the_best_is_that_of_the_checkpoints_that_it_holds(parent: RunFolder) -> None:
    child = child_of(parent)
    experiment = begin(child)
    assert experiment.trainer is not None
    assert (experiment.trainer.best_step, best_step(child)) == (AT, AT)
    assert experiment.trainer.best == experiment.trainer.evaluated["val/loss"]
    leave(experiment)
    by_accuracy = child_of(parent, "checkpoint.monitor=val/accuracy", "checkpoint.mode=max")
    experiment = begin(by_accuracy)
    assert experiment.trainer is not None
    assert experiment.trainer.best == experiment.trainer.evaluated["val/accuracy"]
    leave(experiment)


def test_what_waited_for_a_figure_goes_on_waiting_unless_it_is_another(parent: RunFolder) -> None:
    same = begin(child_of(parent))
    assert same.trainer is not None
    (early,) = same.trainer.callbacks
    assert early.state_dict()["best"] is not None
    leave(same)
    another = begin(child_of(parent, "callbacks.early_stopping.monitor=val/accuracy"))
    assert another.trainer is not None
    (early,) = another.trainer.callbacks
    assert (early.state_dict()["best"], early.state_dict()["waited"]) == (None, 0)
    leave(another)


def test_a_plateau_keeps_its_rate_and_forgets_figures_of_another_text(parent: RunFolder, trained: Path) -> None:
    child = child_of(parent, "scheduler.type=plateau", "scheduler.patience=0", "scheduler.min_delta=1.0")
    train(child)
    on_other = begin(child_of(child, f"data.path={trained / 'other.txt'}", "training.max_steps=60", at=40))
    assert on_other.trainer is not None
    state = on_other.trainer.scheduler.state_dict()
    assert state["ratio"] < 1.0
    assert state["best"] is None
    leave(on_other)


def test_a_run_that_reached_its_goal_goes_on_in_a_fork(parent: RunFolder) -> None:
    child = child_of(parent, "callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=9.0")
    train(child)
    end = list_checkpoints(child)[-1].step
    assert end < 40
    assert read_events(child)[-1]["kind"] == "finished"
    onward = child_of(child, "callbacks.early_stopping.enabled=false", at=end)
    train(onward)
    assert list_checkpoints(onward)[-1].step == 40


def test_live_changes_before_the_fork_hold_in_it(trained: Path, tmp_path: Path) -> None:
    config = runs.definition(trained / "text.txt", checkpoint={"every": 10, "keep": 10})
    parent = runs.make_run(tmp_path / "runs", config)
    write_changes(parent, [Change(7, values={"optimizer.lr": 0.3}), Change(25, values={"training.grad_clip": 0.1})])
    train(parent)
    child = child_of(parent)
    train(child)
    assert digest(child, 30) != digest(parent, 30), "what was changed later is not the child's"
    late = child_of(parent, at=30)
    train(late)
    assert digest(late) == digest(parent)
    given = child_of(parent, "optimizer.lr=0.02", at=30)
    assert [change.values for change in read_changes(given)] == [{"training.grad_clip": 0.1}]
    train(given)
    assert digest(given) != digest(parent)


OWN_MODEL = """
import torch
from craft.models.base import LanguageModel
class Tiny(torch.nn.Module):
    def __init__(self, width=8, *, vocab_size, context_length, slope=1.0):
        super().__init__()
        self.embed, self.head = torch.nn.Embedding(vocab_size, width), torch.nn.Linear(width, vocab_size)
        self.slope = slope
    def forward(self, tokens):
        return self.head(torch.tanh(self.embed(tokens) * self.slope))
"""


def test_a_model_of_ones_own_goes_along_with_its_code(trained: Path, tmp_path: Path) -> None:
    own = {"type": "own_tiny:Tiny", "arguments": {"width": 8}}
    parent = runs.make_run(tmp_path / "runs", runs.definition(trained / "text.txt", model=own))
    parent.code.mkdir()
    (parent.code / "own_tiny.py").write_text(OWN_MODEL)
    train(parent)
    child = child_of(parent, at=35)
    shutil.rmtree(parent.path / "code")
    assert (child.code / "own_tiny.py").read_text() == OWN_MODEL
    train(child)
    assert digest(child) == digest(parent)


def test_it_goes_back_to_what_it_began_with(parent: RunFolder) -> None:
    """A roll back to the fork's own step finds the state that it began with, optimizer and all."""
    child = child_of(parent, "optimizer.type=adamw")
    experiment = begin(child)
    trainer = experiment.trainer
    assert trainer is not None
    trainer.fit(until=AT)
    began = {name: tensor.clone() for name, tensor in trainer.optimizer.state_dict().items()}
    trainer.fit(until=AT + 2)
    found = checkpoints.go_back(child, AT)
    assert found is not None
    trainer.restore(found.path)
    assert all(torch.equal(tensor, began[name]) for name, tensor in trainer.optimizer.state_dict().items())
    leave(experiment)
