"""Checkpoints that the sampler process holds ready, within a budget of memory; the longest unused goes first."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from craft import platform
from craft.config.initial_weights import SUFFIXES
from craft.errors import CheckpointError, CraftError, RunError
from craft.generation.checkpoint import LoadedCheckpoint, load_checkpoint
from craft.generation.places import WEIGHTS, CheckpointPlace, find_checkpoint
from craft.generation.sampler.beside_training import Placement
from craft.generation.sampler.requests import CheckpointRef
from craft.models.packed import Precision, choose_precision, num_bytes, pack
from craft.runs import checkpoints
from craft.runs.folder import RunFolder, is_dir
from craft.runs.liveness import observe
from craft.runs.saving import save_now

_TRIES = 10
_COPIES = 2  # of the weights, while a checkpoint is loaded: what was read, and the model

_Key = tuple[Path, str, Precision]
_Mark = tuple[Any, ...]


@dataclass(eq=False)
class Held:
    """One checkpoint in memory."""

    loaded: LoadedCheckpoint
    device: str
    precision: Precision
    num_bytes: int
    mark: _Mark | None
    parameters: int
    remarks: tuple[str, ...] = ()
    """What stays to be said of it."""
    pieces: dict[int, str] = field(default_factory=dict)

    def piece(self, token: int) -> str:
        """What a token stands for, looked up once."""
        if token not in self.pieces:
            self.pieces[token] = self.loaded.tokenizer.piece(token)
        return self.pieces[token]


@dataclass(frozen=True)
class Found:
    """A checkpoint that was asked for."""

    held: Held
    remarks: list[str]
    evicted: list[str]
    """Paths of those that had to go for it."""
    seconds: float
    """It took to load; 0 where it was held."""


@dataclass(frozen=True)
class _Choice:
    path: Path
    remarks: list[str]
    again: bool
    """Whether another may be chosen when this one is gone."""


class CheckpointsHeld:
    """Loads what is asked for and keeps it, the most recently used last."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._held: dict[_Key, Held] = {}
        self._pins: dict[tuple[Path, str], Path] = {}

    def __iter__(self) -> Any:
        return iter(list(self._held.values()))

    @property
    def num_bytes(self) -> int:
        """Of all that is held."""
        return sum(held.num_bytes for held in list(self._held.values()))

    def get(self, wanted: CheckpointRef, placement: Placement, precision: str, cancelled: Callable[[], bool]) -> Found:
        """What a request names, loaded where it is not held. Raises CraftError; InterruptedError when cancelled."""
        in_precision, _ = choose_precision(precision, torch.device(placement.device))
        for tries_left in reversed(range(_TRIES)):
            chosen = self._choose(wanted, cancelled)
            key = (chosen.path, placement.device, in_precision)
            if (held := self._held.pop(key, None)) is not None:
                mark = _mark(chosen.path)
                if mark is None or mark == held.mark:
                    self._held[key] = held  # the most recently used
                    gone = [] if mark else ["it is no longer on disk; what is held in memory answers"]
                    return Found(held, [*chosen.remarks, *held.remarks, *gone], [], 0.0)
            try:
                return self._load(key, chosen.remarks)
            except CraftError:
                # A run that trains on tidies up meanwhile: then there is a newer one.
                if not chosen.again or not tries_left or chosen.path.exists():
                    raise
        raise AssertionError("the last try returns or raises")

    def drop(self, path: Path | None) -> list[str]:
        """Let go of what lies at a path, or of all; their paths. Raises CheckpointError when it is not held."""
        keys = [key for key in self._held if path is None or key[0] == path]
        if path is not None and not keys:
            names = ", ".join(str(key[0]) for key in self._held) or "none"
            raise CheckpointError(f"{path}: it is not held; held are: {names}")
        for key in keys:
            del self._held[key]
        self._pins = {name: place for name, place in self._pins.items() if path is not None and place != path}
        gc.collect()
        return [str(key[0]) for key in keys]

    # Which one -------------------------------------------------------------------------------------------------------

    def _choose(self, wanted: CheckpointRef, cancelled: Callable[[], bool]) -> _Choice:
        place, at = wanted.place, wanted.at
        if not at and is_dir(place) and (place / "run.json").is_file():
            at = "latest"  # a run by its path
        if not at:
            return _Choice(place, [], again=False)
        folder = RunFolder(place).require()
        if wanted.save_first:
            return _saved(folder, wanted.timeout, cancelled)
        pin = (place, at)
        if not wanted.follow and (pinned := self._pins.get(pin)) and any(key[0] == pinned for key in self._held):
            return _Choice(pinned, [], again=False)
        chosen = self._named(folder, at)
        self._pins[pin] = chosen.path
        return chosen

    def _named(self, folder: RunFolder, at: str) -> _Choice:
        """The checkpoint that "latest", "best" or a step names now."""
        again = at in ("latest", "best")
        if (likely := _unverified(folder, at)) is not None and self._has(likely):
            return _Choice(likely, [], again)
        if at != "latest":
            return _Choice(checkpoints.resolve(folder, at).path, [], again)
        passed: list[str] = []
        found = checkpoints.newest_valid(
            folder, lambda info, problems: passed.append(f"step {info.step} is damaged: {'; '.join(problems)}")
        )
        if found is None:
            found = checkpoints.resolve(folder, at)  # says what is wrong, or finds one that came meanwhile
        return _Choice(
            found.path, [f"{'; '.join(passed)}. Step {found.step} is taken instead"] if passed else [], again
        )

    def _has(self, path: Path) -> bool:
        """Whether it is held as it is on disk: then it was verified when it was loaded."""
        mark = _mark(path)
        return any(key[0] == path and held.mark == mark for key, held in self._held.items())

    # Loading ---------------------------------------------------------------------------------------------------------

    def _load(self, key: _Key, remarks: list[str]) -> Found:
        path, device, precision = key
        started = time.perf_counter()
        place = find_checkpoint(path)
        expected = _size(place)
        evicted = [*self._evict_elsewhere(key), *self._make_room(expected)]
        if device == "cpu":
            evicted += self._require_memory(path, expected)
        mark = _mark(path)
        loaded = load_checkpoint(path, device)
        parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
        pack(loaded.model, precision)  # its layers are counted before: packed ones have no parameters
        size = num_bytes(loaded.model)
        lasting = list(loaded.remarks)
        evicted += self._make_room(size)
        if size > self.budget:
            lasting.append(
                f"it alone takes {in_words(size)} of memory, more than the {in_words(self.budget)} that checkpoints "
                "may take together"
            )
        loaded = replace(loaded, precision=precision)
        held = Held(loaded, device, precision, size, mark, parameters, tuple(lasting))
        self._held[key] = held
        return Found(held, [*remarks, *lasting], evicted, time.perf_counter() - started)

    def _evict_elsewhere(self, key: _Key) -> list[str]:
        """The same checkpoint on another device is not asked again while a run trains there, or no longer does."""
        return self._evict([other for other in self._held if (other[0], other[2]) == (key[0], key[2])])

    def _make_room(self, needed: int) -> list[str]:
        """Let go of the longest unused until so many bytes fit, or nothing is left."""
        leaving, total = [], self.num_bytes
        for key, held in self._held.items():
            if total + needed <= self.budget:
                break
            leaving.append(key)
            total -= held.num_bytes
        return self._evict(leaving)

    def _require_memory(self, path: Path, expected: int) -> list[str]:
        """Raise CheckpointError where it cannot be loaded at all, even without the others."""
        evicted: list[str] = []
        while (free := platform.free_memory()) is not None and _COPIES * expected > free:
            if not self._held:
                raise CheckpointError(
                    f"{path}: its weights take {in_words(expected)}, and {in_words(_COPIES * expected)} while they are "
                    f"loaded; {in_words(free)} of memory are free. Free some, or take a smaller model"
                )
            evicted += self._evict([next(iter(self._held))])
        return evicted

    def _evict(self, keys: list[_Key]) -> list[str]:
        for key in keys:
            del self._held[key]
        if keys:
            gc.collect()
        return [str(key[0]) for key in keys]


