"""A few real steps of an experiment in a process of its own, before it is launched: what it really takes.

The run's folder lies in a temporary place and goes with the process. It takes no slot: on the CPU it trains beside
others, says so, and gives way to them; on a GPU that trains a run it does not begin, as it could take memory from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from craft import platform
from craft.analysis.dry_runs import DryRunResult, keep_result, result_of
from craft.analysis.past_speed import shape_of
from craft.config.corpus import require_text
from craft.config.definition import definition_hash
from craft.config.estimate import estimate
from craft.config.experiments import PlannedRun
from craft.config.plugins import code_dir
from craft.config.token_cache import require_tokenizer
from craft.errors import CraftError, RunError, TrainingError
from craft.launch.create import create_runs, own_code
from craft.launch.queue import slots
from craft.runs.initial import find_weights

MODULE = "craft.training.dry_run"


class DryRunStoppedError(CraftError):
    """It was asked to end before it had measured anything."""

    def __init__(self) -> None:
        super().__init__("the dry run was stopped")


@dataclass(frozen=True)
class Progress:
    """Where it stands."""

    message: str
    step: int = 0
    seconds_per_step: float | None = None
    loss: float | None = None


class DryRun:
    """One dry run. `go` blocks until it is over; `stop` ends it from any thread."""

    def __init__(self, run: PlannedRun, runs_dir: Path) -> None:
        self.run, self._runs_dir = run, runs_dir
        self._process: subprocess.Popen[str] | None = None
        self._ending = threading.Lock()
        self._stopped = False
        self._said: list[dict[str, Any]] = []

    def stop(self) -> None:
        """End it at once."""
        self._stopped = True
        self._kill()

    def go(self, say: Callable[[Progress], None] = lambda _: None) -> DryRunResult:
        """Measure, and keep what was found for this machine. `say` hears how far it is.

        Raises DryRunStoppedError after `stop`, and any other CraftError with the words of what went wrong: a text that
        is not there, a model that cannot be built, memory that ran out.
        """
        config = self.run.config
        require_text(config.data)
        require_tokenizer(config.tokenizer)
        environment, beside = _place_to_measure(config.device)
        busy = _other_work() if not beside else ""
        place = Path(tempfile.mkdtemp(prefix="craft-dry-run-"))
        try:
            (folder,) = create_runs(place, [replace(self.run, config=self._with_weights(), group=None)])
            started = time.monotonic()
            found = self._follow(folder.path, environment, place / "log.txt", say, nice=bool(beside))
        finally:
            self._clear_away()
            shutil.rmtree(place, ignore_errors=True)
        beside |= _trains_beside(config.device)
        result = result_of(
            {**found, "first_step_seconds": found["first_step_at"] - started},
            experiment=self.run.experiment,
            definition_hash=definition_hash(config),
            code_hash=code_hash_of(self.run),
            model_type=config.model.type,
            shape=shape_of(config.model_dump(mode="json")),
            flops_per_token=_flops(self.run, found["device"]),
            tokens_per_step=config.training.batch_size * config.data.context_length,
            disturbed_by=[*sorted(beside), *([busy] if busy else [])],
            notes=[str(one["text"]) for one in self._said if one["kind"] == "note"],
        )
        keep_result(result)
        return result

    def _with_weights(self) -> Any:
        """The definition, with the first weights of a run by their place: the temporary folder holds no other runs."""
        config = self.run.config
        if not config.init_from:
            return config
        found = find_weights(config.init_from, self._runs_dir)
        return config.model_copy(update={"init_from": str(found)}) if isinstance(found, Path) else config

    def _follow(
        self, folder: Path, environment: dict[str, str], log: Path, say: Callable[[Progress], None], *, nice: bool
    ) -> dict[str, Any]:
        """Start the process and listen to it. Raises TrainingError with its words."""
        command = [sys.executable, "-P", "-m", MODULE, str(folder)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["nice", "-n", "19", *command] if nice and shutil.which("nice") else command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                encoding="utf-8",
                start_new_session=True,
                env={**{k: v for k, v in os.environ.items() if k != "CRAFT_SLOT"}, **environment},
            )
        first_step_at: float | None = None
        assert self._process.stdout is not None
        if self._stopped:
            self.stop()
        for line in self._process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            self._said.append(told)
            match told["kind"]:
                case "phase":
                    say(Progress(told["message"] or told["phase"]))
                case "step":
                    first_step_at = first_step_at or time.monotonic()
                    say(Progress("measuring", told["step"], told["seconds"], told["loss"]))
                case "result":
                    return {**told, "first_step_at": first_step_at or time.monotonic()}
                case "error":
                    at = f" ({told['at']})" if told["at"] else ""
                    raise TrainingError(f"the dry run failed: {told['error']}{at}")
        if self._stopped:
            raise DryRunStoppedError
        self._process.wait()
        raise TrainingError(f"the dry run ended by itself: {_ending(self._process.returncode, log)}")

    def _kill(self) -> None:
        with self._ending:
            # Once it was waited for, its number may be another process's.
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _clear_away(self) -> None:
        """End what is left of it and wait until it is gone."""
        if self._process is None:
            return
        self._kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def code_hash_of(run: PlannedRun) -> str:
    """A sha256 of the person's own modules that take part; empty where there are none."""
    code = own_code(run)
    if not code:
        return ""
    digest = hashlib.sha256()
    for path, content in sorted(code.items()):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _place_to_measure(device: str) -> tuple[dict[str, str], set[str]]:
    """What the process must be told so that it computes where it disturbs nobody, and which runs train beside it.

    Raises RunError where each GPU that it may use trains a run.
    """
    places = slots.slots_for(device)
    if places[0].at_once is not None:
        return places[0].environment, _trains_beside(device)
    free = slots.first_free(places)
    if free is None:
        holders = ", ".join(holder.folder.name for slot in places if (holder := slot.holder()))
        raise RunError(
            f"a dry run needs a GPU on which nothing trains, and {holders or 'a run'} has "
            f'{"it" if len(places) == 1 else "them"}; wait for its end, or measure with device = "cpu"'
        )
    return free.environment, set()


def _trains_beside(device: str) -> set[str]:
    """Runs that train on this machine's processors now, where it does as well."""
    if slots.slots_for(device)[0].at_once is None:
        return set()
    return {holder.folder.name for slot in slots.taken("cpu-") if (holder := slot.holder())}


def _other_work() -> str:
    """What else this machine computes, in words, where that is more than it has cores for; empty otherwise."""
    cores, load = platform.usable_cores(), os.getloadavg()[0]
    return f"other work (load {load:.1f} on {cores} cores)" if load > 1.25 * cores else ""


def _flops(run: PlannedRun, device: str) -> float | None:
    kind: Any = device.partition(":")[0]
    with contextlib.suppress(CraftError):
        folder = code_dir(run.source.absolute())
        return estimate(run.config, device=kind, source_dir=folder, measure=False).flops_per_token.high
    return None


def _ending(status: int, log: Path) -> str:
    if status == -signal.SIGKILL:
        return "something killed it; where memory runs out, Linux does"
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else f"exit status {status}"
