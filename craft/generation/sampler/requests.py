"""What the sampler process is asked, checked field by field. Free of torch: a wrong message is answered at once."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from craft.errors import UsageError
from craft.generation.sampler.message_fields import Fields, shortly
from craft.runs.sampler_protocol import Id
from craft.runs.sampling_settings import BeamSettings, SamplingSettings

_MOST_TEXTS = 4096  # side by side: each has a state, a seed and a message of its own
_MOST_TREE = 1 << 20  # candidates of a beam search at most, of which each is a node
_LONGEST_ID = 200
_PRECISIONS = ("auto", "fp32", "bf16", "int8")


@dataclass(frozen=True)
class CheckpointRef:
    """A checkpoint, as a request names it."""

    place: Path
    """A run's folder where `at` says which of its checkpoints; else whatever `load_checkpoint` reads."""
    at: str = ""
    follow: bool = False
    """The checkpoint that `at` names now, and not the one that it named when it was first asked for."""
    save_first: bool = False
    timeout: float = 60.0
    """Seconds to wait for a run to save."""


@dataclass(frozen=True)
class PromptText:
    """A text to go on from, and tokens after it that were chosen already."""

    text: str
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Request:
    """What all have."""

    id: Id


@dataclass(frozen=True)
class Asking(Request):
    """What takes checkpoints, one after another."""

    checkpoints: tuple[CheckpointRef, ...]
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True)
class Load(Asking):
    """Hold checkpoints ready."""


@dataclass(frozen=True)
class Generate(Asking):
    """Write after prompts."""

    prompts: tuple[PromptText, ...] = ()
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    samples: int = 1
    alternatives: int | None = None


@dataclass(frozen=True)
class Beam(Asking):
    """Look for the likeliest texts after a prompt."""

    prompt: PromptText = field(default_factory=lambda: PromptText(""))
    settings: BeamSettings = field(default_factory=BeamSettings)
    tree: bool = False


@dataclass(frozen=True)
class Score(Asking):
    """Tell how much each token of a text was expected."""

    text: str = ""
    alternatives: int = 5


@dataclass(frozen=True)
class Unload(Request):
    """Let go of one checkpoint, or of all."""

    path: Path | None = None


@dataclass(frozen=True)
class Listing(Request):
    """Say what is held and what waits."""


@dataclass(frozen=True)
class Cancel(Request):
    """End another request."""

    request: Id = ""


@dataclass(frozen=True)
class Shutdown(Request):
    """End the process."""


def id_of(message: dict[str, Any]) -> Id | None:
    """The id of a message, if it has one."""
    found = message.get("id")
    fits = isinstance(found, str) and 0 < len(found) <= _LONGEST_ID
    return found if fits or (isinstance(found, int) and not isinstance(found, bool)) else None


def parse(message: dict[str, Any]) -> Request:
    """What a message asks. Raises UsageError with all that is wrong with it."""
    given = Fields(message)
    kind = given.take("type", str, "")
    identifier = id_of(message)
    given.skip("id")
    if identifier is None:
        given.fault(
            f"id must be a whole number, or text of 1 to {_LONGEST_ID} characters, and another for each request"
        )
        identifier = ""
    if kind not in _READERS:
        near = difflib.get_close_matches(kind, _READERS, 1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise UsageError(f"type must be one of {', '.join(_READERS)}, found '{kind[:40]}'{hint}")
    made = _READERS[kind](identifier, given)
    given.finish()
    return made


# What each kind of request has --------------------------------------------------------------------------------------


def _asking(given: Fields) -> dict[str, Any]:
    """checkpoint or checkpoints, device, precision."""
    if ("checkpoint" in given) == ("checkpoints" in given):
        given.fault("name either one checkpoint or several checkpoints")
    given.skip("checkpoint")
    several = given.take("checkpoints", list, [])
    named = several if "checkpoints" in given else [given.raw("checkpoint")]
    if "checkpoints" in given and not several:
        given.fault("checkpoints: name at least one")
    references = [_reference(given, value) for value in named] if "checkpoint" in given or several else []
    precision = given.take("precision", str, "auto")
    if precision not in _PRECISIONS:
        given.fault(f"precision must be one of {', '.join(_PRECISIONS)}, found {shortly(precision)}")
    return {"checkpoints": tuple(references), "device": given.take("device", str, "auto"), "precision": precision}


def _reference(given: Fields, value: Any) -> CheckpointRef:
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, dict):
        given.fault(f"a checkpoint is a path, or a table with path or run, found {shortly(value)}")
        return CheckpointRef(Path())
    inner = given.within("checkpoint", value)
    if ("path" in inner) == ("run" in inner):
        inner.fault("name either a path or a run's folder")
    path, run = inner.take("path", str, ""), inner.take("run", str, "")
    at = value.get("at", "latest")
    inner.skip("at")
    if not isinstance(at, str | int) or isinstance(at, bool):
        inner.fault(f'at must be "latest", "best" or a step, found {shortly(at)}')
    follow, save_first = inner.take("follow", bool, False), inner.take("save_first", bool, False)
    timeout = inner.take("timeout", float, 60.0)
    if not 0 < timeout <= 86400:
        inner.fault(f"timeout must be above 0 and at most 86400 seconds, found {timeout:g}")
    if path and ("at" in inner or follow or save_first):
        inner.fault("at, follow and save_first are for a run: name its folder as run")
    if save_first and at != "latest":
        inner.fault("save_first takes the checkpoint that the run then saves: leave out at")
    inner.check_names()
    name = run or path
    if not name or "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        inner.fault(f"{shortly(name)} is no path")
        return CheckpointRef(Path())
    return CheckpointRef(Path(name).absolute(), str(at) if run else "", follow, save_first, timeout)


