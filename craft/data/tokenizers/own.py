"""A tokenizer of a person's own: made by its class method `train`, found again by "module:Class"."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from craft.config.own_code import call_own, import_named, must_be
from craft.config.schema.tokenizer import OwnTokenizer
from craft.data.tokenizers.base import Tokenizer
from craft.errors import CraftError, OwnCodeError

_GUARDED = ("encode_array", "decode", "token_bytes", "state_dict")


def train_own(config: OwnTokenizer, texts: Iterable[str], search: Path | None) -> Tokenizer:
    """The tokenizer that a person's own class makes of some texts. Raises OwnCodeError."""
    cls = import_named(config.type, "tokenizer.type", search)
    train = getattr(cls, "train", None)
    if train is None:
        raise OwnCodeError(
            f'tokenizer.type = "{config.type}" has no class method train(texts, **arguments), which makes the tokenizer'
        )
    tokenizer = call_own(train, config, "tokenizer", texts=texts)
    must_be(tokenizer, Tokenizer, config, "tokenizer")
    assert isinstance(tokenizer, Tokenizer)
    return _checked(tokenizer, config.type)


def load_own(reference: str, state: dict[str, Any], search: Path | None) -> Tokenizer:
    """The tokenizer that gave `state`, from the class "module:Class". Raises OwnCodeError."""
    cls = import_named(reference, "tokenizer.type", search)
    if not (isinstance(cls, type) and issubclass(cls, Tokenizer)):
        raise OwnCodeError(f'tokenizer.type = "{reference}" does not derive from {Tokenizer.__module__}.Tokenizer')
    return _checked(_guard(cls.from_state, reference)(state), reference)


def _checked(tokenizer: Tokenizer, reference: str) -> Tokenizer:
    """The tokenizer, with its name, its methods' errors named, and its vocabulary looked at."""
    tokenizer.reference = reference
    for name in _GUARDED:
        setattr(tokenizer, name, _guard(getattr(tokenizer, name), reference))
    size = getattr(tokenizer, "vocab_size", None)
    if not isinstance(size, int) or size < 1:
        raise OwnCodeError(f'tokenizer.type = "{reference}": its vocab_size is {size!r}, not a number of 1 or more')
    lengths = np.asarray(tokenizer.token_bytes())
    if lengths.shape != (size,):
        raise OwnCodeError(
            f'tokenizer.type = "{reference}": token_bytes() has the shape {lengths.shape}; its vocab_size of {size} '
            f"needs ({size},), the bytes of each token"
        )
    return tokenizer


def _guard(method: Callable[..., Any], reference: str) -> Callable[..., Any]:
    """The method, whose exceptions name the class they come from."""

    @functools.wraps(method)
    def guarded(*positional: Any, **named: Any) -> Any:
        try:
            return method(*positional, **named)
        except CraftError:
            raise
        except Exception as error:  # a person's own code may raise anything
            raise OwnCodeError(
                f'tokenizer.type = "{reference}": {method.__name__} raised {type(error).__name__}: {error}'
            ) from error

    return guarded
