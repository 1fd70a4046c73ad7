"""A worker that stands by is a head start and nothing more: used once, dismissed without a trace, replaced if dead."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft import platform
from craft.launch import standby
from craft.launch.standby import Standby
from craft.runs.folder import RunFolder
from tests.launch.project import FAKE, Project, wait_for

DEAD = f"""
import os, runpy
runpy.run_path({str(FAKE / "sitecustomize.py")!r})
from craft.launch import standby
standby.MODULE = "no_such_module"
begin = standby.Standby.__init__
def begin_and_die(self):
    begin(self)
    os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
standby.Standby.__init__ = begin_and_die
"""


@pytest.fixture
def waiting_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "waits_for_a_line.py").write_text("import sys\nsys.stdin.readline()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(standby, "MODULE", "waits_for_a_line")


@pytest.mark.usefixtures("waiting_module")
def test_it_takes_one_run_and_no_second(tmp_path: Path) -> None:
    one = Standby()
    process = one.become(RunFolder(tmp_path), {})
    assert process is not None
    assert one.become(RunFolder(tmp_path), {}) is None
    one.dismiss()  # changes nothing now
    wait_for(lambda: not process.is_alive())
    platform.reap()


@pytest.mark.usefixtures("waiting_module")
def test_dismissed_it_is_gone() -> None:
    one = Standby()
    pid = one._process.pid
    assert platform.start_ticks(pid) is not None
    one.dismiss()
    assert platform.start_ticks(pid) is None


def test_one_that_died_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "MODULE", "no_such_module")
    one = Standby()
    wait_for(lambda: platform.start_ticks(one._process.pid) is None)
    assert one.become(RunFolder(tmp_path), {}) is None
    one.dismiss()


def test_without_it_the_run_starts_all_the_same(fake_project: Project, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEAD)
    fake_project.environment["PYTHONPATH"] = f"{tmp_path}:{fake_project.environment['PYTHONPATH']}"
    done = fake_project.craft("run", "experiments.toml", "tiny")
    assert done.returncode == 0, done.stderr
    assert fake_project.phase("tiny-001") == "finished"
