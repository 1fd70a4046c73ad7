"""The first experiments file over one's own text: commented, with sizes that fit the text, and ready to run."""

from __future__ import annotations

import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from craft import platform
from craft.config.corpus import no_text, open_corpus
from craft.config.editor_schema import FIRST_LINE, write_editor_schema
from craft.config.reading import read_documents
from craft.config.schema.data import PythonStdlibData, TextFilesData
from craft.config.structure import FORMAT
from craft.config.toml_values import write_value
from craft.errors import DataError
from craft.text import clean_line

SMALLEST = 200
"""Characters below which no validation split of a few windows can be cut off."""

# A vocabulary of single characters stays small for one script; texts in many are shorter to describe as bytes.
_MOST_CHARACTERS = 512
# Measured whole at each evaluation: enough for a steady figure, a fraction of a second on a CPU.
_VALIDATION_TOKENS = 100_000
_VALIDATION_WINDOWS = 4  # the fewest that make a figure
_EPOCHS = 20  # passes after which a small text is learnt by heart
_STEPS = 500
_PROMPT = 20  # characters
_CODE = 40  # columns before a comment


@dataclass(frozen=True)
class Text:
    """What the sizes depend on."""

    table: dict[str, str]
    """What `[defaults.data]` says of where it lies."""
    about: str
    """In words."""
    tokens: int
    tokenizer: str
    prompt: str


@dataclass(frozen=True)
class Sizes:
    """Numbers of a first experiment, fitted to the number of tokens."""

    context_length: int
    batch_size: int
    hidden_size: int
    max_steps: int
    val_fraction: float

    @classmethod
    def fitted(cls, tokens: int) -> Sizes:
        """For a text of `tokens`, at least `SMALLEST`."""
        context = max(length for length in (8, 16, 32, 64) if length == 8 or tokens >= 128 * length)
        least = (_VALIDATION_WINDOWS * context + 1) / tokens
        # Rounded up to two digits, so that the windows are there.
        fraction = max(_ceil(least), min(0.1, _round(_VALIDATION_TOKENS / tokens)))
        windows = math.floor(tokens * (1 - fraction)) // context - 1
        batch = 24 if windows >= 96 else 8
        passes = _EPOCHS * windows // batch
        return cls(context, batch, 128 if tokens >= 50_000 else 64, min(_STEPS, max(50, passes)), fraction)


def python_stdlib() -> Text:
    """Python's own standard library, for when there is no text yet."""
    tokens = open_corpus(PythonStdlibData()).num_bytes
    about = f"the standard library's own sources, about {tokens / 1e6:.0f} MB"
    return Text({"type": "python_stdlib"}, about, tokens, "char", "def ")


def own_text(path: str, folder: Path) -> Text:
    """A file, a folder (its .txt files) or a glob, for an experiments file in `folder`.

    Raises DataError for a text that is missing, empty, not UTF-8, or shorter than `SMALLEST` characters.
    """
    place = Path(path).expanduser()
    if place.is_dir() and not any(place.glob("**/*.txt")):
        raise DataError(f"{path}: no .txt file lies in this folder; name others by a glob, such as '{path}/**/*.md'")
    data = TextFilesData(path=str(place))
    corpus = open_corpus(data)
    characters, seen, first = 0, set[str](), ""
    for document in read_documents(data, corpus, lambda _: None):
        for part in document:
            characters += len(part)
            seen.update(part)
            first = first or part
    if not characters:
        raise no_text(corpus)
    if characters < SMALLEST:
        raise DataError(
            f"{path}: {characters:,} characters are too short to learn from and to measure on; {SMALLEST:,} are the "
            "least, a hundred thousand show something, and without a TEXT FILE Python's own sources are taken"
        )
    distinct = len(seen)
    tokenizer = "char" if distinct <= _MOST_CHARACTERS else "byte"
    tokens = characters if tokenizer == "char" else corpus.num_bytes
    about = f"{characters:,} characters, {distinct:,} different ones"
    return Text({"type": "text", "path": _written(place, folder)}, about, tokens, tokenizer, _prompt(first))


def write_scaffold(file: Path, text: str | None, shown: str = "") -> Text:
    """Write an experiments file over a text of one's own, or over Python's standard library, with its schema beside it.

    `shown` is how the comments call the file. Raises DataError for a text that cannot be used, OSError where the disk
    does not take it.
    """
    source = own_text(text, file.absolute().parent) if text else python_stdlib()
    content = scaffold(source, shown or file.name)
    write_editor_schema(file)
    platform.write_file_atomic(file, content.encode())
    return source


