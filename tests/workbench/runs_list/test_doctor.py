"""The doctor's page: what is found, as it is found, and what is put right."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from craft.launch import doctor
from craft.launch.doctor.finding import Finding, Patient
from tests.workbench.harness import SmallScreen, opened, play, screen_text, until
from tests.workbench.runs import make_project, make_run
from workbench.screens.runs.doctor_screen import DoctorScreen


class _NoQuestion:
    """In the place of the child that imports torch, which takes seconds: waits until it may answer."""

    may_answer = threading.Event()
    dismissed = False

    def __init__(self, patient: Patient) -> None:
        pass

    def torch(self, patient: Patient) -> Iterable[Finding]:
        self.may_answer.wait(20)
        yield Finding("torch", "fault", "does not [work] \x1b[2J", "install it anew")

    def dismiss(self) -> None:
        type(self).dismissed = True


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a half-made checkpoint, and a doctor who looks at the runs only."""
    monkeypatch.setattr(doctor, "MACHINE", (doctor.machine.python,))
    monkeypatch.setattr(doctor, "Question", _NoQuestion)
    _NoQuestion.may_answer.clear()
    _NoQuestion.dismissed = False
    folder = make_run(tmp_path / "runs", phase="stopped")
    (folder.checkpoints / ".partial-step-00000090").mkdir(parents=True)
    return make_project(tmp_path)


def test_what_is_found_is_shown_as_it_is_found_and_put_right_when_asked(file: Path, tmp_path: Path) -> None:
    half = tmp_path / "runs" / "transformer-001" / "checkpoints" / ".partial-step-00000090"

    async def story() -> None:
        async with opened(file, size=SmallScreen) as (app, pilot):
            await until(pilot, lambda: "transformer-001" in screen_text(app))
            await pilot.press("exclamation_mark")
            await until(pilot, lambda: "python" in screen_text(app) and "looking ..." in screen_text(app))
            await pilot.press("f")
            assert half.exists(), "nothing is known yet that could be put right"
            _NoQuestion.may_answer.set()
            await until(pilot, lambda: "f puts 1 of it right" in screen_text(app))
            for words in ("does not [work]", "install it anew", "1 half-made checkpoint"):
                await until(pilot, lambda words=words: words in screen_text(app))
            assert half.exists() and "\x1b" not in screen_text(app)
            await pilot.press("f")
            await until(pilot, lambda: "that is all" in screen_text(app))
            assert not half.exists()
            await until(pilot, lambda: "fixed" in screen_text(app) and "half-made checkpoint," not in screen_text(app))
            await pilot.press("f", "q")
            await until(pilot, lambda: app.screen is app.place)

    play(story())


def test_it_may_be_left_while_it_looks(file: Path) -> None:
    async def story() -> None:
        async with opened(file) as (app, pilot):
            await until(pilot, lambda: "transformer-001" in screen_text(app))
            await pilot.press("exclamation_mark")
            await until(pilot, lambda: isinstance(app.screen, DoctorScreen) and "looking" in screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.place)
            _NoQuestion.may_answer.set()
            await until(pilot, lambda: _NoQuestion.dismissed)

    play(story())
