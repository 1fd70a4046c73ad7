"""Settings that change while a run trains: they take effect, are on disk first, and a fallback comes to them again."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from craft.config import fields
from craft.errors import RunError
from craft.runs import checkpoints, control
from craft.runs.changes import Change, read_changes, write_changes
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.jsonl import read_lines
from craft.training import live_changes
from craft.training import trainer as trainer_module
from craft.training.callbacks.base import Callback
from craft.training.checkpointing import CheckpointManager
from tests.training import runs
from tests.training.asking import answers, damage, rates, train
from tests.training.test_roll_back import BackOnce

EACH_STEP: dict[str, Any] = {"training": {"max_steps": 12, "log_every": 1, "eval_every": 4, "grad_clip": 1.0}}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return runs.write_text(tmp_path / "text.txt")


def a_run(tmp_path: Path, config: Any) -> RunFolder:
    return runs.make_run(tmp_path / "runs", config)


def set_to(**values: Any) -> tuple[str, dict[str, Any]]:
    return "set", {"values": {path.replace("__", "."): value for path, value in values.items()}}


OPTIMIZERS = [*(kind for kind in fields.types_of("optimizer") if ":" not in kind), "torch.optim:RAdam"]
SCHEDULERS = [kind for kind in fields.types_of("scheduler") if ":" not in kind]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_rate_of_every_optimizer_changes_from_the_next_step_on(tmp_path: Path, text: Path, kind: str) -> None:
    config = runs.definition(text, **EACH_STEP, optimizer={"type": kind, "lr": 0.01})
    plain, changed = a_run(tmp_path, config), a_run(tmp_path, config)
    train(plain, config, {})
    train(changed, config, {5: [set_to(optimizer__lr=0.002)]})
    for step, rate in rates(plain).items():
        assert rates(changed)[step] == pytest.approx(rate * (0.2 if step > 5 else 1.0)), step
    assert runs.final_weights(changed) != runs.final_weights(plain)
    losses = [record["train/loss"] for record in read_lines(changed.metrics) if "train/loss" in record]
    before = [record["train/loss"] for record in read_lines(plain.metrics) if "train/loss" in record]
    assert losses[:6] == before[:6]
    assert losses[7:] != before[7:]


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_under_every_schedule_it_is_the_peak_that_changes(tmp_path: Path, text: Path, kind: str) -> None:
    scheduler = {"type": kind, **({"patience": 1, "monitor": "val/loss"} if kind == "plateau" else {})}
    config = runs.definition(text, **EACH_STEP, optimizer={"type": "sgd", "lr": 0.01}, scheduler=scheduler)
    plain, changed = a_run(tmp_path, config), a_run(tmp_path, config)
    train(plain, config, {})
    train(changed, config, {5: [set_to(optimizer__lr=0.005)]})
    for step, rate in rates(plain).items():
        assert rates(changed)[step] == pytest.approx(rate * (0.5 if step > 5 else 1.0)), step


NUMBERS = {
    "adamw": {"weight_decay": 0.5, "eps": 1e-3},
    "adam": {"weight_decay": 0.5, "eps": 1e-3},
    "sgd": {"weight_decay": 0.5, "momentum": 0.0},
    "adafactor": {"weight_decay": 0.5, "beta2_decay": -0.2, "clip_threshold": 5.0},
    "lion": {"weight_decay": 0.5},
    "muon": {
        "momentum": 0.5,
        "weight_decay": 0.5,
        "ns_steps": 1,
        "embedding_lr": 0.01,
        "head_lr": 0.001,
        "scalar_lr": 0.5,
        "eps": 1e-3,
    },
}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(kind, name, value) for kind, numbers in NUMBERS.items() for name, value in numbers.items()],
)
def test_every_number_of_an_optimizer_that_can_change_takes_effect(
    tmp_path: Path, text: Path, kind: str, name: str, value: float
) -> None:
    section: dict[str, Any] = {"type": kind, "lr": 0.05}
    model = {"norm": "layernorm"}  # with scalars that learn
    settings = {"training": {"max_steps": 6, "log_every": 1, "eval_every": 0}, "scheduler": {"type": "constant"}}
    config = runs.definition(text, **settings, optimizer=section, model=model)
    plain, changed, foreseen = (a_run(tmp_path, config) for _ in range(3))
    train(plain, config, {})
    train(changed, config, {2: [set_to(**{f"optimizer__{name}": value})]})
    (change,) = read_changes(changed)
    assert change.values == {f"optimizer.{name}": value}
    assert runs.final_weights(changed) != runs.final_weights(plain)
    write_changes(foreseen, [change])
    train(foreseen, config, {}, until=4)
    train(foreseen, config, {})
    assert runs.final_weights(foreseen) == runs.final_weights(changed)


def test_a_momentum_can_be_switched_on_and_off(tmp_path: Path, text: Path) -> None:
    section = {"type": "sgd", "lr": 0.05, "momentum": 0.0}
    config = runs.definition(text, **EACH_STEP, optimizer=section)
    changed, again = a_run(tmp_path, config), a_run(tmp_path, config)
    train(changed, config, {3: [set_to(optimizer__momentum=0.9)], 7: [set_to(optimizer__momentum=0.0)]})
    write_changes(again, read_changes(changed))
    for until in (5, 9, None):  # a restart with a momentum that the definition has not, and one without again
        train(again, config, {}, until=until)
    assert runs.final_weights(again) == runs.final_weights(changed)


def test_the_cadences_change(tmp_path: Path, text: Path) -> None:
    samples = {"sample_text": {"type": "sample_text", "every": 100, "max_new_tokens": 2, "prompts": ["a"]}}
    config = runs.definition(
        text,
        training={"max_steps": 30, "log_every": 100, "eval_every": 100},
        checkpoint={"every": 100, "keep": 1},
        callbacks=samples,
    )
    folder = a_run(tmp_path, config)
    wanted = set_to(
        training__log_every=2,
        training__eval_every=5,
        checkpoint__every=3,
        checkpoint__keep=2,
        callbacks__sample_text__every=4,
        training__grad_clip=0.0,
    )
    train(folder, config, {10: [wanted]})
    records = read_lines(folder.metrics)
    assert [r["step"] for r in records if "train/loss" in r] == [1, *range(12, 31, 2)]
    assert [r["step"] for r in records if "val/loss" in r] == [0, 15, 20, 25, 30]
    assert all(("train/grad_norm" in r) == (r["step"] <= 10) for r in records if "train/loss" in r)
    events = read_events(folder)
    assert [e["step"] for e in events if e["kind"] == "checkpoint"] == [0, 10, 12, 15, 18, 21, 24, 27, 30]
    assert [e["step"] for e in events if e["kind"] == "sampled"] == [12, 16, 20, 24, 28, 30]
    assert len(checkpoints.list_checkpoints(folder)) in (2, 3)  # the two newest, and the best


def test_the_checkpoint_and_the_file_come_before_the_change(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = runs.definition(text, **EACH_STEP, checkpoint={"every": 0})
    folder, held = a_run(tmp_path, config), []
    apply = live_changes.LiveChanges._apply

    def looked_at(self: Any, values: Any) -> None:
        saved = [info.step for info in checkpoints.list_checkpoints(folder)]
        held.append((saved, [change.values for change in read_changes(folder)], self.trainer.config.optimizer.lr))
        apply(self, values)

    monkeypatch.setattr(live_changes.LiveChanges, "_apply", looked_at)
    train(folder, config, {7: [set_to(optimizer__lr=0.001)]})
    assert held == [([0, 7], [{"optimizer.lr": 0.001}], 0.02)]
    (changed,) = [event for event in read_events(folder) if event["kind"] == "changed"]
    assert (changed["step"], changed["values"]) == (7, {"optimizer.lr": 0.001})
    assert changed["before"] == {"optimizer.lr": 0.02}
    assert "optimizer.lr 0.02 -> 0.001 from step 8 on" in changed["text"]
    assert "lr = 0.02" in folder.definition.read_text()


@pytest.mark.parametrize("fallback", [False, True], ids=["newest", "older"])
def test_after_a_fallback_the_change_comes_again_at_its_step(tmp_path: Path, text: Path, fallback: bool) -> None:
    config = runs.definition(text, training={"max_steps": 30, "log_every": 1}, checkpoint={"every": 5, "keep": 9})
    untouched, cut = a_run(tmp_path, config), a_run(tmp_path, config)
    train(cut, config, {13: [set_to(optimizer__lr=0.003)]}, until=17)
    write_changes(untouched, read_changes(cut))
    train(untouched, config, {})
    if fallback:
        for info in checkpoints.list_checkpoints(cut)[-3:]:  # of steps 13, 15 and 17
            damage(info.path)
    train(cut, config, {})
    assert runs.final_weights(cut) == runs.final_weights(untouched)
    assert rates(cut) == rates(untouched)
    again = [event for event in read_events(cut) if event["kind"] == "changed" and event.get("again")]
    assert [event["step"] for event in again] == ([13] if fallback else [])


def test_a_change_whose_worker_was_killed_before_it_said_so_is_said_by_the_next(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, **EACH_STEP, scheduler={"type": "constant"}, checkpoint={"every": 4})
    folder = a_run(tmp_path, config)
    train(folder, config, {}, until=8)
    write_changes(folder, [Change(8, request="asked", values={"optimizer.lr": 0.5}, before={"optimizer.lr": 0.02})])
    train(folder, config, {}, until=10)
    train(folder, config, {})
    (said,) = [event for event in read_events(folder) if event["kind"] == "changed"]
    assert (said["request"], said["step"], said["values"]) == ("asked", 8, {"optimizer.lr": 0.5})
    assert [rates(folder)[step] for step in (8, 9, 12)] == [0.02, 0.5, 0.5]


def test_a_run_that_goes_back_by_itself_comes_to_the_change_again(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, training={"max_steps": 30, "log_every": 1}, scheduler={"type": "constant"})
    asked, foreseen = a_run(tmp_path, config), a_run(tmp_path, config)
    back = {"back": BackOnce(at=23, before_step=17, lr_scale=1.0)}
    train(asked, config, {18: [set_to(optimizer__lr=0.004)]}, callbacks=back)
    assert [rates(asked)[step] for step in (15, 16, 18, 19, 30)] == [0.02, 0.02, 0.02, 0.004, 0.004]
    said = [event for event in read_events(asked) if event["kind"] == "changed"]
    assert [(event["step"], "again" in event) for event in said] == [(18, False), (18, True)]
    write_changes(foreseen, read_changes(asked))
    train(foreseen, config, {}, callbacks={"back": BackOnce(at=23, before_step=17, lr_scale=1.0)})
    assert rates(foreseen) == rates(asked)


def test_a_later_word_after_a_fallback_counts(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, **EACH_STEP, scheduler={"type": "constant"}, checkpoint={"every": 2, "keep": 9})
    folder = a_run(tmp_path, config)
    train(folder, config, {6: [set_to(optimizer__lr=0.001, training__grad_clip=2.0)]}, until=8)
    for info in checkpoints.list_checkpoints(folder):
        if info.step > 2:
            damage(info.path)
    train(folder, config, {4: [set_to(optimizer__lr=0.5)]})
    assert [(one.step, one.values) for one in read_changes(folder)] == [
        (4, {"optimizer.lr": 0.5}),
        (6, {"training.grad_clip": 2.0}),
    ]
    assert (rates(folder)[4], rates(folder)[5], rates(folder)[12]) == (0.02, 0.5, 0.5)


REFUSED = {
    "optimizer.lr": (-1, "at least 0"),
    "optimizer.type": (1, "must be a string"),
    "optimizer.nothing": (1, "unknown key"),
    "training.batch_size": (8, "training.batch_size cannot change while it trains; these can: optimizer.lr"),
    "training.log_every": (0, "at least 1"),
    "training.log_every ": (1.5, "must be an integer"),
    "callbacks.early.patience": (1, "callbacks.early.patience cannot change"),
    "training.eval_every": (0, "callbacks.early waits for evaluations"),
    "\ud800": (1, ""),
    "optimizer.lr=1": (1, ""),
    'optimizer.lr" ': (1, ""),
}


def test_what_cannot_be_is_refused_with_a_reason_and_changes_nothing(tmp_path: Path, text: Path) -> None:
    early = {"early": {"type": "early_stopping", "patience": 50}}
    config = runs.definition(text, **EACH_STEP, callbacks=early)
    plain, folder = a_run(tmp_path, config), a_run(tmp_path, config)
    train(plain, config, {})
    asks = [("set", {"values": {path: value}}) for path, (value, _) in REFUSED.items()]
    asks += [set_to(optimizer__lr=0.02), ("set", {"values": {"optimizer.lr": 10**400}})]
    train(folder, config, {3: asks})
    found = answers(folder)
    assert [answer["kind"] for answer in found] == ["refused"] * len(REFUSED) + ["answered", "refused"]
    for answer, (path, (_, words)) in zip(found, REFUSED.items(), strict=False):
        assert words in answer["reason"], path
    assert "so already" in found[-2]["text"]
    assert not folder.changes.exists()
    assert runs.final_weights(folder) == runs.final_weights(plain)


def test_nothing_is_changed_that_a_full_disk_could_not_hold(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = runs.definition(text, **EACH_STEP)
    folder = a_run(tmp_path, config)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(live_changes, "write_changes", full)
        train(folder, config, {3: [set_to(optimizer__lr=0.001)]}, until=4)
    save = CheckpointManager.save
    with monkeypatch.context() as patched:
        full_at_7 = lambda self, step, value: full() if step == 7 else save(self, step, value)  # noqa: E731
        patched.setattr(CheckpointManager, "save", full_at_7)
        train(folder, config, {7: [set_to(optimizer__lr=0.001), ("checkpoint", {}), ("pause", {}), ("continue", {})]})
    not_written, not_saved, no_checkpoint, paused, continued = answers(folder)
    assert "nothing is changed: changes.json is not written: No space left" in not_written["reason"]
    assert "step 7 is not saved, so nothing is changed: No space left" in not_saved["reason"]
    assert "step 7 is not saved: No space left" in no_checkpoint["reason"]
    assert (paused["saved"], paused["fault"], continued["kind"]) == (False, "No space left on device", "continued")
    assert len({rates(folder)[step] for step in range(4, 7)}) == 1


def test_a_paused_run_saves_as_soon_as_there_is_room(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class GoesOn(Callback):
        def on_save(self, trainer: Any, path: Path) -> None:
            if trainer.step == 7:
                control.request(trainer.recorder.folder, "continue")

    tries, save = [], CheckpointManager.save

    def full_at_first(self: CheckpointManager, step: int, value: float | None) -> Path:
        tries.append(step)
        if tries.count(7) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, step, value)

    monkeypatch.setattr(CheckpointManager, "save", full_at_first)
    monkeypatch.setattr(trainer_module, "SAVE_RETRY_SECONDS", 0.0)
    config = runs.definition(text, **EACH_STEP, checkpoint={"every": 0})
    folder = a_run(tmp_path, config)
    train(folder, config, {7: [("pause", {})]}, callbacks={"goes_on": GoesOn()})
    paused, continued = answers(folder)
    assert (paused["saved"], continued["kind"], continued["step"]) == (False, "continued", 7)
    assert tries.count(7) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("{}", "not a list"),
        ('[{"step": 3}]', "no values"),
        ('[{"values": {"a": 1}}]', "it has no step"),
        ('[{"step": 3, "values": {"a": "b"}}]', "a is no number"),
    ],
)
def test_damaged_changes_are_said(tmp_path: Path, text: Path, content: str, words: str) -> None:
    folder = a_run(tmp_path, runs.definition(text))
    folder.changes.write_text(content)
    with pytest.raises(RunError, match=f"changes.json: damaged: .*{words}"):
        read_changes(folder)


def test_nothing_is_trained_without_changes_that_cannot_be_read(tmp_path: Path, text: Path) -> None:
    folder = a_run(tmp_path, runs.definition(text))
    folder.changes.write_text("[")
    assert runs.train(folder) == 1
    assert "changes.json: damaged" in folder.log.read_text()
    assert "Traceback" not in folder.log.read_text()


def test_changes_lie_in_the_order_of_their_steps(tmp_path: Path, text: Path) -> None:
    folder = a_run(tmp_path, runs.definition(text))
    write_changes(folder, [])
    assert not folder.changes.exists()
    write_changes(folder, [Change(5, values={"a": 1}), Change(3, values={"a": 2.5})])
    assert [change.step for change in read_changes(folder)] == [3, 5]
