"""The runs: what is damaged, what stands still, what another Craft or another machine has to do with."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

import craft
from craft.errors import RunError
from craft.launch.doctor.finding import Finding, Patient, plural, some
from craft.runs import manifest
from craft.runs.changes import read_changes
from craft.runs.checkpoints import list_checkpoints
from craft.runs.folder import GONE, RunFolder, load_identity
from craft.runs.json_files import read_object, why
from craft.runs.liveness import Observed, host_elsewhere, observe
from craft.runs.lock import left_behind, load_owner
from craft.runs.store import RunStore

_FUTURE = 3600.0  # seconds


def runs(patient: Patient) -> Iterable[Finding]:
    """Every run of the folder; a line for each kind of trouble, with the names."""
    store = RunStore(patient.runs_dir)
    folders, robbed = store.folders(), store.robbed()
    yield from _listed("fault", [f"{folder.name}: {GONE}" for folder in robbed], _from_a_copy(robbed))
    if not folders and not robbed:
        yield Finding("runs", "ok", f"none in {patient.runs_dir}", details={"runs": 0})
        return
    looks = {folder: observe(folder) for folder in folders}
    yield _overview(looks)
    yield from _damaged(looks)
    yield from _not_going_on(looks)
    yield from _foreign(looks)


def _overview(looks: dict[RunFolder, Observed]) -> Finding:
    live = [folder.name for folder, look in looks.items() if look.is_live]
    text = plural(len(looks), "run") + (f", {len(live)} of them live: {some(live)}" if live else "")
    return Finding("runs", "ok", text, details={"runs": len(looks), "live": live})


def _damaged(looks: dict[RunFolder, Observed]) -> Iterable[Finding]:
    identities, nameless, claims, others, checkpoints = [], [], [], [], []
    for folder, look in looks.items():
        _, fault = load_identity(folder)
        if fault:
            identities.append(f"{folder.name}: {fault}")
            nameless.append(folder)
        if look.fault:
            claims.append(f"{folder.name}: {look.fault}")
        others += [f"{folder.name}: {words}" for words in _other_files(folder)]
        checkpoints += [f"{folder.name}: {words}" for words in _checkpoints(folder, look)]
    yield from _listed("fault", identities, _from_a_copy(nameless))
    yield from _listed("warning", claims, "the worker of the next 'craft resume RUN' writes it anew")
    yield from _listed("fault", others, "take it from a copy; the checkpoints hold without it")
    yield from _listed("fault", checkpoints, "the one before is taken instead; 'craft resume RUN' trains it again")


def _from_a_copy(folders: Iterable[RunFolder]) -> str:
    """What mends a `run.json`, and what can be done without."""
    trained = any((folder.checkpoints / "latest.json").is_file() for folder in folders)
    holds = "; checkpoints that are there hold: 'craft generate --checkpoint PATH' writes with them" if trained else ""
    return f"take the file from a copy{holds}"


def _listed(state: str, found: list[str], advice: str) -> Iterable[Finding]:
    if found:
        more = f"; and {len(found) - 3:,} more" if len(found) > 3 else ""
        yield Finding("runs", state, "; ".join(found[:3]) + more, advice, {"damaged": found})  # type: ignore[arg-type]


def _other_files(folder: RunFolder) -> list[str]:
    found = []
    if not folder.definition.is_file():
        found.append(f"{folder.definition.name} is gone")
    if folder.owner.exists() and load_owner(folder) is None:
        found.append(f"{folder.owner.name} is damaged")
    if folder.results.exists():
        try:
            read_object(folder.results)
        except (OSError, ValueError) as error:
            found.append(f"{folder.results.name} is damaged: {why(error)}")
    try:
        read_changes(folder)
    except RunError as error:
        found.append(str(error).removeprefix(f"{folder.path}/"))
    return found


def _checkpoints(folder: RunFolder, look: Observed) -> list[str]:
    """Manifests that do not hold and files of another length; what is in the files is hashed when they are used."""
    found = []
    for info in list_checkpoints(folder):
        try:
            known = manifest.read_manifest(info.path)
            wrong = [name for name, (size, _) in known.files.items() if (info.path / name).stat().st_size != size]
        except (OSError, ValueError) as error:
            if not info.path.is_dir():
                continue  # its worker has removed it meanwhile
            wrong = [why(error)]
        if wrong:
            found.append(f"step {info.step} is damaged: {some(wrong)}")
    return found


def _not_going_on(looks: dict[RunFolder, Observed]) -> Iterable[Finding]:
    by_phase: dict[str, list[RunFolder]] = defaultdict(list)
    for folder, look in looks.items():
        by_phase[look.phase].append(folder)
    if stopped := by_phase["interrupted"]:
        names = [folder.name for folder in stopped]
        advice = f"'craft resume {names[0]}' goes on from its newest checkpoint"
        text = f"{plural(len(names), 'interrupted run')}: {some(names)}"
        yield Finding("runs", "warning", text, advice, {"interrupted": names})
    for folder in by_phase["silent"]:
        advice = f"'craft stop {folder.name} --now' kills it; its checkpoints stay"
        yield Finding("runs", "warning", f"{folder.name} is silent: {looks[folder].reason}", advice)
    strays = {folder: left for folder in by_phase["interrupted"] if (left := left_behind(folder))}
    for folder, left in strays.items():
        numbers = [process.pid for process in left]
        yield Finding(
            "runs",
            "fault",
            f"{folder.name}: its worker is gone, and left process {some(map(str, numbers))} behind",
            "craft doctor --fix ends it; so does a resume",
            {"run": folder.name, "processes": numbers},
            repair=lambda folder=folder: _end(folder),  # type: ignore[misc]
        )


def _end(folder: RunFolder) -> list[str]:
    from craft.runs.lock import end_left_behind

    ended = end_left_behind(folder)
    return (
        [f"ended {plural(ended, 'process', 'processes')} that the worker of {folder.name} left behind"] if ended else []
    )


def _foreign(looks: dict[RunFolder, Observed]) -> Iterable[Finding]:
    elsewhere = {folder.name: host for folder, look in looks.items() if (host := host_elsewhere(folder, look.status))}
    if elsewhere:
        text = f"{plural(len(elsewhere), 'run')} of other machines: " + some(
            f"{n} on {h}" for n, h in elsewhere.items()
        )
        yield Finding("runs", "ok", f"{text}; shown, and never signalled", details={"elsewhere": elsewhere})
    newer, now = [], time.time()
    for folder in looks:
        identity, _ = load_identity(folder)
        if identity and _numbers(identity.versions.get("craft", "")) > _numbers(craft.__version__):
            newer.append(folder.name)
    if newer:
        text = f"{plural(len(newer), 'run')} made by a newer Craft: {some(newer)}"
        yield Finding("runs", "warning", text, "what it knows and this one does not is left out", {"newer": newer})
    future = [folder.name for folder, look in looks.items() if look.status.updated > now + _FUTURE]
    if future:
        text = f"{plural(len(future), 'run')} with signs of life from the future: {some(future)}"
        yield Finding("runs", "warning", text, "a clock was set meanwhile, here or where it trains", {"future": future})


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
