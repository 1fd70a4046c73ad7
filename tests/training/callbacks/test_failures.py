"""A callback that raises is named, and the run goes on or stops as its setting says."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.errors import TrainingError
from craft.runs.status import read_status
from craft.training.callbacks.base import Callback, CallbackList
from tests.training import runs
from tests.training.callbacks.here import make, train, warnings_of

# A little more than one pass over the text, so that every hook is called.
SHORT = {
    "training": {"max_steps": 12, "batch_size": 8, "micro_batch_size": 8, "eval_every": 5, "log_every": 4},
    "checkpoint": {"every": 5},
}
HEAD = "from craft.training.callbacks.base import Callback\n\nclass Mine(Callback):\n"
RAISES = {
    hook: f"{HEAD}    def {hook}(self, trainer, *others):\n        raise ValueError('no such thing')\n"
    for hook in (
        "on_train_start",
        "on_epoch_start",
        "on_step_start",
        "on_step_end",
        "on_log",
        "on_evaluate",
        "on_save",
        "on_sample",
        "on_epoch_end",
        "on_train_end",
    )
}
MANY = ("on_step_start", "on_step_end", "on_log", "on_evaluate", "on_save")
STATE = f"{HEAD}    def state_dict(self):\n        return {{'kept': object()}}\n"
RAISES["on_sample"] += "    def on_train_start(self, trainer):\n        trainer.ask_to_sample()\n"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of a run without callbacks."""
    folder, config = make(tmp_path_factory.mktemp("plain"), {}, **SHORT)
    train(folder, config)
    return runs.final_weights(folder)


@pytest.mark.parametrize("hook", sorted(RAISES))
def test_one_that_is_to_stop_the_run_fails_it(tmp_path: Path, hook: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder, config = make(tmp_path, {"notes": {"type": "mine:Mine"}}, RAISES[hook], **SHORT)
    with pytest.raises(TrainingError) as raised:
        train(folder, config)
    words = str(raised.value)
    assert words.startswith(f"callbacks.notes: {hook} at step ")
    assert words.endswith("raised ValueError: no such thing")
    status = read_status(folder)
    assert status is not None
    assert (status.phase, status.error) == ("failed", words)
    assert "mine.py" in capsys.readouterr().out, "the log says where"


@pytest.mark.parametrize("hook", sorted(RAISES))
def test_one_that_is_not_leaves_the_run_what_it_is(tmp_path: Path, hook: str, plain: str) -> None:
    settings = {"notes": {"type": "mine:Mine", "on_error": "continue"}}
    folder, config = make(tmp_path, settings, RAISES[hook], **SHORT)
    train(folder, config)
    assert runs.final_weights(folder) == plain
    said = warnings_of(folder)
    assert said[0].startswith(f"callbacks.notes: {hook} at step ")
    assert len(said) == {"on_epoch_start": 2}.get(hook, 3 if hook in MANY else 1)
    if hook in MANY:
        assert "failed 3 times and is left alone until the run is started again" in said[-1]


def test_others_are_called_although_one_fails(tmp_path: Path) -> None:
    code = RAISES["on_log"] + "\nclass Counts(Callback):\n    n = 0\n"
    code += "    def on_log(self, trainer, record):\n        self.n += 1\n        record['mine/n'] = self.n\n"
    settings = {"bad": {"type": "mine:Mine", "on_error": "continue"}, "good": {"type": "mine:Counts"}}
    folder, config = make(tmp_path, settings, code, **SHORT)
    trainer = train(folder, config)
    assert trainer.callbacks.callbacks["good"].n == 4


def test_an_end_that_raises_fails_no_run_that_has_finished(tmp_path: Path) -> None:
    code = f"{HEAD}    def on_outcome(self, trainer, phase, error):\n        raise OSError('too late')\n"
    folder, config = make(tmp_path, {"notes": {"type": "mine:Mine"}}, code, **SHORT)
    train(folder, config)
    status = read_status(folder)
    assert status is not None
    assert status.phase == "finished"
    assert warnings_of(folder) == ["callbacks.notes: on_outcome at step 12 raised OSError: too late"]


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_state_that_is_no_json_is_named(tmp_path: Path, on_error: str) -> None:
    folder, config = make(tmp_path, {"notes": {"type": "mine:Mine", "on_error": on_error}}, STATE, **SHORT)
    if on_error == "continue":
        train(folder, config)
        assert "state_dict raised TypeError: Object of type object is not JSON serializable" in warnings_of(folder)[0]
        return
    with pytest.raises(TrainingError, match=r"callbacks\.notes: state_dict raised TypeError"):
        train(folder, config)


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_state_that_does_not_load_is_named(tmp_path: Path, on_error: str) -> None:
    code = f"{HEAD}    def state_dict(self):\n        return {{'a': 1}}\n"
    code += "    def load_state_dict(self, state):\n        self.b = state['b']\n"
    folder, config = make(tmp_path, {"notes": {"type": "mine:Mine", "on_error": on_error}}, code, **SHORT)
    train(folder, config, until=5)
    if on_error == "continue":
        train(folder, config)
        assert warnings_of(folder) == ["callbacks.notes: load_state_dict raised KeyError: 'b'"]
        return
    with pytest.raises(TrainingError, match=r"callbacks\.notes: load_state_dict raised KeyError: 'b'"):
        train(folder, config)


def test_hooks_that_nobody_overrides_call_nobody() -> None:
    class Counts(Callback):
        calls = 0

        def on_step_end(self, trainer: object) -> None:
            self.calls += 1

    counts = Counts()
    several = CallbackList({"plain": Callback(), "counts": counts})
    for hook in ("on_step_start", "on_step_end", "on_step_end"):
        several.call(hook, None)  # type: ignore[arg-type]
    assert counts.calls == 2
    assert several._called == {"on_step_start": [], "on_step_end": ["counts"]}
    several.callbacks["late"] = Counts()
    several.call("on_step_end", None)  # type: ignore[arg-type]
    assert counts.calls == 3
    assert several.callbacks["late"].calls == 1
