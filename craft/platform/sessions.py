"""What the end of a login session does to processes that were left running, and what they need to outlive it.

A session of one's own (setsid), nohup and tmux protect from the terminal, not from systemd's login manager. Where its
KillUserProcesses is on, it ends all processes in the session's cgroup (logind.conf(5)); and a user's own manager,
user@UID.service, ends with the user's last session unless the user lingers (loginctl(1)). A scope of a manager that
lingers is out of both's reach: `systemd-run --user --scope` puts itself there and becomes the program by execve, so
pid and start time stay (systemd-run(1); start_transient_scope in its src/run/run.c).

Where there is no systemd this costs a look at one folder.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BOOTED_BY_IT = Path("/run/systemd/system")  # sd_booted(3)
GROUPS = Path("/proc/self/cgroup")
LINGERING = Path("/var/lib/systemd/linger")
_SCOPE = ("systemd-run", "--user", "--scope", "--collect", "--quiet", "--")
_PATIENCE = 5.0  # seconds: a login manager that does not answer must not keep a run from starting


@dataclass(frozen=True)
class Logout:
    """What happens to a process that is started now when its user logs out."""

    kills: bool
    """Whether it would be ended, if nothing were done."""
    reason: str
    """Why, in words."""
    prefix: tuple[str, ...] = ()
    """What a command is to be put behind so that it outlives the session; empty where nothing needs or helps."""
    advice: str = ""
    """What a person can do; empty where nothing is lost."""

    @property
    def warning(self) -> str:
        """What to tell whoever starts something that is meant to go on; empty where it does."""
        return f"{self.reason}; {self.advice}" if self.advice else ""


@cache
def at_logout() -> Logout:
    """Look, once a process."""
    if not BOOTED_BY_IT.is_dir():
        return Logout(False, "no login manager ends what is left running")
    try:
        groups = GROUPS.read_text()
    except OSError:
        return Logout(False, "nothing says that a logout ends what is left running")
    # Version 2's line, or in version 1 that of systemd's own hierarchy.
    own = "\n".join(line for line in groups.splitlines() if line.startswith("0::") or ":name=systemd:" in line)
    user = _user()
    if re.search(r"/session-[^/]+\.scope", own):
        if not _ends_sessions(user):
            return Logout(False, "a logout leaves running what was started (KillUserProcesses is off)")
        reason = "a logout ends what was started in the session (KillUserProcesses is on)"
    elif re.search(r"/user@\d+\.service/", own):
        if _lingers(user):
            return Logout(False, f"the user manager of {user} goes on after a logout")
        reason = f"a logout ends the user manager of {user}, and what was started under it"
    else:
        return Logout(False, "what is started here belongs to no login session")
    lasting = f"`loginctl enable-linger {user}` lets a user's processes go on"
    if not _lingers(user):
        return Logout(True, reason, advice=lasting)
    scope = _scope()
    if _ask(*scope, "echo", "yes").strip() != "yes":  # tried with a command that does nothing
        return Logout(True, reason, advice="`systemd-run --user --scope` would help, but does not work here")
    return Logout(True, f"{reason}, but not runs: they are put into a scope of their own", prefix=scope)


def outliving(command: Sequence[str]) -> list[str]:
    """The command, so that it outlives the login session where that is possible."""
    return [*at_logout().prefix, *command]


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _ends_sessions(user: str) -> bool:
    """Whether logind ends the processes of this user's sessions."""
    names = ("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers")
    # Without a session's name it shows what holds for all: loginctl(1).
    answer = _ask("loginctl", "show-session", *(f"--property={name}" for name in names))
    settings = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    if settings.get("KillUserProcesses") != "yes" or user in settings.get("KillExcludeUsers", "").split():
        return False
    only = settings.get("KillOnlyUsers", "").split()
    return not only or user in only


def _lingers(user: str) -> bool:
    return (LINGERING / user).exists() or _ask(
        "loginctl", "show-user", user, "--property=Linger"
    ).strip() == "Linger=yes"


def _scope() -> tuple[str, ...]:
    """What puts a command into a scope. Without a session's environment, as under su, the manager must be named."""
    runtime = Path(f"/run/user/{os.getuid()}")
    if "XDG_RUNTIME_DIR" in os.environ or not runtime.is_dir():
        return _SCOPE
    return ("env", f"XDG_RUNTIME_DIR={runtime}", *_SCOPE)


def _ask(*command: str) -> str:
    """What a program answers; empty where there is none, it fails or does not answer."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""
