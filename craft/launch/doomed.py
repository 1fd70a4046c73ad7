"""What is to be deleted or tidied up, looked at before anybody is asked: what it frees, and why it may not go."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from craft.errors import CraftError
from craft.launch.remove import remove_checkpoint, remove_run, why_not
from craft.runs.checkpoints import list_checkpoints
from craft.runs.disk import DiskUse, disk_use
from craft.runs.folder import RunFolder, load_identity
from craft.runs.liveness import observe
from craft.runs.retention import plan_tidying

if TYPE_CHECKING:
    from craft.runs.retention import Tidying


@dataclass(frozen=True)
class Doomed:
    """What is to be deleted: a run, or the checkpoint of a step."""

    folder: RunFolder
    step: int | None
    id: str
    """The run's, so that no other gets its fate while a person thinks it over."""
    use: DiskUse

    @property
    def name(self) -> str:
        """RUN or RUN@STEP."""
        return self.folder.name if self.step is None else f"{self.folder.name}@{self.step}"

    def delete(self) -> None:
        """Delete it for good. Raises CraftError when it has to stay."""
        if self.step is None:
            remove_run(self.folder, self.id)
        else:
            remove_checkpoint(self.folder, self.step)


def doomed(folder: RunFolder, step: int | None = None) -> Doomed:
    """A run, or one of its checkpoints, with what deleting it frees."""
    identity, _ = load_identity(folder)
    known_as = identity.id if identity is not None else ""
    if step is None:
        return Doomed(folder, None, known_as, disk_use(folder.path))
    found = next((info for info in list_checkpoints(folder) if info.step == step), None)
    return Doomed(folder, step, known_as, disk_use(found.path) if found else DiskUse())


@dataclass(frozen=True)
class Looked:
    """A run that was looked at: what tidying up takes of it, or why it is left alone."""

    folder: RunFolder
    phase: str
    age: float
    """Seconds since it ended."""
    plan: Tidying | None = None
    why_not: str = ""

    @property
    def freed(self) -> int:
        """Bytes that become free."""
        return self.plan.use.freed if self.plan else 0


def look_over(folder: RunFolder, keep: int, older_than: float | None, wanted: set[int]) -> Looked:
    """What a run loses when its best and its `keep` newest checkpoints stay, and the `wanted` steps.

    `older_than`: only one that ended so many seconds ago. A run that cannot be read is left alone.
    """
    observed = observe(folder)
    try:
        why = why_not(folder)
        ended = observed.status.updated or folder.run_json.stat().st_mtime
    except (CraftError, OSError) as error:
        return Looked(folder, observed.phase, 0.0, why_not=str(error))
    age = time.time() - ended
    if why or (older_than is not None and age < older_than):
        return Looked(folder, observed.phase, age, why_not=why or f"{folder.name} ended not that long ago")
    return Looked(folder, observed.phase, age, plan_tidying(folder, keep, wanted))
