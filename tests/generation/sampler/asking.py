"""Asking a sampler process, and what it answered."""

from __future__ import annotations

from typing import Any

from craft.runs.sampler_client import Sampler

Message = dict[str, Any]


def ask(sampler: Sampler, **message: Any) -> list[Message]:
    return list(sampler.ask(**message))


def result(sampler: Sampler, **message: Any) -> Message:
    """The result of a request with one checkpoint."""
    final = ask(sampler, **message)[-1]
    assert final["type"] == "done", final
    only: Message = final["results"][0]
    return only


def text_of(sampler: Sampler, **message: Any) -> str:
    return str(result(sampler, type="generate", **message)["texts"][0]["text"])


def error(sampler: Sampler, **message: Any) -> str:
    final = ask(sampler, **message)[-1]
    assert final["type"] == "error", final
    assert "where" not in final, final
    return str(final["message"])


def of_type(messages: list[Message], kind: str) -> list[Message]:
    return [message for message in messages if message["type"] == kind]
