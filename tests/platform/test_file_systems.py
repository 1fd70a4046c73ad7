"""Which file system a path lies on, by the kernel's list of mounts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from craft.platform import file_systems
from craft.platform.file_systems import FileSystem, file_system
from tests.runs.disk import mounted

LINES = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:44 / {place}/nfs rw - nfs4 server:/home rw,vers=4.2
31 30 0:45 / {place}/nfs/local rw shared:3 master:1 - xfs /dev/vdb rw
32 22 0:46 / {place}/with\\040a\\040blank rw - fuse.sshfs me@there: rw
33 22 0:47 / {place}/twice rw - ext4 /dev/vdc rw
34 33 0:48 / {place}/twice rw - tmpfs none rw
not a line at all
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no such list")
def test_the_innermost_and_last_mount_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text(LINES.format(place=tmp_path))
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "mounts")
    kinds = {
        name: file_system(tmp_path / name).kind
        for name in ("here", "nfs/me/runs", "nfs-no", "nfs/local/runs", "with a blank", "twice/a")
    }
    assert kinds == {
        "here": "ext4",
        "nfs/me/runs": "nfs4",
        "nfs-no": "ext4",
        "nfs/local/runs": "xfs",
        "with a blank": "fuse.sshfs",
        "twice/a": "tmpfs",
    }
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "none")
    assert file_system(tmp_path).kind == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "fuse.sshfs", "9p", "lustre"])
def test_what_other_machines_write_to(kind: str) -> None:
    assert FileSystem(kind, Path("/")).is_shared


@pytest.mark.parametrize(
    ("options", "kind", "alone"),
    [
        ("rw,vers=4.2,local_lock=none", "nfs4", False),
        ("rw,vers=3,nolock,local_lock=all", "nfs", True),
        ("rw,local_lock=flock", "nfs", True),
        ("rw,local_lock=posix", "nfs", False),
        ("rw,nobrl", "cifs", True),
        ("rw,nolock", "ext4", False),
        ("rw", "fuse.sshfs", True),
    ],
)
def test_locks_that_only_this_machine_sees(
    options: str, kind: str, alone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(f"30 1 0:44 / {tmp_path} rw,relatime - {kind} server:/home {options}\n")
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "mounts")
    if sys.platform == "linux":
        assert file_system(tmp_path).locks_stay_here is alone


@pytest.mark.parametrize("kind", ["ext4", "apfs", "fuseblk", "overlay", "btrfs", ""])
def test_what_only_this_one_writes_to(kind: str) -> None:
    assert not FileSystem(kind, Path("/")).is_shared


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_real_mount_is_seen(tmp_path: Path) -> None:
    with mounted(tmp_path / "small"):
        found = file_system(tmp_path / "small" / ".")
        assert (found.kind, found.mounted_at, found.is_volatile) == ("tmpfs", tmp_path / "small", True)
    assert file_system(tmp_path).mounted_at != tmp_path / "small"
