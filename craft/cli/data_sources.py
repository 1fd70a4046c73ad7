"""Texts that are named on the command line, as a definition would name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from craft.cli.tokenizer_sources import Job
from craft.errors import TokenizerError, UsageError

_KINDS = {".jsonl": "jsonl", ".csv": "csv", ".tsv": "csv", ".parquet": "hf", ".arrow": "hf"}
_HOLD_TOKENS = {".bin": "tokens", ".npy": "tokens", ".pkl": "pickled", ".pickle": "pickled"}
_LEARNT = ("bpe", "sentencepiece")


def of_inputs(
    inputs: tuple[Path, ...],
    tokenizer: str,
    vocab_size: int | None,
    text_field: str | None,
    val_fraction: float | None,
) -> Job:
    """What to prepare. Raises UsageError for what does not go together, and what reading the files may raise."""
    from craft.config.schema import ExperimentConfig

    data = _data(inputs, text_field)
    data |= {"context_length": 1, "val_fraction": 0.1 if val_fraction is None else val_fraction}
    table = _tokenizer(tokenizer)
    if vocab_size is not None:
        if tokenizer not in _LEARNT:
            raise click.UsageError(f"--vocab-size goes with --tokenizer {' or '.join(_LEARNT)}")
        table["vocab_size"] = vocab_size
    try:
        config = ExperimentConfig.model_validate(
            {"data": data, "tokenizer": table, "model": {"type": "transformer"}}  # no model is asked for
        )
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
    return Job("", config, Path.cwd())


def _data(inputs: tuple[Path, ...], text_field: str | None) -> dict[str, Any]:
    """The `[data]` table that reads them, by the ends of their names."""
    ends = {path.suffix.lower() for path in inputs}
    for path in inputs:
        if (kind := _HOLD_TOKENS.get(path.suffix.lower())) is not None:
            raise UsageError(f'{path}: this holds tokens already; a definition reads it with data.type = "{kind}"')
    kinds = {_KINDS.get(end, "text") for end in ends}
    if len(kinds) > 1 or (len(ends - {""}) > 1 and kinds != {"text"}):
        raise UsageError(f"--input: files of different kinds, {', '.join(sorted(ends))}; prepare them one by one")
    kind = kinds.pop()
    paths = [str(path.absolute()) for path in inputs]
    if kind == "text":
        if text_field is not None:
            raise click.UsageError("--text-field goes with .jsonl, .csv, .tsv and .parquet")
        return {"type": kind, "path": paths}
    table: dict[str, Any] = {"type": kind, "path": paths, "text_field": text_field or "text"}
    if kind == "hf":
        if len(paths) > 1:
            raise UsageError(f'--input: {len(paths)} files of {ends.pop()}; name one, or use data.type = "hf"')
        table["path"] = paths[0]
    if ends == {".tsv"}:
        table["delimiter"] = "\t"
    return table


def _tokenizer(given: str) -> dict[str, Any]:
    """The `[tokenizer]` table for a type's name or a file."""
    if given in ("char", "byte", *_LEARNT):
        return {"type": given}
    path = Path(given)
    if path.suffix == ".model":
        return {"type": "sentencepiece", "path": str(path.absolute())}
    if path.suffix != ".json":
        raise click.UsageError(
            f"--tokenizer: {given!r} is none of char, byte, {', '.join(_LEARNT)}, and no .model or tokenizer.json"
        )
    from craft.data.tokenizers import BPETokenizer

    try:
        BPETokenizer.read(path)
    except TokenizerError:
        return {"type": "hf", "path": str(path.absolute())}
    return {"type": "bpe", "path": str(path.absolute())}
