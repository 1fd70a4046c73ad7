"""Models that write by themselves: a `generate()` of their own, as those of the transformers library have.

What it is called with: `generate(input_ids, max_new_tokens=..., ...)`, input_ids (1, T) int64, and it gives
(1, T + new), the prompt and what follows it.

Letters: B sequences, which is one, T tokens.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from craft.errors import OwnCodeError, UsageError
from craft.models.hf import quiet
from craft.runs.sampling_settings import SamplingSettings

FIELDS = tuple(field.name for field in dataclasses.fields(SamplingSettings))
_OFF: dict[str, float] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
_PENALTIES: dict[str, float] = {"repetition_penalty": 1.0, "frequency_penalty": 0.0}


class OwnGenerate:
    """The `generate()` of a model, asked in Craft's terms."""

    def __init__(self, model: Any) -> None:
        self.model, self.name = model, f"{type(model).__name__}.generate()"
        parameters = inspect.signature(model.generate).parameters.values()
        self._named = {p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        self._takes_others = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._library = getattr(model, "generation_config", None)  # transformers': what it is not told stands there

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens with which the model says that it is done, where it has such."""
        ends = getattr(self._library, "eos_token_id", None)
        return frozenset(end for end in (ends if isinstance(ends, list) else [ends]) if isinstance(end, int))

    def arguments(self, settings: SamplingSettings, given: frozenset[str], others: dict[str, Any]) -> dict[str, Any]:
        """What it is called with. given: the settings that were chosen, by name; others: settings of its own.

        Raises UsageError for one that it does not take.
        """
        chosen: dict[str, Any] = {"max_new_tokens": settings.max_new_tokens}
        values = {name: getattr(settings, name) for name in _OFF | _PENALTIES}
        if settings.temperature == 0:
            chosen |= self._always_the_likeliest("temperature" in given)
        else:
            if self._is_named("do_sample") or (self._takes_others and given & _OFF.keys()):
                chosen["do_sample"] = True
            chosen |= {name: values[name] for name in _OFF if self._wanted(name, values[name], _OFF[name], given)}
        chosen |= {n: values[n] for n in _PENALTIES if self._wanted(n, values[n], _PENALTIES[n], given)}
        chosen |= others
        if strange := [name for name in chosen if not self._takes(name)]:
            known = ", ".join(name for name in self._named if name not in ("self", "inputs", "input_ids")) or "none"
            hint = "" if self._library is not None else f"; those that it has: {known}"
            raise UsageError(f"{self.name} of this model does not take {', '.join(strange)}; leave it out{hint}")
        # Where "off" is spelled None, as nanoGPT does, 0 may mean something else.
        spelled_none = [n for n, off in _OFF.items() if chosen.get(n) == off and self._named.get(n, off) is None]
        return {**chosen, **dict.fromkeys(spelled_none)}

    def _is_named(self, name: str) -> bool:
        return name in self._named or (self._library is not None and hasattr(self._library, name))

    def _takes(self, name: str) -> bool:
        return self._is_named(name) or (self._takes_others and self._library is None)

    def _wanted(self, name: str, value: float, off: float, given: frozenset[str]) -> bool:
        """Whether a setting is said: one that was chosen, and all to a library that would put in its own."""
        if self._library is not None:
            return value != off or (self._is_named(name) and name != "min_p")
        return value != off or (name in given and self._takes(name))

    def _always_the_likeliest(self, was_asked: bool) -> dict[str, Any]:
        if self._is_named("do_sample"):
            return {"do_sample": False}
        if "top_k" in self._named:
            return {"top_k": 1}  # a temperature of 0 would be divided by
        if "temperature" in self._named or (was_asked and not self._takes_others):
            raise UsageError(
                f"{self.name} of this model has no way to take the likeliest token always (temperature 0): no "
                "do_sample and no top_k; give a temperature above 0"
            )
        return {"do_sample": False, "temperature": 0.0} if was_asked else {}

    # Calling it -----------------------------------------------------------------------------------------------------

    def tokens(self, ids: list[int], arguments: dict[str, Any], seed: int) -> Generator[int]:
        """What follows some tokens: one by one as they come from a model of the transformers library, else all at
        once. Draws from torch's global generator, and leaves it as it was. Raises OwnCodeError when the call fails."""
        beams = arguments.get("num_beams", getattr(self._library, "num_beams", None))
        if self._library is not None and "streamer" in self._named and beams in (None, 1):
            yield from self._streamed(ids, arguments, seed)
            return
        made = self._call(ids, arguments, seed)
        made = getattr(made, "sequences", made)
        row = made.tolist() if isinstance(made, Tensor) else made
        if isinstance(row, list | tuple) and len(row) == 1 and isinstance(row[0], list | Tensor):
            row = row[0].tolist() if isinstance(row[0], Tensor) else row[0]
        if not isinstance(row, list) or not all(isinstance(token, int) for token in row) or row[: len(ids)] != ids:
            shape = f"a tensor of shape {tuple(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
            raise OwnCodeError(
                f"{self.name} gave {shape}; it must give the tokens of the prompt and of what follows it, of shape "
                f"(1, {len(ids)} + new)"
            )
        yield from row[len(ids) : len(ids) + arguments["max_new_tokens"]]

    def _call(self, ids: list[int], arguments: dict[str, Any], seed: int) -> Any:
        device = self._device()
        row = torch.tensor([ids], dtype=torch.int64, device=device)  # (1, T)
        extra: dict[str, Any] = {}
        if self._library is not None:
            extra["attention_mask"] = torch.ones_like(row)
            if getattr(self._library, "pad_token_id", None) is None:
                extra["pad_token_id"] = min(self.end_tokens, default=0)
        cuda = [device] if device.type == "cuda" else []
        calm = quiet() if self._library is not None else contextlib.nullcontext()
        with _evaluating(self.model), torch.no_grad(), torch.random.fork_rng(devices=cuda), calm:
            torch.manual_seed(seed)
            try:
                return self.model.generate(row, **arguments, **extra)
            except Exception as error:  # it is someone else's code, and fails in its own way
                text = str(error).strip().partition("\n")[0]
                longest = getattr(getattr(self.model, "config", None), "max_position_embeddings", None)
                room = len(ids) + arguments["max_new_tokens"]
                beyond = isinstance(longest, int) and room > longest
                hint = f"; {room:,} tokens are more than its {longest:,} positions" if beyond else ""
                raise OwnCodeError(f"{self.name} failed: {type(error).__name__}: {text}{hint}") from error

    def _device(self) -> torch.device:
        if isinstance(device := getattr(self.model, "device", None), torch.device):
            return device
        parameters = self.model.parameters() if isinstance(self.model, nn.Module) else iter(())
        some = next(parameters, None)
        return torch.device("cpu") if some is None else some.device

    def _streamed(self, ids: list[int], arguments: dict[str, Any], seed: int) -> Generator[int]:
        """It writes in a thread, which is told to end when nobody listens any more."""
        from transformers import StoppingCriteriaList

        streamer, given_up = _Streamer(), threading.Event()

        def is_over(tokens: Tensor, _: Any, **__: Any) -> Tensor:
            return torch.full((tokens.shape[0],), given_up.is_set(), device=tokens.device)

        own = arguments.get("stopping_criteria") or []
        told = {**arguments, "streamer": streamer, "stopping_criteria": StoppingCriteriaList([*own, is_over])}

        def write() -> None:
            try:
                self._call(ids, told, seed)
            except Exception as error:
                streamer.came.put(error)
            finally:
                streamer.came.put(None)

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            while (came := streamer.came.get()) is not None:
                if isinstance(came, Exception):
                    raise came
                yield from came
        finally:
            given_up.set()
            thread.join()


class _Streamer:
    """What the library gives tokens to: the prompt first, then one after another."""

    def __init__(self) -> None:
        self.came: queue.SimpleQueue[list[int] | Exception | None] = queue.SimpleQueue()
        self._prompt_came = False

    def put(self, tokens: Tensor) -> None:
        """Take the prompt, which is known, or what follows it."""
        if self._prompt_came:
            self.came.put(tokens.flatten().tolist())
        self._prompt_came = True

    def end(self) -> None:
        """Nothing: the end of the call says it."""


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Inside, dropout is off."""
    was_training = isinstance(model, nn.Module) and model.training
    if was_training:
        model.eval()
    try:
        yield
    finally:
        if was_training:
            model.train()


def own_generate(model: Any) -> Callable[..., Any] | None:
    """A model's own `generate`; None where it has none."""
    found = getattr(model, "generate", None)
    return found if callable(found) else None
