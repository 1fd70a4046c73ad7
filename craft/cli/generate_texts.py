"""`craft generate` at a terminal: texts from some prompts, the likeliest ones, the score of a given one."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from craft import platform
from craft.cli.common import json_line, print_json
from craft.cli.generate_show import TextPrinter, print_heading, print_score, print_thoughts
from craft.cli.generate_sources import Source, load_source, say
from craft.errors import TokenizerError
from craft.runs.sampling_settings import BeamSettings, SamplingSettings, sample_seed
from craft.text import clean, shows_unicode

if TYPE_CHECKING:
    from craft.generation.beam_search import Beam
    from craft.generation.checkpoint import LoadedCheckpoint
    from craft.generation.files.many_prompts import Batch
    from craft.generation.writing import Prompt, Writing, Written


def write(
    sources: Sequence[Source],
    texts: Sequence[str],
    tokens: tuple[int, ...],
    settings: SamplingSettings | BeamSettings,
    given: dict[str, Any],
) -> None:
    """Let each checkpoint write from the same prompts."""
    from craft.generation.files.many_prompts import batches, rows_at_once
    from craft.generation.writing import Prompt, Writing

    platform.keep_freed_memory()
    prompts = [Prompt(text, tokens) for text in texts]
    for source in sources:
        source, loaded, _ = load_source(source, given["device"], given["precision"] or "auto")
        told = _Told(loaded)
        title = source.title if len(sources) > 1 else ""
        _require_readable(loaded, prompts)
        if isinstance(settings, BeamSettings):
            for prompt in prompts:
                _search(loaded, prompt, settings, given, title if len(prompts) == 1 else _heading(title, prompt), told)
            continue
        samples, alternatives = given["samples"] or 1, given["alternatives"]
        for batch in batches(range(len(prompts)), samples, rows_at_once(loaded.model)):
            some = [prompts[place] for place in batch.prompts]
            writing = Writing(
                loaded.model,
                loaded.tokenizer,
                some,
                batch.settings(settings),
                samples=batch.samples,
                alternatives=alternatives,
                end_tokens=loaded.end_tokens,
            )
            if given["as_json"]:
                _write_json(loaded, writing, some, batch, settings, told)
            else:
                many = len(prompts) > 1 or samples > 1
                headings = [_title(title, prompts, samples, batch, text, settings) for text in writing.texts]
                _write_text(loaded, writing, some, [one if many or title else "" for one in headings], told)


def _require_readable(loaded: LoadedCheckpoint, prompts: Sequence[Prompt]) -> None:
    """Raise TokenizerError, before anything is printed, for a prompt that cannot be read."""
    for number, prompt in enumerate(prompts, start=1):
        try:
            loaded.tokenizer.decode(prompt.tokens)
            loaded.tokenizer.encode_array(prompt.text)
        except TokenizerError as error:
            raise TokenizerError(f"prompt {number}: {error}" if len(prompts) > 1 else str(error)) from error


def _title(
    title: str, prompts: Sequence[Prompt], samples: int, batch: Batch, text: Written, settings: SamplingSettings
) -> str:
    """What tells a text from the others."""
    sample = batch.first_sample + text.sample
    parts = [title] if title else []
    if len(prompts) > 1:
        parts.append(f"prompt {batch.prompts[text.prompt] + 1}")
    if samples > 1:
        parts.append(f"sample {sample + 1}, seed {sample_seed(settings.seed, sample)}")
    return ", ".join(parts)


def _heading(title: str, prompt: Prompt) -> str:
    return ", ".join(filter(None, [title, repr(prompt.text[-40:])]))


class _Told:
    """What is said once of a checkpoint's texts."""

    def __init__(self, loaded: LoadedCheckpoint) -> None:
        self._context, self._said = loaded.context_length, set[str]()

    def remarks(self, unread: int, slides: int) -> list[str]:
        """What is new about a text that is longer than the model looks."""
        found = {}
        if unread:
            found["unread"] = (
                f"the prompt is longer than the context of {self._context:,} tokens: its last {self._context:,} are "
                f"read, and the {unread:,} before them are not"
            )
        if slides:
            found["slides"] = (
                f"longer than the context of {self._context:,} tokens: it goes on over a window of its last "
                f"{max(1, self._context // 2):,} to {self._context:,}"
            )
        new = [words for name, words in found.items() if name not in self._said]
        self._said |= found.keys()
        return new


