"""`craft generate`: let a checkpoint write, show what it thought, or say how much it expected a text."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import complete_run, json_option, runs_dir_option
from craft.errors import UsageError

if TYPE_CHECKING:
    from craft.config.schema.generation import GenerationConfig
    from craft.runs.sampling_settings import BeamSettings, SamplingSettings

_FILE = click.Path(path_type=Path)
# What is drawn by: with --beams nothing is drawn.
_DRAWING = (
    "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "seed", "samples", "greedy"
)  # fmt: skip


@click.command()
@click.argument("names", nargs=-1, metavar="[RUN ...]", shell_complete=complete_run)
@click.option("--checkpoint", "checkpoints", multiple=True, type=_FILE, help="A folder or a file instead of a run.")
@click.option(
    "--prompt", "prompts", multiple=True, help="Text to go on from; several are written side by side; - reads."
)
@click.option("--prompt-file", "prompt_files", multiple=True, type=_FILE, help="One prompt, as long as the file.")
@click.option("--tokens", help="Ids of tokens that follow the prompt already, as 12,5,7.")
@click.option("--max-new-tokens", type=int, help="Tokens to write.")
@click.option("--temperature", type=float, help="1 is the model's own distribution, 0 the likeliest token always.")
@click.option("--greedy", is_flag=True, help="The likeliest token always: as --temperature 0.")
@click.option("--top-k", type=int, help="Only this many of the likeliest tokens; 0 is all.")
@click.option("--top-p", type=float, help="Only the likeliest tokens that hold this much probability; 1 is all.")
@click.option("--min-p", type=float, help="Only tokens this many times as likely as the likeliest; 0 is all.")
@click.option("--repetition-penalty", type=float, help="Make tokens less likely that stand there already; 1 is off.")
@click.option("--frequency-penalty", type=float, help="Take this off a token for each time it was written; 0 is off.")
@click.option("--stop", multiple=True, help="Text that ends the writing; may be given several times.")
@click.option("--seed", type=int, help="Same seed, same text.")
@click.option("--samples", type=click.IntRange(1, 1 << 20), help="Texts from each prompt, with seeds that follow.")
@click.option("--beams", type=int, help="Look for the likeliest texts, and follow this many at each step.")
@click.option("--length-penalty", type=float, help="Of beams: 0 favours short texts, 1 (the default) takes the mean.")
@click.option("--results", type=int, help="Of beams: how many of the best texts to give.")
@click.option("--tree", is_flag=True, help="Of beams: also what was looked at.")
@click.option(
    "--alternatives", type=click.IntRange(0), help="What the model thought: this many tokens it might have taken."
)
@click.option("--score", help="Write nothing: say how much each token of this text was expected.")
@click.option("--score-file", type=_FILE, help="The same, of a file's text.")
@click.option("--prompts-file", type=_FILE, help="A prompt a line, or JSON lines, to JSON lines.")
@click.option("--output", type=_FILE, help="Where those go; a second go writes what is missing.")
@click.option("--overwrite", is_flag=True, help="Begin --output anew.")
@click.option("--fresh", is_flag=True, help="Let a run that trains save a checkpoint first.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="cpu, cuda, cuda:1 or mps; auto leaves the GPU to a run that trains.",
)
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "int8"]), help="Of the weights.  [default: auto]"
)
@runs_dir_option
@json_option
def generate(names: tuple[str, ...], checkpoints: tuple[Path, ...], runs_dir: Path | None, **given: Any) -> None:
    """Let a checkpoint write, token by token.

    RUN is a run's name, an experiment's (its newest run), or a path; `RUN@best`, `RUN@latest` or `RUN@STEP` chooses
    the checkpoint. Several write from the same prompt and seed, one after another. What is not given is as the first
    one's [generation] says.

    \b
    craft generate small-001 --prompt 'def '
    craft generate small@100 small@best --greedy --max-new-tokens 50
    craft generate small --prompt 'def ' --samples 3 --alternatives 5
    craft generate small --prompt 'def ' --beams 4 --results 2 --tree
    craft generate small --score-file mine.py --json
    craft generate small --prompts-file prompts.txt --output texts.jsonl
    """
    # All that was typed is checked before torch is imported: a slip of the pen is answered at once.
    _require_sense(given)
    from craft.cli.generate_sources import find_sources

    sources = find_sources(names, checkpoints, runs_dir, fresh=given["fresh"])
    config = sources[0].config
    from craft.config.schema.generation import GenerationConfig
    from craft.runs.sampling_settings import SamplingSettings

    defaults = config.generation if config is not None else GenerationConfig()
    settings = _settings(given, defaults, config.seed if config is not None else 0)
    if given["prompts_file"] is not None:
        from craft.cli.generate_files import write_file

        if len(sources) > 1:
            raise click.UsageError(
                "--prompts-file takes one RUN or checkpoint: one output says of each line what wrote it"
            )
        assert isinstance(settings, SamplingSettings), "beams were refused"
        write_file(sources[0], given, settings)
        return
    from craft.cli import generate_texts

    if given["score"] is not None or given["score_file"] is not None:
        text = given["score"] if given["score"] is not None else read_text(given["score_file"])
        generate_texts.score(sources, text, given)
        return
    prompts = [sys.stdin.buffer.read() if prompt == "-" else prompt for prompt in given["prompts"]]
    texts = [decode("standard input", one) if isinstance(one, bytes) else one for one in prompts]
    texts += [read_text(path) for path in given["prompt_files"]]
    tokens = _token_ids(given["tokens"])
    texts = texts or list(defaults.prompts)
    if tokens and len(texts) != 1:
        raise click.UsageError("--tokens follow one prompt; give one --prompt")
    generate_texts.write(sources, texts, tokens, settings, given)


def read_text(path: Path) -> str:
    """A file's text as it is, with its last line break."""
    try:
        return decode(str(path), path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def decode(where: str, raw: bytes) -> str:
    """A text that came as bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: not UTF-8 at byte {error.start + 1:,}") from error


def _require_sense(given: dict[str, Any]) -> None:
    """Raise for options that contradict each other, and for what is no text."""
    from craft.runs.prompts_file import require_text

    for name in ("prompts", "stop"):
        for text in given[name]:
            require_text(f"--{name.removesuffix('s')}", text)
    if given["score"] is not None:
        require_text("--score", given["score"])
    if given["greedy"] and given["temperature"] not in (None, 0):
        raise click.UsageError("--greedy is a temperature of 0, and --temperature says otherwise; give one of them")
    if given["prompts"].count("-") > 1:
        raise click.UsageError("standard input can be read once: give --prompt - once")
    if given["beams"] is not None:
        _leave_out(given, "--beams looks for the likeliest texts and draws nothing", _DRAWING)
        _leave_out(given, "--beams gives all that was looked at with --tree", ("alternatives",))
    else:
        _leave_out(given, "without --beams there is no use", ("length_penalty", "results", "tree"))
    asked = ("prompts", "prompt_files", "tokens", "beams", "prompts_file")
    for name in ("score", "score_file"):
        if given[name] is not None:
            _leave_out(given, "a text is scored as it is", (*asked, *_DRAWING, "stop", "max_new_tokens"))
    _leave_out(given, "one text is scored at a time", ("score",) if given["score_file"] is not None else ())
    if given["prompts_file"] is not None:
        _leave_out(
            given, "--prompts-file has the prompts, and is drawn for", ("prompts", "prompt_files", "tokens", "beams")
        )
    else:
        _leave_out(given, "without --prompts-file there is no use", ("output", "overwrite"))
    if given["overwrite"] and given["output"] is None:
        raise click.UsageError("--overwrite is for a file that --output names")


def _leave_out(given: dict[str, Any], why: str, names: tuple[str, ...]) -> None:
    spelled = {"prompts": "prompt", "prompt_files": "prompt-file"}
    found = [f"--{spelled.get(name, name).replace('_', '-')}" for name in names if given[name] not in (None, False, ())]
    if found:
        raise click.UsageError(f"{why}: leave out {', '.join(found)}")


def _settings(given: dict[str, Any], defaults: GenerationConfig, seed: int) -> SamplingSettings | BeamSettings:
    from craft.runs.sampling_settings import BeamSettings, SamplingSettings

    stop = given["stop"] or tuple(defaults.stop)
    if given["beams"] is not None:
        named = {"width": "beams", "length_penalty": "length_penalty", "num_results": "results"}
        chosen = {ours: given[theirs] for ours, theirs in named.items() if given[theirs] is not None}
        most = given["max_new_tokens"]
        return BeamSettings(max_new_tokens=defaults.max_new_tokens if most is None else most, stop=stop, **chosen)
    settings = SamplingSettings(**{**defaults.model_dump(exclude={"prompts"}), "seed": seed, "stop": stop})
    fields = {field.name for field in dataclasses.fields(SamplingSettings)} - {"stop"}
    changes = {name: given[name] for name in fields if given[name] is not None}
    if given["greedy"]:
        changes["temperature"] = 0.0
    return dataclasses.replace(settings, **changes)


def _token_ids(text: str | None) -> tuple[int, ...]:
    """`12,5,7` as ids."""
    if text is None:
        return ()
    parts = text.replace(",", " ").split()
    if not parts or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise click.UsageError(
            f"--tokens {text!r}: ids of tokens are whole numbers with commas between them, as 12,5,7"
        )
    return tuple(map(int, parts))