def _saved(folder: RunFolder, timeout: float, cancelled: Callable[[], bool]) -> _Choice:
    """The very checkpoint that a run saves because it is asked to."""
    seen = observe(folder)
    if not seen.is_live:
        raise RunError(
            f"{folder.name}: it does not train now ({seen.phase}: {seen.reason}), so it cannot save first; leave out "
            "save_first, and its latest checkpoint is taken"
        )
    step = save_now(folder, timeout=timeout, cancelled=cancelled)
    if cancelled():
        raise InterruptedError
    if step is not None:
        # A run that saves more often than it is looked at may have tidied it up: then it is asked once more.
        return _Choice(checkpoints.step_folder(folder, step), [], again=True)
    newest = checkpoints.resolve(folder, "latest")
    ended = observe(folder)
    remark = f"it ended while it was asked to save ({ended.phase}: {ended.reason}): this is its last checkpoint"
    return _Choice(newest.path, [remark], again=True)


def _unverified(folder: RunFolder, at: str) -> Path | None:
    """The path that is meant, if all is well with it."""
    if at == "best":
        step = checkpoints.best_step(folder)
        return None if step is None else checkpoints.step_folder(folder, step)
    present = checkpoints.list_checkpoints(folder)
    if at == "latest":
        return present[-1].path if present else None
    return next(
        (info.path for info in present if str(info.step) == at.lstrip("0") or at == "0" == str(info.step)), None
    )


def _mark(path: Path) -> _Mark | None:
    """What changes when a checkpoint does; None when it is gone."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
    except OSError:
        return None
    return tuple((name, found.st_ino, found.st_size, found.st_mtime_ns) for name, found in stats)


def _size(place: CheckpointPlace) -> int:
    """Bytes of the weights on disk, about what they take in memory."""
    path = place.weights if place.kind != "foreign" else place.path
    try:
        if path.is_file():
            return path.stat().st_size
        files = [file for file in path.iterdir() if file.name.endswith((*SUFFIXES, ".safetensors"))]
        whole = [file for file in files if file.name == WEIGHTS] or files
        return sum(file.stat().st_size for file in whole)
    except OSError:
        return 0  # whoever loads it says what is wrong


def in_words(size: int) -> str:
    """Bytes as a person reads them."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
