"""What `craft tokenizer inspect` shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from craft.cli.tokenizer_sources import Found
from craft.text import clean_line, shorten, shows_unicode, wants_color, width_of

_WIDTH = 80  # columns of what is printed; a pipe and a wide screen get the same
_LABEL = 12  # of these, for the words on the left
_LONGEST = 12  # tokens that are named for their length
_SHOWN = 400  # tokens of a text that are drawn
# Black on four colours in turn, which a person's own palette draws: two of them side by side differ on any.
_COLORS = ("\x1b[30;46m", "\x1b[30;43m", "\x1b[30;45m", "\x1b[30;42m")


class Report:
    """A tokenizer, the text it was made for, and a text taken apart."""

    def __init__(self, found: Found, text: str | None) -> None:
        from craft.data.tokenizers.report import longest_tokens, text_figures

        self.found, self.tokenizer = found, found.tokenizer
        self.lengths = self.tokenizer.token_bytes()
        self.text = found.sample() if text is None else text
        self.longest = longest_tokens(self.tokenizer, _LONGEST)
        self.figures = text_figures(self.tokenizer, self.text) if self.text else None

    def records(self) -> Iterator[dict[str, Any]]:
        """One object about all of it, and one with the tokens."""
        tokenizer, figures = self.tokenizer, self.figures
        yield {
            "kind": "tokenizer",
            "of": self.found.title,
            "tokenizer": tokenizer.reference or tokenizer.type,
            "vocab_size": tokenizer.vocab_size,
            "lossy": tokenizer.lossy or None,
            "longest": [
                {"id": token, "piece": tokenizer.piece(token), "bytes": int(self.lengths[token])}
                for token in self.longest
            ],
            "corpus": self._corpus(),
            "text": figures
            and {
                "tokens": len(figures.ids),
                "bytes": figures.num_bytes,
                "words": figures.num_words,
                "bytes_per_token": figures.bytes_per_token,
                "tokens_per_word": figures.tokens_per_word,
                "tokens_used": figures.num_used,
                "unknown": figures.unknown,
            },
        }
        if figures:
            yield {"kind": "tokens", "ids": figures.ids, "pieces": [tokenizer.piece(token) for token in figures.ids]}

    def _corpus(self) -> dict[str, Any] | None:
        """What the text it was made for amounts to."""
        meta = self.found.meta
        if meta is None:
            return None
        from craft.data.datasets import count_tokens
        from craft.data.prepare import read_tokens

        counts = count_tokens(read_tokens(meta), self.tokenizer.vocab_size)
        return {
            "source": meta.source,
            "bytes": meta.num_bytes,
            "tokens": meta.num_tokens,
            "bytes_per_token": meta.num_bytes / meta.num_tokens,
            "tokens_used": int((counts > 0).sum()),
        }

    def lines(self, stream: IO[str]) -> Iterator[str]:
        """The same for a person, in colour where `stream` shows it."""
        self.ascii_only = not shows_unicode(stream)
        tokenizer, figures, corpus = self.tokenizer, self.figures, self._corpus()
        kind = tokenizer.reference or tokenizer.type
        yield self._shown(f"{self.found.title}: {kind}, {tokenizer.vocab_size:,} tokens", _WIDTH)
        yield self._labelled("comes back", f"not all: {tokenizer.lossy}" if tokenizer.lossy else "every text it reads")
        longest = [self._visible(token) for token in self.longest]
        yield self._labelled("longest", " ".join(f"'{piece}'" for piece in longest))
        if corpus:
            yield self._labelled("made for", corpus["source"])
            yield from self._sums(corpus["tokens"], corpus["bytes"], corpus["tokens_used"])
        if not figures:
            return
        yield self._labelled("this text", f"{len(self.text):,} characters")
        yield from self._sums(len(figures.ids), figures.num_bytes, figures.num_used, figures.tokens_per_word)
        unknown = " ".join(map(repr, figures.unknown[:12])) + (" ..." if len(figures.unknown) > 12 else "")
        yield self._labelled("unknown", f"{len(figures.unknown):,} different: {unknown}" if unknown else "no character")
        yield ""
        yield from self._drawn(figures.ids[:_SHOWN], wants_color(stream))
        if len(figures.ids) > _SHOWN:
            yield f"... and {len(figures.ids) - _SHOWN:,} more"

    def _sums(self, tokens: int, num_bytes: int, used: int, a_word: float | None = None) -> Iterator[str]:
        yield self._labelled("", f"{tokens:,} tokens of {num_bytes:,} bytes")
        rates = [f"{num_bytes / tokens:.2f} bytes a token"] if tokens else []
        rates += [f"{a_word:.2f} tokens a word"] if a_word else []
        yield self._labelled("", ", ".join([*rates, f"{used / self.tokenizer.vocab_size:.1%} of the vocabulary"]))

    def _drawn(self, ids: list[int], color: bool) -> Iterator[str]:
        """The pieces side by side, in turning colours or with strokes between them; a line's end ends the line."""
        between = "" if color else "|" if self.ascii_only else "\N{BOX DRAWINGS LIGHT VERTICAL}"
        line, width = "", 0
        for number, token in enumerate(ids):
            piece = self._visible(token)
            space = width_of(piece) + len(between)
            if width and width + space > _WIDTH:
                yield line
                line, width = "", 0
            line += f"{_COLORS[number % len(_COLORS)]}{piece}\x1b[0m" if color else piece + between
            width += space
            if self.tokenizer.piece(token).endswith("\n"):
                yield line
                line, width = "", 0
        if line:
            yield line

    def _visible(self, token: int) -> str:
        """A piece with its controls as marks. Blanks stay: the colour, or the stroke, shows how far they go."""
        return clean_line(self.tokenizer.piece(token), ascii_only=self.ascii_only)

    def _shown(self, text: str, width: int) -> str:
        return shorten(text, width, ascii_only=self.ascii_only)

    def _labelled(self, label: str, text: str) -> str:
        return f"  {label:<{_LABEL}}{self._shown(text, _WIDTH - _LABEL - 2)}"
