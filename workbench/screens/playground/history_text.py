"""An entry of the history in words: as text, as Markdown, and as the command that asks the same again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from craft.analysis.numbers import format_count, format_duration, format_loss, format_number, format_rate
from craft.runs.json_files import is_number
from workbench.screens.playground.sources import read_source

Record = dict[str, Any]
_TITLES = {"write": "written", "score": "scored", "beams": "searched by beams", "batch": "a batch of prompts"}
_FLAGS = (
    "max_new_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "seed",
    "length_penalty",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MOST_ARGUMENT = 100_000  # bytes of one argument; Linux takes 128 KiB


@dataclass(frozen=True)
class Part:
    """A piece of an entry: a heading, facts by name, and a text of someone's or something's."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    text: str | None = None


# What is in a record -------------------------------------------------------------------------------------------------


def prompt_of(record: Record) -> str:
    """The text that was gone on from or scored; of a batch the first."""
    request = record["request"]
    prompts = request.get("prompts")
    given = request.get("text", request.get("prompt", prompts[0] if isinstance(prompts, list) and prompts else ""))
    if isinstance(given, dict):
        given = given.get("text", given.get("prompt"))
    return given if isinstance(given, str) else ""


def answers(record: Record) -> Iterator[str]:
    """What came, as texts, of one checkpoint after another; a fault stands for what did not come."""
    for result in _tables(record["results"]):
        if error := _fault(result):
            yield error
        elif is_number(result.get("loss")):
            yield f"loss {result['loss']:.4f}"
        for one in texts_of(result):
            yield one["text"] if isinstance(one.get("text"), str) else str(one.get("error", ""))


def texts_of(result: Record) -> list[Record]:
    """The texts of one checkpoint, written or found."""
    return [*_tables(result.get("texts")), *_tables(result.get("beams"))]


def _tables(several: Any) -> list[Record]:
    return [one for one in several if isinstance(one, dict)] if isinstance(several, list) else []


def _table(value: Any) -> Record:
    return value if isinstance(value, dict) else {}


def _fault(result: Record) -> str:
    return str(_table(result.get("error")).get("message", ""))


# In words ------------------------------------------------------------------------------------------------------------


def parts(record: Record) -> Iterator[Part]:
    """All of an entry, from what was asked to what came."""
    request, results = _table(record.get("request")), _tables(record.get("results"))
    when = datetime.fromtimestamp(float(record["time"])).strftime("%Y-%m-%d %H:%M:%S")
    sources = [source.label for one in record.get("sources") or [] if (source := read_source(one)) is not None]
    asked = [("asked", when), ("of", ", ".join(sources))]
    if (reason := record.get("reason")) != "finished":
        asked.append(("ended", {"asked": "not yet, or its answer was not kept"}.get(str(reason), str(reason))))
    settings = next((one for result in results if (one := _table(result.get("settings")))), None)
    for name, value in (settings or _table(request.get("settings"))).items():
        if value not in ([], ()):
            asked.append((name, _plain(value)))
    asked += [
        (name, _plain(request[name]))
        for name in ("samples", "alternatives", "device", "precision", "file")
        if request.get(name) not in (None, "")
    ]
    asked.append(("craft", str(record.get("craft", ""))))
    yield Part(_TITLES.get(str(record.get("kind")), "asked"), tuple(fact for fact in asked if fact[1]))
    prompts = request.get("prompts")
    if not isinstance(prompts, list):
        yield Part("text" if record.get("kind") == "score" else "prompt", text=prompt_of(record))
        tokens = _table(request.get("prompt")).get("tokens")
        if tokens:
            yield Part("tokens chosen after the prompt", text=" ".join(map(str, tokens)))
    for result in results:
        yield from _result(result, prompts if isinstance(prompts, list) else None)


def _result(result: Record, prompts: list[Any] | None) -> Iterator[Part]:
    provenance = _table(result.get("provenance"))
    name = str(provenance.get("run") or provenance.get("path") or f"checkpoint {result.get('checkpoint', 0)}")
    step = provenance.get("step")
    facts = [
        (key, _plain(provenance[key])) for key in ("source", "path", "device", "why_device") if provenance.get(key)
    ]
    facts += [(key, _plain(provenance[key])) for key in ("precision", "torch", "context_length") if provenance.get(key)]
    if is_number(count := provenance.get("parameters")):
        facts.append(("parameters", format_count(count)))
    for key, write in _FIGURES.items():
        if is_number(value := result.get(key)):
            facts.append((key.replace("_", " "), write(value)))
    facts += [("remark", str(one)) for one in provenance.get("remarks") or []]
    if error := _fault(result):
        facts.append(("fault", error))
    yield Part(f"{name}, step {step}" if step is not None else name, tuple(facts))
    texts = texts_of(result)
    for number, one in enumerate(texts, 1):
        about = [f"{number} of {len(texts)}"] if len(texts) > 1 else []
        about += [f"seed {one['seed']}"] if "seed" in one else []
        if is_number(one.get("score")) and is_number(one.get("log_probability")):
            about.append(f"score {one['score']:.4f}, log probability {one['log_probability']:.4f}")
        about += [f"ended by {one['ended']}"] if one.get("ended") else []
        title = "text" if not about else f"text: {', '.join(about)}"
        place = one.get("prompt")
        facts = []
        if prompts is not None and isinstance(place, int) and 0 <= place < len(prompts):
            given = prompts[place]
            facts.append(("prompt", str(given.get("prompt", "") if isinstance(given, dict) else given)))
        if one.get("error"):
            facts.append(("fault", str(one["error"])))
        yield Part(title, tuple(facts), one["text"] if isinstance(one.get("text"), str) else None)


