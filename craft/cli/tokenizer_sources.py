"""Where the commands about tokenizers take them from: experiments, texts, runs and files."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import find_run, run_and_which
from craft.errors import TokenizerError, UsageError
from craft.text import clean_line

if TYPE_CHECKING:
    from craft.config.experiments import PlannedRun
    from craft.config.schema import ExperimentConfig
    from craft.config.token_cache import TokenMeta
    from craft.data import PreparedData, Tokenizer

_SAMPLE = 2000  # tokens of a prepared text that are looked at


@dataclass(frozen=True)
class Job:
    """A tokenizer that a definition describes."""

    name: str
    """The experiment; empty for a text that was named on the command line."""
    config: ExperimentConfig
    search: Path
    """Where modules of one's own lie."""


@dataclass(frozen=True)
class Found:
    """A tokenizer that is there."""

    title: str
    tokenizer: Tokenizer
    meta: TokenMeta | None
    """The text it was made for, prepared; None where that is not known."""

    def sample(self) -> str:
        """Some of that text: the beginning of its last tenth, which is mostly held out."""
        if self.meta is None:
            return ""
        from craft.data.prepare import read_tokens

        start = self.meta.num_tokens * 9 // 10
        return self.tokenizer.decode(read_tokens(self.meta)[start : start + _SAMPLE])


def of_text(inputs: tuple[Path, ...], kind: str, vocab_size: int | None) -> Job:
    """The tokenizer for texts that are named on the command line."""
    from craft.config.schema import ExperimentConfig

    config = ExperimentConfig.model_validate(
        {
            "data": {
                "type": "text",
                "path": [str(path.absolute()) for path in inputs],
                "context_length": 1,  # no split is asked for
                "val_fraction": 0.0,
            },
            "tokenizer": {"type": kind, "vocab_size": vocab_size or 0},
            "model": {"type": "transformer"},
        }
    )
    return Job("", config, Path.cwd())


def of_file(file: Path, words: tuple[str, ...]) -> list[Job]:
    """Each different tokenizer of a file's experiments."""
    from craft.config.experiments import load_experiments

    names = [word for word in words if "=" not in word]
    found: dict[str, Job] = {}
    for run in load_experiments(file).plan(names, [word for word in words if "=" in word]):
        what = f"{run.config.data!r} {run.config.tokenizer!r}"
        found.setdefault(what, of_run(run))
    return list(found.values())


def of_run(run: PlannedRun) -> Job:
    """The tokenizer of one run of a plan."""
    from craft.config.plugins import code_dir

    return Job(run.experiment, run.config, code_dir(run.source.absolute()))


def prepare(job: Job) -> PreparedData:
    """Learn, or find in the cache; progress and warnings go to standard error."""
    import craft.data
    from craft.cli.terminal import Screen

    screen = Screen(sys.stderr)
    before = f"{job.name}: " if job.name else ""
    try:
        return craft.data.prepare(
            job.config,
            progress=lambda line: screen.redraw(clean_line(f"{before}{line}")),
            warn=lambda line: screen.line(f"craft: {clean_line(line)}", "yellow"),
            search=job.search,
        )
    finally:
        screen.erase()


def find(what: str, words: tuple[str, ...], runs_dir: Path | None) -> Found:
    """The tokenizer of a run, of an experiment, or in a file. Raises CraftError where there is none."""
    path = Path(what)
    if path.suffix == ".toml":
        jobs = of_file(path, words)
        if len(jobs) > 1:
            raise UsageError(
                f"{len(jobs)} different tokenizers are meant: {', '.join(job.name for job in jobs)}; name one"
            )
        prepared = prepare(jobs[0])
        return Found(jobs[0].name, prepared.tokenizer, prepared.meta if prepared.kept else None)
    if words:
        raise click.UsageError("NAME and path=value belong to an experiments file, whose name ends in .toml")
    if path.is_file() or (path / "tokenizer.json").is_file():
        return Found(what, _read(path), None)
    return _of_run(what, runs_dir)


def _of_run(what: str, runs_dir: Path | None) -> Found:
    from craft.config.definition import load_definition
    from craft.config.token_cache import find_tokens
    from craft.data import load_tokenizer
    from craft.runs.checkpoints import resolve

    name, which = run_and_which(what)
    folder = find_run(name, runs_dir)
    checkpoint = resolve(folder, which).path
    code = folder.path / "code"
    _, config = load_definition(checkpoint / "experiment.toml")
    search = code if code.is_dir() else None
    meta = find_tokens(config.data, config.tokenizer, search)
    kept = meta if meta and meta.key else None  # tokens in files of one's own are not in the cache
    return Found(folder.name, load_tokenizer(checkpoint, search=search), kept)


def _read(path: Path) -> Tokenizer:
    """A `.model`, a `tokenizer.json` of Craft's or of the tokenizers library, or a folder with one of these."""
    from craft.data.tokenizers import BPETokenizer, HFTokenizer, SentencePieceTokenizer, load_tokenizer
    from craft.data.tokenizers.json_file import read_json

    if path.is_dir():
        path = path / "tokenizer.json"
    elif path.suffix != ".json":
        return SentencePieceTokenizer.read(path)
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None  # said below
    if isinstance(content, dict) and isinstance(content.get("type"), str):  # the library's own says none
        code = path.parent.parent.parent / "code"  # of a checkpoint's run
        return load_tokenizer(path.parent, search=code if code.is_dir() else None)
    try:
        return BPETokenizer(read_json(path))
    except TokenizerError:
        return HFTokenizer.read(path)