def _write_text(
    loaded: LoadedCheckpoint, writing: Writing, prompts: Sequence[Prompt], headings: Sequence[str], told: _Told
) -> None:
    texts = {(text.prompt, text.sample): place for place, text in enumerate(writing.texts)}
    begins = [_beginning(loaded, prompts[text.prompt]) for text in writing.texts]
    printer = TextPrinter(headings, begins, tinted=writing.alternatives is not None)
    try:
        for piece in writing:
            place = texts[piece.prompt, piece.sample]
            probability = piece.thought.probability if piece.thought is not None else None
            printer.push(place, piece.text, ended=bool(piece.ended), probability=probability)
            text = writing.texts[place]
            if text.unread or text.slides:
                for words in told.remarks(text.unread, text.slides):
                    printer.remark(words)
    except KeyboardInterrupt:
        printer.leave()
        raise
    if writing.alternatives is not None:
        for heading, text in zip(headings, writing.texts, strict=True):
            print_heading(heading)
            print_thoughts(text.thoughts, loaded.tokenizer)
        sys.stdout.flush()


def _beginning(loaded: LoadedCheckpoint, prompt: Prompt) -> str:
    """A prompt as it is shown, with the tokens that follow it."""
    from craft.generation.writing import TextStream

    stream = TextStream(loaded.tokenizer)
    return prompt.text + "".join(map(stream.push, prompt.tokens))


def _write_json(
    loaded: LoadedCheckpoint,
    writing: Writing,
    prompts: Sequence[Prompt],
    batch: Batch,
    settings: SamplingSettings,
    told: _Told,
) -> None:
    """One object a text, in their order, each as soon as those before it are written."""
    from craft.generation.records import origin, text_record

    waiting = list(writing.texts)
    for piece in writing:
        while piece.ended and waiting and waiting[0].ended:
            text = waiting.pop(0)
            for words in told.remarks(text.unread, text.slides):
                say(words)
            whole = dataclasses.replace(text, sample=batch.first_sample + text.sample)
            print_json(
                {
                    **origin(loaded),
                    **text_record(
                        whole,
                        prompts[text.prompt],
                        settings,
                        loaded.tokenizer,
                        alternatives=writing.alternatives is not None,
                    ),
                }
            )


def _search(
    loaded: LoadedCheckpoint,
    prompt: Prompt,
    settings: BeamSettings,
    given: dict[str, Any],
    title: str,
    told: _Told,
) -> None:
    """The likeliest texts after a prompt."""
    from craft.generation.beam_search import BeamSearch
    from craft.generation.records import origin

    search = BeamSearch(loaded.model, loaded.tokenizer, prompt, settings, end_tokens=loaded.end_tokens)
    for _ in search:
        for words in told.remarks(search.unread, search.slides):
            say(words)
    if given["as_json"]:
        common = {**origin(loaded), "prompt": prompt.text, "tokens_before": list(prompt.tokens)}
        rest = {**dataclasses.asdict(settings), "unread": search.unread, "slides": search.slides}
        for place, beam in enumerate(search.results):
            print_json({**common, "result": place, **beam.as_json(), **rest})
        if given["tree"]:
            print_json({**common, "tree": search.tree.as_json()})
        return
    many = settings.num_results > 1
    for place, beam in enumerate(search.results):
        print_heading(_result(title, place, beam) if many or title else "")
        sys.stdout.write(clean(_beginning(loaded, prompt) + beam.text) + "\n")
    if given["tree"]:
        ascii_only = not shows_unicode(sys.stdout)
        columns = shutil.get_terminal_size((100, 24)).columns - 1 if sys.stdout.isatty() else 100
        for line in search.tree.drawing(columns=columns, ascii_only=ascii_only):
            sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _result(title: str, place: int, beam: Beam) -> str:
    return ", ".join(filter(None, [title, f"result {place + 1}, score {beam.score:.4f}"]))


def score(sources: Sequence[Source], text: str, given: dict[str, Any]) -> None:
    """How much each checkpoint expected a text."""
    from craft.generation.records import origin
    from craft.generation.scoring import score_text

    alternatives = 5 if given["alternatives"] is None else given["alternatives"]
    for source in sources:
        # As training computes it, unless something else is asked for: these are figures and not a text.
        source, loaded, _ = load_source(source, given["device"], given["precision"])
        found = score_text(loaded.model, loaded.tokenizer, text, alternatives)
        if not given["as_json"]:
            print_heading(source.title if len(sources) > 1 else "")
            print_score(found)
            sys.stdout.flush()
            continue
        # One object as of every text, written a token at a time: a long text's would not fit in memory as one.
        head = json_line({**origin(loaded), "text": text, **found.totals()})
        sys.stdout.write(head[:-1] + ', "scores": [')
        for place in range(len(found)):
            sys.stdout.write((", " if place else "") + json_line(found[place].as_json()))
        sys.stdout.write("]}\n")
        sys.stdout.flush()