_FIGURES = {
    "loss": format_loss,
    "perplexity": format_number,
    "bits_per_byte": format_loss,
    "nats": format_number,
    "tokens": format_count,
    "bytes": format_count,
    "seconds": format_duration,
    "tokens_per_second": format_rate,
}


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, list | tuple):
        return ", ".join(repr(one) if isinstance(one, str) else str(one) for one in value)
    return str(value)


def as_text(record: Record) -> str:
    """To be pasted anywhere; as raw as it came."""
    lines: list[str] = []
    for part in parts(record):
        lines += [*([""] if lines else []), f"--- {part.title} ---"]
        width = max((len(name) for name, _ in part.facts), default=0)
        lines += [f"{name:<{width}}  {value}" for name, value in part.facts]
        lines += [part.text] if part.text is not None else []
    return "\n".join(lines) + "\n"


def as_markdown(record: Record) -> str:
    """A section for a report."""
    lines: list[str] = []
    for number, part in enumerate(parts(record)):
        lines += [f"{'##' if number == 0 else '###'} {_inline(part.title)}", ""]
        if part.facts:
            lines += [
                "| | |",
                "|---|---|",
                *(f"| {_inline(name)} | {_inline(value)} |" for name, value in part.facts),
                "",
            ]
        if part.text is not None:
            longest = max((len(run) for run in re.findall(r"`+", part.text)), default=0)
            fence = "`" * max(3, longest + 1)
            lines += [f"{fence}text", part.text, fence, ""]
    return "\n".join(lines)


def _inline(text: str) -> str:
    """A text that stands within a line of Markdown as it is."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


# As a command --------------------------------------------------------------------------------------------------------


def command(record: Record, runs_dir: Path) -> str:
    """`craft generate` that asks the same checkpoints the same again, to be pasted into a shell.

    The checkpoints are those that answered, by run and step, or by path; where none did, those that were asked for.
    """
    kind, request = str(record.get("kind")), _table(record.get("request"))
    words = ["craft generate", *_sources(record, runs_dir)]
    before = ""
    prompts = request.get("prompts")
    if kind == "score":
        text = prompt_of(record)
        if len(text.encode("utf-8", "replace")) > _MOST_ARGUMENT:
            before, given = f"printf %s {quoted(text)} | ", "--score-file /dev/stdin"
        else:
            given = f"--score {quoted(text)}"
        words.append(given)
    elif isinstance(prompts, list):
        if request.get("file"):
            words.append(f"--prompts-file {quoted(str(request['file']))}")
        else:
            words += [f"--prompt {quoted(str(_table(one).get('prompt', one)))}" for one in prompts]
    else:
        text = prompt_of(record)
        if len(text.encode("utf-8", "replace")) > _MOST_ARGUMENT:
            before, given = f"printf %s {quoted(text)} | ", "--prompt -"
        else:
            given = f"--prompt {quoted(text)}"
        words.append(given)
        if tokens := _table(request.get("prompt")).get("tokens"):
            words.append(f"--tokens {','.join(map(str, tokens))}")
    words += _settings(kind, record)
    return before + " ".join(words)


def _sources(record: Record, runs_dir: Path) -> list[str]:
    runs, paths = [], []
    given = record.get("sources") or []
    results = {result.get("checkpoint"): _table(result.get("provenance")) for result in _tables(record.get("results"))}
    for number, one in enumerate(given):
        provenance, source = results.get(number, {}), read_source(one)
        run, step, path = provenance.get("run"), provenance.get("step"), provenance.get("path")
        if run and step is not None and path and Path(path).parent.parent == (runs_dir / run).absolute():
            runs.append(quoted(f"{run}@{step}"))
        elif path:
            paths.append(f"--checkpoint {quoted(str(path))}")
        elif source is not None and source.run:
            runs.append(quoted(f"{source.run}@{source.at}"))
        elif source is not None:
            paths.append(f"--checkpoint {quoted(source.path)}")
    if runs:
        runs.append(f"--runs-dir {quoted(str(runs_dir))}")
    return [*runs, *paths]


def _settings(kind: str, record: Record) -> list[str]:
    request, results = _table(record.get("request")), _tables(record.get("results"))
    settings = next((one for result in results if (one := _table(result.get("settings")))), None)
    settings = settings or _table(request.get("settings"))
    words = []
    if kind == "beams":
        words += [f"--beams {settings.get('width', 4)}", f"--results {settings.get('num_results', 1)}"]
    if kind != "score":
        words += [f"--{name.replace('_', '-')} {settings[name]}" for name in _FLAGS if name in settings]
        words += [f"--stop {quoted(str(text))}" for text in settings.get("stop") or []]
        if (samples := request.get("samples", 1)) != 1:
            words.append(f"--samples {samples}")
    if kind in ("write", "score") and request.get("alternatives") is not None:
        words.append(f"--alternatives {request['alternatives']}")
    for name in ("device", "precision"):
        # What `auto` chose may be another on another day.
        answered = next((value for result in results if (value := _table(result.get("provenance")).get(name))), None)
        if answered or request.get(name):
            words.append(f"--{name} {answered or request[name]}")
    return words


def quoted(text: str) -> str:
    """A text as one word of a shell; with control characters in it as bash and zsh read $'...'."""
    if not _CONTROL.search(text):
        return shlex.quote(text)
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t")
    # Of several bytes each is written: \u means another thing where the locale is not UTF-8.
    return "$'" + _CONTROL.sub(lambda found: "".join(f"\\{byte:03o}" for byte in found[0].encode()), text) + "'"
