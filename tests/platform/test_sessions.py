"""Logging out: what is found out about it, and that what is started outlives it; programs answer as systemd's do.

The real ones cannot be had in a container, so loginctl and systemd-run are scripts here. As the real systemd-run does
for a scope, this one becomes the command.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft import platform
from craft.launch import standby
from craft.launch.standby import Standby
from craft.platform import ProcessIdentity, sessions
from craft.runs.folder import RunFolder
from tests.children import wait_until

IN_A_SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"
IN_A_DESKTOP = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n"
IN_A_CONTAINER = "0::/system.slice/docker-12ab.scope\n"
OLD_GROUPS = "9:name=systemd:/user.slice/user-1000.slice/session-3.scope\n4:memory:/\n0::/\n"

LOGINCTL = """#!/bin/sh
case "$1 $2" in
  "show-session --property=KillUserProcesses")
    echo 'KillUserProcesses={kill}'; echo 'KillOnlyUsers={only}'; echo 'KillExcludeUsers={exclude}' ;;
  "show-user {user}") echo 'Linger={linger}' ;;
  *) exit 1 ;;
esac
"""

SYSTEMD_RUN = """#!/bin/sh
[ "$1 $2 $3 $4 $5" = "--user --scope --collect --quiet --" ] || exit 64
shift 5
echo "$$ $*" >> "$SCOPES"
exec "$@"
"""


class Machine:
    """A machine with systemd, as far as these questions go."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.scopes = place, place / "scopes"
        (place / "bin").mkdir()
        (place / "system").mkdir()
        (place / "linger").mkdir()
        monkeypatch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("SCOPES", str(self.scopes))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
        monkeypatch.setattr(sessions, "BOOTED_BY_IT", place / "system")
        monkeypatch.setattr(sessions, "GROUPS", place / "cgroup")
        monkeypatch.setattr(sessions, "LINGERING", place / "linger")

    def is_so(
        self, groups: str, *, kill: str = "yes", linger: str = "no", only: str = "", exclude: str = "root2"
    ) -> None:
        (self.place / "cgroup").write_text(groups)
        answers = {"kill": kill, "linger": linger, "only": only, "exclude": exclude, "user": sessions._user()}
        self.program("loginctl", LOGINCTL.format(**answers))
        self.program("systemd-run", SYSTEMD_RUN)
        platform.at_logout.cache_clear()

    def program(self, name: str, text: str) -> None:
        path = self.place / "bin" / name
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    yield Machine(tmp_path, monkeypatch)
    platform.at_logout.cache_clear()


@pytest.mark.parametrize("groups", [IN_A_SESSION, OLD_GROUPS], ids=["version 2", "version 1"])
def test_a_logout_that_kills_is_found_out_and_what_mends_it_is_said(machine: Machine, groups: str) -> None:
    machine.is_so(groups)
    found = platform.at_logout()
    assert found.kills
    assert found.prefix == ()
    assert found.warning == (
        "a logout ends what was started in the session (KillUserProcesses is on); "
        f"`loginctl enable-linger {sessions._user()}` lets a user's processes go on"
    )
    assert platform.outliving(["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize("where", ["file", "program"])
def test_for_a_user_who_lingers_runs_are_put_into_a_scope(machine: Machine, where: str) -> None:
    machine.is_so(IN_A_SESSION, linger="yes" if where == "program" else "no")
    if where == "file":
        (machine.place / "linger" / sessions._user()).touch()
    assert platform.at_logout().warning == ""
    assert platform.outliving(["a"]) == ["systemd-run", "--user", "--scope", "--collect", "--quiet", "--", "a"]


@pytest.mark.parametrize(
    ("groups", "settings"),
    [
        (IN_A_SESSION, {"kill": "no"}),
        (IN_A_SESSION, {"exclude": f"root2 {sessions._user()}"}),
        (IN_A_SESSION, {"only": "somebody"}),
        (IN_A_DESKTOP, {"linger": "yes"}),
        (IN_A_CONTAINER, {}),
    ],
    ids=["off", "excluded", "only others", "a manager that stays", "no session"],
)
def test_where_nothing_is_killed_nothing_is_done(machine: Machine, groups: str, settings: dict[str, str]) -> None:
    machine.is_so(groups, **settings)
    assert not platform.at_logout().kills
    assert platform.at_logout().warning == ""
    assert platform.outliving(["a"]) == ["a"]


def test_a_user_named_among_the_only_ones_is_killed(machine: Machine) -> None:
    machine.is_so(IN_A_SESSION, only=f"x {sessions._user()}")
    assert platform.at_logout().kills


def test_a_desktops_user_manager_ends_with_the_last_session(machine: Machine) -> None:
    machine.is_so(IN_A_DESKTOP, kill="no")
    assert "ends the user manager" in platform.at_logout().warning
    assert "enable-linger" in platform.at_logout().warning


@pytest.mark.parametrize("text", ["#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n", "#!/bin/sh\nexit 0\n"])
def test_a_scope_that_cannot_be_had_is_said_and_not_used(machine: Machine, text: str) -> None:
    machine.is_so(IN_A_SESSION, linger="yes")
    machine.program("systemd-run", text)
    assert "does not work here" in platform.at_logout().warning
    assert platform.outliving(["a"]) == ["a"]


def test_a_login_manager_that_does_not_answer_keeps_nobody(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.is_so(IN_A_SESSION)
    monkeypatch.setattr(sessions, "_PATIENCE", 0.2)
    machine.program("loginctl", "#!/bin/sh\nexec sleep 60\n")
    assert not platform.at_logout().kills


def test_without_systemd_no_program_is_asked(machine: Machine) -> None:
    machine.is_so(IN_A_SESSION)
    (machine.place / "system").rmdir()
    machine.program("loginctl", f"#!/bin/sh\ntouch {machine.place}/asked\n")
    assert not platform.at_logout().kills
    assert not (machine.place / "asked").exists()


def test_in_a_scope_a_process_is_the_same_one(machine: Machine, tmp_path: Path) -> None:
    machine.is_so(IN_A_SESSION, linger="yes")
    code = "import os, time; print(os.getpid(), os.getsid(0), os.environ['MARK'], flush=True); time.sleep(60)"
    pid = platform.spawn_detached([sys.executable, "-c", code], tmp_path / "log.txt", {"MARK": "seen"})
    known = ProcessIdentity.of(pid, pid)
    try:
        wait_until(lambda: (tmp_path / "log.txt").read_text().count("\n"))
        assert (tmp_path / "log.txt").read_text() == f"{pid} {pid} seen\n"
        assert known.is_alive()
        assert machine.scopes.read_text().splitlines()[-1].startswith(f"{pid} {sys.executable}")
    finally:
        assert known.send(signal.SIGKILL, group=True)
    wait_until(lambda: not known.is_alive())
    platform.reap()


def test_one_that_stands_by_is_in_a_scope_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.is_so(IN_A_SESSION, linger="yes")
    (machine.place / "waits_for_a_line.py").write_text("import sys\nsys.stdin.readline()\n")
    monkeypatch.setenv("PYTHONPATH", str(machine.place))
    monkeypatch.setattr(standby, "MODULE", "waits_for_a_line")
    one = Standby()
    process = one.become(RunFolder(machine.place), {})
    assert process is not None
    wait_until(lambda: not process.is_alive())
    assert machine.scopes.read_text().splitlines()[-1] == f"{process.pid} {sys.executable} -P -m waits_for_a_line"
    platform.reap()
