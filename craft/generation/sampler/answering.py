"""How the sampler process answers a request that takes checkpoints: one after another, streamed, with provenance."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from craft.errors import CraftError
from craft.generation.beam_search import BeamSearch
from craft.generation.sampler.beside_training import Placement, Threads, place
from craft.generation.sampler.checkpoints_held import CheckpointsHeld, Found, Held
from craft.generation.sampler.outbox import Outbox
from craft.generation.sampler.requests import Asking, Beam, CheckpointRef, Generate, Load, PromptText, Score
from craft.generation.scoring import score_text
from craft.generation.writing import Piece, Prompt, Writing
from craft.runs import sampler_protocol as protocol
from craft.runs.folder import RunFolder
from craft.runs.sampling_settings import sample_seed

_SCORES_AT_ONCE = 500  # tokens in one message
_PROGRESS_EVERY = 0.25  # seconds
_LARGE_WAITING = 50  # messages of this kind that may wait for a slow reader


class Answering:
    """Answers one request after another, in the thread that computes."""

    def __init__(self, held: CheckpointsHeld, outbox: Outbox) -> None:
        self.held, self._outbox = held, outbox
        self._threads = Threads()

    def answer(self, asked: Asking, cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Say what comes, and give the final message. Raises what goes wrong with the only checkpoint."""
        results: list[dict[str, Any]] = []
        for number, wanted in enumerate(asked.checkpoints):
            if cancelled():
                break
            try:
                results.append(self._one(asked, number, wanted, cancelled))
            except InterruptedError:
                break
            except CraftError as error:
                if len(asked.checkpoints) == 1:
                    raise
                fault = {"kind": type(error).__name__, "message": str(error)}
                self._outbox.send(type="error", id=asked.id, checkpoint=number, **fault)
                results.append({"checkpoint": number, "error": fault})
        reason = "cancelled" if cancelled() else "finished"
        return {"type": "done", "id": asked.id, "reason": reason, "results": results}

    def _one(self, asked: Asking, number: int, wanted: CheckpointRef, cancelled: Callable[[], bool]) -> dict[str, Any]:
        """What one checkpoint answers."""
        placement = place(asked.device, _run_of(wanted))
        threads = self._threads.set(placement.threads)
        found = self.held.get(wanted, placement, asked.precision, cancelled)
        provenance = _provenance(found, placement, threads)
        self._outbox.send(
            type="loaded",
            id=asked.id,
            checkpoint=number,
            seconds=round(found.seconds, 4),
            evicted=found.evicted,
            provenance=provenance,
        )
        result: dict[str, Any] = {"checkpoint": number}
        if isinstance(asked, Load):
            result |= {"bytes": found.held.num_bytes, "seconds": round(found.seconds, 4), "evicted": found.evicted}
        elif isinstance(asked, Generate):
            result |= self._generate(asked, number, found.held, cancelled)
        elif isinstance(asked, Beam):
            result |= self._beam(asked, number, found.held, cancelled)
        elif isinstance(asked, Score):
            result |= self._score(asked, number, found.held, cancelled)
        return {**result, "provenance": provenance}

    # Kinds of requests -----------------------------------------------------------------------------------------------

    def _generate(self, asked: Generate, number: int, held: Held, cancelled: Callable[[], bool]) -> dict[str, Any]:
        settings, loaded = asked.settings, held.loaded
        started = time.perf_counter()
        first: float | None = None
        writing = Writing(
            loaded.model,
            loaded.tokenizer,
            [_prompt(prompt) for prompt in asked.prompts],
            settings,
            samples=asked.samples,
            alternatives=asked.alternatives,
            end_tokens=loaded.end_tokens,
        )
        with contextlib.closing(_generator(writing)) as pieces:
            for piece in pieces:
                if first is None:
                    first = time.perf_counter() - started
                self._outbox.piece(asked.id, number, _as_message(piece, held))
                if cancelled():
                    break
                self._outbox.wait(cancelled)
        seconds = time.perf_counter() - started
        tokens = sum(len(text.tokens) for text in writing.texts)
        return {
            "texts": [
                {
                    "prompt": text.prompt,
                    "sample": text.sample,
                    "seed": sample_seed(settings.seed, text.sample),
                    "text": text.text,
                    "tokens": len(text.tokens),
                    "ended": text.ended or "cancelled",
                    "unread": text.unread,
                    "slides": text.slides,
                }
                for text in writing.texts
            ],
            **_speed(tokens, seconds, first),
            "settings": asdict(settings),
            "samples": asked.samples,
        }

    def _beam(self, asked: Beam, number: int, held: Held, cancelled: Callable[[], bool]) -> dict[str, Any]:
        loaded = held.loaded
        started = time.perf_counter()
        first: float | None = None
        search = BeamSearch(
            loaded.model, loaded.tokenizer, _prompt(asked.prompt), asked.settings, end_tokens=loaded.end_tokens
        )
        steps = 0
        with contextlib.closing(_generator(search)) as going:
            for step in going:
                steps = step
                if first is None:
                    first = time.perf_counter() - started
                tree = search.tree
                # What came or changed in this step: whoever keeps the nodes by their id has the tree as it is.
                nodes = {"nodes": [asdict(node) for node in tree.nodes if node.step == step]} if asked.tree else {}
                beams = [beam.as_json() for beam in search.beams]
                self._outbox.send(type="beams", id=asked.id, checkpoint=number, step=step, beams=beams, **nodes)
                if cancelled():
                    break
                self._outbox.wait(cancelled, _LARGE_WAITING)
        return {
            "beams": [beam.as_json() for beam in search.results],
            "steps": steps,
            "unread": search.unread,
            "slides": search.slides,
            **({"tree": search.tree.as_json()} if asked.tree else {}),
            **_speed(steps, time.perf_counter() - started, first),
            "settings": asdict(asked.settings),
        }

    def _score(self, asked: Score, number: int, held: Held, cancelled: Callable[[], bool]) -> dict[str, Any]:
        started = told = time.perf_counter()

        def progress(judged: int, total: int) -> None:
            nonlocal told
            if cancelled():
                raise InterruptedError
            if judged < total and (now := time.perf_counter()) - told >= _PROGRESS_EVERY:
                told = now
                self._outbox.send(type="progress", id=asked.id, checkpoint=number, judged=judged, total=total)

        score = score_text(held.loaded.model, held.loaded.tokenizer, asked.text, asked.alternatives, progress=progress)
        seconds = time.perf_counter() - started
        known: set[int] = set()
        for begin in range(0, len(score), _SCORES_AT_ONCE):
            if cancelled():
                break
            end = begin + _SCORES_AT_ONCE
            pieces = {str(token): piece for token, piece in score.pieces(begin, end).items() if token not in known}
            known |= set(map(int, pieces))
            columns = score.columns(begin, end)
            self._outbox.send(type="scores", id=asked.id, checkpoint=number, begin=begin, pieces=pieces, **columns)
            self._outbox.wait(cancelled, _LARGE_WAITING)
        return {**score.totals(), "seconds": round(seconds, 4)}


