"""Files, locks, processes and places: every call that differs between Linux and macOS.

Used as `platform.fsync_dir(...)`: what must be on disk goes through `craft.platform.files` and nothing else, so
that a test can watch it and rebuild what a power cut would leave.
"""

from craft.platform.cores import usable_cores
from craft.platform.files import (
    dead_temporaries,
    fsync_dir,
    fsync_file,
    make_dir_durable,
    remove_dead_temporaries,
    rename,
    replace,
    sync_data,
    write_file_atomic,
    write_file_durable,
)
from craft.platform.interpreter import importing, keep_freed_memory
from craft.platform.locks import FileLock, Place, is_locked, lock_holders, lock_taker, place_of
from craft.platform.memory import free_memory, peak_memory, reset_peak_memory
from craft.platform.places import slots_dir, state_dir
from craft.platform.processes import (
    ProcessIdentity,
    boot_id,
    hostname,
    is_suspended,
    machine_id,
    members_of_session,
    reap,
    spawn_detached,
    start_ticks,
    was_started_with,
)
from craft.platform.sessions import at_logout, outliving

__all__ = [
    "FileLock",
    "Place",
    "ProcessIdentity",
    "at_logout",
    "boot_id",
    "dead_temporaries",
    "free_memory",
    "fsync_dir",
    "fsync_file",
    "hostname",
    "importing",
    "is_locked",
    "is_suspended",
    "keep_freed_memory",
    "lock_holders",
    "lock_taker",
    "machine_id",
    "make_dir_durable",
    "members_of_session",
    "outliving",
    "peak_memory",
    "place_of",
    "reap",
    "remove_dead_temporaries",
    "rename",
    "replace",
    "reset_peak_memory",
    "slots_dir",
    "spawn_detached",
    "start_ticks",
    "state_dir",
    "sync_data",
    "usable_cores",
    "was_started_with",
    "write_file_atomic",
    "write_file_durable",
]
