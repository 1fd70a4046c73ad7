"""A logout that would end runs is told once by whoever starts one, and runs are put out of its reach where it can be.

The login manager is scripts that answer as systemd's do; see tests/platform/test_sessions.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.platform import sessions
from craft.runs.lock import read_owner
from tests.launch.project import Project, wait_for
from tests.platform.test_sessions import IN_A_SESSION, Machine

# Where a child of this test looks for the login manager.
ELSEWHERE = """
from pathlib import Path
from craft.platform import sessions
place = Path({place!r})
sessions.BOOTED_BY_IT, sessions.GROUPS, sessions.LINGERING = place / "system", place / "cgroup", place / "linger"
"""


@pytest.fixture
def machine(fake_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """What the project's commands take for theirs."""
    fake = Path(fake_project.environment["PYTHONPATH"])
    own = tmp_path / "site"
    own.mkdir()
    text = (fake / "sitecustomize.py").read_text() + ELSEWHERE.format(place=str(tmp_path / "machine"))
    (own / "sitecustomize.py").write_text(text)
    (tmp_path / "machine").mkdir()
    made = Machine(tmp_path / "machine", monkeypatch)
    changes = {"PYTHONPATH": f"{own}:{fake}", "SCOPES": str(made.scopes), "XDG_RUNTIME_DIR": str(made.place)}
    fake_project.environment.update(changes, PATH=f"{made.place / 'bin'}:{fake_project.environment['PATH']}")
    return made


def test_who_starts_a_run_is_told_once_what_would_end_it(machine: Machine, fake_project: Project) -> None:
    machine.is_so(IN_A_SESSION)
    advice = f"`loginctl enable-linger {sessions._user()}`"
    followed = fake_project.craft("run", "experiments.toml", "tiny", "training.max_steps=3")
    assert followed.returncode == 0, followed.stderr
    assert followed.stderr.count(advice) == 1
    resumed = fake_project.craft("resume", "tiny-001", "training.max_steps=5", "--detach")
    assert resumed.stderr.count(advice) == 1
    assert advice not in fake_project.craft("runs").stderr
    assert not machine.scopes.exists()


def test_for_who_lingers_every_process_is_put_into_a_scope_and_nothing_is_said(
    machine: Machine, fake_project: Project
) -> None:
    machine.is_so(IN_A_SESSION, linger="yes")
    detached = fake_project.craft("run", "experiments.toml", "training.max_steps=3", "--detach")
    assert detached.returncode == 0, detached.stderr
    assert detached.stderr == ""
    wait_for(lambda: all(fake_project.phase(name) == "finished" for name in ("tiny-001", "other-001")))
    scopes = dict(line.split(" ", 1) for line in machine.scopes.read_text().splitlines() if "echo yes" not in line)
    for name in ("tiny-001", "other-001"):
        owner = read_owner(fake_project.run(name))
        assert owner is not None
        assert "-m fake_" in scopes[str(owner.pid)]  # the very process that systemd-run became
    assert any("craft.launch.queue.runner" in command for command in scopes.values())