def _run_of(wanted: CheckpointRef) -> RunFolder | None:
    """The run that a checkpoint is of: it may be training, with no slot that says so."""
    if wanted.at:
        return RunFolder(wanted.place)
    candidates = (wanted.place, *list(wanted.place.parents)[:2])
    try:
        return next((RunFolder(folder) for folder in candidates if (folder / "run.json").is_file()), None)
    except OSError:  # a name that is too long, a folder that may not be read: whoever loads it says so
        return None


def _generator(several: Any) -> Any:
    """Of something to iterate over: closed, it leaves the model as it was."""
    return iter(several)


def _prompt(given: PromptText) -> Prompt:
    return Prompt(given.text, given.tokens)


def _as_message(piece: Piece, held: Held) -> protocol.Piece:
    made: protocol.Piece = {
        "prompt": piece.prompt,
        "sample": piece.sample,
        "token": piece.token,
        "piece": held.piece(piece.token),
        "text": piece.text,
        "ended": piece.ended,
    }
    if (thought := piece.thought) is not None:
        made["probability"], made["entropy"] = thought.probability, thought.entropy
        made["alternatives"] = [
            {"token": token, "piece": held.piece(token), "probability": share} for token, share in thought.alternatives
        ]
    return made


def _speed(tokens: int, seconds: float, first: float | None) -> dict[str, Any]:
    """Of the writing of one checkpoint, the reading of the prompts and their first tokens included."""
    return {
        "tokens": tokens,
        "seconds": round(seconds, 4),
        "first_token_seconds": None if first is None else round(first, 4),
        "tokens_per_second": round(tokens / seconds, 1) if tokens else None,
    }


def _provenance(found: Found, placement: Placement, threads: int) -> protocol.Provenance:
    held = found.held
    loaded = held.loaded
    return {
        "path": str(loaded.path),
        "run": loaded.run,
        "step": loaded.step,
        "source": loaded.source,
        "precision": held.precision,
        "device": placement.device,
        "why_device": placement.why,
        "threads": threads,
        "parameters": held.parameters,
        "vocab_size": loaded.model.vocab_size,
        "context_length": loaded.context_length,
        "torch": torch.__version__,
        "remarks": found.remarks,
    }