def _prompt(given: Fields, value: Any) -> PromptText:
    if isinstance(value, str):
        return PromptText(value)
    if not isinstance(value, dict):
        given.fault(f"a prompt is text, or a table with text and tokens, found {shortly(value)}")
        return PromptText("")
    inner = given.within("prompt", value)
    text, tokens = inner.take("text", str), inner.take("tokens", list, [])
    if not all(type(token) is int and 0 <= token < 1 << 31 for token in tokens):
        inner.fault("tokens are whole numbers from 0")
        tokens = []
    inner.check_names()
    return PromptText(text, tuple(tokens))


def _settings(given: Fields, kind: type[SamplingSettings] | type[BeamSettings]) -> Any:
    """The settings, each of the type that it is declared with."""
    inner = given.within("settings", given.take("settings", dict, {}))
    types = {"int": int, "float": float, "bool": bool}
    values: dict[str, Any] = {}
    for one in fields(kind):
        if one.name == "stop":
            stop = inner.take("stop", list, [])
            if not all(isinstance(text, str) for text in stop):
                inner.fault("stop is a list of texts")
                stop = []
            values["stop"] = tuple(stop)
        elif one.name in inner:
            values[one.name] = inner.take(one.name, types[str(one.type)])
        else:
            inner.skip(one.name)
    inner.check_names()
    if given.faulty:
        return kind()
    try:
        return kind(**values)
    except UsageError as error:
        inner.fault(str(error))
        return kind()


def _generate(identifier: Id, given: Fields) -> Request:
    asking = _asking(given)
    if ("prompt" in given) == ("prompts" in given):
        given.fault("give either a prompt or prompts")
    given.skip("prompt")
    several = given.take("prompts", list, [])
    if "prompts" in given and not several:
        given.fault("prompts: give at least one")
    values = [given.raw("prompt")] if "prompt" in given else several
    prompts = tuple(_prompt(given, value) for value in values)
    samples = given.take("samples", int, 1)
    if samples < 1:
        given.fault(f"samples must be at least 1, found {samples}")
    if samples * len(prompts) > _MOST_TEXTS:
        given.fault(f"{samples * len(prompts):,} texts side by side: at most {_MOST_TEXTS:,}; ask in several requests")
    return Generate(
        identifier,
        prompts=prompts,
        samples=samples,
        alternatives=_alternatives(given, None),
        settings=_settings(given, SamplingSettings),
        **asking,
    )


def _alternatives(given: Fields, default: int | None) -> Any:
    if given.raw("alternatives", 0) is None:
        return default
    count = given.take("alternatives", int, default)
    if count is not None and count < 0:
        given.fault(f"alternatives must be 0 (none) or more, found {count}")
    return count


def _beam(identifier: Id, given: Fields) -> Request:
    asking = _asking(given)
    given.skip("prompt")
    if "prompt" not in given:
        given.fault("prompt is missing")
    prompt = _prompt(given, given.raw("prompt", ""))
    settings = _settings(given, BeamSettings)
    if settings.width > _MOST_TEXTS or math.prod((settings.width, settings.max_new_tokens)) > _MOST_TREE:
        given.fault(
            f"a search of width {settings.width:,} over {settings.max_new_tokens:,} tokens: the width is at most "
            f"{_MOST_TEXTS:,}, and times the tokens at most {_MOST_TREE:,}"
        )
    return Beam(identifier, prompt=prompt, settings=settings, tree=given.take("tree", bool, False), **asking)


def _score(identifier: Id, given: Fields) -> Request:
    asking = _asking(given)
    return Score(identifier, text=given.take("text", str), alternatives=_alternatives(given, 5), **asking)


def _unload(identifier: Id, given: Fields) -> Request:
    path, everything = given.take("path", str, ""), given.take("all", bool, False)
    if bool(path) == everything:
        given.fault("name either the path of a checkpoint that is held, or all: true")
    return Unload(identifier, Path(path).absolute() if path else None)


def _cancel(identifier: Id, given: Fields) -> Request:
    wanted = given.raw("request")
    if not isinstance(wanted, get_args(Id)) or isinstance(wanted, bool):
        given.fault("request must be the id of the request to end")
        wanted = ""
    return Cancel(identifier, wanted)


def _load(identifier: Id, given: Fields) -> Request:
    return Load(identifier, **_asking(given))


_READERS: dict[str, Callable[[Id, Fields], Request]] = {
    "generate": _generate,
    "beam": _beam,
    "score": _score,
    "load": _load,
    "unload": _unload,
    "list": lambda identifier, given: Listing(identifier),
    "cancel": _cancel,
    "shutdown": lambda identifier, given: Shutdown(identifier),
}