def scaffold(text: Text, file: str) -> str:
    """The content of an experiments file that `craft run` takes as it is. `file` is its name, for the comments."""
    sizes = Sizes.fitted(text.tokens)
    epochs = sizes.max_steps * sizes.batch_size * sizes.context_length / (text.tokens * (1 - sizes.val_fraction))
    chars = text.tokenizer == "char"
    file = clean_line(shlex.quote(file))
    commands = [
        (f"craft validate {file}", "is every line right?"),
        (f"craft estimate {file} small", "what does it cost, and does it fit?"),
        (f"craft run {file} small", "train it, and watch"),
        ("craft generate small@best", "let it write"),
    ]
    lines = [
        FIRST_LINE,
        f"# Experiments over {text.about}.",
        "#",
        *(f"#   {command:<{_CODE}} {why}" for command, why in commands),
        "#",
        "# What is left out has a default: `craft show` prints them all, and where each value comes from.",
        _line("craft", FORMAT, "the format of this file"),
        "",
        "[project]",
        _line("runs_dir", "runs", "where the runs go, from this file on"),
        "",
        f"{'[defaults]':<{_CODE}} # under every experiment below",
        _line("seed", 1337, "decides weights and order; another one shows what is luck"),
        _line("device", "auto", 'a GPU where there is one, else the CPU; or "cpu", "cuda", "mps"'),
        "",
        "[defaults.data]",
        *(_line(key, value, _about_data(key)) for key, value in text.table.items()),
        _line("context_length", sizes.context_length, "how far back the model sees, in tokens"),
        _line("val_fraction", sizes.val_fraction, "the end of the text, held out to measure on"),
        "",
        "[defaults.tokenizer]",
        _line(
            "type", text.tokenizer, "a token a character" if chars else "a token a byte: the text has many characters"
        ),
        "",
        "[defaults.optimizer]",
        _line("type", "muon", 'learns small models fastest; "adamw" is the usual one'),
        _line("lr", 0.06, "of the hidden matrices: the first number to try others for"),
        _line("momentum", 0.85, "shorter than usual, which suits short runs"),
        _line("embedding_lr", 0.1, "of the embeddings"),
        "",
        "[defaults.scheduler]",
        _line("type", "warmup_stable_decay", "in parts of the run, so another max_steps needs no change here"),
        _line("warmup_fraction", 0.02, "rise first"),
        _line("decay_fraction", 0.6, "fall to zero at the end, where most of the loss is won"),
        "",
        "[defaults.training]",
        _line("max_steps", sizes.max_steps, f"{_passes(epochs)} over the text"),
        _line("batch_size", sizes.batch_size, "sequences a step"),
        _line("eval_every", max(1, sizes.max_steps // 10), "steps between measurements of the held-out text"),
        _line("log_every", max(1, sizes.max_steps // 50), "steps between points of the training curve"),
        "",
        "[defaults.checkpoint]",
        _line("every", max(1, sizes.max_steps // 5), "what is lost at most when the power fails"),
        _line("keep", 3, "the newest; the best one stays besides"),
        "",
        "[defaults.generation]",
        _line("prompts", [text.prompt], "what `craft generate` goes on from"),
        _line("max_new_tokens", 300),
        _line("temperature", 0.8, "0 always takes the likeliest token, 1 draws as the model believes"),
        "",
        "[defaults.callbacks]",
        _line("sample_text", {"every": max(1, sizes.max_steps // 5)}, "steps between texts that it writes on the way"),
        _line("system", {"every": 2}, "seconds between looks at memory and processor"),
        "",
        "[experiment.small]",
        _line("description", "Two blocks"),
        _line("why", "the baseline that everything else must beat"),
        "[experiment.small.model]",
        _line("type", "transformer"),
        _line("num_layers", 2, "blocks of attention and MLP"),
        _line("num_heads", 4, "must divide hidden_size"),
        _line("hidden_size", sizes.hidden_size, "width"),
        "",
        "[experiment.deeper]",
        _line("extends", "small", "all of small, and what is said here"),
        _line("description", "Four blocks"),
        _line("why", "is twice the depth worth twice the time?"),
        _line("model.num_layers", 4),
        "",
        "# Which learning rate is best? A sweep is a run for each combination: here six, lr-001 to lr-006.",
        "# Take the # away from its lines to have it.",
        "#[experiment.lr]",
        '#extends = "small"',
        "#[experiment.lr.sweep]",
        "#" + _line("axes.optimizer.lr", [0.03, 0.06, 0.12]),
        "#" + _line("seeds", [1, 2], "each twice, to see what is luck"),
    ]
    return "\n".join(lines) + "\n"


def _line(key: str, value: object, why: str = "") -> str:
    written = f"{key} = {write_value(value)}"
    return f"{written:<{_CODE}} # {why}" if why else written


def _about_data(key: str) -> str:
    return "a file, a folder, a glob, or a list of them; from this file on" if key == "path" else ""


def _passes(epochs: float) -> str:
    if epochs < 1:
        return f"{epochs:.2g} of a pass"
    return f"about {epochs:.0f} {'pass' if round(epochs) == 1 else 'passes'}"


def _written(place: Path, folder: Path) -> str:
    """A path from the experiments file on where the text lies beside or below it, else the absolute one."""
    absolute = Path(os.path.normpath(place.absolute()))
    try:
        return absolute.relative_to(os.path.normpath(folder.absolute())).as_posix()
    except ValueError:
        return str(absolute)


def _prompt(text: str) -> str:
    """The text's first word, which every tokenizer of it can read."""
    words = text.split(maxsplit=1)
    word = words[0][:_PROMPT] if words else text[:1]
    return f"{word} " if " " in text else word


def _round(fraction: float) -> float:
    return float(f"{fraction:.2g}")


def _ceil(fraction: float) -> float:
    """Up to two significant digits."""
    step = 10.0 ** (math.floor(math.log10(fraction)) - 1)
    return float(f"{math.ceil(fraction / step) * step:.2g}")
