"""What the sampler process answers: what its document shows, and what the library writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from craft.runs.sampler_client import Sampler
from tests.children import ROOT
from tests.generation.sampler.asking import Message, ask, error, of_type, result, text_of


def matches(wanted: Any, found: Any) -> bool:
    """Whether a message is what the document shows; "..." is anything, and an empty list of beams too."""
    if wanted == "...":
        return True
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(matches(value, found[name]) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(matches, wanted, found))
    return bool(wanted == found)


@pytest.mark.usefixtures("forked_samplers")
def test_the_conversation_in_the_document_is_what_is_said(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "sampler.md").read_text()
    (transcript,) = re.findall(r"```transcript\n(.*?)```", text, re.DOTALL)
    lines = [(line[0], json.loads(line[2:])) for line in transcript.splitlines()]
    assert len(lines) > 20
    monkeypatch.chdir(trained)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with Sampler() as sampler:
        waiting: list[Message] = []
        for mark, message in lines:
            if mark == ">":
                assert not waiting, waiting
                sampler.send(**message)
                continue
            while not waiting or (waiting[-1]["type"] == "pieces" and not waiting[-1]["pieces"][-1]["ended"]):
                got = sampler.receive(30)
                assert got is not None
                if got["type"] == "pieces" and waiting:
                    waiting[-1]["pieces"] += got["pieces"]  # they come together or apart
                else:
                    waiting.append(got)
            assert matches(message, found := waiting.pop(0)), f"{message}\n{found}"


def test_pieces_are_the_text_and_the_same_seed_gives_the_same(shared: Sampler, run: str) -> None:
    request = {"checkpoint": {"run": run}, "prompts": ["a", "bad "], "samples": 2, "settings": {"max_new_tokens": 30}}
    messages = ask(shared, type="generate", alternatives=3, **request)
    texts = messages[-1]["results"][0]["texts"]
    assert [(text["prompt"], text["sample"], text["seed"]) for text in texts] == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 0),
        (1, 1, 1),
    ]
    pieces = [piece for message in of_type(messages, "pieces") for piece in message["pieces"]]
    for text in texts:
        mine = [p for p in pieces if (p["prompt"], p["sample"]) == (text["prompt"], text["sample"])]
        assert "".join(piece["text"] for piece in mine) == text["text"]
        assert len(mine) == text["tokens"] == 30
        assert [piece["ended"] for piece in mine] == [""] * 29 + ["length"]
        assert text["slides"] > 0, "the context is 16"
        for piece in mine:
            assert len(piece["alternatives"]) == 3
            assert 0 < piece["probability"] <= piece["alternatives"][0]["probability"]
    single = result(
        shared, type="generate", checkpoint={"run": run}, prompt="bad ", settings={"max_new_tokens": 30, "seed": 1}
    )
    assert single["texts"][0]["text"] == texts[3]["text"]


def test_another_alternative_is_gone_on_from(shared: Sampler, run: str) -> None:
    settings = {"max_new_tokens": 10, "seed": 3}
    messages = ask(shared, type="generate", checkpoint={"run": run}, prompt="a", settings=settings)
    tokens = [piece["token"] for message in of_type(messages, "pieces") for piece in message["pieces"]]
    whole = messages[-1]["results"][0]["texts"][0]["text"]
    prompt = {"text": "a", "tokens": tokens[:4]}
    rest = text_of(shared, checkpoint={"run": run}, prompt=prompt, settings={**settings, "max_new_tokens": 6})
    assert rest == whole[4:]
    assert "outside the vocabulary" in error(
        shared, type="generate", checkpoint={"run": run}, prompt={"text": "a", "tokens": [5000]}
    )


def test_several_checkpoints_answer_the_same_in_turn(shared: Sampler, run: str) -> None:
    checkpoints_ = [{"run": run, "at": 30}, {"run": run, "at": 7}, {"run": run, "at": 40}]
    messages = ask(shared, type="generate", checkpoints=checkpoints_, prompt="a", settings={"max_new_tokens": 5})
    final = messages[-1]
    assert [one["checkpoint"] for one in final["results"]] == [0, 1, 2]
    assert [final["results"][place]["provenance"]["step"] for place in (0, 2)] == [30, 40]
    assert "no checkpoint of step 7; there are: 30, 35, 40" in final["results"][1]["error"]["message"]
    assert [message["checkpoint"] for message in of_type(messages, "error")] == [1]
    assert {message["checkpoint"] for message in of_type(messages, "pieces")} == {0, 2}
    first = text_of(shared, checkpoint={"run": run, "at": 30}, prompt="a", settings={"max_new_tokens": 5})
    assert final["results"][0]["texts"][0]["text"] == first


def test_a_beam_search_sends_a_tree_that_can_be_put_together(shared: Sampler, run: str) -> None:
    settings = {"max_new_tokens": 6, "width": 3, "num_results": 2}
    messages = ask(shared, type="beam", checkpoint={"run": run}, prompt="a", tree=True, settings=settings)
    nodes: dict[int, Message] = {}
    for message in of_type(messages, "beams"):
        nodes |= {node["id"]: node for node in message["nodes"]}
    final = messages[-1]["results"][0]
    assert [nodes[number] for number in sorted(nodes)] == final["tree"]["nodes"]
    assert len(final["beams"]) == 2
    assert final["beams"][0]["score"] >= final["beams"][1]["score"]
    greedy = text_of(shared, checkpoint={"run": run}, prompt="a", settings={"max_new_tokens": 6, "temperature": 0})
    single = result(
        shared, type="beam", checkpoint={"run": run}, prompt="a", settings={"max_new_tokens": 6, "width": 1}
    )
    assert single["beams"][0]["text"] == greedy
