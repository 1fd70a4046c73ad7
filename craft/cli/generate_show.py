"""Generated text in a terminal or a pipe: as it comes, in the order of the prompts, with what the model thought."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from craft.cli.generate_sources import say
from craft.text import clean, clean_line, fit, shows_unicode, wants_color

if TYPE_CHECKING:
    from craft.data.tokenizers import Tokenizer
    from craft.generation.sampling import Thought
    from craft.generation.scoring import TextScore

_ECHOED = 2000  # characters of a prompt that a terminal is shown; a pipe gets all
_ROWS = 1000  # tokens of a scored text that a table has
_PIECE = 16  # columns of a token in a table
# A token's probability is shown by colour: the first of these that it reaches.
_TINTS = ((0.5, "32"), (0.1, "33"), (0.0, "31"))


class TextPrinter:
    """Texts that are written side by side: the first as it comes, each other one once those before it have ended."""

    def __init__(self, headings: Sequence[str], prompts: Sequence[str], *, tinted: bool) -> None:
        """headings: above each text; an empty one is none. prompts: what each begins with."""
        self._headings, self._prompts = headings, prompts
        self._tinted = tinted and wants_color(sys.stdout)
        self._waiting: list[list[str]] = [[] for _ in headings]
        self._ended = [False] * len(headings)
        self._now = -1
        self._mid_line = False
        self._unsaid: list[str] = []

    def push(self, text: int, piece: str, *, ended: bool, probability: float | None = None) -> None:
        """A piece of one of the texts."""
        if piece:
            self._waiting[text].append(self._tint(clean(piece), probability))
        self._ended[text] |= ended
        if self._now < 0:
            self._begin(0)
        while self._now < len(self._headings):
            self._write("".join(self._waiting[self._now]))
            self._waiting[self._now] = []
            if not self._ended[self._now]:
                break
            self._write("\n")
            self._say_rest()
            self._begin(self._now + 1)
        sys.stdout.flush()

    def remark(self, words: str) -> None:
        """Say something on standard error, between two texts and never in one: both may go to the same place."""
        self._unsaid.append(words)
        if not 0 <= self._now < len(self._headings):
            self._say_rest()

    def leave(self) -> None:
        """End the line that is being written."""
        if self._mid_line:
            self._write("\n")
        self._say_rest()

    def _say_rest(self) -> None:
        sys.stdout.flush()
        for words in self._unsaid:
            say(words)
        self._unsaid = []

    def _begin(self, text: int) -> None:
        self._now = text
        if text == len(self._headings):
            return
        print_heading(self._headings[text])
        self._write(_echo(self._prompts[text]))

    def _write(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            self._mid_line = not text.endswith("\n")

    def _tint(self, text: str, probability: float | None) -> str:
        if not self._tinted or probability is None:
            return text
        color = next((color for least, color in _TINTS if probability >= least), _TINTS[-1][1])
        return f"\x1b[{color}m{text}\x1b[0m"


def print_heading(heading: str) -> None:
    """What a text is, on a line of its own; nothing where there is nothing to say."""
    if heading:
        line = f"== {clean_line(heading)}"
        sys.stdout.write(f"\x1b[1m{line}\x1b[0m\n" if wants_color(sys.stdout) else f"{line}\n")


def _echo(prompt: str) -> str:
    if sys.stdout.isatty() and len(prompt) > _ECHOED:
        return clean(f"[... {len(prompt) - _ECHOED // 2:,} characters]\n{prompt[-_ECHOED // 2 :]}")
    return clean(prompt)


def print_thoughts(thoughts: Sequence[Thought], tokenizer: Tokenizer) -> None:
    """A line a token: how likely it was, how undecided the model, and what else it might have written."""
    sys.stdout.write(f"{'TOKEN':>7}  {'':<{_PIECE}} {'PROB':>6} {'ENTROPY':>8}  INSTEAD (ID)\n")
    for thought in thoughts:
        others = [(token, tokenizer.piece(token), share) for token, share in thought.alternatives]
        left = (
            f"{thought.token:>7}  {_quoted(tokenizer.piece(thought.token))} {_share(thought.probability)} "
            f"{thought.entropy:8.3f}  "
        )
        _print_row(left, others, thought.token)


def print_score(score: TextScore) -> None:
    """How much a model expected a text: totals, and a line a token."""
    totals = score.totals()
    said = [f"{totals['tokens']:,} tokens"]
    if totals["loss"] is not None:
        said.append(f"loss {totals['loss']:.4f}")
    if totals["perplexity"] is not None:
        said.append(f"perplexity {totals['perplexity']:.4f}")
    if totals["bits_per_byte"] is not None:
        said.append(f"{totals['bits_per_byte']:.4f} bits/byte")
    sys.stdout.write("  ".join(said) + "\n")
    sys.stdout.write(f"{'TOKEN':>7}  {'':<{_PIECE}} {'LOSS':>8} {'PROB':>6} {'RANK':>6} {'ENTROPY':>8}  INSTEAD (ID)\n")
    for place in range(min(len(score), _ROWS)):
        one = score[place]
        left = f"{one.token:>7}  {_quoted(one.piece)} "
        if one.loss is None or one.probability is None or one.entropy is None:
            sys.stdout.write(f"{left}{'-':>8} {'-':>6} {'-':>6} {'-':>8}  the first is not judged\n")
            continue
        left += f"{one.loss:8.4f} {_share(one.probability)} {one.rank:>6} {one.entropy:8.3f}  "
        _print_row(left, one.alternatives, one.token)
    if len(score) > _ROWS:
        sys.stdout.flush()
        say(f"{len(score) - _ROWS:,} more tokens are left out here; --json has all")


def _print_row(left: str, others: Sequence[tuple[int, str, float]], chosen: int) -> None:
    """Alternatives as many as fit a terminal; a pipe gets all."""
    width = shutil.get_terminal_size((100, 24)).columns - 1 if sys.stdout.isatty() else None
    line = left
    for token, piece, share in others:
        mark = "*" if token == chosen else ""
        part = f"{mark}{_quoted(piece, pad=False)} {100 * share:.1f}% ({token})"
        if width is not None and len(line) + len(part) > width:
            break
        line += part + "  "
    sys.stdout.write(line.rstrip() + "\n")


def _quoted(piece: str, *, pad: bool = True) -> str:
    ascii_only = not shows_unicode(sys.stdout)
    text = f"'{clean_line(piece, ascii_only=ascii_only)}'"
    return fit(text, _PIECE, ascii_only=ascii_only) if pad else text


def _share(probability: float) -> str:
    return f"{100 * probability:5.1f}%"
